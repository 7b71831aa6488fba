"""The smallest network that keeps its accuracy: bits and formats chosen layer by layer."""
