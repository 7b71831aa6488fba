"""Sums with irrational factors: rounded so finely that, provably, no code behind them changes.

A residual join of an unquantised batch normalisation is sum of w_i * n_i with integers n_i of known
range and factors w_i that are square roots. It is computed as unit * L, L = sum of k_i * n_i, with
whole k_i next to w_i / unit; the error is at most `slack` units. A code that changes between L - 1
and L = t is right everywhere if no (n_i) of the box comes within `slack` of that step. Those (n_i)
are counted exactly (staircases.md 4.4). Where every inexact n_i is 0 there is no error at all.
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
from hlsgen.ir.hw import IntType

Array = NDArray[Any]
COUNT_LIMIT = 1 << 19  # lattice counts of one join: some seconds


@dataclass(frozen=True, eq=False)
class Approximation:
    """How a hardware value was rounded.

    Shapes: `factors` and `slack` are fields of the value; `exact[i]` says that factors[i] * unit
    is w_i itself; `parts[i]` bounds n_i.
    """

    factors: tuple[Array, ...]
    exact: tuple[bool, ...]
    slack: Array
    parts: tuple[IntType, ...]

    def harmless(self, steps: tuple[Steps, ...], row: Array) -> bool:
        """Whether no step of row[i]'s staircase lies within the slack of a sum that occurs."""
        budget = COUNT_LIMIT
        for r, slack, factors, boxes in self._cases(row):
            places = steps[r].t.tolist()
            kept, rest = self._split(factors, boxes)
            cells = int(np.prod([hi - lo + 1 for _, (lo, hi) in rest] or [1], dtype=object))
            budget -= len(places) * cells * 3
            if budget < 0:
                return False
            for t in places:
                if not self._clear(kept, rest, t - slack, t + slack - 1):
                    return False
        return True

    def _cases(self, row: Array) -> Iterator[tuple[int, int, tuple[int, ...], list[Interval]]]:
        """The distinct combinations of row, slack, factors and ranges over the tensor."""
        parts = [row, self.slack, *self.factors]
        parts += [v for x in self.parts for v in (x.lo, x.hi)]
        full = np.broadcast_arrays(*(fields.to_object(p) for p in parts))
        count = len(self.factors)
        for case in dict.fromkeys(zip(*(p.ravel().tolist() for p in full), strict=True)):
            bounds = case[2 + count :]
            boxes = [(bounds[2 * i], bounds[2 * i + 1]) for i in range(count)]
            yield case[0], case[1], case[2 : 2 + count], boxes

    def _split(self, factors: tuple[int, ...], boxes: list[Interval]):
        """The two operands of the largest ranges, and the others, which are enumerated."""
        order = sorted(range(len(boxes)), key=lambda i: boxes[i][0] - boxes[i][1])
        chosen = [(self.exact[i], factors[i], boxes[i]) for i in order]
        return chosen[:2], [(item[1], item[2]) for item in chosen[2:]]

    def _clear(self, kept: Any, rest: Any, low: int, high: int) -> bool:
        """Whether no sum with an error falls into [low, high]."""
        for values in product(*(range(lo, hi + 1) for _, (lo, hi) in rest)):
            shift = sum(k * n for (k, _), n in zip(rest, values, strict=True))
            boxes = _all(kept) if any(values) else _inexact(kept)
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
