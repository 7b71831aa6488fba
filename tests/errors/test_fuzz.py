"""Damaged models: a located refusal or an honest result, never a traceback, a hang or a lie."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

from hlsgen.errors import HlsgenError
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.sim.run import feeds_of, simulate

ROUNDS = 600  # a seed model; three of them


def _const(name: str, values: Any, dtype: str = "float32") -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def _model(nodes: list[Any], constants: list[TensorProto], shape: list[int]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    domains = [helper.make_opsetid("", 19), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=9)


def qdq_conv() -> onnx.ModelProto:
    """Q/DQ, convolution, ReLU, pooling, Gemm."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "sx", "zx"], ["xq"], "q0"),
        helper.make_node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"], "d0"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["wd"], "dw", axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["p", "sp", "zx"], ["pq"], "q1"),
        helper.make_node("DequantizeLinear", ["pq", "sp", "zx"], ["pd"], "d1"),
        helper.make_node("Flatten", ["pd"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "g", "b"], ["y"], "fc", transB=1),
    ]
    constants = [
        _const("sx", 0.05), _const("zx", 120, "uint8"), _const("sp", 0.07),
        _const("w", rng.integers(-90, 90, (3, 1, 3, 3)), "int8"), _const("sw", [0.1, 0.2, 0.3]),
        _const("zw", [0, 0, 0], "int8"), _const("g", rng.integers(-3, 3, (2, 12))),
        _const("b", [0.5, -1]),
    ]  # fmt: skip
    return _model(nodes, constants, [1, 1, 4, 4])


def qonnx_mlp() -> onnx.ModelProto:
    """QONNX Quant, batch normalisation, bipolar weights."""
    rng = np.random.default_rng(1)

    def quant(x: str, y: str, bits: str, **attributes: Any) -> Any:
        inputs = [x, "s", "z", bits]
        return helper.make_node(
            "Quant", inputs, [y], y, domain="qonnx.custom_op.general", **attributes
        )

    nodes = [
        quant("x", "xq", "b6", signed=1, narrow=0, rounding_mode="ROUND"),
        quant("w", "wq", "b3", signed=1, narrow=1, rounding_mode="ROUND"),
        helper.make_node("MatMul", ["xq", "wq"], ["m"], "mm"),
        helper.make_node("BatchNormalization", ["m", "ga", "be", "mu", "va"], ["n"], "bn"),
        helper.make_node("Sigmoid", ["n"], ["a"], "act"),
        quant("a", "aq", "b6", signed=0, narrow=0, rounding_mode="FLOOR"),
        helper.make_node("Add", ["aq", "aq"], ["t"], "twice"),
        helper.make_node("Softmax", ["t"], ["y"], "soft", axis=1),
    ]
    constants = [
        _const("s", 0.125), _const("z", 0.0), _const("b6", 6.0), _const("b3", 3.0),
        _const("w", rng.normal(size=(5, 4))), _const("ga", [1, -1, 0.5, 0]),
        _const("be", [0, 0.1, 0.2, 0.3]), _const("mu", [0, 0.1, 0.2, 0.3]),
        _const("va", [1, 2, 3, 0.5]),
    ]  # fmt: skip
    return _model(nodes, constants, [1, 5])


def integer_net() -> onnx.ModelProto:
    """Plain operators on whole numbers: Mul, Add, Div, Floor, Clip, Concat, TopK."""
    nodes = [
        helper.make_node("Mul", ["x", "k"], ["a"], "mul"),
        helper.make_node("Add", ["a", "l"], ["b"], "add"),
        helper.make_node("Div", ["b", "d"], ["c"], "div"),
        helper.make_node("Floor", ["c"], ["f"], "floor"),
        helper.make_node("Clip", ["f", "lo", "hi"], ["q"], "clip"),
        helper.make_node("Slice", ["q", "s0", "s1", "s2"], ["h"], "slice"),
        helper.make_node("Concat", ["q", "h"], ["y"], "cat", axis=1),
    ]
    constants = [
        _const("k", [3, 5, 7, 9]), _const("l", [10, 20, -30, 40]), _const("d", 16.0),
        _const("lo", 0.0), _const("hi", 255.0), _const("s0", [0], "int64"),
        _const("s1", [2], "int64"), _const("s2", [1], "int64"),
    ]  # fmt: skip
    return _model(nodes, constants, [1, 4])


