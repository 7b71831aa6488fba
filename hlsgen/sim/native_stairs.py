"""Staircases as the host computes them: a rounded line in floating point where one is exact.

y = clip(rint(n * a + c), lo, hi) + add never falls, or never rises, with n, because neither does
any rounded operation in it. So it equals a staircase on the whole of [lo, hi] if it does at both
ends and on both sides of every step; this is tried with the very operations that run later (a
product, a sum, no fused one). Where no line passes, the codes are looked up or searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.staircase import Affine, Realisation, Search, Table, TwoSlope
from hlsgen.arith.steps import Steps

Array = NDArray[Any]
MAX_WORDS = 1 << 20
FLOAT_LIMITS = (("float", np.float32, 1 << 24), ("double", np.float64, 1 << 53))


@dataclass(frozen=True, eq=False)
class Line:
    """y = clip(rint(n * a[r] + c[r]), lo[r], hi[r]) + add[r], rounded to `ctype` at every step."""

    ctype: str
    a: Array
    c: Array
    lo: Array
    hi: Array
    add: Array

    def at(self, row: Array) -> Line:
        """The parameters spread out as fields: those of row row[i] at place i."""
        fields = (v[row] for v in (self.a, self.c, self.lo, self.hi, self.add))
        return Line(self.ctype, *fields)

    def evaluate(self, n: Array) -> Array:
        """The codes at n for parameters that broadcast to it, in the type of `a`."""
        y = n.astype(self.a.dtype)  # a copy, in the order of n's memory
        y *= self.a
        y += self.c
        np.rint(y, out=y)
        np.maximum(y, self.lo, out=y)
        np.minimum(y, self.hi, out=y)
        if self.add.any():
            y += self.add
        return y


@dataclass(frozen=True, eq=False)
class Lines:
    """The sum of two lines, less `z`: a function with one bend."""

    below: Line
    above: Line
    z: int


@dataclass(frozen=True, eq=False)
class Lookup:
    """y = values[r, n - lo]."""

    values: Array
    lo: int


@dataclass(frozen=True, eq=False)
class Walk:
    """y = codes[r, count of t[r] <= n], by binary search in `depth` comparisons."""

    t: Array
    codes: Array
    depth: int


Form: TypeAlias = Line | Lines | Lookup | Walk


def fit(rows: Sequence[Steps], realisation: Realisation | None = None) -> Form:
    """The fastest exact form for all rows; `realisation` only hints at slopes worth trying."""
    found = fit_line(rows, hints(realisation))
    if found is not None:
        return found
    if isinstance(realisation, TwoSlope):
        z, both = realisation.z, _ends(rows)
        below = fit_line([row.clipped(both[0], z) for row in rows], (realisation.below,))
        above = fit_line([row.clipped(z, both[1]) for row in rows], (realisation.above,))
        if below is not None and above is not None:
            return Lines(below, above, z)
    words = max(row.hi for row in rows) - min(row.lo for row in rows) + 1
    if words * len(rows) <= MAX_WORDS:
        table = Table.of(rows)
        return Lookup(table.values, table.lo)
    search = Search.of(rows)
    return Walk(search.t, search.codes, search.depth)


def hints(realisation: Realisation | None) -> tuple[Affine, ...]:
    """Hardware forms whose slopes are worth trying."""
    return (realisation,) if isinstance(realisation, Affine) else ()


def _ends(rows: Sequence[Steps]) -> tuple[int, int]:
    return min(row.min_code for row in rows), max(row.max_code for row in rows)


def fit_line(rows: Sequence[Steps], hints: Sequence[Affine] = ()) -> Line | None:
    """A line for every row, in the narrowest type in which it is exact, or None."""
    if any(row.monotone == 0 for row in rows):
        return None
    reach = (*_ends(rows), *(end for row in rows for end in (row.lo, row.hi)))
    if max(map(abs, reach)) >= 1 << 62:  # beyond int64, hence beyond every float
        return None
    points = _Points.of(rows)
    for ctype, dtype, limit in FLOAT_LIMITS:
        if points.reach >= limit:
            continue
        line = _try(points, ctype, dtype, hints)
        if line is not None:
            return line
    return None


def _try(points: _Points, ctype: str, dtype: Any, hints: Sequence[Affine]) -> Line | None:
    """The first line of each row that passes; all rows must have one."""
    count = len(points.low)
    best = [np.zeros(count, dtype) for _ in range(5)]
    open_rows = np.ones(count, dtype=bool)
    for a in _slopes(points, hints):
        c = points.middle(a) - 0.5
        for add in (0.0, 1.0):
            made = [a, c - add, points.low - add, points.high - add, np.full(count, add)]
            line = Line(ctype, *(v.astype(dtype) for v in made))
            passed = open_rows & points.agree(line)
            for kept, new in zip(best, (line.a, line.c, line.lo, line.hi, line.add), strict=True):
                kept[passed] = new[passed]
            open_rows &= ~passed
            if not open_rows.any():
                return Line(ctype, *best)
    return None


def _slopes(points: _Points, hints: Sequence[Affine]) -> Iterator[Array]:
    """Slopes worth trying: those of the hardware form, then the best ones, plain and rounded."""
    for hint in hints:
        if len(hint.m) == len(points.low):
            yield np.array([m / (1 << hint.shift) for m in hint.m], dtype=np.float64)
    best = points.best_slope()
    mantissa, exponent = np.frexp(best)
    yield np.ldexp(np.round(mantissa * 4096) / 4096, exponent)
    yield best


@dataclass(frozen=True, eq=False)
class _Points:
    """Both sides of every step: f(at_low) >= k_low and f(at_high) < k_high make floor(f) right.

    Shapes: (rows, steps), short rows repeat; `probe` and `want` are all places to be compared.
    """

    at_low: Array
    k_low: Array
    at_high: Array
    k_high: Array
    low: Array
    high: Array
    probe: Array
    want: Array

    @classmethod
    def of(cls, rows: Sequence[Steps]) -> _Points:
        longest = max(1, max(row.t.size for row in rows))
        t = np.zeros((len(rows), longest), dtype=np.int64)
        before, after = np.zeros_like(t), np.zeros_like(t)
        for r, row in enumerate(rows):
            n, codes = row.t.size, row.codes
            pick = np.minimum(np.arange(longest), max(n - 1, 0))
            t[r] = row.t[pick] if n else row.lo
            before[r] = codes[:-1][pick] if n else codes[0]
            after[r] = codes[1:][pick] if n else codes[0]
        rising = after >= before
        lo = np.array([row.lo for row in rows], dtype=np.int64)[:, None]
        hi = np.array([row.hi for row in rows], dtype=np.int64)[:, None]
        ends = np.array([[row.first, row.last] for row in rows], dtype=np.int64)
        prior = np.where(t > lo, t - 1, t)
        left = np.where(t > lo, before, after)
        return cls(
            np.where(rising, t, prior), np.where(rising, after, left),
            np.where(rising, prior, t), np.where(rising, left, after) + 1,
            ends.min(axis=1), ends.max(axis=1),
            np.concatenate((lo, hi, t, prior), axis=1),
            np.concatenate((ends, after, left), axis=1),
        )  # fmt: skip

    @property
    def reach(self) -> int:
        """The greatest magnitude of an input or a code."""
        return max(int(np.abs(v).max()) for v in (self.probe, self.want))

    def gap(self, a: Array) -> tuple[Array, Array]:
        """The least and the greatest height at place 0 of a line of slope `a`, all in float64."""
        slope = a[:, None]
        low = (self.k_low - slope * self.at_low).max(axis=1)
        return low, (self.k_high - slope * self.at_high).min(axis=1)

    def middle(self, a: Array) -> Array:
        low, high = self.gap(a)
        return (low + high) / 2

    def agree(self, line: Line) -> NDArray[np.bool_]:
        """Rows on which the line gives every code that it should."""
        got = line.at(np.arange(len(self.low))[:, None]).evaluate(self.probe)
        return (got == self.want).all(axis=1)

    def best_slope(self) -> Array:
        """The slope of the widest gap, by golden section: the gap is concave in the slope."""
        span: Array = np.maximum(np.abs(self.at_low[:, -1] - self.at_low[:, 0]), 1).astype(
            np.float64
        )
        rise = (self.k_low[:, -1] - self.k_low[:, 0]).astype(np.float64)
        jump = np.abs(self.k_high - self.k_low).max(axis=1) + 2.0
        a: Array = (rise - jump) / span
        b: Array = (rise + jump) / span
        ratio = 0.6180339887498949
        for _ in range(60):
            u: Array = b - ratio * (b - a)
            v: Array = a + ratio * (b - a)
            (lu, hu), (lv, hv) = self.gap(u), self.gap(v)
            left = hu - lu > hv - lv
            a, b = np.where(left, a, u), np.where(left, v, b)
        middle: Array = (a + b) / 2
        return np.where(self.low == self.high, 0.0, middle)
