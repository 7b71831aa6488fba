"""Rounded joins: the proof that no code changes, against looking at every point."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.steps import Steps
from hlsgen.passes.lowering.approximate import Approximation, Piece

factor = st.integers(-40, 40)
side = st.tuples(st.integers(-6, 6), st.integers(0, 6)).map(lambda s: (s[0], s[0] + s[1]))


def approximation(
    factors: tuple[int, ...],
    exact: tuple[bool, ...],
    slack: int,
    boxes: tuple[tuple[int, int], ...],
) -> Approximation:
    none = np.array([[0]])
    pieces = tuple(
        (Piece(none + lo, none + hi, none + k, none, sure, True),)
        for k, sure, (lo, hi) in zip(factors, exact, boxes, strict=True)
    )
    return Approximation(pieces, np.array([[slack]], dtype=object))


def near(
    factors: tuple[int, ...],
    exact: tuple[bool, ...],
    slack: int,
    boxes: tuple[tuple[int, int], ...],
    step: int,
) -> bool:
    """Whether a point with an error lies within the slack of the step."""
    for point in product(*(range(lo, hi + 1) for lo, hi in boxes)):
        total = sum(k * n for k, n in zip(factors, point, strict=True))
        wrong = any(n and not sure for n, sure in zip(point, exact, strict=True))
        if wrong and step - slack <= total < step + slack:
            return True
    return False


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.tuples(factor, factor),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(0, 6),
    st.tuples(side, side),
    st.integers(-200, 200),
)
def test_two_operands(
    factors: tuple[int, int],
    exact: tuple[bool, bool],
    slack: int,
    boxes: tuple[tuple[int, int], tuple[int, int]],
    step: int,
) -> None:
    steps = Steps(-1000, 1000, 0, np.array([step]), np.array([1]))
    found = approximation(factors, exact, slack, boxes).harmless((steps,), np.zeros((1, 1), int))
    assert found == (not near(factors, exact, slack, boxes, step))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.tuples(factor, factor, factor), st.integers(0, 6), st.tuples(side, side, side), factor)
def test_three_operands_are_never_called_harmless_wrongly(
    factors: tuple[int, int, int],
    slack: int,
    boxes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    step: int,
) -> None:
    inexact = (False, False, False)
    steps = Steps(-1000, 1000, 0, np.array([step]), np.array([1]))
    found = approximation(factors, inexact, slack, boxes).harmless((steps,), np.zeros((1, 1), int))
    assert not (found and near(factors, inexact, slack, boxes, step))
