"""Integer weights as sums of sign planes: w = sum of +-2^a, and one offset that all share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.signed_digit import csd_weight
from hlsgen.errors import OptionError

IntArray = NDArray[Any]

MOST_BITS = 10  # of differences of weights, common zeros aside: the search is over all offsets


@dataclass(frozen=True, eq=False)
class SignPlanes:
    """2 w = offset + sum over i of 2^shifts[i] * signs[i]: halves are what makes it one form.

    Uniform weights of n bits are the planes 2^(i-1), i < n, and the offset -1/2; the ternary ones
    are a single plane, where a zero weight takes no part.
    Shapes: `signs` (planes, n), each -1, 0 or 1.
    Source: BCQ ("LUT-GEMM", "ShiftAddLLM"), with scales that are powers of two.
    """

    shifts: tuple[int, ...]
    offset: int
    signs: IntArray

    @property
    def digits(self) -> int:
        """Signed powers of two in the offset."""
        return csd_weight(self.offset)

    def doubled(self) -> IntArray:
        """Twice the weights."""
        scales = np.array([1 << s for s in self.shifts], np.int64)
        return self.offset + scales @ self.signs


def fewest_planes(weights: IntArray) -> SignPlanes:
    """The fewest planes that give these weights exactly; of those an offset of few digits.

    Every offset is tried: with one, w - offset as bits, 0 and 1 standing for - and +; without
    one, zeros take no part in any plane.
    Shapes: weights (n,). Errors: OptionError for weights that lie too far apart.
    """
    values = np.unique(weights).tolist()
    base, mask = _with_offset(values)
    plain = _without_offset(sorted({abs(v) for v in values if v}))
    if plain is not None and plain.bit_count() <= mask.bit_count():
        bits, shifts = (weights + plain) // 2, _ones(plain)
        planes = SignPlanes(tuple(s + 1 for s in shifts), 0, _signs(bits, shifts) * (weights != 0))
    else:
        shifts = _ones(mask)
        planes = SignPlanes(shifts, 2 * base + mask, _signs(weights - base, shifts))
    if (planes.doubled() != 2 * weights).any():
        raise AssertionError(f"planes {planes} are not the weights {weights.tolist()}")
    return planes


def _with_offset(values: list[int]) -> tuple[int, int]:
    """(base, mask): every value is base plus some of the bits of the mask, which has the fewest."""
    least = values[0]
    zeros = _zeros(v - least for v in values)
    numbers = tuple((v - least) >> zeros for v in values)
    if numbers[-1] >> MOST_BITS:
        raise OptionError(
            f"sign planes are searched for weights of {MOST_BITS} bits at most, these lie within "
            f"{least} and {values[-1]}"
        )
    found = [(least - (down << zeros), mask << zeros) for down, mask in _masks(numbers)]
    return min(found, key=lambda f: (csd_weight(2 * f[0] + f[1]), -f[0]))


@cache
def _masks(numbers: tuple[int, ...]) -> list[tuple[int, int]]:
    """All (down, mask): numbers + down have ones in the mask only, which has the fewest.

    Were a bit above the second one over the span of use, so would be the one below it, and always
    the opposite: one of the two is enough. So nothing further down is tried.
    """
    downs = np.arange(2 << numbers[-1].bit_length())
    masks = np.bitwise_or.reduce(np.array(numbers)[:, None] + downs, axis=0).tolist()
    fewest = min(mask.bit_count() for mask in masks)
    return [(down, mask) for down, mask in enumerate(masks) if mask.bit_count() == fewest]


def _without_offset(sizes: list[int]) -> int | None:
    """The mask with the fewest bits whose sums +-2^bit are all of `sizes`; None if there is none.

    Of a sum v half of v + mask is the bits that count plus. The least of equals is taken.
    """
    zeros = _zeros(sizes)
    numbers = tuple(size >> zeros for size in sizes)
    if not numbers or numbers[-1] >> MOST_BITS:
        return None if numbers else 0
    mask = _signed_mask(numbers)
    return None if mask is None else mask << zeros


@cache
def _signed_mask(numbers: tuple[int, ...]) -> int | None:
    masks = np.arange(1, 4 << numbers[-1].bit_length())
    plus = np.array(numbers)[:, None] + masks
    fits = ((plus & 1 == 0) & (plus >> 1 & ~masks == 0)).all(axis=0)
    return min(masks[fits].tolist(), key=lambda m: (m.bit_count(), m), default=None)


def _zeros(values: Iterable[int]) -> int:
    """Low bits that are 0 in all of them."""
    together = reduce(int.__or__, values, 0)
    return max((together & -together).bit_length() - 1, 0)


def _ones(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


def _signs(bits: IntArray, places: tuple[int, ...]) -> IntArray:
    """1 where a bit is set, -1 where not. Shapes: (places, n)."""
    return 2 * (bits >> np.array(places, np.int64)[:, None] & 1) - 1
