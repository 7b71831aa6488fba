"""Typical exports of other makers: each lowers, and to exactly the file's integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.passes.families import Families, Family, lowers_exactly
from tests.passes.sketch import Sketch

family = Families()


# -- QDQ ----------------------------------------------------------------------------------------


@family
def mobilenet_v2_block() -> Sketch:
    g = Sketch(20)
    x = g.qdq(g.feed((1, 4, 6, 6)), 0.03, -5)
    y = g.do("Clip", g.conv(x, g.weight(8, 4, 1, 1, style="qdq")), 0.0, 6.0)
    y = g.qdq(y, 6 / 255, -128)
    y = g.conv(y, g.weight(8, 1, 3, 3, style="qdq"), g.vector(8), group=8, pads=[1] * 4)
    y = g.qdq(g.do("Clip", y, 0.0, 6.0), 6 / 255, -128)
    y = g.qdq(g.conv(y, g.weight(4, 8, 1, 1, style="qdq")), 0.041, 3)
    return g.out(g.qdq(g.do("Add", x, y), 0.052, 1))


@family
def tflite_style_with_int32_bias() -> Sketch:
    g = Sketch(21)
    x = g.qdq(g.feed((1, 5, 5, 2)), 0.03, 4)
    t = g.do("Transpose", x, perm=[0, 3, 1, 2])
    bias = g.dq(g.const(g.rng.integers(-999, 999, 4), "int32"), 0.000123, 0, "int32")
    y = g.conv(t, g.weight(4, 2, 3, 3, style="qdq"), bias, auto_pad="SAME_UPPER", strides=[2, 2])
    y = g.qdq(g.do("Relu", g.do("Transpose", y, perm=[0, 2, 3, 1])), 0.02, -128)
    y = g.do("Reshape", g.do("ReduceMean", y, np.array([1, 2]), keepdims=0), np.array([1, 4]))
    return g.out(g.qdq(y, 0.01, -128))


@family
def qdq_around_everything() -> Sketch:
    g = Sketch(22)
    x = g.qdq(g.feed((1, 2, 4, 4)), 0.04, 7)
    y = g.qdq(g.do("MaxPool", x, kernel_shape=[2, 2], pads=[0, 0, 1, 1]), 0.04, 7)
    z = g.qdq(g.do("AveragePool", x, kernel_shape=[2, 2], pads=[0, 0, 1, 1]), 0.03, 0)
    c = g.qdq(g.do("Concat", y, z, axis=1), 0.05, 2, "uint8")
    r = g.node("Resize", [c, "", g.const(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    r = g.qdq(g.do("Transpose", g.qdq(r, 0.05, 2, "uint8"), perm=[0, 2, 3, 1]), 0.05, 2, "uint8")
    return g.out(g.qdq(g.do("Clip", r, 0.0, 3.0), 0.05, 2, "uint8"))


@family
def squeeze_and_excite() -> Sketch:
    g = Sketch(23)
    x = g.qdq(g.feed((1, 4, 3, 3)), 0.03, 4)
    s = g.qdq(g.do("GlobalAveragePool", x), 0.02, 1)
    s = g.qdq(g.do("Relu", g.conv(s, g.weight(2, 4, 1, 1, style="qdq"), g.vector(2))), 0.01, -128)
    s = g.conv(s, g.weight(4, 2, 1, 1, style="qdq"), g.vector(4))
    s = g.qdq(g.do("HardSigmoid", g.qdq(s, 0.02), alpha=1 / 6, beta=0.5), 1 / 256, -128)
    return g.out(g.qdq(g.do("Mul", x, s), 0.025, 1))


@family
def squeeze_and_excite_sigmoid_unquantised() -> Sketch:
    g = Sketch(24)
    x = g.qdq(g.feed((1, 2, 3, 3)), 0.03, 4)
    s = g.qdq(
        g.conv(g.qdq(g.do("GlobalAveragePool", x), 0.02), g.weight(2, 2, 1, 1, style="qdq")), 0.02
    )
    return g.out(g.qdq(g.do("Mul", x, g.do("Sigmoid", s)), 0.025, 1))


@family
def yolo_like_heads() -> Sketch:
    g = Sketch(25)
    x = g.qdq(g.feed((1, 2, 4, 4)), 0.03, 4)
    y = g.qdq(g.conv(x, g.weight(4, 2, 3, 3, style="qdq"), pads=[1] * 4), 0.04)
    y = g.qdq(g.do("Mul", y, g.do("Sigmoid", y)), 0.03, -90)
    small = g.qdq(g.do("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), 0.03, -90)
    up = g.node(
        "Resize",
        [small, "", g.const(np.array([1, 1, 2, 2], np.float32))],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    c = g.qdq(g.do("Concat", g.qdq(up, 0.03, -90), y, axis=1), 0.031, -88)
    first = g.conv(small, g.weight(3, 4, 1, 1, style="qdq"), g.vector(3))
    second = g.do("Sigmoid", g.conv(c, g.weight(3, 8, 1, 1, style="qdq"), g.vector(3)))
    return g.out(first, second, g.do("ArgMax", g.qdq(second, 1 / 256, -128), axis=1))


@family
def unet_with_transposed_convolution() -> Sketch:
    g = Sketch(26)
    x = g.qdq(g.feed((1, 2, 4, 4)), 0.03, 4)
    d = g.qdq(
        g.do("Relu", g.conv(x, g.weight(4, 2, 2, 2, style="qdq"), strides=[2, 2])), 0.02, -128
    )
    u = g.do(
        "ConvTranspose", d, g.weight(4, 2, 2, 2, style="qdq", axis=1), g.vector(2), strides=[2, 2]
    )
    u = g.qdq(g.do("LeakyRelu", u, alpha=0.01), 0.02)
    return g.out(g.qdq(g.do("Add", g.do("Concat", x, u, axis=1), 0.5), 0.04))


@family
def mixer_with_gelu() -> Sketch:
    g = Sketch(27)
    x = g.qdq(g.feed((1, 4, 6)), 0.03, 4)
    t = g.do("MatMul", g.do("Transpose", x, perm=[0, 2, 1]), g.weight(4, 5, style="qdq", axis=1))
    t = g.qdq(g.do("Add", t, g.vector(5)), 0.03)
    h = g.do("Erf", g.do("Div", t, float(np.sqrt(np.float32(2)))))
    t = g.qdq(g.do("Mul", g.do("Mul", t, g.do("Add", h, 1.0)), 0.5), 0.02, -100)
    t = g.do("MatMul", t, g.weight(5, 4, style="qdq", axis=1))
    y = g.qdq(g.do("Transpose", g.qdq(t, 0.03), perm=[0, 2, 1]), 0.03)
    return g.out(g.qdq(g.do("Add", x, y), 0.05))


@family
def attention_scores() -> Sketch:
    g = Sketch(28)
    x = g.qdq(g.feed((1, 2, 3, 4)), 0.03, 4)
    k = g.qdq(
        g.do("Transpose", g.qdq(g.feed((1, 2, 3, 4)), 0.02, 3, "uint8"), perm=[0, 1, 3, 2]),
        0.02,
        3,
        "uint8",
    )
    s = g.qdq(g.do("Div", g.do("MatMul", x, k), float(np.sqrt(np.float32(8)))), 0.03)
    return g.out(s, g.qdq(g.do("Mul", s, s), 0.05, 0, "uint8"))


@family
def low_bits_and_16_bits() -> Sketch:
    g = Sketch(29)
    x = g.qdq(g.feed((1, 6)), 0.001, 30000, "uint16")
    y = g.do("MatMul", x, g.weight(6, 4, style="qdq", kind="int4", axis=1))
    y = g.qdq(y, 0.0004, 0, "int16")
    y = g.qdq(
        g.do("MatMul", y, g.weight(4, 4, style="qdq", kind="int2", axis=1)), 0.002, 0, "int16"
    )
    return g.out(g.qdq(y, 0.1, 3, "uint4"))


@family
def blockwise_weights() -> Sketch:
    g = Sketch(30)
    x = g.qdq(g.feed((1, 8)), 0.03, 4)
    codes = g.const(g.rng.integers(-8, 8, (8, 3)), "int4")
    scale = g.const(g.rng.uniform(0.01, 0.1, (4, 3)).astype(np.float32))
    w = g.node("DequantizeLinear", [codes, scale], axis=0, block_size=2)
    return g.out(g.qdq(g.do("MatMul", x, w), 0.02))


@family
def keyword_spotting_tcn() -> Sketch:
    g = Sketch(31)
    x = g.qdq(g.feed((1, 3, 12)), 0.03, 4)
    for dilation in (1, 2):
        y = g.conv(
            x,
            g.weight(3, 3, 3, style="qdq"),
            g.vector(3),
            dilations=[dilation],
            pads=[2 * dilation, 0],
        )
        y = g.qdq(g.do("Relu", g.bn(y, 3)), 0.02, -128)
        x = g.qdq(g.do("Add", x, y), 0.04, 0)
    y = g.do(
        "Gemm",
        g.do("Flatten", g.do("GlobalAveragePool", x)),
        g.weight(4, 3, style="qdq"),
        g.vector(4),
        transB=1,
    )
    return g.out(g.do("Softmax", y, axis=1), g.do("ArgMax", y, axis=1, keepdims=0))


@family
def autoencoder() -> Sketch:
    g = Sketch(32)
    x = g.qdq(g.feed((1, 10)), 0.03, 4)
    for n, m in ((10, 6), (6, 3), (3, 6)):
        y = g.do("Gemm", x, g.weight(m, n, style="qdq"), g.vector(m), transB=1, alpha=1.0)
        x = g.qdq(g.do("Relu", g.bn(y, m)), 0.02, -128)
    return g.out(g.do("Gemm", x, g.weight(6, 10, style="qdq", axis=1), g.vector(10)))


@family
def pixels_normalised_before_the_quantiser() -> Sketch:
    g = Sketch(33)
    x = g.do("Cast", g.feed((1, 3, 4, 4), 0, 255, "uint8"), to=TensorProto.FLOAT)
    mean = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
    std = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)
    x = g.do("Div", g.do("Sub", g.do("Div", x, 255.0), mean), std)
    x = g.qdq(x, 0.02, 3)
    return g.out(g.qdq(g.conv(x, g.weight(2, 3, 3, 3, style="qdq"), pads=[1] * 4), 0.05))


@family
def float_pixels_normalised_before_the_quantiser() -> Sketch:
    g = Sketch(34)
    x = g.do("Sub", g.do("Mul", g.feed((1, 3, 4, 4), 0, 255), 2 / 255), 1.0)
    x = g.do("Transpose", x, perm=[0, 2, 3, 1])
    return g.out(g.do("ReduceMax", g.qdq(x, 1 / 128), np.array([1])))


@family
def batch_normalised_input() -> Sketch:
    g = Sketch(35)
    x = g.quant(g.bn(g.feed((1, 3, 4, 4)), 3), 0.1, 6)
    return g.out(g.quant(g.conv(x, g.weight(2, 3, 3, 3)), 0.1, 6))


@family
def input_quantised_twice() -> Sketch:
    g = Sketch(36)
    x = g.feed((1, 6))
    a, b = g.qdq(x, 0.03, 4), g.qdq(x, 0.05, 0, "uint8")
    return g.out(g.qdq(g.do("Add", a, g.do("Mul", b, -0.3)), 0.04))


@family
def codes_as_outputs() -> Sketch:
    g = Sketch(37)
    x = g.qdq(g.feed((1, 6)), 0.03, 4)
    y = g.do("Gemm", x, g.weight(4, 6, style="qdq"), g.vector(4), transB=1)
    return g.out(
        g.q(y, 0.02, 3, "int8"), g.q(y, 0.004, 0, "int16"), g.q(g.do("Tanh", g.qdq(y)), 1 / 128)
    )


@family
def top_k_of_probabilities() -> Sketch:
    g = Sketch(38)
    x = g.qdq(g.feed((1, 6)), 0.03, 4)
    y = g.do("Gemm", x, g.weight(5, 6, style="qdq"), g.vector(5), transB=1)
    names = g.node("TopK", [g.do("Softmax", y, axis=-1), g.const(np.array([2]))], 2)
    return g.out(names[1])


@family
def free_batch() -> Sketch:
    g = Sketch(39)
    x = g.qdq(g.feed(("N", 6)), 0.03, 4)
    y = g.do("Reshape", x, np.array([-1, 2, 3]))
    return g.out(g.qdq(g.do("Flatten", g.do("Transpose", y, perm=[0, 2, 1])), 0.03))


@family
def elementary_functions_between_quantisers() -> Sketch:
    g = Sketch(40)
    x = g.qdq(g.feed((1, 8)), 0.03, 4)
    positive = g.do("Add", g.do("Abs", x), 0.25)
    ys = [
        g.do("Sqrt", positive),
        g.do("Exp", x),
        g.do("Log", positive),
        g.do("Pow", positive, 1.5),
        g.do("Pow", x, 3.0),
        g.do("Div", 1.0, positive),
        g.do("Mish", x),
        g.do("Softsign", x),
        g.do("HardSwish", x),
        g.do("Elu", x),
        g.do("Where", g.do("Greater", x, 0.5), x, g.do("Neg", x)),
        g.do("Cast", g.do("LessOrEqual", x, 0.1), to=TensorProto.FLOAT),
        g.do("Sub", 1.0, x),
        g.do("Where", g.do("Greater", x, 0.0), g.do("Log", x), 0.0),
        g.do("Min", x, 1.0),
    ]
    return g.out(g.qdq(g.do("Concat", *(g.qdq(y, 0.06, 1) for y in ys), axis=1), 0.07))


@family
def unquantised_functions_concatenated() -> Sketch:
    g = Sketch(41)
    x, y = g.qdq(g.feed((1, 4)), 0.03, 4), g.qdq(g.feed((1, 3)), 0.05)
    c = g.do(
        "Concat", g.do("Sigmoid", x), g.do("Relu", y), y, g.do("Mul", x, g.do("Sigmoid", x)), axis=1
    )
    padded = g.do("Pad", g.do("Tanh", x), np.array([0, 1, 0, 2]), 0.3)
    return g.out(g.qdq(c, 0.02), g.qdq(padded, 0.01))


@family
def products_and_extremes_of_two_tensors() -> Sketch:
    g = Sketch(42)
    x, y = g.qdq(g.feed((1, 2, 5)), 0.03, 4), g.qdq(g.feed((1, 2, 1)), 0.0437, 9, "uint8")
    ys = [
        g.do("Mul", x, y),
        g.do("Max", x, y),
        g.do("Min", x, y, 0.7),
        g.do("Sub", x, y),
        g.do("Where", g.do("Greater", x, y), x, g.do("Mul", y, 0.5)),
        g.do("Mean", x, y),
    ]
    return g.out(*(g.qdq(v, 0.05) for v in ys))


@family
def quotient_of_two_narrow_tensors() -> Sketch:
    g = Sketch(43)
    x = g.quant(g.feed((1, 6)), 0.125, 5)
    y = g.quant(g.do("Abs", g.feed((1, 6))), 0.25, 4, signed=False)
    return g.out(g.quant(g.do("Div", x, g.do("Add", y, 1.0)), 0.0625, 6))


@family
def qoperator_chain() -> Sketch:
    g = Sketch(44)
    p = lambda s, z, kind: [g.const(np.float32(s)), g.const(np.int64(z), kind)]  # noqa: E731
    x = g.node("QuantizeLinear", [g.feed((1, 2, 4, 4)), *p(0.03, 120, "uint8")])
    w = g.const(g.rng.integers(-99, 99, (3, 2, 3, 3)), "int8")
    scales = [g.vector(3, 0.002, 0.01), g.const(np.zeros(3, np.int64), "int8")]
    bias = g.const(g.rng.integers(-999, 999, 3), "int32")
    y = g.node("QLinearConv", [x, *p(0.03, 120, "uint8"), w, *scales, *p(0.02, 3, "uint8"), bias])
    a = g.microsoft("QLinearGlobalAveragePool", y, *p(0.02, 3, "uint8"), *p(0.015, 0, "uint8"))
    s = g.microsoft("QLinearSigmoid", y, *p(0.02, 3, "uint8"), *p(1 / 256, 0, "uint8"))
    m = g.microsoft(
        "QLinearMul", s, *p(1 / 256, 0, "uint8"), y, *p(0.02, 3, "uint8"), *p(0.02, 9, "uint8")
    )
    z = g.microsoft(
        "QLinearAdd", m, *p(0.02, 9, "uint8"), a, *p(0.015, 0, "uint8"), *p(0.03, 1, "uint8")
    )
    return g.out(z, g.node("DequantizeLinear", [z, *p(0.03, 1, "uint8")]))


@family
def integer_operators_and_float_glue() -> Sketch:
    g = Sketch(45)
    x = g.feed((1, 6), 0, 255, "uint8")
    w = g.const(g.rng.integers(-20, 20, (6, 4)), "int8")
    y = g.do(
        "Cast",
        g.node("MatMulInteger", [x, w, g.const(np.int64(128), "uint8")]),
        to=TensorProto.FLOAT,
    )
    y = g.do("Relu", g.do("Add", g.do("Mul", y, 0.0123), g.vector(4)))
    return g.out(g.q(y, 0.1, 0, "uint8"))


@family
def shared_activations_and_weights() -> Sketch:
    g = Sketch(46)
    w = g.weight(4, 4, style="qdq")
    x = g.qdq(g.feed((1, 4)), 0.03, 4)
    for _ in range(3):
        y = g.qdq(g.do("Gemm", x, w, transB=1), 0.02)
        x = g.qdq(g.do("Add", x, y), 0.03, 4)
    return g.out(x, x, y)


@family
def wide_and_narrow_scales() -> Sketch:
    g = Sketch(47)
    scales = np.array([2.0**-20, 1.0, 2.0**20, 0.3])
    x = g.qdq(g.feed((1, 4), -2e6, 2e6), scales, np.array([0, 1, 2, 3]))
    y = g.do("MatMul", x, g.weight(4, 3, style="qdq", axis=1))
    return g.out(g.qdq(y, 3000.0), g.qdq(g.do("ReduceSum", x, np.array([1])), 1000.0))


@family
def dead_and_flipped_channels() -> Sketch:
    g = Sketch(48)
    x = g.quant(g.feed((1, 3, 3, 3)), 0.125)
    w = g.rng.integers(-4, 5, (4, 3, 1, 1)).astype(np.float32)
    w[1] = 0
    y = g.conv(x, g.const(w))
    gamma = np.array([1.2, 0.7, 0.0, -0.9], np.float32)
    y = g.node(
        "BatchNormalization", [y, g.const(gamma), g.vector(4), g.vector(4), g.vector(4, 0.1, 2)]
    )
    return g.out(
        g.quant(g.do("MaxPool", g.do("Relu", y), kernel_shape=[2, 2]), 0.25, 4, signed=False)
    )


@family
def grouped_transposed_and_three_dimensions() -> Sketch:
    g = Sketch(49)
    x = g.qdq(g.feed((1, 4, 3, 3)), 0.03, 4)
    w = g.weight(4, 3, 2, 2, style="qdq", axis=1)
    y = g.qdq(
        g.do(
            "ConvTranspose", x, w, strides=[2, 1], group=2, output_padding=[1, 0], pads=[1, 0, 0, 1]
        ),
        0.02,
    )
    z = g.qdq(g.do("Reshape", y, np.array([1, 2, -1, 3, 3])), 0.02)
    v = g.conv(z, g.weight(2, 2, 2, 2, 2, style="qdq"), pads=[0, 1, 0, 1, 0, 1])
    return g.out(g.qdq(y, 0.03), g.qdq(v, 0.04))


@pytest.mark.parametrize("make", family.members, ids=lambda f: f.__name__)
def test_family(make: Family, tmp_path: Path) -> None:
    lowers_exactly(make, tmp_path)
