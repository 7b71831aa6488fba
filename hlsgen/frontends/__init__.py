"""Readers: a model file to model operators, no decision taken."""

from hlsgen.frontends.onnx import read_model

__all__ = ["read_model"]
