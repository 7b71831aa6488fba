"""QDQ, QOperator, QONNX, FINN and PULP operators against onnxruntime or their own definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from hlsgen.arith.rounding import Rounding
from hlsgen.ir.model import Model
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.sim.model_eval import evaluate_model

node = helper.make_node
Agree = Callable[..., Model]
RNG = np.random.default_rng(11)
MS = {"domain": "com.microsoft"}
# A scale that is a power of two makes float32 exact, so that ties have to agree as well.
X = (RNG.integers(-300, 300, (2, 3, 4, 6)) / 8).astype(np.float32)


def i8(*shape: int) -> Any:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def u8(*shape: int) -> Any:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def scales(*shape: int) -> Any:
    return np.exp2(RNG.integers(-4, 1, shape)).astype(np.float32)


CODES = [np.uint8, np.int8, np.uint16, np.int16]


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("per_axis", [False, True])
def test_qdq(agree: Agree, dtype: type[Any], per_axis: bool) -> None:
    zero = np.asarray([3, 0, 100] if per_axis else 100).astype(dtype)
    constants = {"s": scales(3) if per_axis else np.float32(0.25), "z": zero}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    model = agree(nodes, {"x": X}, ["q", "y"], constants, opset=21)
    assert model.types["q"].dtype == np.dtype(dtype).name
    assert model.dialect == "QDQ"


def test_quantize_defaults(agree: Agree) -> None:
    constants = {"s": np.float32(0.25)}
    agree([node("QuantizeLinear", ["x", "s"], ["y"])], {"x": X}, constants=constants)
    to_int8 = node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=TensorProto.INT8)
    agree([to_int8], {"x": X}, constants=constants, opset=21)
    q = {"q": i8(2, 3)}
    agree([node("DequantizeLinear", ["q", "s"], ["y"])], q, constants=constants)


@pytest.mark.parametrize("axis", [1, -1])
def test_blocked_weights(agree: Agree, axis: int) -> None:
    shape = (4, 2, 3) if axis == 1 else (4, 6, 2)
    constants = {"w": i8(4, 6, 3) if axis == 1 else i8(4, 6, 5), "s": scales(*shape)}
    block = node("DequantizeLinear", ["w", "s"], ["d"], axis=axis, block_size=3)
    nodes = [block, node("Mul", ["x", "d"], ["y"])]
    x = np.ones_like(constants["w"], np.float32)
    agree(nodes, {"x": x}, constants=constants, opset=21)


@pytest.mark.parametrize(("kind", "low", "high"), [("INT4", -8, 7), ("UINT4", 0, 15)])
def test_four_bits(agree: Agree, kind: str, low: int, high: int) -> None:
    values = RNG.integers(low, high + 1, (3, 5))
    tensor = helper.make_tensor("w", getattr(TensorProto, kind), (3, 5), values.reshape(-1))
    zero = helper.make_tensor("z", getattr(TensorProto, kind), (), [2])
    constants = {"w": tensor, "z": zero, "s": np.float32(0.5)}
    nodes = [node("DequantizeLinear", ["w", "s", "z"], ["d"]), node("Add", ["x", "d"], ["y"])]
    model = agree(nodes, {"x": np.zeros((3, 5), np.float32)}, constants=constants, opset=21)
    assert model.types["w"].dtype == kind.lower()
    assert model.constants["w"].dtype.itemsize == 1


def _quantised(x: Any, weights: Any, out: Any, w_scale: Any) -> dict[str, Any]:
    return {
        "xs": np.float32(0.25),
        "xz": np.asarray(5, x.dtype),
        "w": weights,
        "ws": w_scale,
        "wz": np.zeros(np.shape(w_scale), weights.dtype),
        "ys": np.float32(64),
        "yz": np.asarray(9, out),
    }


@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(agree: Agree, per_channel: bool) -> None:
    x, w = u8(1, 4, 6, 6), i8(3, 4, 3, 3)
    constants = _quantised(x, w, np.uint8, scales(3) if per_channel else np.float32(0.5))
    constants["b"] = RNG.integers(-9999, 9999, 3).astype(np.int32)
    conv = node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"])
    model = agree([conv], {"x": x}, constants=constants)
    assert model.dialect == "QOperator"
    bias = next(item for item in model if item.inputs[0] == "b")
    scale = model.constants[bias.inputs[1]]
    assert isinstance(bias.op, Dequantize)
    assert (scale.reshape(-1) == 0.25 * np.atleast_1d(constants["ws"]).astype(float)).all()


def test_qlinear_matmul(agree: Agree) -> None:
    x, w = u8(3, 8), i8(8, 5)
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    for scale in (np.float32(0.5), scales(5)):
        constants = _quantised(x, w, np.uint8, scale)
        agree([node("QLinearMatMul", names, ["y"])], {"x": x}, constants=constants)


def test_integer_products(agree: Agree) -> None:
    x, constants = {"x": u8(3, 8)}, {"w": i8(8, 5), "xz": np.uint8(7), "wz": i8(5)}
    agree([node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])], x, constants=constants)
    agree([node("MatMulInteger", ["x", "w"], ["y"])], x, constants=constants)
    x, constants = {"x": u8(1, 2, 5, 5)}, {"w": u8(3, 2, 3, 3), "xz": np.uint8(7)}
    conv = node("ConvInteger", ["x", "w", "xz"], ["y"], pads=[1, 1, 1, 1])
    agree([conv], x, constants=constants)


@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("bias", [False, True])
def test_qgemm(agree: Agree, trans_b: int, bias: bool) -> None:
    x, w = u8(3, 8), i8(5, 8) if trans_b else i8(8, 5)
    constants = _quantised(x, w, np.uint8, np.float32(0.5))
    constants["b"] = RNG.integers(-999, 999, 5).astype(np.int32)
    names = ["x", "xs", "xz", "w", "ws", "wz", "b" if bias else "", "ys", "yz"]
    gemm = node("QGemm", names, ["y"], transB=trans_b, alpha=1.0, **MS)
    agree([gemm], {"x": x}, constants=constants)


PAIR = {"s": np.float32(0.25), "z": np.uint8(7), "ys": np.float32(0.5), "yz": np.uint8(3)}


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_qlinear_binary(agree: Agree, op: str) -> None:
    constants = {**PAIR, "b": u8(6)}
    names = ["x", "s", "z", "b", "s", "z", "ys", "yz"]
    agree([node(op, names, ["y"], **MS)], {"x": u8(400, 6)}, constants=constants)


POOLED: list[tuple[str, dict[str, Any]]] = [
    ("QLinearAveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("QLinearAveragePool", {"kernel_shape": [2, 2], "channels_last": 1}),
    ("QLinearGlobalAveragePool", {}),
    ("QLinearGlobalAveragePool", {"channels_last": 1}),
]


@pytest.mark.parametrize(("op", "attributes"), POOLED)
def test_qlinear_pools(agree: Agree, op: str, attributes: dict[str, Any]) -> None:
    pool = node(op, ["x", "s", "z", "ys", "yz"], ["y"], **attributes, **MS)
    agree([pool], {"x": u8(1, 40, 4, 8)}, constants=PAIR)


def test_other_microsoft_operators(agree: Agree) -> None:
    constants = {**PAIR, "ys": np.float32(1 / 256), "yz": np.uint8(0)}
    x = {"x": u8(99, 8)}
    names = ["x", "s", "z", "ys", "yz"]
    agree([node("QLinearSigmoid", names, ["y"], **MS)], x, constants=constants)
    softmax = node("QLinearSoftmax", names, ["y"], axis=1, opset=13, **MS)
    agree([softmax], x, constants=constants)
    agree([node("QLinearLeakyRelu", names, ["y"], alpha=0.25, **MS)], x, constants=PAIR)
    two = {"a": u8(2, 3), "b": u8(2, 4)}
    concat = node("QLinearConcat", ["ys", "yz", "a", "s", "z", "b", "s", "z"], ["y"], axis=1, **MS)
    agree([concat], two, constants=PAIR)
    chosen = {"c": RNG.random((9, 99)) < 0.5, "a": u8(9, 99), "b": u8(9, 99)}
    where = node("QLinearWhere", ["c", "a", "s", "z", "b", "s", "z", "ys", "yz"], ["y"], **MS)
    agree([where], chosen, constants=PAIR)


TIED = {"w": RNG.integers(-2, 3, (4, 32)).astype(np.int8), "ws": np.float32(0.5)}


@pytest.mark.parametrize("op", ["QLinearMatMul", "QGemm"])
def test_ties_of_products(agree: Agree, op: str) -> None:
    names = ["x", "s", "z", "w", "ws", "wz", *([""] if op == "QGemm" else []), "ys", "yz"]
    product = node(op, names, ["y"], **(MS if op == "QGemm" else {}))
    agree([product], {"x": u8(64, 4)}, constants={**PAIR, **TIED, "wz": np.int8(0)})


# --------------------------------------------------------------------------- QONNX

QONNX_ROUNDING: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda v: np.sign(v) * np.ceil(np.abs(v)),
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
    "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - 0.5),
}


def int_quant(x: Any, scale: Any, zero: Any, bits: Any, signed: int, narrow: int, mode: str) -> Any:
    """The definition in qonnx's documentation: clamp first, then round."""
    bits = np.asarray(bits, np.float64)
    low = (-(2 ** (bits - 1)) + narrow) if signed else 0 * bits
    high = (2 ** (bits - 1) - 1) if signed else (2**bits - 1 - narrow)
    clamped = np.clip(x / scale + zero, low, high)
    return (QONNX_ROUNDING[mode](clamped) - zero) * scale


