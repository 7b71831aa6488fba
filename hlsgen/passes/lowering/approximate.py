"""Sums with irrational factors: rounded so finely that, provably, no code behind them changes.

A residual join of an unquantised batch normalisation is sum of w_i * n_i with integers n_i of known
range and factors w_i that are square roots. It is computed as unit * L, L = sum of k_i * n_i, with
whole k_i next to w_i / unit; the error is at most `slack` units. A summand may be clipped: then it
is one of several such pieces, by the range that n_i lies in (lines.py). A code that changes between
L - 1 and L = t is right everywhere if no (n_i) of the box comes within `slack` of that step. Those
(n_i) are counted exactly (staircases.md 4.4). Where every inexact n_i is 0 there is no error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.lattice import Interval, count_between
from hlsgen.arith.steps import Steps
from hlsgen.ir import field as fields

Array = NDArray[Any]
COUNT_LIMIT = 1 << 19  # lattice counts of one join: some seconds


@dataclass(frozen=True, eq=False)
class Piece:
    """How a summand was rounded for n in [lo, hi]: to factor * n + offset units.

    Shapes: fields of the sum. `exact_factor` and `exact_offset`: these are what the file says.
    """

    lo: Array
    hi: Array
    factor: Array
    offset: Array
    exact_factor: bool
    exact_offset: bool

    @classmethod
    def still(cls, empty: NDArray[np.bool_], level: Array, exact: bool) -> Piece:
        """The same number for every n, where it is not empty: as good as one n."""
        none = np.zeros((1,) * level.ndim, np.int64)
        return cls(empty.astype(np.int64), none, none, level, True, exact)


@dataclass(frozen=True, eq=False)
class Approximation:
    """How a hardware value was rounded: as the sum of one piece of every summand.

    `slack`, a field of the value, bounds the error of the whole sum in units.
    """

    summands: tuple[tuple[Piece, ...], ...]
    slack: Array

    def harmless(self, steps: tuple[Steps, ...], row: Array) -> bool:
        """Whether no step of row[i]'s staircase lies within the slack of a sum that occurs."""
        budget = COUNT_LIMIT
        for pieces in product(*self.summands):
            anywhere = not all(p.exact_offset for p in pieces)
            for r, slack, shift, operands in self._cases(pieces, row):
                places = steps[r].t.tolist()
                kept, rest = _split(operands)
                cells = int(np.prod([hi - lo + 1 for _, (lo, hi) in rest] or [1], dtype=object))
                budget -= len(places) * cells * 3
                if budget < 0:
                    return False
                for t in places:
                    low = t - slack - shift
                    if not _clear(kept, rest, low, low + 2 * slack - 1, anywhere=anywhere):
                        return False
        return True

    def _cases(
        self, pieces: tuple[Piece, ...], row: Array
    ) -> Iterator[tuple[int, int, int, list[tuple[bool, int, Interval]]]]:
        """The distinct (row, slack, sum of offsets, operands) over the tensor."""
        parts = [row, self.slack]
        for p in pieces:
            parts += [p.offset, p.factor, p.lo, p.hi]
        full = np.broadcast_arrays(*(fields.to_object(p) for p in parts))
        for case in dict.fromkeys(zip(*(p.ravel().tolist() for p in full), strict=True)):
            offsets, factors, lows, highs = (case[i::4] for i in range(2, 6))
            if all(lo <= hi for lo, hi in zip(lows, highs, strict=True)):
                boxes = zip(pieces, factors, zip(lows, highs, strict=True), strict=True)
                yield (
                    case[0],
                    case[1],
                    sum(offsets),
                    [(p.exact_factor, k, box) for p, k, box in boxes],
                )


def _split(operands: list[tuple[bool, int, Interval]]):
    """The two operands of the largest ranges, and the others, which are enumerated."""
    chosen = sorted(operands, key=lambda x: x[2][0] - x[2][1])
    return chosen[:2], [(k, box) for _, k, box in chosen[2:]]


def _clear(kept: Any, rest: Any, low: int, high: int, *, anywhere: bool) -> bool:
    """Whether no sum with an error (all of them if `anywhere`) falls into [low, high]."""
    for values in product(*(range(lo, hi + 1) for _, (lo, hi) in rest)):
        shift = sum(k * n for (k, _), n in zip(rest, values, strict=True))
        boxes = _all(kept) if anywhere or any(values) else _inexact(kept)
        for first, second in boxes:
            if count_between(kept[0][1], first, kept[1][1], second, low - shift, high - shift):
                return False
    return True


def _all(kept: Any) -> list[tuple[Interval, Interval]]:
    return [(kept[0][2], kept[1][2])]


def _inexact(kept: Any) -> list[tuple[Interval, Interval]]:
    """The box of two operands without the points at which no inexact one differs from 0."""
    (exact_a, _, a), (exact_b, _, b) = kept
    found: list[tuple[Interval, Interval]] = []
    if not exact_a:
        found += [(side, b) for side in _without_zero(a)]
        if not exact_b and a[0] <= 0 <= a[1]:
            found += [((0, 0), side) for side in _without_zero(b)]
    elif not exact_b:
        found += [(a, side) for side in _without_zero(b)]
    return found


def _without_zero(side: Interval) -> list[Interval]:
    lo, hi = side
    if lo > 0 or hi < 0:
        return [side]
    return [(first, last) for first, last in ((lo, -1), (1, hi)) if first <= last]
