"""Layers with parameters as ONNX nodes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, fx, nn

from hlsgen.train.grid import Grid
from hlsgen.train.layers import BatchNorm, QuantisedNorm, QuantisedProduct, Weighted, affine_of
from hlsgen.train.onnx_nodes import Writer
from hlsgen.train.precision_gate import GatedProduct
from hlsgen.train.quantisers.quantiser import Quantiser


def write_product(writer: Writer, node: fx.Node, module: nn.Module, x: str) -> str:
    """Add a linear layer or convolution, its parameters quantised or not; the name of its sums."""
    name = node.name
    match module:
        case GatedProduct():
            return _gated(writer, node, module, x)
        case QuantisedProduct():
            return _weighted(
                writer, node, module.inner, name, x, *_parameters(writer, name, module)
            )
        case nn.Linear() | nn.Conv1d() | nn.Conv2d():
            w = writer.numbers(f"{name}.weight", module.weight)
            b = None if module.bias is None else writer.numbers(f"{name}.bias", module.bias)
            return _weighted(writer, node, module, name, x, w, b)
        case _:
            raise AssertionError(module)


def _parameters(writer: Writer, name: str, module: QuantisedProduct) -> tuple[str, str | None]:
    """Weights and bias behind their quantisers."""
    grid = module.weight_quantiser.grid(module.inner.weight)
    values = writer.numbers(f"{name}.weight.values", module.weight(torch.float64))
    w = writer.quant(f"{name}.weight", values, grid)
    bias = module.bias(torch.float64)
    if bias is None or module.bias_quantiser is None:
        return w, None
    values = writer.numbers(f"{name}.bias.values", bias)
    return w, writer.quant(f"{name}.bias", values, module.bias_quantiser.grid())


def _gated(writer: Writer, node: fx.Node, module: GatedProduct, x: str) -> str:
    """Both sums of bipolar codes, the gate between them."""
    name, step = node.name, module.input_quantiser.grid().scale
    w, b = _parameters(writer, name, module)
    three = writer.numbers(f"{name}.three_steps", 3 * step)
    u = writer.quant(
        f"{name}.u", writer.node("Add", f"{name}.moved", x, three), Grid(2 * step, 0, 3)
    )
    value = writer.node("Sub", f"{name}.input", u, three)
    high = writer.bipolar(f"{name}.high", value, 2 * step)
    low = writer.bipolar(f"{name}.low", writer.node("Sub", f"{name}.difference", value, high), step)
    most = _weighted(writer, node, module.inner, f"{name}.most", high, w, None)
    rest = _weighted(writer, node, module.inner, f"{name}.rest", low, w, None)
    shape = (-1, *[1] * (len(node.meta["shape"]) - 2))
    threshold = writer.numbers(f"{name}.threshold", module.threshold.reshape(shape))
    gate = writer.node("Greater", f"{name}.gate", most, threshold)
    zero = writer.constant(f"{name}.zero", np.zeros((), np.float32))
    gated = writer.node("Where", f"{name}.gated", gate, rest, zero)
    if b is None:
        return writer.node("Add", name, most, gated)
    total = writer.node("Add", f"{name}.total", most, gated)
    ready = writer.constant(f"{name}.bias.shape", np.array(shape, np.int64))
    return writer.node("Add", name, total, writer.node("Reshape", f"{name}.offset", b, ready))


def _weighted(
    writer: Writer, node: fx.Node, layer: Weighted, name: str, x: str, w: str, b: str | None
) -> str:
    inputs = (x, w) if b is None else (x, w, b)
    if isinstance(layer, nn.Linear):
        if len(node.meta["shape"]) == 2:
            return writer.node("Gemm", name, *inputs, transB=1)
        turned = writer.node("Transpose", f"{name}.transposed", w, perm=[1, 0])
        if b is None:
            return writer.node("MatMul", name, x, turned)
        return writer.node("Add", name, writer.node("MatMul", f"{name}.product", x, turned), b)
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


def write_norm(writer: Writer, node: fx.Node, module: nn.Module, x: str) -> str:
    """Add batch norm as a product and a sum; the name of its result."""
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
