"""Several products in one DSP48E2: columns side by side in the digits of one wide factor.

A slice multiplies 27 by 18 bits and adds 48. For columns a, b, ... of a chunk of operands

    P = sum over k of x_k * (a_k + b_k * 2^s + ...) = A + B * 2^s + ...

with A = sum of a_k x_k, B likewise. Signed digits borrow from each other: A < 0 takes one from B.
So the least value of each digit is added first, P + C with C = -(A_lo + B_lo * 2^s + ...); then
every digit lies in 0 .. A_hi - A_lo < 2^s, and the numeral A - A_lo, B - B_lo, ... to the base 2^s
is unique: its digits are the bits of P + C, without any correction behind the slice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.products.bits import column_bounds
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Range, Term
from hlsgen.emit.rtl.sums import scaled, total
from hlsgen.errors import OptionError

FACTOR_BITS, OPERAND_BITS, SUM_BITS = 27, 18, 48  # of a DSP48E2, all signed
_MOST = 4  # columns in a slice

Column = Sequence[int]


def packed(
    b: Builder, wires: Sequence[int], columns: Sequence[Column], constants: Sequence[int]
) -> list[int]:
    """constants[j] + sum of columns[j][k] * x_k, several columns a multiplier.

    As many columns share one as fit, up to four, then as many operands as fit add up in it.
    Errors: OptionError where not even two columns fit.
    """
    ranges = [b.ranges[w] for w in wires]
    count = _together(ranges, columns)
    made: list[int] = []
    for first in range(0, len(columns), count):
        some = slice(first, first + count)
        made += _beside(b, wires, columns[some], constants[some])
    return made


def _beside(
    b: Builder, wires: Sequence[int], columns: Sequence[Column], constants: Sequence[int]
) -> list[int]:
    """The sums of columns that share slices."""
    ranges = [b.ranges[w] for w in wires]
    terms: list[list[Term]] = [[] for _ in columns]
    starts = list(constants)
    at = 0
    while at < len(wires):
        size = _chain(ranges[at:], [c[at:] for c in columns])
        part = slice(at, at + size)
        some = [c[part] for c in columns]
        found = _single(b, wires[at], [c[at] for c in columns]) if size == 1 else None
        for j, (term, start) in enumerate(found or _chained(b, wires[part], some)):
            terms[j].append(term)
            starts[j] += start
        at += size
    return [
        b.bounded(total(b, own, start), *column_bounds(b, wires, column, constant))
        for column, own, start, constant in zip(columns, terms, starts, constants, strict=True)
    ]


def _chained(b: Builder, wires: Sequence[int], columns: Sequence[Column]) -> list[tuple[Term, int]]:
    """Each column's sum as a digit, and its least value."""
    digits = _digits([b.ranges[w] for w in wires], columns)
    word = _multiplied(b, wires, columns, digits)
    return [(Term(b.slice(word, d.place, 0, d.span)), d.least) for d in digits]


def _single(b: Builder, wire: int, weights: Column) -> list[tuple[Term, int]] | None:
    """The products of one operand: (x - lo) * |w| is never negative, so that nothing borrows.

    The sign goes to the adder behind, w * lo to the constant. None where this takes more bits than
    a slice has.
    """
    lo, hi = b.ranges[wire]
    columns = [[abs(w)] for w in weights]
    if not _fits([(0, hi - lo)], columns):
        return None
    digits = _digits([(0, hi - lo)], columns)
    word = _multiplied(b, [b.sum([Term(wire)], -lo)], columns, digits)
    return [
        (Term(b.slice(word, d.place, 0, d.span), negative=w < 0), w * lo)
        for d, w in zip(digits, weights, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Digit:
    """Where a column's sum stands in the word, its least value, and how far it goes beyond."""

    place: int
    least: int
    span: int


def _digits(ranges: Sequence[Range], columns: Sequence[Column]) -> list[Digit]:
    """One digit a column, each just as wide as its sum over these operands needs."""
    place = 0
    found: list[Digit] = []
    for column in columns:
        ends = [[w * v for v in r] for r, w in zip(ranges, column, strict=True)]
        least, most = sum(map(min, ends)), sum(map(max, ends))
        found.append(Digit(place, least, most - least))
        place += (most - least).bit_length()
    return found


def _fits(ranges: Sequence[Range], columns: Sequence[Column]) -> bool:
    """Whether these operands and columns go through one slice each, and the chain into 48 bits."""
    digits = _digits(ranges, columns)
    if digits[-1].place + digits[-1].span.bit_length() >= SUM_BITS:
        return False
    factors = [_factor([c[k] for c in columns], digits) for k in range(len(ranges))]
    widest = max((IntFormat.of_range(min(f, 0), max(f, 0)) for f in factors), key=_signed_bits)
    operands = max((IntFormat.of_range(*r) for r in ranges), key=_signed_bits)
    return _signed_bits(widest) <= FACTOR_BITS and _signed_bits(operands) <= OPERAND_BITS


def _signed_bits(of: IntFormat) -> int:
    return of.width + (not of.signed)


def _factor(weights: Column, digits: Sequence[Digit]) -> int:
    return sum(w << d.place for w, d in zip(weights, digits, strict=True))


def _together(ranges: Sequence[Range], columns: Sequence[Column]) -> int:
    """How many neighbouring columns fit for every operand."""
    most = min(_MOST, len(columns))
    for count in range(most, 1, -1):
        groups = [columns[j : j + count] for j in range(0, len(columns), count)]
        if all(_fits([r], [[c[k]] for c in g]) for g in groups for k, r in enumerate(ranges)):
            return count
    if len(columns) == 1:
        why = "needs two columns or more, this layer has one"
    else:
        lo, hi = min(r[0] for r in ranges), max(r[1] for r in ranges)
        top = max(abs(w) for c in columns for w in c)
        why = (
            f"needs two products of an operand in {FACTOR_BITS} x {OPERAND_BITS} bits, which "
            f"operands {lo} to {hi} and weights up to {top} exceed"
        )
    raise OptionError(f"--arithmetic dsp-packed {why}: give this layer dsp")


def _chain(ranges: Sequence[Range], columns: Sequence[Column]) -> int:
    """How many operands from here on may add up before the digits are taken apart.

    Digits only grow with their number, so that the last one that fits is found by bisection.
    """
    return (
        bisect_left(
            range(2, len(ranges) + 1),
            True,
            key=lambda size: not _fits(ranges[:size], [c[:size] for c in columns]),
        )
        + 1
    )


def _multiplied(
    b: Builder, wires: Sequence[int], columns: Sequence[Column], digits: Sequence[Digit]
) -> int:
    """The word P + C."""
    terms: list[Term] = []
    for k, wire in enumerate(wires):
        factor = _factor([c[k] for c in columns], digits)
        terms += scaled(b, wire, factor, Arithmetic.DSP_PACKED)
    word = total(b, terms, -_factor([d.least for d in digits], digits))
    return b.bounded(word, 0, _factor([d.span for d in digits], digits))
