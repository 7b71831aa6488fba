"""Sums of products beyond 64 bits against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest

from hlsgen.arith.staircase import Affine
from hlsgen.arith.words import Factor, Words


def integers(rng: np.random.Generator, bits: int, count: int) -> list[int]:
    """Of all sizes up to 2^bits, either sign."""
    sizes = rng.integers(0, bits, count).tolist()
    return [int(rng.choice([-1, 1])) * int(rng.integers(1 << 62) << b >> 62) for b in sizes]


@pytest.mark.parametrize(("m_bits", "n_bits"), [(10, 60), (45, 61), (61, 40), (70, 36), (103, 3)])
def test_sums_shifts_and_bits(m_bits: int, n_bits: int) -> None:
    rng = np.random.default_rng(m_bits)
    m, b = integers(rng, m_bits, 400), integers(rng, 105, 400)
    n = [[*integers(rng, n_bits, 6), (1 << n_bits) - 1, -1 << n_bits, 0] for _ in m]
    rows = np.arange(len(m))[:, None]
    found = Words.sum_of_products(
        [(Factor.of(m).at(rows), np.array(n)), (Factor.of(b).at(rows), np.ones((), np.int64))]
    )
    want = [[p * x + q for x in row] for p, q, row in zip(m, b, n, strict=True)]
    highs, lows = found.high.tolist(), found.low.tolist()
    assert [
        [(h << 64) + v for h, v in zip(*pair, strict=True)]
        for pair in zip(highs, lows, strict=True)
    ] == want
    assert found.row_ends() == ([min(row) for row in want], [max(row) for row in want])
    for shift in (47, 63, 64, 65, 90):
        shifted = (found >> shift).tolist()
        for got, row in zip(shifted, want, strict=True):
            for have, value in zip(got, row, strict=True):
                assert have == value >> shift or abs(value >> shift) >= 1 << 62
    for first, last in ((0, 64), (3, 50), (60, 70), (66, 90), (64, 64)):
        mask = (1 << last) - (1 << first)
        assert found.clear(first, last).tolist() == [[v & mask == 0 for v in row] for row in want]


@pytest.mark.parametrize("tie", [None, 40, 63, 66])
def test_wide_units(tie: int | None) -> None:
    """A unit whose sums take 100 bits, around its ties and elsewhere."""
    shift = 70
    m, b = ((1 << 58) + 1, -(3 << 57)), (1 << 69, 5)
    unit = Affine(m, b, shift, -40000, 40000, (-(1 << 40),) * 2, (1 << 40,) * 2, tie, 1)
    rng = np.random.default_rng(1)
    n = np.array([[*range(-40, 40), *integers(rng, 27, 300)]] * 2)
    got = unit.evaluate(np.arange(2)[:, None], n)
    for r in range(2):
        for x, code in zip(n[r].tolist(), got[r].tolist(), strict=True):
            v = m[r] * x + b[r]
            t = v >> shift
            if tie is not None and (v & ((1 << shift) - 1)) >> tie == 0:
                t &= ~1
            assert code == min(max(t + 1, -40000), 40000)
