"""Staircases whose constants change from token to token: cells that look them up by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from hlsgen.arith.staircase import (
    Affine,
    EstimateCorrect,
    Realisation,
    Search,
    Table,
    Thresholds,
    TwoSlope,
    Wrapped,
)
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.stairs import low_bits, stair
from hlsgen.emit.rtl.sums import total


def chosen(b: Builder, place: int, values: Sequence[int]) -> int:
    """values[place]; no table where all are equal."""
    if len(set(values)) == 1:
        return b.literal(values[0])
    return b.lookup(place, 0, [int(v) for v in values])


def stair_at(  # noqa: C901 - one case a form
    b: Builder, place: int, x: int, how: Realisation, rows: Sequence[int]
) -> int:
    """The code of row rows[place] at x."""
    known = sorted(set(rows))
    if len(known) == 1:
        return stair(b, x, how, known[0], Arithmetic.TOOL)
    row = chosen(b, place, [known.index(r) for r in rows])
    match how:
        case Affine():
            return _affine(b, row, x, how, known)
        case Thresholds():
            return _thresholds(b, row, x, how, known)
        case Table(values=values, lo=lo):
            flat = [int(v) for r in known for v in values[r].tolist()]
            return b.lookup(_address(b, row, values.shape[1], x, lo), 0, flat)
        case Search():
            return _search(b, row, x, how, known)
        case EstimateCorrect(estimate=estimate, t=limits):
            code = _affine(b, row, x, estimate, known)
            flat = [int(v) for r in known for v in limits[r].tolist()]
            at = _address(b, row, limits.shape[1], code, estimate.qlo)
            limit = b.lookup(at, 0, flat)
            return total(b, [Term(code), Term(b.less(limit, x, or_equal=True))])
        case TwoSlope(below=below, above=above):
            low, high = (_affine(b, row, x, side, known) for side in (below, above))
            return total(b, [Term(low), Term(high)], -how.z)
        case Wrapped(rise=rise):
            return _wrapped(b, row, _affine(b, row, x, rise, known), how, known)
        case _:
            assert_never(how)


def _address(b: Builder, row: int, size: int, x: int, lo: int) -> int:
    """row * size + x - lo, for tables row after row."""
    return b.sum([Term(b.times(row, size)), Term(b.sum([Term(x)], -lo))])


def _affine(b: Builder, row: int, x: int, how: Affine, known: Sequence[int]) -> int:
    late = 0 if how.tie is None else how.offset  # as in stairs.py
    early = how.offset << how.shift if how.tie is None else 0
    m = chosen(b, row, [how.m[r] for r in known])
    constant = chosen(b, row, [how.b[r] + early for r in known])
    product = b.sum([Term(b.product(x, m)), Term(constant)])
    code = b.shift(product, how.shift, how.tie)
    return b.clip(b.sum([Term(code)], late), how.qlo, how.qhi)


def _wrapped(b: Builder, row: int, code: int, how: Wrapped, known: Sequence[int]) -> int:
    """Low bits of the code: of each width once, and the row's own picked."""
    windows = [(how.low[r], how.mask[r]) for r in known]
    first, *others = sorted(set(windows))
    result = low_bits(b, code, *first)
    for window in others:
        mine = chosen(b, row, [int(w == window) for w in windows])
        result = b.pick(mine, low_bits(b, code, *window), result)
    return result


def _thresholds(b: Builder, row: int, x: int, how: Thresholds, known: Sequence[int]) -> int:
    terms = [Term(chosen(b, row, [how.first[r] for r in known]))]
    for j in range(how.t.shape[1]):
        limit = chosen(b, row, [int(how.t[r, j]) for r in known])
        jump = chosen(b, row, [int(how.jump[r, j]) for r in known])
        passed = b.less(limit, x, or_equal=True)
        terms.append(Term(b.pick(passed, jump, b.literal(0))))
    return total(b, terms)


def _search(b: Builder, row: int, x: int, how: Search, known: Sequence[int]) -> int:
    """Level by level: row and path so far look up the next threshold, in the end the code."""
    path, codes = row, [how.codes[r].tolist() for r in known]
    steps = b.literal(0)
    for level in reversed(range(how.depth)):
        half = 1 << level
        limits = [
            int(how.t[r, (p << (level + 1)) + half - 1])
            for r in known
            for p in range(1 << (how.depth - level - 1))
        ]
        bit = b.less(b.lookup(path, 0, limits), x, or_equal=True)
        path, steps = b.append(path, bit), b.append(steps, bit)
    if all(c == codes[0] for c in codes):
        return b.lookup(steps, 0, codes[0])
    return b.lookup(path, 0, [int(c) for row_codes in codes for c in row_codes])
