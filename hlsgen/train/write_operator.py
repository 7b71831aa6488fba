"""One operator of a network as ONNX nodes."""

from __future__ import annotations

from typing import assert_never

import numpy as np
import torch
from torch import Tensor, fx, nn

from hlsgen.train.layers import BatchNorm, QuantisedNorm, QuantisedProduct, Weighted, affine_of
from hlsgen.train.onnx_nodes import Writer
from hlsgen.train.operators import (
    Add,
    AveragePool,
    Concat,
    Elementwise,
    Function,
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


def write(writer: Writer, node: fx.Node, operator: Operator, sources: list[str]) -> str:
    """Add the nodes of `operator`; the name of its result."""
    name = node.name
    match operator:
        case Product(module):
            return _product(writer, node, module, sources[0])
        case Norm(module):
            return _norm(writer, node, module, sources[0])
        case Quantisation(module):
            assert isinstance(module, Quantiser)
            return writer.quant(name, sources[0], module.grid())
        case Elementwise(function, parameters):
            return _function(writer, name, function, parameters, sources[0])
        case Add():
            return writer.node("Add", name, sources[0], sources[-1])
        case Concat(axis):
            return writer.node("Concat", name, *sources, axis=axis)
        case MaxPool(window):
            attributes = {"dilations": list(window.dilation), "ceil_mode": int(window.ceil)}
            return writer.node("MaxPool", name, sources[0], **_places(window), **attributes)
        case AveragePool(window, counted):
            attributes = {"count_include_pad": int(counted)}
            return writer.node("AveragePool", name, sources[0], **_places(window), **attributes)
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


def _places(window: Window) -> dict[str, list[int]]:
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


def _function(
    writer: Writer, name: str, function: Function, parameters: tuple[float, ...], x: str
) -> str:
    def number(role: str, value: float) -> str:
        return writer.constant(f"{name}.{role}", np.float32(value).reshape(()))

    def clip(made: str, of: str, low: float, high: float) -> str:
        return writer.node("Clip", made, of, number("low", low), number("high", high))

    def hard_sigmoid(made: str) -> str:
        moved = writer.node("Add", f"{name}.moved", x, number("three", 3.0))
        return writer.node(
            "Div", made, clip(f"{name}.clipped", moved, 0.0, 6.0), number("six", 6.0)
        )

    match function:
        case Function.RELU:
            return writer.node("Relu", name, x)
        case Function.CLIP:
            return clip(name, x, *parameters)
        case Function.LEAKY_RELU:
            return writer.node("LeakyRelu", name, x, alpha=parameters[0])
        case Function.SIGMOID:
            return writer.node("Sigmoid", name, x)
        case Function.TANH:
            return writer.node("Tanh", name, x)
        case Function.HARD_SIGMOID:
            return hard_sigmoid(name)
        case Function.HARD_SWISH:
            return writer.node("Mul", name, x, hard_sigmoid(f"{name}.gate"))
        case Function.SILU:
            return writer.node("Mul", name, x, writer.node("Sigmoid", f"{name}.gate", x))


def _product(writer: Writer, node: fx.Node, module: nn.Module, x: str) -> str:
    name = node.name
    match module:
        case QuantisedProduct():
            layer = module.inner
            grid = module.weight_quantiser.grid()
            w = writer.quant(
                f"{name}.weight",
                writer.numbers(f"{name}.weight.values", module.weight(torch.float64)),
                grid,
            )
            bias, quantiser = module.bias(torch.float64), module.bias_quantiser
            b = None
            if bias is not None and quantiser is not None:
                values = writer.numbers(f"{name}.bias.values", bias)
                b = writer.quant(f"{name}.bias", values, quantiser.grid())
        case nn.Linear() | nn.Conv1d() | nn.Conv2d():
            layer = module
            w = writer.numbers(f"{name}.weight", layer.weight)
            b = None if layer.bias is None else writer.numbers(f"{name}.bias", layer.bias)
        case _:
            raise AssertionError(module)
    assert isinstance(layer, Weighted)
    return _weighted(writer, node, layer, (x, w, *([b] if b else [])))


def _weighted(writer: Writer, node: fx.Node, layer: Weighted, inputs: tuple[str, ...]) -> str:
    name = node.name
    if isinstance(layer, nn.Linear):
        if len(node.meta["shape"]) == 2:
            return writer.node("Gemm", name, *inputs, transB=1)
        w = writer.node("Transpose", f"{name}.transposed", inputs[1], perm=[1, 0])
        if len(inputs) == 2:
            return writer.node("MatMul", name, inputs[0], w)
        made = writer.node("MatMul", f"{name}.product", inputs[0], w)
        return writer.node("Add", name, made, inputs[2])
    return writer.node(
        "Conv",
        name,
        *inputs,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        group=layer.groups,
        pads=_pads(layer),
    )


def _pads(layer: nn.Conv1d | nn.Conv2d) -> list[int]:
    match layer.padding:
        case "valid":
            return [0] * 2 * len(layer.kernel_size)
        case "same":
            total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
            return [t // 2 for t in total] + [t - t // 2 for t in total]
        case padding:
            return [int(p) for p in padding] * 2


def _norm(writer: Writer, node: fx.Node, module: nn.Module, x: str) -> str:
    name = node.name
    shape = (-1, *[1] * (len(node.meta["shape"]) - 2))

    def value(role: str, numbers: Tensor, quantiser: Quantiser | None) -> str:
        if quantiser is None:
            return writer.numbers(f"{name}.{role}", numbers.reshape(shape))
        values = writer.numbers(f"{name}.{role}.values", numbers.reshape(shape))
        grid = quantiser.grid()
        return writer.quant(
            f"{name}.{role}", values, grid, shape if grid.scale.ndim else None
        )  # fmt: skip

    match module:
        case QuantisedNorm():
            a, b = module.numbers(torch.float64)
            factor = value("factor", a, module.factor_quantiser)
            offset = value("offset", b, module.offset_quantiser)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            assert isinstance(module, BatchNorm)
            a, b = affine_of(module)
            factor, offset = value("factor", a, None), value("offset", b, None)
        case _:
            raise AssertionError(module)
    scaled = writer.node("Mul", f"{name}.scaled", x, factor)
    return writer.node("Add", name, scaled, offset)