@pytest.mark.parametrize("mode", QONNX_ROUNDING)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("bits", [2, 4, 8, 5.5])
def test_quant(
    read: Callable[..., Model], mode: str, signed: int, narrow: int, bits: float
) -> None:
    constants = {"s": np.float32(0.5), "z": np.float32(0), "b": np.float32(bits)}
    attributes = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    quant = node("Quant", ["x", "s", "z", "b"], ["y"], domain="any.thing", **attributes)
    model = read([quant], {"x": X}, ["y"], constants, opset=13)
    got = evaluate_model(model, {"x": X})["y"]
    wanted = int_quant(X.astype(float), 0.5, 0, bits, signed, narrow, mode)
    np.testing.assert_array_equal(got, wanted)
    assert [item.outputs[0] for item in model] == ["y:codes", "y"]
    assert model.types["y:codes"].dtype.startswith("int" if signed else "uint")


QUANT_FORMS: list[dict[str, Any]] = [
    {"s": scales(3, 1, 1), "z": np.float32(2), "b": np.int64(6)},
    {"s": np.float64(0.125), "z": np.int64(0), "b": np.float32(7)},
    {"s": scales(1, 3, 1, 1), "z": np.float32(1.5), "b": np.float32([4.0])},
    {"s": np.float32(0.25), "z": np.float32(0), "b": np.float32([2, 4, 7]).reshape(3, 1, 1)},
]


