"""Steps of functions that only rise or only fall: searched for, certified on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.interval import Interval
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.steps import Steps
from hlsgen.errors import Unsupported
from hlsgen.expr.rows import Rows, RowValues, constant_on
from hlsgen.expr.tree import Apply, Expr, is_constant
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
STEP_LIMIT = 1 << 24
_CHUNK = 1 << 15  # pairs at a time: what fits the caches
_EDGE = {Rounding.FLOOR: 0.0, Rounding.CEIL: -1.0}  # all others: half a code below
_ROUNDINGS = {Fn.FLOOR: Rounding.FLOOR, Fn.CEIL: Rounding.CEIL}
_INVERSES: dict[Fn, Callable[[Array], Array]] = {
    Fn.EXP: np.log,
    Fn.LOG: np.exp,
    Fn.TANH: np.arctanh,
    Fn.SIGMOID: lambda v: np.log(v) - np.log1p(-v),
    Fn.SQRT: np.square,
}


@dataclass(frozen=True, eq=False)
class _Guide:
    """Where a code is to be expected: about where `inner` is `targets(row, code)`.

    Operations between `inner` and the code are undone one by one in float64, clips left out; it
    need not be right, only near.
    """

    inner: Expr
    undo: tuple[Callable[[Array, Array], Array], ...]

    def targets(self, r: Array, k: Array) -> Array:
        """The value of `inner` at which row r takes code k."""
        v = k.astype(np.float64)
        with np.errstate(all="ignore"):
            for back in self.undo:
                v = back(v, r)
        return v


def _guide(e: Expr, rows: Rows) -> _Guide:  # noqa: C901 (one case a form)
    undo: list[Callable[[Array, Array], Array]] = []
    while True:
        match e:
            case Apply(fn=fn, args=(a,)) if isinstance(fn, Rounding) or fn in _ROUNDINGS:
                mode = fn if isinstance(fn, Rounding) else _ROUNDINGS[fn]
                edge = _EDGE.get(mode, -0.5)
                undo.append(lambda v, r, edge=edge: v + edge)
            case Apply(fn=Fn() as fn, args=(a,)) if fn in _INVERSES:
                undo.append(lambda v, r, back=_INVERSES[fn]: back(v))
            case Apply(fn=Fn.MAX | Fn.MIN, args=(a, b)) if is_constant(a) or is_constant(b):
                a = b if is_constant(a) else a
            case Apply(fn=fn, args=(a, b)) if isinstance(fn, Fn) and is_constant(b):
                back = _back(fn, constant_on(b, rows))
                if back is None:
                    return _Guide(e, tuple(undo))
                undo.append(back)
            case Apply(fn=fn, args=(b, a)) if isinstance(fn, Fn) and is_constant(b):
                back = _back_left(fn, constant_on(b, rows))
                if back is None:
                    return _Guide(e, tuple(undo))
                undo.append(back)
            case _:
                return _Guide(e, tuple(undo))
        e = a


def _back(fn: Fn, c: Interval) -> Callable[[Array, Array], Array] | None:
    """The inverse of fn(., c)."""
    middle = c.lo / 2 + c.hi / 2
    match fn:
        case Fn.ADD:
            return lambda v, r: v - middle[r]
        case Fn.SUB:
            return lambda v, r: v + middle[r]
        case Fn.MUL:
            return lambda v, r: v / middle[r]
        case Fn.DIV:
            return lambda v, r: v * middle[r]
        case _:
            return None


def _back_left(fn: Fn, c: Interval) -> Callable[[Array, Array], Array] | None:
    """The inverse of fn(c, .)."""
    middle = c.lo / 2 + c.hi / 2
    if fn is Fn.SUB:
        return lambda v, r: middle[r] - v
    return _back(fn, c) if fn in (Fn.ADD, Fn.MUL) else None


def monotone_steps(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """The staircase of every row of an expression that is monotone in its leaf, by structure."""
    guide = _guide(e, rows)
    values = RowValues(e, rows, guide.inner)
    lo, hi = rows.ends()
    r = np.arange(len(rows))
    (first, g_lo), (last, g_hi) = (values.codes_and_watched(r, n) for n in (lo, hi))
    count = np.abs(last - first)
    if int(count.sum()) > STEP_LIMIT:
        raise Unsupported(
            f"a function of {int(count.sum())} steps between an integer and its quantiser; at "
            f"most {STEP_LIMIT} can be held; use fewer bits"
        )
    search = _Search(values, guide, lo, hi, first, last, g_lo, g_hi)
    result: list[Steps] = []
    start = 0
    edges = np.concatenate(([0], np.cumsum(count.astype(np.int64))))
    while start < len(rows):
        stop = max(start + 1, int(np.searchsorted(edges, edges[start] + _CHUNK, "right")) - 1)
        result += search.steps(start, stop)
        start = stop
    return tuple(result)


@dataclass(frozen=True, eq=False)
class _Search:
    """What is known of every row: the codes and the guide's values at both ends."""

    values: RowValues
    guide: _Guide
    lo: Array
    hi: Array
    first: Array
    last: Array
    g_lo: Array
    g_hi: Array

    def steps(self, start: int, stop: int) -> list[Steps]:
        """The staircases of some rows."""
        part = slice(start, stop)
        sign = np.where(self.last[part] >= self.first[part], 1, -1)
        low, high = np.minimum(self.first, self.last)[part], np.maximum(self.first, self.last)[part]
        count = (high - low).astype(np.int64)
        r = np.repeat(np.arange(start, stop), count)
        before = np.cumsum(count) - count
        k = np.arange(len(r)) - np.repeat(before, count) + np.repeat(low, count) + 1
        t = self._least(r, k, np.repeat(sign, count))
        edges = np.concatenate((before, [len(r)]))
        return [
            _row(
                int(self.lo[start + i]),
                int(self.hi[start + i]),
                int(self.first[start + i]),
                t[edges[i] : edges[i + 1]],
                int(sign[i]),
            )
            for i in range(stop - start)
        ]

    def _least(self, r: Array, k: Array, sign: Array) -> Array:
        """For rising rows the least n with code >= k; for falling ones the least -n."""
        rising = sign > 0
        a = np.where(rising, self.lo[r], -self.hi[r])
        b = np.where(rising, self.hi[r], -self.lo[r])
        g_a = np.where(rising, self.g_lo[r], self.g_hi[r])
        g_b = np.where(rising, self.g_hi[r], self.g_lo[r])
        target = self.guide.targets(r, k)
        live, turn = np.flatnonzero(b - a > 1), 0
        while live.size:
            n = self._guess(a[live], b[live], g_a[live], g_b[live], target[live], turn)
            codes, g = self.values.codes_and_watched(r[live], n * sign[live])
            reached = codes >= k[live]
            yes, no = live[reached], live[~reached]
            b[yes], g_b[yes] = n[reached], g[reached]
            a[no], g_a[no] = n[~reached], g[~reached]
            live, turn = live[b[live] - a[live] > 1], turn + 1
        return b

    def _guess(self, a: Array, b: Array, g_a: Array, g_b: Array, target: Array, turn: int) -> Array:
        """A place strictly between a and b: by interpolation, every third time in the middle."""
        middle = (a + b) >> 1
        if turn % 3 == 2 or a.dtype == object:
            return middle
        with np.errstate(all="ignore"):
            part = (target - g_a) / (g_b - g_a) * (b - a)
        usable = np.isfinite(part)
        ahead = np.ceil(np.where(usable, part, 0).clip(0, 2.0**62)).astype(np.int64)
        guess = np.where(usable, a + np.minimum(ahead, b - a), middle)
        return guess.clip(a + 1, b - 1)


def _row(lo: int, hi: int, first: int, t: Array, sign: int) -> Steps:
    """Unit steps at places that may coincide; those of a falling row are the last n before."""
    places = t if sign > 0 else 1 - t[::-1]
    where, counts = np.unique(places, return_counts=True)
    return Steps(lo, hi, first, where, sign * counts.astype(np.int64))
