"""The widest window by conflicts, against a trial of every window."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.conflict import Row
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.slope import Window, points, slope_intervals
from hlsgen.arith.steps import Stack, Steps

LIMIT = 16


def rows() -> list[tuple[Steps, int, int]]:
    """Lines with ties, bent ones, and steps that lie anywhere."""
    rng = np.random.default_rng(4)
    result: list[tuple[Steps, int, int]] = []
    for i in range(40):
        slope = Fraction(int(rng.integers(1, 60)), int(rng.choice([2, 4, 6, 12, 32, 77, 128])))
        offset = Fraction(int(rng.integers(-40, 40)), int(rng.choice([1, 2, 4, 3])))
        s = affine_steps(-90, 90, slope, offset, -20, 20, Rounding.HALF_EVEN)
        if s.t.size < 3:
            continue
        t = s.t.copy()
        if i % 3 == 1:  # one step is moved, if there is room
            k = int(rng.integers(t.size))
            t[k] += int(rng.choice([-1, 1]))
        if i % 3 == 2:
            t = np.sort(rng.choice(np.arange(-89, 91), t.size, replace=False))
        if (np.diff(t) > 0).all() and t[0] > -90 and t[-1] <= 90:
            s = Steps(s.lo, s.hi, s.first, t, s.jump)
            result.append((s, s.min_code - i % 2, s.max_code + i % 2))
    return result


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("start", [1, 4])
def test_least_window_bits(offset: int, start: int) -> None:
    seen: set[int | None] = set()
    for steps, qlo, qhi in rows():
        stack = Stack.of([steps])
        p = points(stack, qlo, qhi)
        odd = [(k[0] + p.origin_k - offset) & 1 for k in (p.lk, p.uk)]
        row = Row(p.lt[0], p.lk[0], odd[0], p.ut[0], p.uk[0], odd[1], 4 * p.bound)
        fits = (
            bits
            for bits in range(start, LIMIT + 1)
            if slope_intervals(points(stack, qlo, qhi, Window(bits, offset))).found[0]
        )
        want = next(fits, None)
        seen.add(want)
        assert row.least_bits(start, LIMIT) == want
    assert None in seen
    assert len(seen) > 2