@pytest.mark.parametrize("constants", QUANT_FORMS)
def test_quant_parameters(read: Callable[..., Model], constants: dict[str, Any]) -> None:
    quant = node("IntQuant", ["x", *constants], ["y"], domain="", signed=1, narrow=0)
    model = read([quant], {"x": X}, ["y"], constants, opset=13)
    got = evaluate_model(model, {"x": X})["y"]
    parameters = [np.asarray(value, np.float64) for value in constants.values()]
    np.testing.assert_array_equal(got, int_quant(X.astype(float), *parameters, 1, 0, "ROUND"))
    assert model.dialect == "QONNX"


def test_one_bit_and_bipolar(read: Callable[..., Model]) -> None:
    constants = {"s": np.float32(0.5), "z": np.float32(0), "b": np.float32(1)}
    x = {"x": np.asarray([-1, -0.0, 0, 2], np.float32)}
    quant = node("Quant", ["x", "s", "z", "b"], ["y"], signed=1, narrow=1, domain="onnx.brevitas")
    bipolar = node("BipolarQuant", ["x", "s"], ["u"], domain="onnx.brevitas")
    values = evaluate_model(read([quant, bipolar], x, ["y", "u"], constants), x)
    assert values["y"].tolist() == values["u"].tolist() == [-0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
def test_trunc(read: Callable[..., Model], mode: str) -> None:
    x = {"x": (RNG.integers(-128, 128, 50) / 4).astype(np.float32)}
    constants = {
        "s": np.float32(0.25),
        "z": np.float32(0),
        "i": np.float32(8),
        "o": np.float32(5),
        "t": np.float32(2.0),
    }
    first = node("Trunc", ["x", "s", "z", "i", "o"], ["y"], rounding_mode=mode, domain="q")
    second = node(
        "Trunc", ["x", "s", "z", "i", "t", "o"], ["u"], rounding_mode=mode, signed=1, domain="q"
    )
    values = evaluate_model(read([first, second], x, ["y", "u"], constants), x)
    codes = np.round(x["x"] / 0.25) / 8
    np.testing.assert_array_equal(values["y"], QONNX_ROUNDING[mode](codes) * 0.25)
    np.testing.assert_array_equal(values["u"], QONNX_ROUNDING[mode](np.clip(codes, -16, 15)) * 2)


def test_scale_computed_from_constants(read: Callable[..., Model]) -> None:
    constants = {"w": i8(4, 3).astype(np.float32), "d": np.float32(127), "z": np.float32(0)}
    constants["b"] = np.float32(8)
    nodes = [
        node("Abs", ["w"], ["a"]),
        node("ReduceMax", ["a"], ["m"], axes=[1], keepdims=1),
        node("Div", ["m", "d"], ["s"]),
        node("Quant", ["w", "s", "z", "b"], ["q"], domain="onnx.brevitas", signed=1, narrow=1),
        node("MatMul", ["x", "q"], ["y"]),
    ]
    x = {"x": np.ones((2, 4), np.float32)}
    model = read(nodes, x, ["y"], constants, opset=13)
    assert [item.loc.op for item in model] == ["Quant", "Quant", "MatMul"]
    wanted = np.abs(constants["w"]).max(axis=1, keepdims=True) / np.float32(127)
    assert any(np.array_equal(item, wanted) for item in model.constants.values())


def test_channels_last(read: Callable[..., Model], agree: Agree) -> None:
    x = RNG.integers(-9, 9, (1, 5, 6, 2)).astype(np.float32)
    w = RNG.integers(-9, 9, (3, 3, 3, 2)).astype(np.float32)
    last = {"domain": "qonnx.custom_op.channels_last"}
    conv = node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], **last)
    pool = node("MaxPool", ["c"], ["y"], kernel_shape=[2, 2], strides=[2, 2], **last)
    got = evaluate_model(read([conv, pool], {"x": x}, ["y"], {"w": w}), {"x": x})["y"]
    plain = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", ["p"], ["y"], perm=[0, 2, 3, 1]),
    ]
    model = agree(plain, {"x": x}, constants={"w": w.transpose(0, 3, 1, 2)})
    np.testing.assert_array_equal(got, evaluate_model(model, {"x": x})["y"])


