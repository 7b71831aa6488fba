"""The exact steps of a quantiser whose argument is affine in an integer."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeVar

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.arith.steps import INT64_LIMIT, IntArray, Steps, int_array, widen

MAX_STEPS = 1 << 20
Ints = TypeVar("Ints", int, IntArray)


def affine_steps(
    lo: int, hi: int, slope: Fraction, offset: Fraction, qlo: int, qhi: int, mode: Rounding
) -> Steps:
    """c(n) = clip(round(slope * n + offset), qlo, qhi) for every n of [lo, hi].

    Code k is reached where slope * n + offset reaches an edge k - 1, k - 1/2 or k, the edge itself
    included or not; over one denominator that is an integer division for every k.

    Errors: ValueError above 2^20 steps.
    """
    den = math.lcm(slope.denominator, offset.denominator)
    rise = slope.numerator * (den // slope.denominator)
    start = offset.numerator * (den // offset.denominator)
    first, last = (min(max(_codes(n, rise, start, den, mode), qlo), qhi) for n in (lo, hi))
    count = min(abs(last - first), hi - lo)
    if count > MAX_STEPS:
        raise ValueError(f"{count} steps; at most {MAX_STEPS} can be held")
    if count < abs(last - first):
        bound = 4 * (abs(rise) * max(abs(lo), abs(hi)) + abs(start) + den)
        n = widen(np.arange(hi - lo + 1), bound) + lo
        return Steps.from_codes(lo, _codes(n, rise, start, den, mode).clip(qlo, qhi))
    if first <= last:
        t = _crossings(first + 1, last, rise, start, den, mode)
        return _merged(lo, hi, first, t, 1)
    # c(-n) rises, and c drops to k - 1 one after the last n with c(n) >= k
    t = 1 - _crossings(last + 1, first, -rise, start, den, mode)
    return _merged(lo, hi, first, t[::-1], -1)


# For k > 0 and for k <= 0: how far the edge of code k lies below k, in halves, and whether the edge
# itself still belongs to the code below. HALF_EVEN goes by the parity of k instead.
_EDGES = {
    Rounding.HALF_UP: ((1, 0), (1, 0)),
    Rounding.HALF_DOWN: ((1, 1), (1, 1)),
    Rounding.HALF_AWAY: ((1, 0), (1, 1)),
    Rounding.HALF_ZERO: ((1, 1), (1, 0)),
    Rounding.FLOOR: ((0, 0), (0, 0)),
    Rounding.CEIL: ((2, 1), (2, 1)),
    Rounding.ZERO: ((0, 0), (2, 1)),
    Rounding.AWAY: ((2, 1), (0, 0)),
}


def _edges(k: Ints, mode: Rounding) -> tuple[Ints, Ints]:
    """(E, x): round(v) >= k iff 2v > E, or 2v = E and x = 0."""
    if mode is Rounding.HALF_EVEN:
        return 2 * k - 1, k & 1
    (above, above_out), (below, below_out) = _EDGES[mode]
    positive = k > 0
    edge = 2 * k - below - positive * (above - below)
    return edge, (edge - edge + below_out) + positive * (above_out - below_out)


def _crossings(k0: int, k1: int, rise: int, start: int, den: int, mode: Rounding) -> IntArray:
    """For k = k0..k1 the least n with round((rise * n + start) / den) >= k, rise > 0."""
    if k1 < k0:
        return np.zeros(0, np.int64)
    edge, excluded = _edges(np.arange(k0, k1 + 1, dtype=np.int64), mode)
    rise, start = 2 * rise, 2 * start
    whole, part = divmod(den, rise)
    whole_start, part_start = divmod(start, rise)
    reach = (2 * max(abs(k0), abs(k1)) + 2) * (whole + 1) + abs(whole_start)
    if max(8 * rise, 8 * reach) >= INT64_LIMIT:
        pairs = zip(edge.tolist(), excluded.tolist(), strict=True)
        return int_array([-((start - x - e * den) // rise) for e, x in pairs])
    # n = edge * whole - whole_start - floor((part_start - excluded - edge * part) / rise). A guess
    # of that floor is off by one at most, so its remainder is below 2^62: exact modulo 2^64.
    guess = np.floor((part_start - edge * float(part)) / rise).astype(np.int64)
    rest = part_start - excluded - edge * part - guess * rise
    return edge * whole - whole_start - guess - rest // rise


def _codes(n: Ints, rise: int, start: int, den: int, mode: Rounding) -> Ints:
    """round((rise * n + start) / den)."""
    twice = 2 * (rise * n + start)
    k = (twice + den) // (2 * den) + 1  # the code, or one or two above
    for _ in range(2):
        edge, excluded = _edges(k, mode)
        k = k - (edge * den + excluded > twice)
    return k


def _merged(lo: int, hi: int, first: int, t: IntArray, sign: int) -> Steps:
    """Unit steps at ascending t; those at one place become one jump."""
    if t.size < 2 or (t[1:] != t[:-1]).all():
        return Steps(lo, hi, first, t, np.full(t.size, sign, np.int64))
    starts = np.flatnonzero(np.concatenate(([True], t[1:] != t[:-1])))
    return Steps(lo, hi, first, t[starts], sign * np.diff(starts, append=t.size))
