"""Quantisers of affine functions: the steps are integer divisions, whatever the range.

The slope is rational. The offset may be irrational (what a batch normalisation adds behind a join):
then both ends of a narrow enclosure have to give the same steps, which therefore are its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.arith.steps import Steps
from hlsgen.errors import Unsupported
from hlsgen.expr.exact import exact_bounds
from hlsgen.expr.fold import fractions
from hlsgen.expr.rows import Rows, lookup_on
from hlsgen.expr.tree import Apply, Expr, Leaf, Param, is_constant, nodes
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
_MODES = {
    Fn.FLOOR: Rounding.FLOOR,
    Fn.CEIL: Rounding.CEIL,
    Fn.ROUND: Rounding.HALF_EVEN,
    Fn.TRUNC: Rounding.ZERO,
}
_BITS = 240  # of the enclosures of irrational offsets
_BEFORE = {Fn.ADD, Fn.MUL, Fn.MAX, Fn.MIN}  # with the constant on the left
_BEHIND = _BEFORE | {Fn.SUB, Fn.DIV}


@dataclass(frozen=True, eq=False)
class Clipped:
    """clip(round(slope * n + offset), low, high) + shift, per row; no rounding yet if mode None.

    The offset lies in [offset, offset + spread].
    """

    slope: Array
    offset: Array
    spread: Array
    low: Array | None = None
    high: Array | None = None
    mode: Rounding | None = None
    shift: Array | None = None

    def steps(self, rows: Rows) -> tuple[Steps, ...] | None:
        """The staircase of every row; None where the enclosure of an offset leaves two."""
        found = self._with(self.offset, rows)
        if all(v == 0 for v in self.spread.flat):
            return found
        other = self._with(self.offset + self.spread, rows)
        return found if all(map(_same, found, other)) else None

    def _with(self, offset: Array, rows: Rows) -> tuple[Steps, ...]:
        count = len(rows)

        def spread(v: Array | None) -> Array | list[None]:
            return [None] * count if v is None else np.broadcast_to(v, (count,))

        parts = (self.slope, offset, self.low, self.high, self.shift)
        return tuple(
            self._row(int(lo), int(hi), *values)
            for lo, hi, *values in zip(rows.lo, rows.hi, *map(spread, parts), strict=True)
        )

    def _row(
        self, lo: int, hi: int, slope: Fraction, offset: Fraction, low: Any, high: Any, shift: Any
    ) -> Steps:
        assert self.mode is not None
        ends = [round_fraction(slope * n + offset, self.mode) for n in (lo, hi)]
        qlo = min(ends) if low is None else int(low)
        qhi = max(ends) if high is None else int(high)
        if low is None:
            qlo = min(qlo, qhi)
        qhi = max(qlo, qhi)
        try:
            steps = affine_steps(lo, hi, slope, offset, qlo, qhi, self.mode)
        except ValueError as error:
            raise Unsupported(
                f"a quantiser with {error}; narrow the integers in front of it or its codes"
            ) from error
        if not shift:
            return steps
        return Steps(steps.lo, steps.hi, steps.first + int(shift), steps.t, steps.jump)


def _same(a: Steps, b: Steps) -> bool:
    return a.first == b.first and np.array_equal(a.t, b.t) and np.array_equal(a.jump, b.jump)


def clipped(e: Expr, rows: Rows) -> Clipped | None:
    """The expression as one clipped, rounded affine function; None if it is not one."""
    done: dict[int, Clipped | None] = {}
    for node in nodes(e):
        if node.facts.leaves:
            done[id(node)] = _state(node, done, rows)
    found = done[id(e)]
    return None if found is None or found.mode is None else found


def _state(node: Expr, done: dict[int, Clipped | None], rows: Rows) -> Clipped | None:
    match node:
        case Leaf():
            return Clipped(_number(1), _number(0), _number(0))
        case Apply(fn=fn, args=(a,)) if isinstance(fn, Rounding) or fn in _MODES:
            return _rounded(done[id(a)], fn if isinstance(fn, Rounding) else _MODES[fn])
        case Apply(fn=Fn.NEG, args=(a,)):
            return _combined(Fn.MUL, done[id(a)], _number(-1))
        case Apply(fn=Fn.INT_DIV, args=(a, Param() as b)):
            divided = _combined(Fn.DIV, _unrounded(done[id(a)]), _values(rows, b))
            return _rounded(divided, Rounding.ZERO)
        case Apply(fn=Fn.ADD, args=(a, b)) if is_constant(b) and not isinstance(b, Param):
            return _shifted(done[id(a)], b, rows)
        case Apply(fn=fn, args=(Param() as b, a)) if fn in _BEFORE:
            return _combined(fn, done[id(a)], _values(rows, b))
        case Apply(fn=fn, args=(a, Param() as b)) if fn in _BEHIND:
            return _combined(fn, done[id(a)], _values(rows, b))
        case _:
            return None


def _number(value: int) -> Array:
    return np.array([Fraction(value)], dtype=object)


def _values(rows: Rows, p: Param) -> Array | None:
    """The parameter on every row; None if one is infinite."""
    values = rows.params[id(p)]
    if values.dtype.kind == "f" and np.isinf(values).any():
        return None
    return fractions(values)


def _shifted(s: Clipped | None, c: Expr, rows: Rows) -> Clipped | None:
    """A constant added that is not known to be rational, before any clip or rounding."""
    if s is None or any(v is not None for v in (s.low, s.high, s.mode)):
        return None
    ends = [exact_bounds(c, lookup_on(rows, r), _BITS) for r in range(len(rows))]
    low, high = (np.array([e[side] for e in ends], dtype=object) for side in (0, 1))
    return replace(s, offset=s.offset + low, spread=s.spread + (high - low))


def _unrounded(s: Clipped | None) -> Clipped | None:
    """The state as something that may be rounded again: the integers themselves."""
    return s if s is None or s.mode is None else None


def _rounded(s: Clipped | None, mode: Rounding) -> Clipped | None:
    if s is None or s.mode is not None:  # already whole
        return s
    low, high = (
        None
        if v is None
        else np.array([Fraction(round_fraction(f, mode)) for f in v], dtype=object)
        for v in (s.low, s.high)
    )
    return Clipped(s.slope, s.offset, s.spread, low, high, mode)


def _combined(fn: Fn | Rounding, s: Clipped | None, c: Array | None) -> Clipped | None:
    """One more constant operation around the state."""
    if s is None or c is None:
        return None
    if s.mode is not None:
        return _behind_rounding(fn, s, c)
    match fn:
        case Fn.ADD | Fn.SUB:
            d = c if fn is Fn.ADD else -c
            return Clipped(s.slope, s.offset + d, s.spread, _plus(s.low, d), _plus(s.high, d))
        case Fn.MUL:
            return _scaled(s, c)
        case Fn.DIV:
            return None if (c == 0).any() else _scaled(s, 1 / c)
        case _:
            return _limited(fn, s, c)


def _scaled(s: Clipped, factor: Array) -> Clipped | None:
    low, high = (None if v is None else v * factor for v in (s.low, s.high))
    negative = factor < 0
    if negative.any() and (low is not None or high is not None):
        if not negative.all():
            return None
        low, high = high, low
    least = np.where(negative, s.offset + s.spread, s.offset)
    return Clipped(s.slope * factor, least * factor, s.spread * abs(factor), low, high)


def _plus(v: Array | None, d: Array) -> Array | None:
    return None if v is None else v + d


def _limited(fn: Fn | Rounding, s: Clipped, c: Array) -> Clipped:
    """max or min with a constant, in the coordinates of the clip."""
    pick = np.maximum if fn is Fn.MAX else np.minimum
    low, high = (None if v is None else pick(v, c) for v in (s.low, s.high))
    if fn is Fn.MAX and low is None:
        low = c
    if fn is Fn.MIN and high is None:
        high = c
    return replace(s, low=low, high=high)


def _behind_rounding(fn: Fn | Rounding, s: Clipped, c: Array) -> Clipped | None:
    if any(v.denominator != 1 for v in c.flat):
        return None
    shift = _number(0) if s.shift is None else s.shift
    match fn:
        case Fn.ADD:
            return replace(s, shift=shift + c)
        case Fn.SUB:
            return replace(s, shift=shift - c)
        case Fn.MAX | Fn.MIN:
            return _limited(fn, s, c - shift)
        case _:
            return None