def test_multi_threshold_and_xnor(read: Callable[..., Model]) -> None:
    x = RNG.integers(-9, 9, (2, 3, 4)).astype(np.float32)
    t = np.sort(RNG.integers(-9, 9, (3, 5)), axis=1).astype(np.float32)
    steps = node("MultiThreshold", ["x", "t"], ["y"], out_scale=2.0, out_bias=-1.0, domain="f")
    got = evaluate_model(read([steps], {"x": x}, ["y"], {"t": t}), {"x": x})["y"]
    wanted = 2 * (x[..., None] >= t[None, :, None, :]).sum(-1) - 1
    np.testing.assert_array_equal(got, wanted)
    a, b = RNG.integers(0, 2, (2, 8)), RNG.integers(0, 2, (8, 3))
    feeds = {"a": a.astype(np.float32)}
    xnor = node("XnorPopcountMatMul", ["a", "b"], ["y"], domain="f")
    got = evaluate_model(read([xnor], feeds, ["y"], {"b": b.astype(np.float32)}), feeds)["y"]
    np.testing.assert_array_equal(got, (a[:, :, None] == b[None]).sum(axis=1))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("shape", [(1,), (3, 1), (1, 3, 1), (3, 1, 1)])
def test_requant_shift(read: Callable[..., Model], signed: int, shape: tuple[int, ...]) -> None:
    x = RNG.integers(-5000, 5000, (1, 3, 40)).astype(np.float32)
    mul = RNG.integers(1, 50, shape).astype(np.float32)
    add = RNG.integers(-500, 500, shape).astype(np.float32)

    def number(value: float) -> Any:
        return helper.make_tensor("v", TensorProto.FLOAT, (), [value])

    attributes = {"div": number(1024), "n_levels_out": number(256), "signed": number(signed)}
    shift = node("RequantShift", ["x", "m", "a"], ["y"], domain="PACTOps", **attributes)
    model = read([shift], {"x": x}, ["y"], {"m": mul, "a": add})
    got = evaluate_model(model, {"x": x})["y"]
    m, a = (item.reshape(1, -1, 1).astype(np.int64) for item in (mul, add))
    wanted = (x.astype(np.int64) * m + a + 512) >> 10
    np.testing.assert_array_equal(got, wanted.clip(-128, 127) if signed else wanted.clip(0, 255))
    assert model.nodes[-1].op == Quantize(
        -128 if signed else 0, 127 if signed else 255, Rounding.HALF_UP, True
    )
