"""Lattice counts against counting one by one."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.lattice import count_at_most, count_between, floor_sum

small = st.integers(-9, 9)
sides = st.tuples(st.integers(-8, 8), st.integers(-8, 8)).map(lambda ends: (min(ends), max(ends)))


@settings(derandomize=True, max_examples=500, deadline=None)
@given(small, sides, small, sides, st.integers(-150, 150))
def test_points_under_a_line(
    k1: int, a: tuple[int, int], k2: int, b: tuple[int, int], limit: int
) -> None:
    points = product(range(a[0], a[1] + 1), range(b[0], b[1] + 1))
    wanted = sum(k1 * x + k2 * y <= limit for x, y in points)
    assert count_at_most(k1, a, k2, b, limit) == wanted


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.integers(0, 30), st.integers(1, 40), st.integers(-60, 60), st.integers(-60, 60))
def test_floor_sum(n: int, m: int, a: int, b: int) -> None:
    assert floor_sum(n, m, a, b) == sum((a * i + b) // m for i in range(n))


def test_empty_boxes_hold_nothing() -> None:
    assert count_at_most(3, (1, 0), 2, (0, 5), 100) == 0
    assert count_between(3, (0, 4), 2, (0, 5), 7, 6) == 0


def test_large_boxes() -> None:
    """All points of a box of 2^80, above and below a line through its middle."""
    side = (-(1 << 39), (1 << 39) - 1)
    below = count_at_most(1, side, 1, side, -1)
    above = count_at_most(-1, side, -1, side, -1)
    on = count_between(1, side, 1, side, 0, 0)
    assert below + above + on == 1 << 80
    assert on == (1 << 40) - 1
