"""One row of a staircase as cells: every realisation of `hlsgen.arith.staircase`."""

from __future__ import annotations

from typing import assert_never

from hlsgen.arith.signed_digit import csd_digits
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
from hlsgen.emit.rtl.sums import total, weighted


def stair(b: Builder, x: int, how: Realisation, row: int, arithmetic: Arithmetic) -> int:
    """The code of row `row` at x; the row's own constants stand in the cells."""
    match how:
        case Affine():
            return _affine(b, x, how, row, arithmetic)
        case Thresholds():
            return _thresholds(b, x, how, row)
        case Table(values=values, lo=lo):
            return b.lookup(x, lo, values[row].tolist())
        case Search():
            return _search(b, x, how, row)
        case EstimateCorrect(estimate=estimate, t=limits):
            code = _affine(b, x, estimate, row, arithmetic)
            limit = b.lookup(code, estimate.qlo, limits[row].tolist())
            return total(b, [Term(code), Term(b.less(limit, x, or_equal=True))])
        case TwoSlope(below=below, above=above):
            low = _affine(b, x, below, row, arithmetic)
            high = _affine(b, x, above, row, arithmetic)
            return total(b, [Term(low), Term(high)], -how.z)
        case Wrapped(rise=rise, low=lows, mask=masks):
            return low_bits(b, _affine(b, x, rise, row, arithmetic), lows[row], masks[row])
        case _:
            assert_never(how)


def _affine(b: Builder, x: int, how: Affine, row: int, arithmetic: Arithmetic) -> int:
    constant = how.b[row]
    late = how.offset
    if how.tie is None:  # a floor moves by whole codes: no adder behind the shift
        constant, late = constant + (how.offset << how.shift), 0
    product = weighted(b, [x], [how.m[row]], constant, arithmetic)
    code = b.shift(product, how.shift, how.tie)
    return b.clip(b.sum([Term(code)], late), how.qlo, how.qhi)


def low_bits(b: Builder, code: int, low: int, mask: int) -> int:
    """The number of [low, low + mask] that equals the code modulo mask + 1."""
    lo, hi = b.ranges[code]
    if low <= lo and hi <= low + mask:
        return code
    return b.slice(code, 0, low, low + mask) if mask else b.literal(low)


def _thresholds(b: Builder, x: int, how: Thresholds, row: int) -> int:
    terms: list[Term] = []
    constant = how.first[row]
    for bound, jump in zip(how.t[row].tolist(), how.jump[row].tolist(), strict=True):
        bit = b.at_least(x, bound)
        known = b.value(bit)
        if known is not None:
            constant += known * jump
        else:
            terms += [Term(bit, shift, sign < 0) for sign, shift in csd_digits(jump)]
    return total(b, terms, constant)


def _search(b: Builder, x: int, how: Search, row: int) -> int:
    """Level by level: the path so far looks up the next threshold."""
    thresholds, codes = how.t[row].tolist(), how.codes[row].tolist()
    path = b.literal(0)
    for level in reversed(range(how.depth)):
        half = 1 << level
        lo, hi = b.ranges[path]
        nodes = [thresholds[(p << (level + 1)) + half - 1] for p in range(lo, hi + 1)]
        limit = b.lookup(path, lo, nodes)
        path = b.append(path, b.less(limit, x, or_equal=True))
    return b.lookup(path, 0, codes)
