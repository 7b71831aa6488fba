"""Clips of affine functions with irrational constants: enclosed, and rounded to a fine unit.

A skip path that passes a batch normalisation and a Clip is clip(slope * n + offset, low, high) of
an integer n. In units it becomes T(n) = clamp(k * n + c, l, h) with whole k, c, l, h: a clamp
brings no two numbers further apart, so T is wrong by no more than its worst constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import constant, tree
from hlsgen.expr.affine import split_affine
from hlsgen.expr.tree import Apply, Expr, Leaf
from hlsgen.ir import field as fields
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.affine import Affine, whole
from hlsgen.passes.lowering.approximate import Piece
from hlsgen.passes.lowering.emission import Builder

Array = NDArray[Any]
_BITS = 200  # of the enclosures that irrational constants are rounded from


@dataclass(frozen=True, eq=False)
class Enclosed:
    """Real constants between `lo` and `hi`: fields of Fractions."""

    lo: Array
    hi: Array

    @classmethod
    def of(cls, e: Expr, rank: int) -> Enclosed:
        """A constant expression, to about 200 bits."""
        lo, hi = constant.bounds(e, _BITS)
        return cls(fields.field_of(lo, rank), fields.field_of(hi, rank))

    @property
    def middle(self) -> Array:
        """A number in between; the constant itself where it is rational."""
        return _array((self.lo + self.hi) / 2)

    def plus(self, other: Enclosed) -> Enclosed:
        """The sum."""
        return Enclosed(_array(self.lo + other.lo), _array(self.hi + other.hi))

    def times(self, other: Enclosed) -> Enclosed:
        """The product."""
        corners = [_array(a * b) for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        low, high = corners[0], corners[0]
        for c in corners[1:]:
            low, high = np.minimum(low, c), np.maximum(high, c)
        return Enclosed(_array(low), _array(high))

    def limited(self, fn: Fn, other: Enclosed) -> Enclosed:
        """The greater or the lesser."""
        pick = np.maximum if fn is Fn.MAX else np.minimum
        return Enclosed(_array(pick(self.lo, other.lo)), _array(pick(self.hi, other.hi)))

    def rounded(self, unit: Fraction) -> tuple[Array, Array]:
        """(whole numbers next to the constants in units, by how much they are off at most)."""
        k = whole(_floors(self.middle / unit + Fraction(1, 2)))
        exact = fields.to_object(k)
        off = np.maximum(_array(abs(self.hi / unit - exact)), _array(abs(exact - self.lo / unit)))
        return k, _array(off)


def _array(values: Any) -> Array:
    """numpy makes numbers of arrays without axes."""
    return np.asarray(values, dtype=object)


def _floors(values: Any) -> Array:
    out = np.empty(np.shape(values), dtype=object)
    out.flat[:] = [math.floor(v) for v in _array(values).flat]
    return out


@dataclass(frozen=True, eq=False)
class Line:
    """clip(slope * leaf + offset, low, high); no limit where None."""

    leaf: Leaf
    slope: Enclosed
    offset: Enclosed
    low: Enclosed | None = None
    high: Enclosed | None = None

    @classmethod
    def of(cls, a: Affine, rank: int) -> Line:
        """An affine tensor without its limits."""
        return cls(a.leaf, Enclosed.of(a.scale, rank), Enclosed.of(a.offset, rank))

    def scaled(self, factor: Enclosed) -> Line | None:
        """Times a constant; None where limits change places in some channels only."""
        low, high = (None if v is None else v.times(factor) for v in (self.low, self.high))
        if low is not None or high is not None:
            if (factor.hi < 0).all():
                low, high = high, low
            elif not (factor.lo > 0).all():
                return None
        return Line(self.leaf, self.slope.times(factor), self.offset.times(factor), low, high)

    def shifted(self, by: Enclosed) -> Line:
        """Plus a constant."""
        low, high = (None if v is None else v.plus(by) for v in (self.low, self.high))
        return replace(self, offset=self.offset.plus(by), low=low, high=high)

    def limited(self, fn: Fn, limit: Enclosed) -> Line:
        """The greater or the lesser of it and a constant."""
        low, high = (None if v is None else v.limited(fn, limit) for v in (self.low, self.high))
        if fn is Fn.MAX:
            return replace(self, low=limit if low is None else low, high=high)
        return replace(self, low=low, high=limit if high is None else high)


def unclipped(e: Expr) -> Expr | None:
    """The affine tensor inside of clips and affine steps; None where something else stands."""
    clips = 0
    while True:
        match e:
            case Apply(fn=Fn.MAX | Fn.MIN, args=(x, limit)) if tree.is_constant(limit):
                e, clips = x, clips + 1
            case Apply(fn=Fn.MAX | Fn.MIN, args=(limit, x)) if tree.is_constant(limit):
                e, clips = x, clips + 1
            case _:
                step = split_affine(e)
                if step is None or not _has_clip(step[0]):
                    return e if clips else None
                e = step[0]


def _has_clip(e: Expr) -> bool:
    """Whether a clip stands at this place, below affine steps only."""
    while (step := split_affine(e)) is not None:
        e = step[0]
    if not isinstance(e, Apply) or e.fn not in (Fn.MAX, Fn.MIN):
        return False
    return any(tree.is_constant(a) for a in e.args)


def line_of(e: Expr, inner: Expr, a: Affine) -> Line | None:
    """The expression as a line, given what its `unclipped` part became."""
    rank = len(e.shape)
    if e is inner:
        return Line.of(a, rank)
    match e:
        case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(x, y)):
            x, limit = (x, y) if tree.is_constant(y) else (y, x)
            line = line_of(x, inner, a)
            return None if line is None else line.limited(fn, Enclosed.of(limit, rank))
        case _:
            step = split_affine(e)
            assert step is not None
            x, scale, offset = step
            line = line_of(x, inner, a)
            line = None if line is None else line.scaled(Enclosed.of(scale, rank))
            return None if line is None else line.shifted(Enclosed.of(offset, rank))


def inside(line: Line, x: IntType) -> tuple[Array, Array]:
    """About which integers the limits let through: first and last, fields; never empty."""
    slope, offset = line.slope.middle, line.offset.middle
    lo, hi = fields.to_object(x.lo), fields.to_object(x.hi)
    rising, falling = _array(slope > 0), _array(slope < 0)
    divisor = slope + _array(slope == 0)
    for limit, upper in ((line.low, False), (line.high, True)):
        if limit is None:
            continue
        edge = _floors(_array(limit.middle - offset) / divisor)
        edge = np.minimum(np.maximum(edge, lo), hi)
        hi = np.where(rising if upper else falling, np.minimum(hi, edge + 1), hi)
        lo = np.where(falling if upper else rising, np.maximum(lo, edge), lo)
    return np.minimum(lo, hi), hi


def emit_line(b: Builder, line: Line, unit: Fraction) -> tuple[Leaf, tuple[Piece, ...], Array]:
    """(T as a hardware value, what it is piece by piece, by how many units it is off at most)."""
    x = b.type_of(line.leaf)
    (k, off_k), (c, off_c) = line.slope.rounded(unit), line.offset.rounded(unit)
    size = np.maximum(np.abs(fields.to_object(x.lo)), np.abs(fields.to_object(x.hi)))
    slack = _array(off_k * size + off_c)
    leaf = _emitted(b, Linear((k,), c), line.leaf, np.broadcast_shapes(k.shape, c.shape))
    y = b.type_of(leaf)
    low, high, sure = fields.to_object(y.lo), fields.to_object(y.hi), True
    for limit, pick in ((line.low, np.maximum), (line.high, np.minimum)):
        if limit is not None:
            bound, off = limit.rounded(unit)
            slack, sure = np.maximum(slack, off), sure and not _any(off)
            # both ends: a lower limit may lie above everything
            low, high = (_array(pick(v, fields.to_object(bound))) for v in (low, high))
    clamp = Clamp(fields.to_int64(low), fields.to_int64(high))
    leaf = _emitted(b, clamp, leaf, np.broadcast_shapes(low.shape, high.shape))
    middle = Piece(x.lo, x.hi, k, c, not _any(off_k), not _any(off_c))
    return leaf, _pieces(line, middle, (low, high), sure), _array(slack)


def _any(values: Array) -> bool:
    return bool((_array(values) != 0).any())


def _emitted(b: Builder, op: Linear | Clamp, leaf: Leaf, shape: tuple[int, ...]) -> Leaf:
    wide = np.broadcast_shapes(leaf.shape, shape)
    return b.emit(op, b.broadcast(leaf, tuple(int(n) for n in wide)))


def _pieces(line: Line, middle: Piece, ends: tuple[Array, Array], sure: bool) -> tuple[Piece, ...]:
    """Where T is k * n + c, and where it is one of its ends, `sure` if those are exact.

    An end is free of error only where the limit, not the rounding, keeps every n of the piece.
    """
    lo, hi, k, c = (
        fields.to_object(v) for v in (middle.lo, middle.hi, middle.factor, middle.offset)
    )
    bottom, top = _array(ends[0] - c), _array(ends[1] - c)  # bounds of k * n
    divisor = np.where(k == 0, 1, k)
    first = np.where(k > 0, -(-bottom // divisor), -(-top // divisor))
    last = np.where(k > 0, top // divisor, bottom // divisor)
    held = _array((bottom <= 0) & (top >= 0))
    first = np.where(k == 0, np.where(held, lo, hi + 1), np.clip(first, lo, hi + 1))
    last = np.where(k == 0, hi, np.clip(last, lo - 1, hi))
    upper = _array(np.where(k == 0, top < 0, k < 0))  # the end that small n meet
    pieces = [replace(middle, lo=_array(first), hi=_array(last))]
    for start, stop, high in ((lo, first - 1, upper), (last + 1, hi, ~upper.astype(bool))):
        high = np.asarray(high, dtype=bool)
        level = np.where(high, ends[1], ends[0])
        empty = _array(start > stop)
        kept = all(_kept(line, n, high, empty) for n in (start, stop))
        pieces.append(Piece.still(np.asarray(empty, dtype=bool), _array(level), sure and kept))
    return tuple(pieces)


def _kept(line: Line, n: Array, high: Array, empty: Array) -> bool:
    """Whether the upper (or else lower) limit surely holds at n, wherever there is an n at all."""
    y = line.slope.times(Enclosed(_array(n), _array(n))).plus(line.offset)
    nothing: Array = np.zeros((1,) * np.ndim(n), bool)
    over = nothing if line.high is None else y.lo >= line.high.hi
    under = nothing if line.low is None else y.hi <= line.low.lo
    return bool(np.all(np.where(high, over, under).astype(bool) | empty.astype(bool)))
