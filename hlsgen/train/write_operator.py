"""One operator of a network as ONNX nodes."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from torch import fx

from hlsgen.train.onnx_nodes import Writer
from hlsgen.train.operators import (
    Add,
    AveragePool,
    Concat,
    Elementwise,
    GlobalAveragePool,
    Input,
    MaxPool,
    Norm,
    Operator,
    Output,
    Product,
    Quantisation,
    Reshape,
    Same,
    Size,
    Window,
)
from hlsgen.train.quantisers.quantiser import Quantiser
from hlsgen.train.write_function import write_function
from hlsgen.train.write_layers import write_norm, write_product


def write(  # noqa: C901 - one case an operator
    writer: Writer, node: fx.Node, operator: Operator, sources: list[str]
) -> str:
    """Add the nodes of `operator`; the name of its result."""
    name = node.name
    match operator:
        case Product(module):
            return write_product(writer, node, module, sources[0])
        case Norm(module):
            return write_norm(writer, node, module, sources[0])
        case Quantisation(module):
            assert isinstance(module, Quantiser)
            return writer.quant(name, sources[0], module.grid())
        case Elementwise():
            return write_function(writer, name, operator, sources[0])
        case Add():
            return writer.node("Add", name, sources[0], sources[-1])
        case Concat(axis):
            return writer.node("Concat", name, *sources, axis=axis)
        case MaxPool(window):
            places: dict[str, Any] = {**_places(window), "dilations": list(window.dilation)}
            return writer.node("MaxPool", name, sources[0], ceil_mode=int(window.ceil), **places)
        case AveragePool(window, counted):
            places: dict[str, Any] = {**_places(window), "count_include_pad": int(counted)}
            return writer.node("AveragePool", name, sources[0], **places)
        case GlobalAveragePool(keep):
            return _global_mean(writer, node, keep, sources[0])
        case Reshape():
            return _reshape(writer, node, sources[0])
        case Same():
            return sources[0]
        case Input() | Output() | Size():
            raise AssertionError(operator)
        case _:
            assert_never(operator)


def _places(window: Window) -> dict[str, Any]:
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": list(window.padding) * 2,
    }


def _reshape(writer: Writer, node: fx.Node, x: str, name: str = "") -> str:
    shape = np.array([0, *node.meta["shape"][1:]], np.int64)  # 0: the batch as it comes
    name = name or node.name
    return writer.node("Reshape", name, x, writer.constant(f"{name}.shape", shape))


def _global_mean(writer: Writer, node: fx.Node, keep: bool, x: str) -> str:
    pooled = f"{node.name}.pooled"
    if keep:
        return writer.node("GlobalAveragePool", node.name, x)
    return _reshape(writer, node, writer.node("GlobalAveragePool", pooled, x))
