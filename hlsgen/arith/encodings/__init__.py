"""Weights as codes that a streamed unit multiplies by without a multiplier, one encoding a file."""
