"""The nine rounding modes: arrays against exact fractions, and both against a table."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hlsgen.arith.rounding import Rounding, round_array, round_fraction

# -2.5 -1.5 -0.5 0.5 1.5 2.5, then -1.25 and 1.75, as AMD UG1399 and qonnx define the modes
POINTS = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, -1.25, 1.75)
TABLE = {
    Rounding.HALF_EVEN: (-2, -2, 0, 0, 2, 2, -1, 2),
    Rounding.HALF_UP: (-2, -1, 0, 1, 2, 3, -1, 2),
    Rounding.HALF_DOWN: (-3, -2, -1, 0, 1, 2, -1, 2),
    Rounding.HALF_AWAY: (-3, -2, -1, 1, 2, 3, -1, 2),
    Rounding.HALF_ZERO: (-2, -1, 0, 0, 1, 2, -1, 2),
    Rounding.FLOOR: (-3, -2, -1, 0, 1, 2, -2, 1),
    Rounding.CEIL: (-2, -1, 0, 1, 2, 3, -1, 2),
    Rounding.ZERO: (-2, -1, 0, 0, 1, 2, -1, 1),
    Rounding.AWAY: (-3, -2, -1, 1, 2, 3, -2, 2),
}


@pytest.mark.parametrize("mode", list(Rounding))
def test_table(mode: Rounding) -> None:
    assert tuple(round_fraction(Fraction(v), mode) for v in POINTS) == TABLE[mode]


@pytest.mark.parametrize("mode", list(Rounding))
def test_arrays_equal_fractions(mode: Rounding) -> None:
    rng = np.random.default_rng(0)
    v = np.concatenate([np.arange(-80, 81) / 8, rng.normal(0, 1e6, 500), [2.0**52 + 0.5, -0.0]])
    want = [round_fraction(Fraction(x), mode) for x in v.tolist()]
    np.testing.assert_array_equal(round_array(v, mode), want)
    ends = round_array(np.array([-np.inf, np.inf]), mode)
    assert ends.tolist() == [-np.inf, np.inf]
