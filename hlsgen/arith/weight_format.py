"""Formats of weights: which integers the codes of a layer may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.signed_digit import csd_weight
from hlsgen.errors import OptionError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, repr=False)
class WeightFormat:
    """Codes within +-(2^(bits-1) - 1); with `digits` the K-hot ones, sums of so many +-2^e at most.

    `str` and `repr` spell it as options do, 6 or 6K2; studies of searches know it by that.
    """

    bits: int
    digits: int | None = None

    def __str__(self) -> str:
        return f"{self.bits}" if self.digits is None else f"{self.bits}K{self.digits}"

    __repr__ = __str__

    @property
    def spelled(self) -> int | str:
        """As JSON has it: 6, or "6K2"."""
        return self.bits if self.digits is None else str(self)

    @property
    def most(self) -> int:
        """The largest code; the smallest is its negative."""
        return int(_magnitudes(self.bits, self.digits)[-1])

    @property
    def count(self) -> int:
        """How many codes there are."""
        return 2 * len(_magnitudes(self.bits, self.digits)) - 1

    @property
    def widened(self) -> WeightFormat:
        """Without the limit of digits where that excludes no code: 4K2 has those of 4."""
        plain = WeightFormat(self.bits)
        return plain if plain.count == self.count else self

    def nearest(self, x: Array) -> Array:
        """The nearest code each; halfway the one that more powers of two divide, as 0, 2, 12 do."""
        if self.digits is None:
            return np.clip(np.round(x), -self.most, self.most)
        magnitudes = _magnitudes(self.bits, self.digits)
        found = magnitudes[np.searchsorted(_bounds(self.bits, self.digits), np.abs(x))]
        return np.copysign(found, x)

    def around(self, x: Array) -> tuple[Array, Array]:
        """The greatest code that is not above, and the next; at the ends the last two, or one."""
        half = _magnitudes(self.bits, self.digits)
        codes = np.concatenate([-half[:0:-1], half])
        below = np.clip(np.searchsorted(codes, x, side="right") - 1, 0, len(codes) - 1)
        return codes[below], codes[np.minimum(below + 1, len(codes) - 1)]


def weight_format(text: str) -> WeightFormat:
    """Reads 6, or 6k2. Errors: OptionError, to be located, for anything else."""
    found = re.fullmatch(r"(\d+)(?:k(\d+))?", text.strip(), re.IGNORECASE)
    if found is None:
        raise OptionError(
            "needed are numbers of bits, such as 4, or with K behind 6k2: "
            "sums of at most 2 signed powers of two"
        )
    bits, digits = found.groups()
    return WeightFormat(int(bits), None if digits is None else int(digits))


@cache
def _magnitudes(bits: int, digits: int | None) -> Array:
    """The codes from zero up."""
    whole = range(1 << (bits - 1))
    return np.array([m for m in whole if digits is None or csd_weight(m) <= digits], np.float64)


@cache
def _bounds(bits: int, digits: int | None) -> Array:
    """The largest number each that rounds to a magnitude, but for the last."""
    codes = _magnitudes(bits, digits).astype(np.int64)
    low, high = codes[:-1], codes[1:]
    middle = (low + high) / 2
    upward = (high & -high) > np.where(low == 0, np.int64(1) << 62, low & -low)
    return np.where(upward, np.nextafter(middle, 0), middle)
