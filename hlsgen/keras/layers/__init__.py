"""Builders of layers, by the class names that files say."""
