"""K-hot scales: what they lose against the best ones, and the requantisation that they leave."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hlsgen.arith.khot_scale import best_scale, khot_scale
from hlsgen.arith.realise import affine
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import OptionError
from hlsgen.frontends import read_model
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.lower import lower

ROWS = np.random.default_rng(0).standard_normal((60, 512))
PHASES = [Fraction(p) for p in 2 ** np.random.default_rng(1).random(60)]


def error(row: np.ndarray, made: np.ndarray) -> float:
    return float(((made - row) ** 2).sum() / (row**2).sum())


@pytest.mark.parametrize(
    ("bits", "losses"),
    [
        (2, (0.41, 0.015, 0.000)),
        (3, (0.77, 0.034, 0.001)),
        (4, (1.17, 0.069, 0.005)),
        (6, (2.09, 0.25, 0.03)),
        (8, (4.58, 0.52, 0.10)),
    ],
)
def test_losses_on_gaussian_rows(bits: int, losses: tuple[float, ...]) -> None:
    """In dB against the best scale, for 1, 2, 3 digits; measured by another program."""
    most = (1 << (bits - 1)) - 1
    best = 0.0
    for row in ROWS:
        scale = best_scale(row, WeightFormat(bits))
        best += error(row, scale * np.clip(np.round(row / scale), -most, most))
    for digits, loss in enumerate(losses, 1):
        found = [
            khot_scale(r, WeightFormat(bits), digits, p) for r, p in zip(ROWS, PHASES, strict=True)
        ]
        own = sum(error(r, float(f.scale) * f.codes) for r, f in zip(ROWS, found, strict=True))
        got = 10 * math.log10(own / best)
        assert got == pytest.approx(loss, rel=0.2, abs=0.02)
        assert not (bits == 4 and digits == 2) or got < 0.1


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_the_factor_is_exact(digits: int) -> None:
    """A dyadic number of so many signed digits, 8 places apart at most."""
    for row, ratio in zip(ROWS[:20], PHASES, strict=False):
        found = khot_scale(row, WeightFormat(4), digits, ratio)
        assert found.scale * ratio == found.factor
        size = found.factor.numerator
        assert csd_weight(size) <= digits
        assert found.factor.denominator.bit_count() == 1
        assert size >> (size & -size).bit_length() - 1 <= 1 << 9
        assert np.abs(found.codes).max() <= 7


def test_a_row_of_zeros_has_some_scale() -> None:
    found = khot_scale(np.zeros(5), WeightFormat(4), 2, Fraction(3, 8))
    assert (found.scale, found.factor, found.codes.tolist()) == (Fraction(8, 3), 1, [0] * 5)


@pytest.mark.parametrize(
    ("weights", "bits", "digits", "ratio"),
    [([], 4, 2, 1), ([1.0, math.inf], 4, 2, 1), ([1.0], 1, 2, 1), ([1.0], 4, 0, 1),
     ([1.0], 4, 2, 0)],
)  # fmt: skip
def test_what_has_no_meaning(weights: list[float], bits: int, digits: int, ratio: int) -> None:
    with pytest.raises(OptionError, match="a K-hot scale needs"):
        khot_scale(np.array(weights), WeightFormat(bits), digits, Fraction(ratio))


# -- a layer quantised with it


def layer(codes: np.ndarray, scales: np.ndarray, x_scale: float, rounding: str) -> onnx.ModelProto:
    """int8 in, weights with a scale for each column; int8 out, in steps of 1/4, ties as said."""
    constants = {
        "xs": np.float32(x_scale), "ys": np.float32(0.25), "zero": np.int8(0),
        "w": codes.astype(np.int8), "ws": scales.astype(np.float32),
        "z": np.float32(0), "bits": np.float32(8),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "xs", "zero"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "zero"], ["xd"]),
        node("DequantizeLinear", ["w", "ws"], ["wd"], axis=1),
        node("MatMul", ["xd", "wd"], ["sum"]),
    ]
    quant = {"signed": int(rounding != "HALF_UP"), "narrow": 0, "rounding_mode": rounding}
    nodes += (
        [
            node("QuantizeLinear", ["sum", "ys", "zero"], ["yq"]),
            node("DequantizeLinear", ["yq", "ys", "zero"], ["y"]),
        ]
        if rounding == "QDQ"
        else [node("Quant", ["sum", "ys", "z", "bits"], ["y"], domain=QONNX, **quant)]
    )
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", real, [1, len(codes)])],
        [helper.make_tensor_value_info("y", real, [1, codes.shape[1]])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(QONNX, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


QONNX = "qonnx.custom_op.general"


def digits_taken(model: onnx.ModelProto, folder: Path) -> list[int]:
    """Signed digits of the multipliers of the requantisation behind the layer."""
    onnx.save(model, folder / "model.onnx")
    nodes = lower(read_model(folder / "model.onnx")).graph.nodes
    stairs = [n.op for n in nodes if isinstance(n.op, Staircase) and len(n.op.rows) > 1]
    assert len(stairs) == 1
    found = affine(stairs[0].rows)
    assert found is not None
    return [csd_weight(m) for m in found.m]


def snapped(digits: int, x_scale: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Codes and scales of six channels, and whether float32 holds these."""
    ratio = Fraction(np.float32(x_scale).item()) / Fraction(1, 4)
    found = [khot_scale(row, WeightFormat(4), digits, ratio) for row in ROWS[:6, :64]]
    scales = np.array([float(f.scale) for f in found]).astype(np.float32)
    exact = [Fraction(float(s)) for s in scales] == [f.scale for f in found]
    return np.stack([f.codes for f in found], axis=1), scales, exact


@pytest.mark.parametrize("rounding", ["HALF_UP", "FLOOR"])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_a_layer_takes_so_many_digits_a_channel(digits: int, rounding: str, tmp_path: Path) -> None:
    codes, scales, exact = snapped(digits, 2.0**-6)
    assert exact
    assert max(digits_taken(layer(codes, scales, 2.0**-6, rounding), tmp_path)) <= digits


@pytest.mark.parametrize("x_scale", [2.0**-6, 0.0131, 0.0177])
@pytest.mark.parametrize("digits", [1, 2])
def test_ties_to_even_and_rounded_scales_take_a_digit_more(
    digits: int, x_scale: float, tmp_path: Path
) -> None:
    codes, scales, exact = snapped(digits, x_scale)
    assert exact == (x_scale == 2.0**-6)
    assert max(digits_taken(layer(codes, scales, x_scale, "QDQ"), tmp_path)) <= digits + 1


def test_the_best_scales_take_more(tmp_path: Path) -> None:
    rows = ROWS[:6, :64]
    scales = np.array([best_scale(row, WeightFormat(4)) for row in rows])
    codes = np.clip(np.round(rows.T / scales), -7, 7)
    assert max(digits_taken(layer(codes, scales, 2.0**-6, "FLOOR"), tmp_path)) > 3
