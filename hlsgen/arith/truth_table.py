"""Functions of a few integers as truth tables over single bits, no bit more than they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[Any]  # int64, or Python ints
MOST_BITS = 12  # of a table: a neuron's inputs taken together


@dataclass(frozen=True, eq=False)
class BitTable:
    """y = values[i]; bit k of i is bit b of operand x in two's complement, where pins[k] = (x, b).

    Shapes: values (2 ** pins).
    """

    pins: tuple[tuple[int, int], ...]
    values: IntArray

    def __post_init__(self) -> None:
        if self.values.shape != (1 << len(self.pins),):
            raise ValueError(f"{len(self.pins)} bits need {1 << len(self.pins)} values")

    def evaluate(self, x: IntArray) -> IntArray:
        """y for operands along the last axis."""
        place = np.zeros(x.shape[:-1], dtype=np.int64)
        for k, (operand, bit) in enumerate(self.pins):
            place |= ((x[..., operand] >> bit) & 1).astype(np.int64) << k
        return self.values[place]


@lru_cache(1 << 12)
def telling_bits(codes: tuple[int, ...] | range) -> tuple[int, ...]:
    """Bits of the two's complement that tell these codes apart, none of which can be left out."""
    distinct = np.unique(np.array(codes, dtype=np.int64))
    width = int(np.maximum(distinct, ~distinct).max()).bit_length() + 1
    mask = (1 << width) - 1
    for bit in reversed(range(width)):
        fewer = mask & ~(1 << bit)
        if np.unique(distinct & fewer).size == distinct.size:
            mask = fewer
    return tuple(b for b in range(width) if mask >> b & 1)


def bit_table(
    codes: Sequence[tuple[int, ...] | range], function: Callable[[IntArray], IntArray]
) -> BitTable:
    """The table of a function of operands that take these codes, and no others.

    `function` maps vectors (n, operands) to n values. What no codes reach is chosen so that as many
    bits as possible can go, and then repeats a neighbour.
    Errors: ValueError for more than MOST_BITS bits.
    """
    bits = [telling_bits(c) for c in codes]
    pins = [(x, b) for x, own in enumerate(bits) for b in own]
    if len(pins) > MOST_BITS:
        raise ValueError(f"a table of {len(pins)} bits")
    vectors = np.zeros((1, 0), dtype=np.int64)
    places = np.zeros(1, dtype=np.int64)
    shift = 0
    for own, some in zip(bits, codes, strict=True):
        column = np.array(sorted(set(some)), dtype=np.int64)
        address = np.zeros_like(column)
        for k, bit in enumerate(own):
            address |= (column >> bit & 1) << (shift + k)
        left = np.repeat(vectors, len(column), axis=0)
        vectors = np.column_stack((left, np.tile(column, len(vectors))))
        places = np.repeat(places, len(column)) + np.tile(address, len(places))
        shift += len(own)
    made = function(vectors)
    values = np.zeros(1 << len(pins), dtype=made.dtype)
    known = np.zeros(1 << len(pins), dtype=bool)
    values[places], known[places] = made, True
    return _reduced(pins, values, known)


def _reduced(
    pins: Sequence[tuple[int, int]], values: IntArray, known: NDArray[np.bool_]
) -> BitTable:
    """Without the bits that change no known value; the highest of an operand go first."""
    kept = list(pins)
    for pin in sorted(pins, key=lambda p: -p[1]):
        at = kept.index(pin)
        (v0, v1), (k0, k1) = _halves(values, at), _halves(known, at)
        if (k0 & k1 & (v0 != v1)).any():
            continue
        values, known = np.where(k0, v0, v1).reshape(-1), (k0 | k1).reshape(-1)
        del kept[at]
    return BitTable(tuple(kept), _filled(values, known))


def _halves(table: IntArray, at: int) -> tuple[IntArray, IntArray]:
    """A table where bit `at` of its place is 0, and where it is 1."""
    split = table.reshape(-1, 2, 1 << at)
    return split[:, 0], split[:, 1]


def _filled(values: IntArray, known: NDArray[np.bool_]) -> IntArray:
    """Places that nothing reaches, as a neighbour in one bit that something does."""
    values, known = values.copy(), known.copy()
    while not known.all():
        for at in range(len(values).bit_length() - 1):
            other = np.arange(len(values)) ^ (1 << at)
            new = ~known & known[other]
            values[new] = values[other[new]]
            known = known | new
    return values
