"""Quantisers of QKeras: what they make of weights, and the nodes that make it of activations."""
