"""Element-wise functions as ONNX nodes."""

from __future__ import annotations

import numpy as np

from hlsgen.train.onnx_nodes import Writer
from hlsgen.train.operators import Elementwise, Function


def write_function(writer: Writer, name: str, operator: Elementwise, x: str) -> str:
    """Add the nodes of a function of `x`; the name of its result."""
    match operator.function:
        case Function.CLIP:
            return _clip(writer, name, x, *operator.parameters)
        case Function.LEAKY_RELU:
            return writer.node("LeakyRelu", name, x, alpha=operator.parameters[0])
        case Function.HARD_SIGMOID:
            return _hard_sigmoid(writer, name, x)
        case Function.HARD_SWISH:
            return writer.node("Mul", name, x, _hard_sigmoid(writer, f"{name}.gate", x))
        case Function.SILU:
            return writer.node("Mul", name, x, writer.node("Sigmoid", f"{name}.gate", x))
        case Function.RELU | Function.SIGMOID | Function.TANH:
            return writer.node(operator.function.capitalize(), name, x)


def _number(writer: Writer, name: str, value: float) -> str:
    return writer.constant(name, np.array(value, np.float32))


def _clip(writer: Writer, name: str, x: str, low: float, high: float) -> str:
    bounds = [_number(writer, f"{name}.{k}", v) for k, v in (("low", low), ("high", high))]
    return writer.node("Clip", name, x, *bounds)


def _hard_sigmoid(writer: Writer, name: str, x: str) -> str:
    """min(max(x + 3, 0), 6) / 6, which ONNX's own operator has a rounded constant for."""
    moved = writer.node("Add", f"{name}.moved", x, _number(writer, f"{name}.three", 3.0))
    clipped = _clip(writer, f"{name}.clipped", moved, 0.0, 6.0)
    return writer.node("Div", name, clipped, _number(writer, f"{name}.six", 6.0))
