"""Weights that are replaced later: what all sets of them have in common."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.errors import OptionError

IntArray = NDArray[Any]
Units = tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """Weights of a layer are of `format`, those of one output at most `l1` in absolute sum.

    With operands of at most `reach` in magnitude, no sum of products in any order leaves an
    accumulator of `bits` bits: l1 * reach < 2^(bits - 1).
    `units` says what weight 1 is worth: for all outputs, or for each.
    Source: A2Q, whose bound (2^(bits-1) - 1) * 2^(signed - N) for N-bit operands is never above it.
    """

    layer: str
    format: IntFormat
    bits: int
    l1: int
    units: Units = ()

    @classmethod
    def of(cls, layer: str, fmt: IntFormat, bits: int, reach: int, units: Units = ()) -> Budget:
        """The budget that an accumulator of `bits` bits allows."""
        return cls(layer, fmt, bits, ((1 << (bits - 1)) - 1) // max(reach, 1), units)

    def check(self, weights: IntArray) -> None:
        """Errors: OptionError where a weight or output does not fit. Shapes: (outputs, inputs)."""
        low, high = self.format.lo, self.format.hi
        for channel, row in enumerate(weights):
            least, most = int(row.min(initial=0)), int(row.max(initial=0))
            if least < low or most > high:
                worst = least if least < low else most
                raise OptionError(
                    f"{self.layer}: channel {channel} has the weight {worst}, and this design "
                    f"holds {self.format}, {low} to {high}; requantise, or build for a wider format"
                )
            used = int(np.abs(row.astype(object)).sum())
            if used > self.l1:
                raise OptionError(
                    f"{self.layer}: the weights of channel {channel} have the absolute sum {used}, "
                    f"over the budget of {self.l1} of its {self.bits}-bit accumulator; train with "
                    "that budget (A2Q), or build with more bits"
                )


def least_bits(weights: IntArray, reach: int) -> int:
    """The narrowest accumulator whose budget holds these weights. Shapes: (outputs, inputs)."""
    used = max((int(np.abs(row.astype(object)).sum()) for row in weights), default=0)
    return (used * reach).bit_length() + 1


@dataclass(frozen=True, slots=True)
class Reloadable:
    """What is said of a reloadable layer; what is left out follows from its own weights."""

    format: IntFormat | None = None
    bits: int = 0
    units: Units = ()
