"""Movements, shapes and order of nodes against onnxruntime, in all forms of the opsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

from hlsgen.ir.model import Model
from hlsgen.ops.model.movement import Take

node = helper.make_node
Agree = Callable[..., Model]
RNG = np.random.default_rng(7)


def real(*shape: int) -> Any:
    return RNG.uniform(-4, 4, shape).astype(np.float32)


def ints(*values: int) -> Any:
    return np.asarray(values, np.int64)


X = real(2, 3, 5, 6)

SLICES = [
    ([1], [4], [2], [1]),
    ([0, -3], [2**60, 6], [1, 3], [2, 1]),
    ([-1], [-(2**60)], [3], [-2]),
    ([4], [0], [2], [-1]),
    ([-100], [100], [-1], [3]),
]


@pytest.mark.parametrize(("starts", "ends", "axes", "steps"), SLICES)
def test_slice(
    agree: Agree, starts: list[int], ends: list[int], axes: list[int], steps: list[int]
) -> None:
    given = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    constants = {name: ints(*value) for name, value in given.items()}
    agree([node("Slice", ["x", *constants], ["y"])], {"x": X}, constants=constants)


def test_slice_by_attributes(agree: Agree) -> None:
    agree(
        [node("Slice", ["x"], ["y"], starts=[1, 0], ends=[9, -1], axes=[2, 3])], {"x": X}, opset=9
    )


def test_split(agree: Agree) -> None:
    outputs = ["a", "b"]
    agree([node("Split", ["x"], outputs, axis=3)], {"x": X}, outputs, opset=11)
    agree([node("Split", ["x"], outputs, axis=2, split=[1, 4])], {"x": X}, outputs, opset=11)
    agree([node("Split", ["x"], outputs, axis=-2, num_outputs=2)], {"x": X}, outputs, opset=18)
    constants = {"split": ints(4, 2)}
    agree([node("Split", ["x", "split"], outputs, axis=3)], {"x": X}, outputs, constants)


@pytest.mark.parametrize("indices", [np.int64(2), ints(-1, 0), np.asarray([[0, 1], [2, -3]])])
def test_gather(agree: Agree, indices: Any) -> None:
    agree([node("Gather", ["x", "i"], ["y"], axis=1)], {"x": X}, constants={"i": indices})


def test_concat_expand_tile(agree: Agree) -> None:
    two = {"a": real(2, 3), "b": real(2, 4)}
    agree([node("Concat", ["a", "b"], ["y"], axis=-1)], two)
    agree([node("Expand", ["a", "s"], ["y"])], two, constants={"s": ints(4, 1, 3)})
    agree([node("Tile", ["a", "r"], ["y"])], two, constants={"r": ints(2, 3)})


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pad(agree: Agree, mode: str) -> None:
    constants = {"pads": ints(0, 0, 1, 2, 0, 1, 2, 0), "v": np.float32(1.5)}
    names = ["x", "pads", "v"] if mode == "constant" else ["x", "pads"]
    agree([node("Pad", names, ["y"], mode=mode)], {"x": X}, constants=constants, opset=19)


def test_pad_forms(agree: Agree) -> None:
    pads = [0, 0, 1, 0, 0, 0, 0, 2]
    agree([node("Pad", ["x"], ["y"], pads=pads, value=0.5)], {"x": X}, opset=9)
    constants = {"pads": ints(1, 2), "axes": ints(-1)}
    agree([node("Pad", ["x", "pads", "", "axes"], ["y"])], {"x": X}, constants=constants, opset=18)
    constants = {"pads": ints(0, 0, -1, 1, 0, 0, 1, -2)}
    agree([node("Pad", ["x", "pads"], ["y"])], {"x": X}, constants=constants)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_and_space(agree: Agree, mode: str) -> None:
    agree([node("DepthToSpace", ["x"], ["y"], blocksize=2, mode=mode)], {"x": real(1, 8, 2, 3)})
    agree([node("SpaceToDepth", ["x"], ["y"], blocksize=2)], {"x": real(1, 2, 4, 6)})


@pytest.mark.parametrize("target", [(0, -1), (-1,), (12, 0, 5), (2, 3, 30), (1, -1, 1)])
def test_reshape(agree: Agree, target: tuple[int, ...]) -> None:
    agree([node("Reshape", ["x", "s"], ["y"])], {"x": X}, constants={"s": ints(*target)})


def test_squeeze_and_reduce_by_inputs(agree: Agree) -> None:
    constants = {"axes": ints(-1, 1)}
    agree([node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)], {"x": X}, constants=constants)
    agree([node("ReduceSum", ["x"], ["y"], noop_with_empty_axes=1)], {"x": X})
    agree([node("ReduceMean", ["x", "axes"], ["y"])], {"x": X}, constants=constants, opset=18)
    one = {"x": real(2, 1, 3, 1)}
    agree([node("Squeeze", ["x", "axes"], ["y"])], one, constants=constants)
    agree([node("Squeeze", ["x"], ["y"], axes=[1])], one, opset=11)
    agree([node("Unsqueeze", ["x", "axes"], ["y"])], one, constants=constants)


@pytest.mark.parametrize("largest", [0, 1])
def test_top_k(agree: Agree, largest: int) -> None:
    x = np.rint(real(3, 9))
    outputs = ["v", "i"]
    top = node("TopK", ["x", "k"], outputs, largest=largest)
    agree([top], {"x": x}, outputs, {"k": ints(4)})
    agree([node("TopK", ["x"], outputs, k=2, axis=0)], {"x": x}, outputs, opset=9)


TRANSFORMS = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


@pytest.mark.parametrize("transform", [*TRANSFORMS, "half_pixel_symmetric"])
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("factors", [(2.0, 3.0), (0.5, 1.5), (2.0, 0.75)])
def test_resize_nearest(
    agree: Agree, transform: str, rounding: str, factors: tuple[float, float]
) -> None:
    resize = node(
        "Resize",
        ["x", "", "scales"],
        ["y"],
        mode="nearest",
        coordinate_transformation_mode=transform,
        nearest_mode=rounding,
    )
    constants = {"scales": np.asarray([1, 1, *factors], np.float32)}
    agree([resize], {"x": real(1, 2, 4, 8)}, constants=constants, opset=19)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_resize_to_sizes(agree: Agree, transform: str) -> None:
    constants = {"sizes": ints(1, 2, 7, 5)}
    for mode in ("nearest", "linear"):
        attributes = {"mode": mode, "coordinate_transformation_mode": transform}
        resize = node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
        agree([resize], {"x": real(1, 2, 4, 8)}, constants=constants, opset=13)


def test_old_resize(agree: Agree) -> None:
    constants = {"scales": np.asarray([1, 1, 2, 3], np.float32)}
    model = agree([node("Resize", ["x", "scales"], ["y"])], {"x": X}, constants=constants, opset=10)
    assert [type(item.op) for item in model] == [Take, Take]
    agree([node("Upsample", ["x", "scales"], ["y"])], {"x": X}, constants=constants, opset=9)
    agree([node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 2.0])], {"x": X}, opset=7)


def test_microsoft_activations(agree: Agree) -> None:
    x = {"x": real(2, 8)}
    for op in ("Gelu", "QuickGelu", "FastGelu"):
        agree([node(op, ["x"], ["y"], domain="com.microsoft")], x, tolerance=1e-4)
    constants = {"b": real(8)}
    agree([node("BiasGelu", ["x", "b"], ["y"], domain="com.microsoft")], x, constants=constants)


def test_fused_operators(agree: Agree) -> None:
    ms = {"domain": "com.microsoft"}
    constants = {"w": real(4, 3, 3, 3), "b": real(4)}
    for activation, parameters in [("Relu", None), ("LeakyRelu", [0.25]), ("Clip", [-2.0, 2.0])]:
        more = {"activation_params": parameters} if parameters else {}
        fused = node("FusedConv", ["x", "w", "b"], ["y"], activation=activation, **more, **ms)
        agree([fused], {"x": X}, constants=constants)
    matmul = node("FusedMatMul", ["a", "c"], ["y"], alpha=0.5, transA=1, transB=1, **ms)
    agree([matmul], {"a": real(2, 4, 3)}, constants={"c": real(2, 5, 4)})
    gemm = node("FusedGemm", ["a", "c", "d"], ["y"], activation="Relu", transB=1, **ms)
    agree([gemm], {"a": real(3, 4)}, constants={"c": real(5, 4), "d": real(5)})


def test_range(agree: Agree) -> None:
    nodes = [node("Range", ["a", "b", "c"], ["r"]), node("Gather", ["x", "r"], ["y"], axis=3)]
    constants = {"a": np.int64(4), "b": np.int64(-1), "c": np.int64(-2)}
    agree(nodes, {"x": X}, constants=constants)


def test_shape_chain_is_folded(agree: Agree) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n"], ["n1"], axes=[0]),
        node("Neg", ["one"], ["m2"]),
        node("Concat", ["n1", "m2"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "one": ints(1)}
    model = agree(nodes, {"x": X}, constants=constants, opset=11)
    assert [item.loc.op for item in model] == ["Reshape"]


def test_float_constants_are_not_folded(agree: Agree) -> None:
    nodes = [node("Mul", ["a", "b"], ["w"]), node("MatMul", ["x", "w"], ["y"])]
    constants = {"a": real(3, 4), "b": np.float32(0.1)}
    model = agree(nodes, {"x": real(2, 3)}, constants=constants)
    assert [item.loc.op for item in model] == ["Mul", "MatMul"]
    assert "w" not in model.constants


def test_parameters_are_computed_in_the_type_of_the_file(agree: Agree) -> None:
    nodes = [
        node("Div", ["a", "b"], ["bound"]),
        node("Identity", ["bound"], ["bound2"]),
        node("Clip", ["x", "", "bound2"], ["y"]),
    ]
    constants = {"a": np.float32(1), "b": np.float32(3)}
    model = agree(nodes, {"x": X}, constants=constants)
    assert np.float32(1) / np.float32(3) in [float(v) for v in model.constants.values()]


def test_nodes_out_of_order(read: Callable[..., Model]) -> None:
    nodes = [node("Relu", ["b"], ["y"]), node("Neg", ["a"], ["b"]), node("Abs", ["x"], ["a"])]
    model = read(nodes, {"x": X}, ["y"])
    assert [item.loc.index for item in model] == [2, 1, 0]


def test_output_that_is_an_input(agree: Agree) -> None:
    nodes = [
        node("Identity", ["x"], ["y"]),
        node("Relu", ["x"], ["z"]),
        node("Identity", ["z"], ["u"]),
    ]
    model = agree(nodes, {"x": X}, ["y", "z", "u"])
    assert model.outputs == ("y", "z", "u")
