"""Factors of blocks: exactly the matrix, the blocks of the file, and none where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.arith.block_factors import block_factors
from hlsgen.arith.signed_digit import csd_digits
from hlsgen.frontends import read_model
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.passes.lower import lower
from tests.passes.sketch import Sketch


def blocked(size: int, rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes of four bits times factors of eight, and these factors."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(128, 256, (-(-rows // size), 5))
    return rng.integers(-8, 8, (rows, 5)) * factors.repeat(size, axis=0)[:rows], factors


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 1 << 40), st.integers(0, 1 << 30),
)  # fmt: skip
def test_they_multiply_out_to_the_weights(rows: int, size: int, large: int, seed: int) -> None:
    weights = blocked(size, rows, seed)[0] * large
    found = block_factors(weights)
    if found is None:
        return
    for k in range(rows):
        factors = found.factors[k // found.size].tolist()
        made = [f * q for f, q in zip(factors, found.codes[k].tolist(), strict=True)]
        assert made == weights[k].tolist()


@pytest.mark.parametrize(("size", "rows"), [(8, 32), (16, 64), (6, 30), (16, 40), (7, 21)])
def test_the_blocks_are_found(size: int, rows: int) -> None:
    """Divisors of the rows and powers of two, the last block shorter where it must be."""
    weights, factors = blocked(size, rows)
    found = block_factors(weights)
    assert found is not None
    assert found.size == size
    assert np.abs(found.codes).max() <= 8
    assert (found.factors % factors == 0).all()


@pytest.mark.parametrize(
    "weights",
    [np.random.default_rng(0).integers(-128, 128, (32, 8)), np.zeros((8, 2), np.int64),
     np.array([[5], [7]]), np.array([[9]]), np.array([[2], [4], [8], [16]])],
)  # fmt: skip
def test_no_factor_worth_its_digits(weights: np.ndarray) -> None:
    assert block_factors(weights) is None


def test_digits_are_saved() -> None:
    weights, _ = blocked(16, 64)
    found = block_factors(weights)
    assert found is not None

    def digits(values: np.ndarray) -> int:
        return sum(len(csd_digits(v)) for v in values.ravel().tolist())

    assert 2 * (digits(found.codes) + digits(found.factors)) < digits(weights)


def blockwise_model(folder: Path) -> tuple[Path, np.ndarray]:
    """A QDQ MatMul of int4 in blocks of 8 rows with scales in float32, and its codes."""
    g = Sketch(30)
    x = g.qdq(g.feed((1, 24)), 0.03, 4)
    codes = g.rng.integers(-8, 8, (24, 3))
    scale = g.const(g.rng.uniform(0.01, 0.1, (3, 3)).astype(np.float32))
    w = g.node("DequantizeLinear", [g.const(codes, "int4"), scale], axis=0, block_size=8)
    path = folder / "model.onnx"
    onnx.save(g.out(g.qdq(g.do("MatMul", x, w), 0.02)).proto(), path)
    return path, codes


def test_a_file_with_blocks_gives_them_back(tmp_path: Path) -> None:
    path, codes = blockwise_model(tmp_path)
    nodes = lower(read_model(path)).graph.nodes
    (weights,) = (n.op.weights for n in nodes if isinstance(n.op, MatMul))
    assert np.abs(weights).max() > 1 << 24  # the mantissas of the scales are in the integers
    found = block_factors(weights)
    assert found is not None
    assert found.size == 8
    common = np.gcd.reduce(np.abs(codes).reshape(3, 8, 3), axis=1).repeat(8, axis=0)
    assert (found.codes == codes // common).all()