def damaged_bytes(proto: onnx.ModelProto, rng: random.Random) -> bytes:
    data = bytearray(proto.SerializeToString())
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.randrange(256)
            case 2:
                del data[place : place + rng.randrange(1, 9)]
            case _:
                data[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        if not data:
            break
    return bytes(data)


def messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from messages(item)


NUMBERS = (0, 1, -1, 2, 7, 255, 1 << 20, (1 << 31) - 1, -(1 << 31), (1 << 62))
REALS = (0.0, -0.0, 1.0, -1.0, 0.1, 1e-40, 1e38, float("inf"), float("nan"))


def damaged_fields(proto: onnx.ModelProto, rng: random.Random) -> bytes:
    """One or a few protobuf fields cleared, repeated or set to another value of their type."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for _ in range(rng.choice((1, 1, 2, 4))):
        message = rng.choice(list(messages(copy)))
        fields = message.ListFields()
        if not fields:
            continue
        field, value = rng.choice(fields)
        if rng.random() < 0.3 or field.message_type is not None:
            _shuffle(message, field, value, rng)
        else:
            _change(message, field, value, rng)
    return copy.SerializeToString()


def _shuffle(message: Message, field: Any, value: Any, rng: random.Random) -> None:
    if not field.is_repeated:
        message.ClearField(field.name)
    elif len(value):
        place = rng.randrange(len(value))
        if rng.random() < 0.5:
            del value[place]
        else:
            value.append(value[place])


def _change(message: Message, field: Any, value: Any, rng: random.Random) -> None:
    def other(old: Any) -> Any:
        if isinstance(old, str):
            return rng.choice(("", "x", "y", "Conv", "Quant", "int", "a-b", "ü", old + "_"))
        if isinstance(old, bytes):
            return bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 4, len(old)))))
        return rng.choice(REALS) if isinstance(old, float) else rng.choice(NUMBERS)

    try:
        if field.is_repeated:
            if len(value):
                place = rng.randrange(len(value))
                value[place] = other(value[place])
        else:
            setattr(message, field.name, other(value))
    except (ValueError, TypeError):  # the type of the field cannot hold it: leave it as it was
        return


def outcome(path: Path) -> str:
    """Read, lower and simulate: 'refused', or 'ran' with results of the right shape."""
    try:
        network = lower(read_model(path))
        model = network.model
        shapes = {n: model.types[n].shape for n in model.inputs}
        if any(int(np.prod(s)) > 1 << 16 for s in shapes.values()):
            return "large"
        rng = np.random.default_rng(0)
        feeds = feeds_of(network, {n: rng.normal(size=(2, *s)) * 9 for n, s in shapes.items()})
        results = simulate(network, feeds)
    except HlsgenError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) > 10
        return "refused"
    for port in network.outputs:
        assert results[port.name].shape == (2, *port.shape)
    return "ran"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", [damaged_bytes, damaged_fields])
@pytest.mark.parametrize("make", [qdq_conv, qonnx_mlp, integer_net])
def test_damage_ends_in_a_refusal_or_a_result(
    make: Callable[[], onnx.ModelProto],
    damage: Callable[[Any, random.Random], bytes],
    tmp_path: Path,
) -> None:
    rng = random.Random(11)
    path = tmp_path / "m.onnx"
    path.write_bytes(make().SerializeToString())
    assert outcome(path) == "ran"
    seen = {"refused": 0, "ran": 0, "large": 0}
    for _ in range(ROUNDS):
        path.write_bytes(damage(make(), rng))
        seen[outcome(path)] += 1
    assert seen["refused"] > ROUNDS // 20  # the damage is real
    assert seen["ran"] > 0
