"""The least constants of a multiply-add-shift that reproduces a staircase exactly.

floor(x * n + y) equals the staircase c iff the line passes on or above every (t, c(t)) and strictly
below every (t - 1, c(t - 1) + 1). The slopes x for which some y exists form an open interval; the
dyadic m / 2^s of least s in it has the fewest signed digits too, and an integer b = 2^s * y always
exists for it. So there is nothing to search but the two ends of an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.conflict import Row
from hlsgen.arith.signed_digit import least_weight
from hlsgen.arith.staircase import Affine
from hlsgen.arith.steps import INT64_LIMIT, IntArray, Stack, Steps, int_array, magnitude, widen
from hlsgen.arith.words import WORDS_LIMIT, Factor, Words

BoolArray = NDArray[np.bool_]
_FEW, _STRIDE = 256, 32  # beyond so many points some of them are looked at first


@dataclass(frozen=True, slots=True)
class Window:
    """Heights of a convergent unit: code k begins at (k - offset) * 2^bits + [k - offset odd].

    Clearing the last bit of v >> shift while bits shift-1..shift-bits of v are 0 delays the odd
    codes by 2^(shift - bits). A tie that belongs to the even code below thereby stays there.
    """

    bits: int
    offset: int

    def height(self, k: IntArray) -> IntArray:
        """Where code k begins, in units of 2^-bits codes."""
        k = widen(k, (magnitude(k) + 2) << self.bits) - self.offset
        return (k << self.bits) + (k & 1)


@dataclass(frozen=True, eq=False)
class Points:
    """Per row: x * lt + y >= lk and x * ut + y < uk, t and k counted from the first step.

    Shapes: (rows, points), t ascending, short rows repeat a point; origins (rows,).
    """

    lt: IntArray
    lk: IntArray
    ut: IntArray
    uk: IntArray
    origin_t: IntArray
    origin_k: IntArray

    @property
    def bound(self) -> int:
        """Above every product and difference formed in finding slopes."""
        t = max(magnitude(self.lt), magnitude(self.ut)) + 1
        return 8 * t * (max(magnitude(self.lk), magnitude(self.uk)) + 1)

    def rows(self, index: slice | IntArray) -> Points:
        """Some of the rows."""
        return Points(
            self.lt[index],
            self.lk[index],
            self.ut[index],
            self.uk[index],
            self.origin_t[index],
            self.origin_k[index],
        )


def points(
    stack: Stack, qlo: int, qhi: int, window: Window | None = None, early: int = 0, slack: int = 0
) -> Points:
    """What the line of each row must meet; rows rise and have a step.

    End points count only where the clip to [qlo, qhi] does not decide. With `early` = 1 the line
    may stay one code below: x * t + y >= c(t) - 1. With `slack` it may be that many codes off on
    either side, but not beyond the codes at the ends.
    """
    every = np.arange(stack.t.shape[1], dtype=np.int64)
    origin, end = stack.t[:, :1], stack.count[:, None] - 1
    used = every <= end
    t = np.where(used, stack.t, np.take_along_axis(stack.t, end, axis=1)) - origin
    before, after = stack.codes[:, :-1], stack.codes[:, 1:]
    before = np.where(used, before, np.take_along_axis(before, end, axis=1))
    lo, hi = stack.lo[:, None] - origin, stack.hi[:, None] - origin
    first, final = stack.codes[:, :1], stack.codes[:, -1:]
    low, high = first - early > qlo, final < qhi
    lt = np.concatenate((np.where(low, lo, t[:, :1]), t), axis=1)
    least, most = after - slack, before + 1 + slack
    lk = np.concatenate((np.where(low, first, least[:, :1]), least), axis=1) - early
    ut = np.concatenate((t - 1, np.where(high, hi, t[:, -1:] - 1)), axis=1)
    uk = np.concatenate((most, np.where(high, final + 1, most[:, -1:])), axis=1)
    level = after[:, :1]
    if window is not None:
        lk, uk, level = window.height(lk), window.height(uk), window.height(level)
    return Points(lt, lk - level, ut, uk - level, origin[:, 0], level[:, 0])


@dataclass(frozen=True, eq=False)
class Slopes:
    """Per row the open interval low_p / low_q < x < high_p / high_q; high_q = 0 is no upper end.

    `found` is False where it is empty: no line meets the points of that row.
    """

    low_p: IntArray
    low_q: IntArray
    high_p: IntArray
    high_q: IntArray
    found: BoolArray

    def intervals(self) -> Iterator[tuple[int, int, int, int]]:
        """The ends (low_p, low_q, high_p, high_q) row by row."""
        ends = (self.low_p, self.low_q, self.high_p, self.high_q)
        return zip(*(end.tolist() for end in ends), strict=True)


def slope_intervals(p: Points) -> Slopes:
    """All positive slopes x for which a y meets every point, exactly."""
    chunk = max(1, (1 << 17) // p.lt.shape[1])
    parts = [_slopes(p.rows(slice(i, i + chunk))) for i in range(0, len(p.lt), chunk)]
    ends = [(s.low_p, s.low_q, s.high_p, s.high_q) for s in parts]
    low_p, low_q, high_p, high_q = (np.concatenate(end) for end in zip(*ends, strict=True))
    return Slopes(low_p, low_q, high_p, high_q, np.concatenate([s.found for s in parts]))


def _slopes(p: Points) -> Slopes:
    wide = [widen(a, p.bound) for a in (p.lt, p.lk, p.ut, p.uk)]
    low_p, low_q, low_found = _end(*wide, side=-1)
    high_p, high_q, high_found = _end(*wide, side=1)
    low_p = np.maximum(low_p, 0)
    found = low_found & high_found & ((high_q == 0) | (low_p * high_q < high_p * low_q))
    return Slopes(low_p, low_q, high_p, high_q, found)


def _end(
    lt: IntArray, lk: IntArray, ut: IntArray, uk: IntArray, side: int
) -> tuple[IntArray, IntArray, BoolArray]:
    """The upper (side = 1) or lower (-1) end p / q of the slopes, q = 0 for none; False: empty.

    Newton on the concave g(x) = min(uk - x ut) - max(lk - x lt): every x is the zero of one of its
    linear pieces, hence outside or at the end, and moves inward until the pair is the active one.
    The end that some of the points alone would give is as good a place to begin.
    """
    p, q, found = _start(lt, lk, ut, uk, side)
    live = np.flatnonzero(found & (q > 0))
    while live.size:
        a, b = p[live, None], q[live, None]
        upper, lower = uk[live] * b - ut[live] * a, lk[live] * b - lt[live] * a
        i, j, at = lower.argmax(axis=1), upper.argmin(axis=1), np.arange(live.size)
        missed = upper[at, j] < lower[at, i]
        dk, dt = (uk[live, j] - lk[live, i]) * side, (ut[live, j] - lt[live, i]) * side
        found[live[missed & (dt <= 0)]] = False
        onward = missed & (dt > 0)
        live = live[onward]
        p[live], q[live] = dk[onward], dt[onward]
    return p, q, found


def _start(
    lt: IntArray, lk: IntArray, ut: IntArray, uk: IntArray, side: int
) -> tuple[IntArray, IntArray, BoolArray]:
    """The ends of every 32nd point and the last one, or, of few, those of the outermost pair."""
    if lt.shape[1] > _FEW:
        which = np.array([*range(0, lt.shape[1] - 1, _STRIDE), lt.shape[1] - 1])
        return _end(lt[:, which], lk[:, which], ut[:, which], uk[:, which], side)
    i, j = (0, -1) if side > 0 else (-1, 0)
    p, q = (uk[:, j] - lk[:, i]) * side, (ut[:, j] - lt[:, i]) * side
    q[q <= 0] = 0
    return p, q, np.ones(len(lt), np.bool_)


def multiplier_range(ends: tuple[int, int, int, int], shift: int) -> tuple[int, int | None]:
    """The least and the greatest m with m / 2^shift strictly between the ends."""
    low_p, low_q, high_p, high_q = ends
    least = (low_p << shift) // low_q + 1
    return least, (-(-(high_p << shift) // high_q) - 1 if high_q else None)


def least_shift(ends: tuple[int, int, int, int]) -> int:
    """The least s >= 0 for which some m / 2^s lies strictly between the ends; no ends, no need."""
    low_p, low_q, high_p, high_q = ends
    if not high_q:
        return 0
    width = high_p * low_q - low_p * high_q
    fine = max(0, (high_q * low_q).bit_length() - width.bit_length() + 2)
    m = least_weight(*multiplier_range(ends, fine))
    return max(0, fine - ((m & -m).bit_length() - 1))


def offset_intervals(p: Points, m: Sequence[int], shift: int) -> list[tuple[int, int]]:
    """Per row the least and the greatest b with m * n + b exact; m must be admissible.

    In units of 2^-shift of the heights of `p`. Every point lies within m and two heights of the
    line, so the differences below are small, and exact modulo 2^64 though the products are not.
    """
    slope = int_array(m)
    bound = 8 * (magnitude(slope) + (int((p.uk - p.lk).max()) + 2 << shift))
    heights = max(magnitude(p.lk), magnitude(p.uk)) << shift
    reach = heights + magnitude(slope) * max(magnitude(p.lt), magnitude(p.ut))
    narrow = all(a.dtype != object for a in (p.lt, p.lk, p.ut, p.uk))
    if narrow and reach < WORDS_LIMIT and bound >= INT64_LIMIT:
        least, most = _wide_offsets(p, m, shift)
    else:
        if slope.dtype == object or not narrow:
            bound = INT64_LIMIT  # numbers modulo 2^64 do not mix with Python ints
        lt, lk, ut, uk, slope = (widen(a, bound) for a in (p.lt, p.lk, p.ut, p.uk, slope))
        least = ((lk << shift) - slope[:, None] * lt).max(axis=1).tolist()
        most = ((uk << shift) - slope[:, None] * ut).min(axis=1).tolist()
    origins = zip(p.origin_t.tolist(), p.origin_k.tolist(), strict=True)
    move = [(k << shift) - v * t for (t, k), v in zip(origins, m, strict=True)]
    return [(a + d, b + d - 1) for a, b, d in zip(least, most, move, strict=True)]


def _wide_offsets(p: Points, m: Sequence[int], shift: int) -> tuple[list[int], list[int]]:
    """The same greatest and least differences where they need more than 64 bits."""
    one, turned = Factor.of([1 << shift]), Factor.of([-v for v in m]).at(np.arange(len(m))[:, None])
    _, least = Words.sum_of_products([(one, p.lk), (turned, p.lt)]).row_ends()
    most, _ = Words.sum_of_products([(one, p.uk), (turned, p.ut)]).row_ends()
    return least, most


@dataclass(frozen=True, slots=True)
class Lines:
    """m[r] * n + b[r], in units of 2^-shift of the heights they were fitted to."""

    m: tuple[int, ...]
    b: tuple[int, ...]
    shift: int


def fit_lines(p: Points, slopes: Slopes) -> Lines:
    """The lightest m and b for every row at the least shift that all rows can share."""
    ends = list(slopes.intervals())
    shift = max(least_shift(end) for end in ends)
    m = [least_weight(*multiplier_range(end, shift)) for end in ends]
    b = [least_weight(*interval) for interval in offset_intervals(p, m, shift)]
    return Lines(tuple(m), tuple(b), shift)


def fit_affine(
    rows: Sequence[Steps], qlo: int, qhi: int, early: int = 0, slack: int = 0
) -> Affine | None:
    """The rows as one multiply-add-shift of common shift, convergent if ties demand it.

    None if some row has no such form. With `early` = 1 a code may be one too low, with `slack` it
    may be that many too low or too high; either leaves out the convergent form.
    """
    signs = [row.monotone for row in rows]
    if 0 in signs:
        return None
    moving = [i for i, row in enumerate(rows) if row.t.size]
    if not moving:
        return _affine(rows, signs, moving, Lines((), (), 0), None, qlo, qhi)
    stack = Stack.of([rows[i] if signs[i] > 0 else rows[i].mirrored() for i in moving])
    hard = int(stack.count.argmax())
    if _beginning_fits(stack, hard, 256, qlo, qhi, early, slack):
        plain = points(stack, qlo, qhi, early=early, slack=slack)
        slopes = slope_intervals(plain)
        if slopes.found.all():
            return _affine(rows, signs, moving, fit_lines(plain, slopes), None, qlo, qhi)
        hard = int(slopes.found.argmin())
    if early or slack:
        return None
    for offset in (0, 1):
        fitted = _fit_window(stack, qlo, qhi, offset, hard)
        if fitted is not None:
            return _affine(rows, signs, moving, *fitted, qlo, qhi)
    return None


def _fit_window(
    stack: Stack, qlo: int, qhi: int, offset: int, hard: int
) -> tuple[Lines, Window] | None:
    """Lines for a convergent unit with the widest window, or half of it if its shift is less."""
    limit = int((stack.hi - stack.lo).max()).bit_length() + 1
    bits, steps = 1, 256
    while True:
        found = _beginning(stack, hard, steps, qlo, qhi, offset).least_bits(bits, limit)
        if found is None:
            return None
        bits = found
        window = Window(bits, offset)
        p = points(stack, qlo, qhi, window)
        slopes = slope_intervals(p)
        if slopes.found.all():
            return _narrower(stack, qlo, qhi, window, fit_lines(p, slopes))
        if not slopes.found[hard]:
            bits += steps >= stack.t.shape[1]
            steps = stack.t.shape[1]  # its beginning fits, all of it does not
        else:
            hard = int(slopes.found.argmin())


def _part(stack: Stack, row: int, steps: int) -> Stack:
    """One row up to the first of the steps left out."""
    one = slice(row, row + 1)
    hi = stack.hi[one]
    if stack.t.shape[1] > steps:
        hi = np.minimum(hi, stack.t[one, steps] - 1)
    count = np.minimum(stack.count[one], steps)
    return Stack(stack.lo[one], hi, count, stack.t[one, :steps], stack.codes[one, : steps + 1])


def _beginning(stack: Stack, row: int, steps: int, qlo: int, qhi: int, offset: int) -> Row:
    """The points of the beginning of one row."""
    p = points(_part(stack, row, steps), qlo, qhi)
    l_odd, u_odd = ((k[0] + p.origin_k - offset) & 1 for k in (p.lk, p.uk))
    return Row(p.lt[0], p.lk[0], l_odd, p.ut[0], p.uk[0], u_odd, 4 * p.bound)


def _beginning_fits(
    stack: Stack, row: int, steps: int, qlo: int, qhi: int, early: int, slack: int
) -> bool:
    """Whether one row has a line up to the first of the steps left out; if not, it has none."""
    part = _part(stack, row, steps)
    return bool(slope_intervals(points(part, qlo, qhi, early=early, slack=slack)).found[0])


def _narrower(
    stack: Stack, qlo: int, qhi: int, window: Window, lines: Lines
) -> tuple[Lines, Window]:
    """The lines, or those for half the window where their shift, bits included, is less."""
    if lines.shift < 2:
        return lines, window
    half = Window(window.bits + 1, window.offset)
    p = points(stack, qlo, qhi, half)
    slopes = slope_intervals(p)
    if slopes.found.all():
        other = fit_lines(p, slopes)
        if other.shift + 1 < lines.shift:
            return other, half
    return lines, window


def _affine(
    rows: Sequence[Steps],
    signs: Sequence[int],
    moving: Sequence[int],
    lines: Lines,
    window: Window | None,
    qlo: int,
    qhi: int,
) -> Affine:
    """The unit of all rows: mirrored rows get -m, rows without steps m = 0 and their code as b."""
    bits, offset = (window.bits, window.offset) if window else (0, 0)
    m = [0] * len(rows)
    b = [row.first << (lines.shift + bits) for row in rows]
    if window:
        heights = window.height(int_array([row.first for row in rows])).tolist()
        b = [height << lines.shift for height in heights]
    for i, slope, start in zip(moving, lines.m, lines.b, strict=True):
        m[i], b[i] = slope * signs[i], start
    lo, hi = tuple(row.lo for row in rows), tuple(row.hi for row in rows)
    tie = lines.shift if window else None
    return Affine(tuple(m), tuple(b), lines.shift + bits, qlo, qhi, lo, hi, tie, offset)
