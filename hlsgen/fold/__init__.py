"""Folding under a board's budget: how many products each layer makes a clock, and by what."""
