"""Plain ONNX operators against onnxruntime, in all forms that the opsets gave them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

from hlsgen.ir.model import Model
from hlsgen.ops.model.elementwise import Elementwise, Fn

node = helper.make_node
Agree = Callable[..., Model]
RNG = np.random.default_rng(7)


def real(*shape: int) -> Any:
    return RNG.uniform(-4, 4, shape).astype(np.float32)


X = real(2, 3, 5, 6)

ACTIVATIONS = [
    ("Relu", {}, 17),
    ("LeakyRelu", {}, 17),
    ("LeakyRelu", {"alpha": 0.3}, 9),
    ("Elu", {"alpha": 1.5}, 17),
    ("Selu", {}, 17),
    ("Celu", {"alpha": 0.7}, 17),
    ("HardSigmoid", {}, 17),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, 17),
    ("HardSwish", {}, 17),
    ("ThresholdedRelu", {"alpha": 0.5}, 17),
    ("Softplus", {}, 17),
    ("Softsign", {}, 17),
    ("Shrink", {"bias": 0.5, "lambd": 1.25}, 17),
    ("Mish", {}, 18),
    ("Gelu", {}, 20),
    ("Gelu", {"approximate": "tanh"}, 20),
    ("Sigmoid", {}, 17),
    ("Tanh", {}, 17),
    ("Erf", {}, 17),
    ("Exp", {}, 17),
    ("Neg", {}, 17),
    ("Abs", {}, 17),
    ("Sign", {}, 17),
    ("Floor", {}, 17),
    ("Ceil", {}, 17),
    ("Round", {}, 17),
    ("Reciprocal", {}, 17),
    ("Identity", {}, 17),
    ("Clip", {"min": -1.0, "max": 2.5}, 10),
    ("Clip", {"max": 2.5}, 7),
    ("Clip", {}, 13),
    ("Softmax", {}, 17),
    ("Softmax", {"axis": 1}, 13),
    ("Softmax", {}, 11),
    ("Softmax", {"axis": 2}, 9),
    ("LogSoftmax", {"axis": 1}, 11),
    ("LogSoftmax", {"axis": -1}, 13),
    ("GlobalAveragePool", {}, 17),
    ("GlobalMaxPool", {}, 17),
    ("Flatten", {}, 17),
    ("Flatten", {"axis": 0}, 17),
    ("Flatten", {"axis": -1}, 13),
    ("Transpose", {}, 17),
    ("Transpose", {"perm": [0, 2, 3, 1]}, 17),
    ("ReduceSum", {"axes": [1, -1]}, 11),
    ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, 13),
    ("ReduceMean", {}, 17),
    ("ReduceMax", {"axes": [0]}, 17),
    ("ReduceMin", {"axes": [-2], "keepdims": 0}, 17),
    ("ReduceL1", {"axes": [1]}, 17),
    ("ReduceL2", {"axes": [1]}, 17),
    ("ReduceSumSquare", {"axes": [1]}, 17),
    ("ArgMax", {"axis": 1}, 17),
    ("ArgMax", {"axis": -1, "keepdims": 0, "select_last_index": 1}, 17),
    ("ArgMin", {"axis": 2}, 17),
    ("Squeeze", {}, 17),
    ("Unsqueeze", {"axes": [0, 3]}, 11),
    ("SpaceToDepth", {"blocksize": 1}, 17),
    ("Dropout", {}, 12),
    ("Dropout", {"ratio": 0.3}, 7),
]


@pytest.mark.parametrize(("op", "attributes", "opset"), ACTIVATIONS)
def test_one_input(agree: Agree, op: str, attributes: dict[str, Any], opset: int) -> None:
    agree([node(op, ["x"], ["y"], **attributes)], {"x": X}, opset=opset)


@pytest.mark.parametrize("op", ["Sqrt", "Log"])
def test_positive_input(agree: Agree, op: str) -> None:
    agree([node(op, ["x"], ["y"])], {"x": np.abs(X) + 0.5})


BINARY = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Less", "Greater", "Equal"]


@pytest.mark.parametrize("op", [*BINARY, "LessOrEqual", "GreaterOrEqual"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (6,), (3, 1, 1), (1,), ()])
def test_two_inputs(agree: Agree, op: str, shape: tuple[int, ...]) -> None:
    agree(
        [node(op, ["x", "c"], ["y"])], {"x": np.rint(X)}, constants={"c": np.rint(real(*shape)) + 9}
    )


def test_many_operands(agree: Agree) -> None:
    inputs = {"a": real(2, 3), "b": real(3), "c": real(2, 1)}
    for op in ("Max", "Min", "Sum", "Mean"):
        agree([node(op, ["a", "b", "c"], ["y"])], inputs)


def test_integer_division_truncates(agree: Agree) -> None:
    x = np.arange(-9, 10, dtype=np.int32)
    model = agree([node("Div", ["x", "c"], ["y"])], {"x": x}, constants={"c": np.int32(4)})
    assert model.nodes[0].op == Elementwise(Fn.INT_DIV)


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("divisor", [4, -3])
def test_mod(agree: Agree, fmod: int, divisor: int) -> None:
    x = np.arange(-9, 10, dtype=np.int32)
    constants = {"c": np.int32(divisor)}
    agree([node("Mod", ["x", "c"], ["y"], fmod=fmod)], {"x": x}, constants=constants)


def test_fmod_of_reals(agree: Agree) -> None:
    agree([node("Mod", ["x", "c"], ["y"], fmod=1)], {"x": X}, constants={"c": np.float32(0.75)})


def test_logic(agree: Agree) -> None:
    a, b = RNG.random((2, 3, 4)) < 0.5
    for op in ("And", "Or", "Xor"):
        agree([node(op, ["a", "b"], ["y"])], {"a": a, "b": b})
    agree([node("Not", ["a"], ["y"])], {"a": a})
    agree([node("Where", ["a", "p", "q"], ["y"])], {"a": a, "p": real(3, 4), "q": real(4)})


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (None, 2.0), (-1.0, None)])
def test_clip_inputs(agree: Agree, low: float | None, high: float | None) -> None:
    names = ["x", "low" if low is not None else "", "high" if high is not None else ""]
    bounds = {"low": low, "high": high}
    constants = {name: np.float32(v) for name, v in bounds.items() if v is not None}
    agree([node("Clip", names, ["y"])], {"x": X}, constants=constants)


def test_clip_of_codes(agree: Agree) -> None:
    x = np.arange(-20, 20, dtype=np.int8)
    agree([node("Clip", ["x", "low"], ["y"])], {"x": x}, constants={"low": np.int8(-3)})
    agree([node("Relu", ["x"], ["y"])], {"x": x})


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1), (6,), (3, 5, 6), (1, 3, 1, 1)])
def test_prelu(agree: Agree, shape: tuple[int, ...]) -> None:
    agree([node("PRelu", ["x", "slope"], ["y"])], {"x": X}, constants={"slope": real(*shape)})


CAST_TO = [(1, np.int32), (6, np.float32), (3, np.float32), (3, np.int32), (9, np.float32)]


@pytest.mark.parametrize(("to", "dtype"), CAST_TO)
def test_cast(agree: Agree, to: int, dtype: type[Any]) -> None:
    x = np.asarray([-100.5, -1.5, -0.5, 0, 0.5, 1.5, 99.9], np.float32)
    x = x.astype(dtype) if dtype is np.float32 else (x * 7).astype(dtype)
    agree([node("Cast", ["x"], ["y"], to=to)], {"x": x})


CONVS = [
    ((1, 4, 9, 8), (6, 4, 3, 3), {}),
    ((1, 4, 9, 8), (6, 4, 3, 2), {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
    ((1, 4, 9, 8), (6, 4, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ((1, 4, 9, 8), (6, 4, 2, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    ((1, 4, 9, 8), (6, 4, 3, 3), {"auto_pad": "VALID", "dilations": [2, 2]}),
    ((1, 4, 9, 8), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    ((2, 4, 9, 8), (8, 1, 3, 3), {"group": 4, "dilations": [1, 2]}),
    ((1, 3, 11), (5, 3, 4), {"strides": [2], "pads": [2, 1]}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 2), {"strides": [1, 2, 1]}),
]


@pytest.mark.parametrize(("shape", "weights", "attributes"), CONVS)
def test_conv(
    agree: Agree,
    shape: tuple[int, ...],
    weights: tuple[int, ...],
    attributes: dict[str, Any],
) -> None:
    constants = {"w": real(*weights), "b": real(weights[0])}
    inputs = {"x": real(*shape)}
    agree([node("Conv", ["x", "w", "b"], ["y"], **attributes)], inputs, constants=constants)
    agree([node("Conv", ["x", "w"], ["y"], **attributes)], inputs, constants=constants)


TRANSPOSED: list[dict[str, Any]] = [
    {},
    {"strides": [2, 3]},
    {"strides": [2, 2], "pads": [1, 0, 1, 2], "output_padding": [1, 0]},
    {"strides": [2, 2], "dilations": [2, 1]},
    {"strides": [2, 2], "output_shape": [9, 10]},
    {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
@pytest.mark.parametrize("group", [1, 2])
def test_conv_transpose(agree: Agree, attributes: dict[str, Any], group: int) -> None:
    constants = {"w": real(4, 3, 3, 3), "b": real(3 * group)}
    agree(
        [node("ConvTranspose", ["x", "w", "b"], ["y"], group=group, **attributes)],
        {"x": real(1, 4, 4, 5)},
        constants=constants,
    )


POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2]},
    {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [2, 2], "auto_pad": "VALID"},
    {"kernel_shape": [2, 2], "dilations": [2, 3]},
]


@pytest.mark.parametrize("attributes", POOLS)
def test_max_pool(agree: Agree, attributes: dict[str, Any]) -> None:
    agree([node("MaxPool", ["x"], ["y"], **attributes)], {"x": real(1, 3, 8, 9)})


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("include", [0, 1])
def test_average_pool(agree: Agree, attributes: dict[str, Any], include: int) -> None:
    agree(
        [node("AveragePool", ["x"], ["y"], count_include_pad=include, **attributes)],
        {"x": real(1, 3, 8, 9)},
        opset=22,
    )


MATRICES = [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 1, 2, 3), (4, 3, 2)), ((3,), (3, 4))]


@pytest.mark.parametrize(("a", "b"), [*MATRICES, ((2, 3), (3,))])
def test_matmul(agree: Agree, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    agree([node("MatMul", ["a", "b"], ["y"])], {"a": real(*a)}, constants={"b": real(*b)})


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5, "beta": 2.0}, {"beta": 0.0}])
def test_gemm(agree: Agree, trans_a: int, trans_b: int, factors: dict[str, float]) -> None:
    a = real(4, 2) if trans_a else real(2, 4)
    constants = {"b": real(3, 4) if trans_b else real(4, 3), "c": real(3)}
    names = ["a", "b", "c"]
    gemm = node("Gemm", names, ["y"], transA=trans_a, transB=trans_b, **factors)
    agree([gemm], {"a": a}, constants=constants)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 2, 2)])
def test_batch_normalization(agree: Agree, shape: tuple[int, ...]) -> None:
    names = ["gamma", "beta", "mean", "var"]
    constants = dict(zip(names, (real(3), real(3), real(3), np.abs(real(3))), strict=True))
    agree(
        [node("BatchNormalization", ["x", *names], ["y"], epsilon=1e-3)],
        {"x": real(*shape)},
        constants=constants,
        tolerance=1e-4,
    )
