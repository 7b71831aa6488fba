"""What a faulty or unsupported file is answered: one located line, never a traceback."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hlsgen.errors import HlsgenError, ModelError, Unsupported
from hlsgen.frontends import read_model

node = helper.make_node
FLOAT = TensorProto.FLOAT


def build(
    nodes: list[Any],
    constants: dict[str, Any] | None = None,
    shape: tuple[Any, ...] = (1, 4),
    elem: int = FLOAT,
    outputs: tuple[str, ...] = ("y",),
    opset: int = 17,
) -> Any:
    tensors = [
        value
        if isinstance(value, TensorProto)
        else numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def refuse(folder: Path, proto: Any, kind: type[HlsgenError] = ModelError) -> str:
    path = folder / "bad.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    with pytest.raises(HlsgenError) as caught:
        read_model(path)
    assert isinstance(caught.value, kind)
    assert caught.value.loc is not None
    text = str(caught.value)
    assert text.startswith("bad.onnx: ")
    assert "\n" not in text
    return text


RELU = node("Relu", ["x"], ["y"], name="act")


def test_not_a_model(tmp_path: Path) -> None:
    assert "the file is empty" in refuse(tmp_path, b"")
    assert "not an ONNX file" in refuse(tmp_path, b"hello, this is no protobuf at all")
    assert "not an ONNX file" in refuse(tmp_path, b"PK\x03\x04" + bytes(200))
    whole = build([RELU], {"w": np.ones(1000, np.float32)}).SerializeToString()
    for cut in (len(whole) // 2, len(whole) - 7):
        assert "not an ONNX file, or a truncated one" in refuse(tmp_path, whole[:cut])
    with pytest.raises(ModelError, match="cannot read the file"):
        read_model(tmp_path / "absent.onnx")


def test_missing_value(tmp_path: Path) -> None:
    text = refuse(tmp_path, build([node("Add", ["x", "w"], ["y"], name="sum")]))
    assert text.startswith("bad.onnx: node 0 'sum' (Add): input 'w' is made by no node")
    assert "output 'z' is made by no node" in refuse(tmp_path, build([RELU], outputs=("y", "z")))


def test_made_twice(tmp_path: Path) -> None:
    twice = [RELU, node("Abs", ["x"], ["y"], name="again")]
    assert "node 1 'again' (Abs): value 'y' is made twice" in refuse(tmp_path, build(twice))
    text = refuse(tmp_path, build([RELU], {"y": np.float32(1)}))
    assert "value 'y' is made twice" in text


def test_cycle(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["c"], ["y"]),
        node("Add", ["x", "c"], ["b"], name="loop1"),
        node("Abs", ["b"], ["c"], name="loop2"),
    ]
    text = refuse(tmp_path, build(nodes))
    assert "the graph has a cycle through this node" in text
    assert "loop" in text


def test_two_nodes_of_one_name_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "ok.onnx"
    onnx.save(
        build([node("Abs", ["x"], ["a"], name="n"), node("Relu", ["a"], ["y"], name="n")]), path
    )
    assert len(read_model(path).nodes) == 2


@pytest.mark.parametrize(
    ("dims", "fragment"),
    [
        ((1, "height"), "dimension 1 ('height') of input 'x' has no fixed size"),
        ((1, None), "dimension 1 ('?') of input 'x' has no fixed size"),
        ((1, -1), "dimension 1 ('-1') of input 'x' has no fixed size"),
        ((1, 2**30), "at most 268435456 are read"),
    ],
)
def test_shapes_of_inputs(tmp_path: Path, dims: tuple[Any, ...], fragment: str) -> None:
    text = refuse(tmp_path, build([RELU], shape=dims))
    assert fragment in text
    if "no fixed size" in fragment:
        assert "--shape x=1x3x32x32" in text


def test_given_shapes(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(build([RELU], shape=("n", "h")), path)
    model = read_model(path, shapes={"x": (2, 7)})
    assert model.types["y"].shape == (2, 7)
    assert not model.batch
    with pytest.raises(ModelError, match="has 2 dimensions, not 1"):
        read_model(path, shapes={"x": (2,)})
    with pytest.raises(ModelError, match="there is no input 'z'"):
        read_model(path, shapes={"x": (2, 7), "z": (1,)})
    onnx.save(build([RELU], shape=("n", 5)), path)
    assert read_model(path).batch == {"x"}


def test_unknown_operators(tmp_path: Path) -> None:
    text = refuse(tmp_path, build([node("MaxPol", ["x"], ["y"], domain="my.ops")]), Unsupported)
    assert "unknown operator MaxPol of domain my.ops; the nearest known one is MaxPool" in text
    for op, fragment in [
        ("LayerNormalization", "later release"),
        ("LSTM", "recurrent layers belong to a later release"),
        ("Attention", "attention belongs to a later release"),
        ("Loop", "control flow has no fixed circuit"),
        ("FloatQuant", "number-formats release"),
        ("StreamingFCLayer_Batch", "a node of FINN's own back end"),
        ("iRMSNorm", "belongs to a later release"),
    ]:
        assert fragment in refuse(tmp_path, build([node(op, ["x"], ["y"])]), Unsupported)


def test_dynamic_quantization(tmp_path: Path) -> None:
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    assert "--static-scales calibration.npz" in refuse(tmp_path, build(nodes), Unsupported)
    static = {"s": np.float32(0.5), "z": np.uint8(3)}
    model = read_model(tmp_path / "bad.onnx", overrides=static)
    assert model.constants["s"] == 0.5


def quant(**changes: Any) -> Any:
    constants = {"s": np.float32(0.5), "z": np.float32(0), "b": np.float32(8), **changes}
    attributes = {"signed": 1, "narrow": 0}
    attributes |= {k: constants.pop(k) for k in ("rounding_mode", "signed") if k in constants}
    return build([node("Quant", ["x", "s", "z", "b"], ["y"], name="q", **attributes)], constants)


QUANTS: list[tuple[dict[str, Any], str]] = [
    ({"s": np.float32(0)}, "scale 's' has to be positive and finite, got 0"),
    ({"s": np.float32(-0.5)}, "scale 's' has to be positive and finite, got -0.5"),
    ({"s": np.float32(np.nan)}, "scale 's' has to be positive and finite, got nan"),
    ({"s": np.float32(np.inf)}, "scale 's' has to be positive and finite, got inf"),
    ({"b": np.float32(0)}, "a bit width of 0; it has to lie above 0 and at most at 64"),
    ({"b": np.float32(-3)}, "a bit width of -3"),
    ({"b": np.float32(65)}, "a bit width of 65"),
    ({"b": np.float32(np.nan)}, "the bit width has to be a number"),
    ({"z": np.float32(300)}, "zero point 300 lies outside of the codes -128 .. 127"),
    ({"z": np.float32(np.nan)}, "zero point nan lies outside of the codes"),
    ({"s": np.ones(3, np.float32)}, "shapes [3] and [1, 4] do not broadcast"),
    ({"s": np.ones((2, 4), np.float32)}, "a scale of shape [2, 4] does not fit an input [1, 4]"),
    ({"rounding_mode": "SOMEHOW"}, "rounding_mode 'SOMEHOW' is none of ROUND"),
    ({"rounding_mode": 3}, "attribute 'rounding_mode' has to be a string, got type INT"),
    ({"signed": "yes"}, "attribute 'signed' has to be a number, got type STRING"),
]


@pytest.mark.parametrize(("changes", "fragment"), QUANTS)
def test_quant_parameters(tmp_path: Path, changes: dict[str, Any], fragment: str) -> None:
    text = refuse(tmp_path, quant(**changes))
    assert text.startswith("bad.onnx: node 0 'q' (Quant): ")
    assert fragment in text


def test_scale_at_run_time(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMax", ["x"], ["b"]),
        node("Quant", ["x", "s", "z", "b"], ["y"], signed=1, narrow=0),
    ]
    constants = {"s": np.float32(1), "z": np.float32(0)}
    text = refuse(tmp_path, build(nodes, constants), Unsupported)
    assert "the bit width 'b' is computed at run time; hardware needs a constant there" in text


def qdq(**changes: Any) -> Any:
    constants = {"s": np.float32(0.5), "z": np.int8(0), **changes}
    return build(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"], name="q"),
            node("DequantizeLinear", ["q", "s", "z2" if "z2" in constants else "z"], ["y"]),
        ],
        constants,
    )


QDQS: list[tuple[dict[str, Any], str]] = [
    ({"s": np.float32(0)}, "scale 's' has to be positive and finite, got 0"),
    ({"s": np.float32([1, 2, 0, 1])}, "has to be positive and finite, got 0"),
    ({"s": np.float32([1, 2, 3])}, "'s' holds 3 numbers for 4 elements on axis 1"),
    ({"s": np.ones((2, 2), np.float32)}, "'s' of shape [2, 2] fits no tensor of shape [1, 4]"),
    ({"z": np.float32(0)}, "codes of type float32; an integer type is needed"),
    ({"z2": np.uint8(0)}, "the zero point is uint8 and the codes are int8"),
]


@pytest.mark.parametrize(("changes", "fragment"), QDQS)
def test_qdq_parameters(tmp_path: Path, changes: dict[str, Any], fragment: str) -> None:
    assert fragment in refuse(tmp_path, qdq(**changes))


def test_float8_is_refused_where_it_is_used(tmp_path: Path) -> None:
    weights = helper.make_tensor("w", TensorProto.FLOAT8E4M3FN, (4,), [1, 2, 3, 4])
    nodes = [
        node("DequantizeLinear", ["w", "s"], ["d"], name="dq"),
        node("Mul", ["x", "d"], ["y"]),
    ]
    text = refuse(tmp_path, build(nodes, {"w": weights, "s": np.float32(1)}), Unsupported)
    assert text.startswith("bad.onnx: node 0 'dq' (DequantizeLinear): tensor 'w' has type FLOAT8")


SHAPES: list[tuple[Any, dict[str, Any], str]] = [
    (node("MatMul", ["x", "w"], ["y"]), {"w": np.ones((3, 2), np.float32)}, "4 columns meet 3"),
    (node("Add", ["x", "w"], ["y"]), {"w": np.ones(3, np.float32)}, "do not broadcast"),
    (node("Conv", ["x", "w"], ["y"]), {"w": np.ones((1, 1, 3, 3), np.float32)}, "of one rank"),
    (node("Reshape", ["x", "w"], ["y"]), {"w": np.asarray([3, -1])}, "cannot reshape [1, 4]"),
    (node("Reshape", ["x", "w"], ["y"]), {"w": np.asarray([-1, -1])}, "cannot reshape [1, 4]"),
    (node("Transpose", ["x"], ["y"], perm=[0, 0]), {}, "perm [0, 0] is no order of 2 axes"),
    (node("Concat", ["x", "w"], ["y"], axis=7), {"w": np.ones((1, 4), np.float32)}, "axis 7"),
    (node("Softmax", ["x"], ["y"], axis=-3), {}, "axis -3 does not exist in a tensor of rank 2"),
    (node("Gather", ["x", "w"], ["y"], axis=1), {"w": np.asarray([9])}, "outside of axis size 4"),
    (node("Gemm", ["x"], ["y"]), {}, "input 1 is missing"),
    (node("MaxPool", ["x"], ["y"]), {}, "attribute 'kernel_shape' is missing"),
    (node("MaxPool", ["x"], ["y"], kernel_shape=2.5), {}, "has to be integers, got type FLOAT"),
    (node("LeakyRelu", ["x"], ["y"], alpha=float("nan")), {}, "attribute 'alpha' is nan"),
    (node("Cast", ["x"], ["y"], to=99), {}, "the cast's result has the unknown element type 99"),
    (node("Tile", ["x", "w"], ["y"]), {"w": np.asarray([1, 2, 3])}, "malformed Tile"),
]


@pytest.mark.parametrize(("faulty", "constants", "fragment"), SHAPES)
def test_shapes(tmp_path: Path, faulty: Any, constants: dict[str, Any], fragment: str) -> None:
    text = refuse(tmp_path, build([faulty], constants))
    assert text.startswith(f"bad.onnx: node 0 'y' ({faulty.op_type}): ")
    assert fragment in text


@pytest.mark.parametrize("size", [2**28, 2**40, 2**62])
def test_huge_results(tmp_path: Path, size: int) -> None:
    for op in ("Expand", "Tile"):
        huge = build([node(op, ["x", "s"], ["y"])], {"s": np.asarray([size, 4])})
        assert "elements; at most 268435456 are read" in refuse(tmp_path, huge)
    chain = [node("Range", ["a", "s", "b"], ["r"]), node("Add", ["x", "r"], ["y"])]
    bounds = {"a": np.int64(0), "s": np.int64(size + 1), "b": np.int64(1)}
    assert "elements; at most 268435456 are read" in refuse(tmp_path, build(chain, bounds))
    pads = {"s": np.asarray([size, 0, 0, 0])}
    huge = build([node("Pad", ["x", "s"], ["y"])], pads)
    assert "elements; at most 268435456 are read" in refuse(tmp_path, huge)


def test_huge_tensor(tmp_path: Path) -> None:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2**20, 2**20])
    text = refuse(tmp_path, build([node("Add", ["x", "w"], ["y"])], {"w": tensor}))
    assert "tensor 'w' of shape [1048576, 1048576]" in text


def test_wrong_tensor_data(tmp_path: Path) -> None:
    add = node("Add", ["x", "w"], ["y"])
    short = TensorProto(name="w", data_type=FLOAT, dims=[4], raw_data=b"123")
    assert "its data do not fit float32[4]" in refuse(tmp_path, build([add], {"w": short}))
    fewer = TensorProto(name="w", data_type=FLOAT, dims=[4], float_data=[1.0])
    assert "its data do not fit float32[4]" in refuse(tmp_path, build([add], {"w": fewer}))
    untyped = TensorProto(name="w", dims=[4])
    assert "tensor 'w' has no element type" in refuse(tmp_path, build([add], {"w": untyped}))
    negative = TensorProto(name="w", data_type=FLOAT, dims=[-4])
    assert "negative size" in refuse(tmp_path, build([add], {"w": negative}))
    text = helper.make_tensor("w", TensorProto.STRING, (1,), [b"a"])
    assert "type STRING" in refuse(tmp_path, build([add], {"w": text}), Unsupported)


@pytest.mark.parametrize("place", ["../outside.bin", "/etc/passwd", "", "gone.bin", "short.bin"])
def test_external_data(tmp_path: Path, place: str) -> None:
    (tmp_path.parent / "outside.bin").write_bytes(bytes(64))
    (tmp_path / "short.bin").write_bytes(bytes(3))
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    text = refuse(tmp_path, build([node("Add", ["x", "w"], ["y"])], {"w": tensor}))
    fragments = {"gone.bin": "cannot be read", "short.bin": "end too early"}
    assert fragments.get(place, "lie outside of the model's folder") in text


def test_external_data_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(struct.pack("<5f", 9, 1, 2, 3, 4))
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    tensor.external_data.add(key="offset", value="4")
    onnx.save_model(build([node("Add", ["x", "w"], ["y"])], {"w": tensor}), tmp_path / "m.onnx")
    assert read_model(tmp_path / "m.onnx").constants["w"].tolist() == [1, 2, 3, 4]


def test_sparse_and_sequences(tmp_path: Path) -> None:
    proto = build([RELU])
    values = numpy_helper.from_array(np.ones(1, np.float32), "sp")
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    assert "sparse initializer 'sp'" in refuse(tmp_path, proto, Unsupported)
    proto = build([RELU])
    item = helper.make_tensor_type_proto(FLOAT, [1])
    proto.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(item))
    assert "input 'x' is no tensor but sequence_type" in refuse(tmp_path, proto, Unsupported)


def test_garbage_attribute(tmp_path: Path) -> None:
    bad = node("LeakyRelu", ["x"], ["y"], alpha=0.5)
    bad.attribute[0].type = 9
    assert "attribute 'alpha' has to be a number" in refuse(tmp_path, build([bad]))


def mutations(data: bytes, count: int) -> list[bytes]:
    rng = np.random.default_rng(5)
    found: list[bytes] = []
    for _ in range(count):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            changed[place] = rng.integers(0, 256)
        found.append(bytes(changed))
    return found


MAKERS: list[Callable[[], Any]] = [quant, qdq]


@pytest.mark.parametrize("make", MAKERS)
def test_any_damage_is_answered(tmp_path: Path, make: Callable[[], Any]) -> None:
    """A thousand damaged copies: each reads, or is refused by an HlsgenError."""
    path = tmp_path / "damaged.onnx"
    for data in mutations(make().SerializeToString(), 1000):
        path.write_bytes(data)
        error: HlsgenError | None = None
        try:
            read_model(path)
        except HlsgenError as caught:
            error = caught
        assert error is None or error.loc is not None
