"""Typical QONNX and Brevitas exports: each lowers, and to exactly the file's integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes.families import Families, Family, lowers_exactly
from tests.passes.sketch import Sketch

family = Families()


@family
def brevitas_resnet_shared_scale() -> Sketch:
    g = Sketch(1)
    x = g.quant(g.feed((1, 3, 5, 5)), 0.125)
    y = g.quant(g.bn(g.conv(x, g.weight(4, 3, 3, 3), pads=[1] * 4), 4), 0.25, signed=False)
    z = g.quant(g.conv(y, g.weight(3, 4, 3, 3), pads=[1] * 4), 0.125)
    return g.out(g.quant(g.do("Relu", g.do("Add", z, x)), 0.125, signed=False))


@family
def brevitas_resnet_free_scales() -> Sketch:
    g = Sketch(2)
    x = g.quant(g.feed((1, 3, 4, 4)), 0.1)
    z = g.quant(g.conv(x, g.weight(3, 3, 3, 3), pads=[1] * 4), 0.0837, 8)
    return g.out(g.quant(g.do("Relu", g.do("Add", z, x)), 0.2, signed=False))


@family
def unquantised_bn_into_residual_add() -> Sketch:
    g = Sketch(3)
    x = g.quant(g.feed((1, 3, 4, 4)), 0.1, 8)
    y = g.bn(g.conv(x, g.weight(3, 3, 3, 3), pads=[1] * 4), 3)
    return g.out(g.quant(g.do("Relu", g.do("Add", y, x)), 0.2, 8, signed=False))


@family
def two_unquantised_bns_into_residual_add() -> Sketch:
    g = Sketch(4)
    x = g.quant(g.feed((1, 3, 4, 4)), 0.125, 4)
    a = g.bn(g.conv(x, g.weight(4, 3, 1, 1)), 4)
    b = g.bn(g.conv(x, g.weight(4, 3, 3, 3), pads=[1] * 4), 4)
    return g.out(g.quant(g.do("Relu", g.do("Add", a, b)), 0.25, 4, signed=False))


@family
def bn_relu_concat_quant() -> Sketch:
    g = Sketch(5)
    x = g.quant(g.feed((1, 2, 4, 4)), 0.125)
    a = g.do("Relu", g.bn(g.conv(x, g.weight(3, 2, 1, 1)), 3))
    b = g.bn(g.conv(x, g.weight(2, 2, 3, 3), pads=[1] * 4), 2)
    return g.out(g.quant(g.do("Concat", a, b, x, axis=1), 0.25, 5))


@family
def brevitas_per_channel_and_leaky() -> Sketch:
    g = Sketch(6)
    x = g.quant(g.feed((1, 3, 4, 4)), np.array([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1), 6)
    y = g.conv(x, g.weight(4, 3, 3, 3), g.vector(4), group=1)
    y = g.quant(g.do("LeakyRelu", y, alpha=0.1), 0.11, 5)
    return g.out(g.quant(g.do("AveragePool", y, kernel_shape=[2, 2]), 0.1, 5))


@family
def bipolar_and_ternary() -> Sketch:
    g = Sketch(7)
    x = g.node(
        "BipolarQuant", [g.feed((1, 8)), g.const(np.float32(1))], domain="qonnx.custom_op.general"
    )
    w = g.node(
        "BipolarQuant",
        [g.weight(8, 6, style="raw"), g.const(np.float32(0.5))],
        domain="qonnx.custom_op.general",
    )
    y = g.do("MatMul", x, w)
    y = g.node(
        "BipolarQuant", [g.bn(y, 6), g.const(np.float32(1))], domain="qonnx.custom_op.general"
    )
    ternary = g.quant(g.weight(6, 4, style="raw"), 0.5, 2, narrow=True)
    return g.out(g.do("MatMul", y, ternary))


@family
def trunc_average_pool() -> Sketch:
    g = Sketch(8)
    x = g.quant(g.feed((1, 2, 4, 4)), 0.25, 4, signed=False)
    y = g.do("Mul", g.do("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 4.0)
    names = [y, *(g.const(np.float32(v)) for v in (0.25, 0, 6, 4))]
    return g.out(g.node("Trunc", names, domain="qonnx.custom_op.general", rounding_mode="FLOOR"))


@family
def learned_zero_points_per_channel() -> Sketch:
    g = Sketch(9)
    zero = np.array([1, 0, 3]).reshape(1, 3, 1, 1)
    scale = np.array([0.11, 0.07, 0.2]).reshape(1, 3, 1, 1)
    x = g.quant(g.feed((1, 3, 4, 4)), scale, 4, signed=False, zero=zero)
    return g.out(g.quant(g.conv(x, g.weight(4, 3, 3, 3), pads=[1] * 4), 0.2, 5))


@family
def qkeras_dense() -> Sketch:
    g = Sketch(10)
    x = g.quant(g.feed((1, 16), 0, 1), 1 / 256, 8, signed=False)
    for n, m in ((16, 8), (8, 8)):
        w = g.quant(g.weight(n, m, style="raw"), 1 / 8, 4, narrow=True)
        bias = g.quant(g.vector(m), 1 / 8, 4)
        y = g.do("Add", g.do("MatMul", x, w), bias)
        x = g.quant(g.do("Relu", y), 1 / 16, 4, signed=False, mode="ROUND")
    return g.out(
        g.do("Softmax", g.do("Add", g.do("MatMul", x, g.weight(8, 5)), g.vector(5)), axis=-1)
    )


@pytest.mark.parametrize("make", family.members, ids=lambda f: f.__name__)
def test_family(make: Family, tmp_path: Path) -> None:
    lowers_exactly(make, tmp_path)
