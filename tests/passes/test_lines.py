"""Clips rounded to a unit: every integer, against Fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.expr.tree import Leaf
from hlsgen.ir.hw import IntType
from hlsgen.passes.lowering.approximate import Piece
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.lines import Enclosed, Line, emit_line, inside

number = st.builds(Fraction, st.integers(-60, 60), st.sampled_from([1, 2, 7, 16, 30]))
width = st.sampled_from([Fraction(0), Fraction(1, 1000), Fraction(1, 3)])
limit = st.none() | number
channel = st.tuples(number, number)
LEAF = Leaf("n", (1, 2))


def field(values: list[Fraction]) -> Any:
    return np.array(values, dtype=object).reshape(1, -1)


def enclosed(values: list[Fraction], width: Fraction) -> Enclosed:
    return Enclosed(field([v - width for v in values]), field([v + width for v in values]))


def emitted(
    line: Line, b: Builder, unit: Fraction
) -> tuple[dict[str, Any], str, tuple[Piece, ...], Any]:
    """Every value of the graph for all integers in [-9, 9] at once."""
    leaf, pieces, slack = emit_line(b, line, unit)
    values: dict[str, Any] = {"n": np.arange(-9, 10).reshape(-1, 1, 1) + np.zeros((1, 1, 2), int)}
    for node in b.nodes:
        types = tuple(b.types[name] for name in node.inputs)
        results = node.op.evaluate(*(values[name] for name in node.inputs), types=types)
        values.update(zip(node.outputs, results, strict=True))
    return values, leaf.name, pieces, slack


def at(values: Any, c: int) -> Any:
    return np.broadcast_to(np.asarray(values), (1, 2))[0, c]


@settings(derandomize=True, max_examples=120, deadline=None)
@given(
    st.tuples(channel, channel), width, width, limit, limit, st.sampled_from([0, 2, 7]), st.data()
)
def test_rounded_clip(
    channels: Any, slope_width: Fraction, offset_width: Fraction, low: Any, high: Any, bits: int,
    data: Any,
) -> None:  # fmt: skip
    """The error, the pieces, and which of them have none."""
    slopes, offsets = ([c[i] for c in channels] for i in (0, 1))
    if low is not None and high is not None and low > high:
        low, high = high, low
    if low is None and high is None:
        low = Fraction(0)
    ends = [None if v is None else enclosed([v], Fraction(0)) for v in (low, high)]
    b = Builder()
    b.types["n"] = IntType.of((1, 2), -9, 9)
    line = Line(LEAF, enclosed(slopes, slope_width), enclosed(offsets, offset_width), *ends)
    values, name, pieces, slack = emitted(line, b, Fraction(1, 1 << bits))
    for c in range(2):
        slope = slopes[c] + data.draw(st.sampled_from([-1, 0, 1])) * slope_width
        offset = offsets[c] + data.draw(st.sampled_from([-1, 0, 1])) * offset_width
        for i, n in enumerate(range(-9, 10)):
            wanted = slope * n + offset
            wanted = wanted if low is None else max(wanted, low)
            wanted = wanted if high is None else min(wanted, high)
            got = int(values[name][i, 0, c])
            assert abs(got - wanted * (1 << bits)) <= at(slack, c)
            piece = piece_of(pieces, n, c)
            assert got == piece_value(piece, n, c)
            if free_of_error(piece, n):
                assert got == wanted * (1 << bits)


def piece_of(pieces: tuple[Piece, ...], n: int, c: int) -> Piece:
    """The one that n is in: the sloping one, or the still ones below and above it."""
    sloping, below, above = pieces
    chosen = below if n < at(sloping.lo, c) else above if n > at(sloping.hi, c) else sloping
    assert at(chosen.lo, c) <= at(chosen.hi, c)
    return chosen


def piece_value(p: Piece, n: int, c: int) -> int:
    return int(at(p.factor, c)) * n + int(at(p.offset, c))


def free_of_error(p: Piece, n: int) -> bool:
    return p.exact_offset and (p.exact_factor or n == 0)


def test_the_range_that_limits_let_through() -> None:
    x = IntType.of((1, 2), -100, 100)
    zero, six = (enclosed([Fraction(v)], Fraction(0)) for v in (0, 6))
    slopes = enclosed([Fraction(1, 4), Fraction(-1, 2)], Fraction(0))
    first, last = inside(Line(LEAF, slopes, zero, zero, six), x)
    assert first.ravel().tolist() == [0, -12]
    assert last.ravel().tolist() == [25, 1]
