"""What files of other makers than the corpus's taught: each case was refused or wrong once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import helper

from hlsgen.ir.model import Model
from hlsgen.sim.model_eval import evaluate_model

node = helper.make_node
Agree = Callable[..., Model]
RNG = np.random.default_rng(23)


def real(*shape: int) -> Any:
    return RNG.uniform(-4, 4, shape).astype(np.float32)


@pytest.mark.parametrize("opset", [13, 17, 21])
def test_clip_between_dequantised_bounds(agree: Agree, opset: int) -> None:
    """AIMET and AMD Quark quantise the bounds of a Clip as well."""
    constants = {
        "low": np.asarray(3, np.uint8),
        "high": np.asarray(255, np.uint8),
        "s": np.float32(6 / 252),
        "z": np.asarray(3, np.uint8),
    }
    nodes = [
        node("DequantizeLinear", ["low", "s", "z"], ["l"]),
        node("DequantizeLinear", ["high", "s", "z"], ["h"]),
        node("Clip", ["x", "l", "h"], ["y"]),
    ]
    agree(nodes, {"x": real(3, 5) * 3}, constants=constants, opset=opset)


def test_power_of_a_dequantised_two(agree: Agree) -> None:
    """onnxruntime's quantizer, asked for all operators, quantises the exponent."""
    constants = {"two": np.asarray(127, np.int8), "s": np.float32(2 / 127)}
    constants["z"] = np.asarray(0, np.int8)
    assert np.float32(2 / 127) * np.float32(127) == 2
    assert float(np.float32(2 / 127)) * 127 != 2
    nodes = [
        node("DequantizeLinear", ["two", "s", "z"], ["e"]),
        node("Pow", ["x", "e"], ["y"]),
    ]
    agree(nodes, {"x": real(3, 5)}, constants=constants)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_interpolated_codes(agree: Agree, dtype: type[Any]) -> None:
    """QOperator files interpolate the codes themselves."""
    bounds = np.iinfo(dtype)
    x = RNG.integers(bounds.min, bounds.max + 1, (1, 2, 5, 6)).astype(dtype)
    constants = {"scales": np.asarray([1, 1, 2, 2], np.float32)}
    resize = node("Resize", ["x", "", "scales"], ["y"], mode="linear")
    model = agree([resize], {"x": x}, constants=constants, opset=19)
    assert model.types["y"].dtype == np.dtype(dtype).name


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"cubic_coeff_a": -0.5},
        {"exclude_outside": 1},
        {"coordinate_transformation_mode": "align_corners"},
    ],
)
def test_resize_cubic(agree: Agree, attributes: dict[str, Any]) -> None:
    constants = {"scales": np.asarray([1, 1, 2, 1.5], np.float32)}
    resize = node("Resize", ["x", "", "scales"], ["y"], mode="cubic", **attributes)
    agree([resize], {"x": real(1, 2, 5, 6)}, constants=constants, opset=19)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_elements(agree: Agree, axis: int) -> None:
    constants = {"i": RNG.integers(-3, 3, (2, 3, 2))}
    gather = node("GatherElements", ["x", "i"], ["y"], axis=axis)
    agree([gather], {"x": real(3, 4, 3) if axis else real(3, 3, 3)}, constants=constants)


@pytest.mark.parametrize("indices", [[[0, 1], [-1, 0]], [[[1], [0]], [[2], [-3]]], [[2, 3, 4]]])
def test_gather_nd(agree: Agree, indices: Any) -> None:
    constants = {"i": np.asarray(indices, np.int64)}
    agree([node("GatherND", ["x", "i"], ["y"])], {"x": real(3, 4, 5)}, constants=constants)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("bij, kj -> kbi", [(2, 3, 4), (5, 4)]),
        ("ij,jk", [(3, 4), (4, 2)]),
        ("ijk,ij->k", [(3, 4, 5), (3, 4)]),
        ("i,j->ji", [(3,), (4,)]),
        ("ij,ij->ij", [(3, 4), (3, 4)]),
        ("ijk,l->i", [(3, 4, 2), (5,)]),
        ("ijk->ki", [(3, 4, 2)]),
    ],
)
def test_einsum(agree: Agree, equation: str, shapes: list[tuple[int, ...]]) -> None:
    inputs = {f"x{index}": real(*shape) for index, shape in enumerate(shapes)}
    agree([node("Einsum", list(inputs), ["y"], equation=equation)], inputs)


@pytest.mark.parametrize(("low", "high", "levels"), [(-4.0, 3.96875, 256), (0.0, 2.5, 16)])
def test_fake_quantize(read: Callable[..., Model], low: float, high: float, levels: int) -> None:
    """OpenVINO: round((x - low) / (high - low) * (levels - 1)), spread over the range given."""
    domain = "org.openvinotoolkit"
    fake = node("FakeQuantize", ["x", "l", "h", "l", "h"], ["y"], domain=domain, levels=levels)
    constants = {"l": np.float32(low), "h": np.float32(high)}
    x = real(2, 30)
    model = read([fake], {"x": x}, ["y"], constants, domains=[domain])
    assert model.dialect == "OpenVINO"
    found: Any = evaluate_model(model, {"x": x})["y"]
    step = (high - low) / (levels - 1)
    for value, got in zip(x.flat, found.flat, strict=True):
        code = round((min(max(float(value), low), high) - low) / step)
        assert got == pytest.approx(code * step + low, abs=1e-12)
