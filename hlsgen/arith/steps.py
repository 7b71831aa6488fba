"""Integer step functions: what a quantiser, and everything in front of it, does to an integer.

A row is one function (`Steps`), for instance that of one output channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# int64, or Python ints (dtype object) where values reach INT64_LIMIT; operators are the same.
IntArray: TypeAlias = NDArray[np.int64]
INT64_LIMIT = 1 << 62


def int_array(values: Sequence[int]) -> IntArray:
    """The integers as int64 if all are below 2^62 in magnitude, else as Python ints."""
    wide: IntArray = np.array(values, dtype=object)
    return wide.astype(np.int64) if magnitude(wide) < INT64_LIMIT else wide


def magnitude(values: IntArray) -> int:
    """The largest |v|, 0 for an empty array."""
    return max(abs(int(values.min())), abs(int(values.max()))) if values.size else 0


def widen(values: IntArray, bound: int) -> IntArray:
    """The same integers, in a type in which results up to `bound` are exact."""
    return values if bound < INT64_LIMIT else values.astype(object)


@dataclass(frozen=True, eq=False)
class Steps:
    """c(n) = first + sum of jump[j] over t[j] <= n, for n in [lo, hi].

    `t` ascends strictly within (lo, hi]; no jump is 0.
    """

    lo: int
    hi: int
    first: int
    t: IntArray
    jump: IntArray

    def __post_init__(self) -> None:
        if self.lo > self.hi or self.t.shape != self.jump.shape:
            raise ValueError("a staircase needs lo <= hi and one jump for each step")
        if self.t.size and not (
            self.lo < self.t[0]
            and self.t[-1] <= self.hi
            and (self.t[1:] > self.t[:-1]).all()
            and self.jump.all()
        ):
            raise ValueError("steps must ascend within (lo, hi], and none may be empty")

    @classmethod
    def from_codes(cls, lo: int, codes: IntArray) -> Steps:
        """c(lo + i) = codes[i]."""
        jump = codes[1:] - codes[:-1]
        at = np.flatnonzero(jump)
        hi = lo + len(codes) - 1
        t = widen(at, max(abs(lo), abs(hi))) + (lo + 1)
        return cls(lo, hi, int(codes[0]), t, jump[at])

    @property
    def codes(self) -> IntArray:
        """The code before the first step and after each step."""
        rise = np.concatenate((np.zeros(1, self.jump.dtype), np.cumsum(self.jump)))
        return widen(rise, abs(self.first)) + self.first

    @property
    def last(self) -> int:
        """c(hi)."""
        return self.first + int(self.jump.sum())

    @property
    def min_code(self) -> int:
        """The least c(n)."""
        return min(self.first, self.last) if self.monotone else int(self.codes.min())

    @property
    def max_code(self) -> int:
        """The greatest c(n)."""
        return max(self.first, self.last) if self.monotone else int(self.codes.max())

    @property
    def monotone(self) -> int:
        """1 if c never falls (a constant too), -1 if it never rises, else 0."""
        if not self.t.size or self.jump.min() > 0:
            return 1
        return -1 if self.jump.max() < 0 else 0

    def evaluate(self, n: IntArray) -> IntArray:
        """c(n) for n in [lo, hi]."""
        return self.codes[np.searchsorted(self.t, n, side="right")]

    def mirrored(self) -> Steps:
        """The staircase of n -> c(-n)."""
        return Steps(-self.hi, -self.lo, self.last, 1 - self.t[::-1], -self.jump[::-1])

    def clipped(self, qlo: int, qhi: int) -> Steps:
        """The staircase of n -> clip(c(n), qlo, qhi)."""
        codes = self.codes.clip(qlo, qhi)
        jump = codes[1:] - codes[:-1]
        live = np.flatnonzero(jump)
        return Steps(self.lo, self.hi, int(codes[0]), self.t[live], jump[live])


@dataclass(frozen=True, eq=False)
class Stack:
    """Rows side by side: codes[r, j] is c of row r after its first j steps t[r, :j].

    Short rows are filled up with t = hi + 1, never reached, and with their last code.
    """

    lo: IntArray
    hi: IntArray
    count: IntArray
    t: IntArray
    codes: IntArray

    @classmethod
    def of(cls, rows: Sequence[Steps], steps: int | None = None) -> Stack:
        """The rows, filled up to the longest or to `steps` steps."""
        count = np.array([row.t.size for row in rows], dtype=np.int64)
        width = int(count.max()) if steps is None else steps
        index = np.arange(width)
        used = index < count[:, None]
        hi = int_array([row.hi for row in rows])
        t = np.broadcast_to((hi + 1)[:, None], used.shape).copy()
        jump = np.zeros(used.shape, np.int64)
        t = _filled(t, used, [row.t for row in rows])
        jump = _filled(jump, used, [row.jump for row in rows])
        first = int_array([row.first for row in rows])
        if first.dtype == object:
            jump = jump.astype(object)
        codes = np.cumsum(np.concatenate((first[:, None], jump), axis=1), axis=1)
        return cls(int_array([row.lo for row in rows]), hi, count, t, codes)


def _filled(target: IntArray, used: NDArray[np.bool_], parts: Sequence[IntArray]) -> IntArray:
    """`target` with the concatenated parts at the used places."""
    values = np.concatenate(parts)
    if values.dtype == object:
        target = target.astype(object)
    target[used] = values
    return target
