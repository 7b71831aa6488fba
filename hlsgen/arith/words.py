"""Exact sums of products of up to 108 bits, at numpy's speed.

The lower 64 bits come from arithmetic modulo 2^64, which loses nothing but the upper ones; those
are whole multiples of 2^64, so float64, right to within 2^58, tells which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.steps import IntArray

WORDS_LIMIT = 1 << 108
_MASK = (1 << 64) - 1


@dataclass(frozen=True, eq=False)
class Factor:
    """Integers of any size: modulo 2^64, and as the nearest float64."""

    residue: NDArray[np.uint64]
    real: NDArray[np.float64]

    @classmethod
    def of(cls, values: Sequence[int]) -> Factor:
        residue = np.array([v & _MASK for v in values], dtype=np.uint64)
        return cls(residue, np.array([float(v) for v in values]))

    def at(self, index: IntArray) -> Factor:
        """values[index]."""
        return Factor(self.residue[index], self.real[index])


@dataclass(frozen=True, eq=False)
class Words:
    """The integers high * 2^64 + low."""

    high: IntArray
    low: NDArray[np.uint64]

    @classmethod
    def sum_of_products(cls, terms: Sequence[tuple[Factor, IntArray]]) -> Words:
        """The sum of factor * n over at most 8 terms whose sizes add up to less than 2^108."""
        low = np.zeros((), np.uint64)
        real = np.zeros(())
        with np.errstate(over="ignore"):
            for factor, n in terms:
                low = low + factor.residue * n.astype(np.uint64)
                real = real + factor.real * n
        high = np.rint((real - low.astype(np.float64)) * 2.0**-64).astype(np.int64)
        return cls(high, low)

    def __rshift__(self, shift: int) -> IntArray:
        """floor(v / 2^shift), which must be below 2^62 in magnitude."""
        if shift >= 64:
            return self.high >> min(shift - 64, 63)
        if shift == 0:
            return self.low.astype(np.int64)
        return (self.high << (64 - shift)) + (self.low >> np.uint64(shift)).astype(np.int64)

    def clear(self, first: int, last: int) -> NDArray[np.bool_]:
        """Whether bits first..last - 1 are all 0."""
        result = np.ones(self.low.shape, np.bool_)
        if first < min(last, 64):
            mask = ((1 << min(last, 64)) - (1 << first)) & _MASK
            result &= (self.low & np.uint64(mask)) == 0
        if last > 64:
            mask = (1 << min(last - 64, 63)) - (1 << max(first - 64, 0))
            result &= (self.high & mask) == 0
        return result

    def row_ends(self) -> tuple[list[int], list[int]]:
        """The least and the greatest of every row."""
        ends: list[list[int]] = []
        for pick, away in ((np.min, np.uint64(_MASK)), (np.max, np.uint64(0))):
            high = pick(self.high, axis=1)
            low = pick(np.where(self.high == high[:, None], self.low, away), axis=1)
            ends.append([(h << 64) + v for h, v in zip(high.tolist(), low.tolist(), strict=True)])
        return ends[0], ends[1]
