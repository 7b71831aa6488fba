"""Matrices whose blocks of rows have a factor in each column: blockwise quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.signed_digit import csd_weight

IntArray = NDArray[Any]


@dataclass(frozen=True, eq=False)
class BlockFactors:
    """weights[k, j] = factors[k // size, j] * codes[k, j].

    Zero points are in the codes: split off, with one sum of a block's operands for all columns,
    they made adder graphs dearer by 3 to 6 %.
    Shapes: codes (K, M), factors (blocks, M); the last block may be shorter.
    Source: MixPE (the scale of a group is applied behind its sum).
    """

    size: int
    codes: IntArray
    factors: IntArray

    def weights(self) -> IntArray:
        """The matrix, multiplied out."""
        return self.factors[np.arange(len(self.codes)) // self.size] * self.codes


def block_factors(weights: IntArray) -> BlockFactors | None:
    """The block size with the fewest signed digits in codes and factors; None if none saves any.

    Sizes are the divisors of the rows and the powers of two; the factor of a block in a column is
    the greatest common divisor there.
    Shapes: weights (K, M).
    """
    rows = len(weights)
    sizes = sorted(
        {n for n in range(2, rows) if rows % n == 0}
        | {1 << k for k in range(1, rows.bit_length()) if 1 << k < rows}
    )
    if not sizes:
        return None
    found = min((_divided(weights, n) for n in reversed(sizes)), key=_digits)
    if _digits(found) >= int(_csd(weights).sum()):
        return None
    if (found.weights() != weights).any():
        raise AssertionError(f"blocks of {found.size} rows are not the weights")
    return found


def _divided(weights: IntArray, size: int) -> BlockFactors:
    starts = np.arange(0, len(weights), size)
    factors = np.gcd.reduceat(np.abs(weights), starts, axis=0)
    divisors = np.maximum(factors, 1)[np.arange(len(weights)) // size]
    return BlockFactors(size, weights // divisors, factors)


def _digits(found: BlockFactors) -> int:
    return int(_csd(found.codes).sum() + _csd(found.factors).sum())


def _csd(values: IntArray) -> IntArray:
    """The signed digits of each value."""
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([csd_weight(int(v)) for v in distinct])[place].reshape(values.shape)
