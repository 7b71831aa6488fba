"""Adder graphs without a search: each column the balanced tree of its signed digits.

For coefficients that leave the 62 bits in which the search computes. All is in Python's integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from hlsgen.arith.adders.graph import Adder, AdderGraph, Range, Term
from hlsgen.arith.signed_digit import csd_digits

Array = NDArray[Any]


def digit_trees(matrix: Array, ranges: tuple[Range, ...], operands: int) -> AdderGraph:
    """y = x @ matrix on the fewest levels that adders of so many operands permit.

    Adders that come out alike are one, so equal and opposite columns share all of theirs.
    """
    made: dict[Adder, int] = {}
    columns = [[int(v) for v in column] for column in matrix.T.tolist()]
    outputs = tuple(_column(column, len(ranges), operands, made) for column in columns)
    return AdderGraph(ranges, tuple(made), outputs, searched=False)


def _column(
    column: Sequence[int], inputs: int, operands: int, made: dict[Adder, int]
) -> Term | None:
    """The sum of column[i] * input i, its adders added to `made`; None for a column of zeros."""
    terms = [Term(i, e, sign < 0) for i, v in enumerate(column) for sign, e in csd_digits(v)]
    while len(terms) > 1:
        starts = range(0, len(terms), operands)
        terms = [_sum(terms[k : k + operands], inputs, made) for k in starts]
    return terms[0] if terms else None


def _sum(terms: Sequence[Term], inputs: int, made: dict[Adder, int]) -> Term:
    """An adder in the one form that it has up to its sign and a power of two; a lone term stays."""
    if len(terms) == 1:
        return terms[0]
    first, *_ = ordered = sorted(terms, key=lambda t: (t.node, t.shift))
    base = min(t.shift for t in terms)
    adder = tuple(Term(t.node, t.shift - base, t.negative != first.negative) for t in ordered)
    node = made.setdefault(adder, inputs + len(made))
    return Term(node, base, first.negative)
