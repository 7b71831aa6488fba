"""Sums of K signed powers of two: K barrel shifters and K - 1 adders a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.arith.encodings.encoding import Encoding, IntArray, at
from hlsgen.arith.encodings.shift import Shift
from hlsgen.arith.signed_digit import csd_digits, csd_weight
from hlsgen.errors import OptionError

MOST_DIGITS = 3
_Power = tuple[int, int]  # sign, exponent


@dataclass(frozen=True, slots=True)
class Khot(Encoding):
    """weight = sum of `digits` terms +-2^(low + field), each a field of `field_bits` and a sign.

    No code for zero is needed: there is always one more power by 2^e = 2^(e-1) + 2^(e-1) or
    1 = 2 - 1, and zero is 1 - 1. So two digits at least; one digit is `Shift`.
    Shapes: one code a weight; digit i in bits i * (field_bits + 1) upwards, its sign on top.
    """

    name: ClassVar[str] = "khot"
    digits: int
    field_bits: int
    low: int

    @classmethod
    def of(cls, weights: IntArray) -> Khot | Shift:
        """The encoding with the fewest digits that holds all weights.

        Errors: OptionError with the first weight that needs more than three.
        """
        distinct = sorted({int(w) for w in weights.flat})
        digits = max(map(csd_weight, distinct), default=0)
        if digits <= 1:
            return Shift.of(weights)
        if digits > MOST_DIGITS:
            place = next(
                p for p in np.ndindex(weights.shape) if csd_weight(int(weights[p])) > MOST_DIGITS
            )
            raise OptionError(
                f"weight {weights[place]} at {at(place)} is no sum of {MOST_DIGITS} signed powers "
                "of two; try lut or dsp"
            )
        low = min(e for w in distinct for _, e in csd_digits(w))
        highest = max(e for w in distinct for _, e in _powers(w >> low, digits))
        return cls(digits, highest.bit_length(), low)

    @property
    def group(self) -> int:
        return 1

    @property
    def bits(self) -> int:
        return self.digits * (self.field_bits + 1)

    @property
    def parameters(self) -> tuple[int, ...]:
        return self.digits, self.field_bits, self.low

    @property
    def reach(self) -> int:
        return self.low + (1 << self.field_bits) - 1

    @property
    def note(self) -> str:
        return f"{self.digits} signed powers of two a weight"

    def encode(self, weights: IntArray) -> IntArray:
        known = {int(w): self._code(int(w)) for w in np.unique(weights)}
        return np.array([known[int(w)] for w in weights.flat], np.int64).reshape(weights.shape)

    def decode(self, codes: IntArray) -> IntArray:
        total = np.zeros(codes.shape, np.int64)
        for k in range(self.digits):
            digit = codes >> (k * (self.field_bits + 1))
            power = np.int64(1) << (self.low + (digit & ((1 << self.field_bits) - 1)))
            total += np.where(digit >> self.field_bits & 1, -power, power)
        return total

    def _code(self, weight: int) -> int:
        code = 0
        for k, (sign, exponent) in enumerate(_powers(weight >> self.low, self.digits)):
            digit = (sign < 0) << self.field_bits | exponent
            code |= digit << (k * (self.field_bits + 1))
        return code


def _powers(number: int, count: int) -> list[_Power]:
    """Exactly `count` (two at least) signed powers of two with this sum."""
    found = list(csd_digits(number)) or [(1, 0), (-1, 0)]
    while len(found) < count:
        sign, exponent = found.pop()
        found += [(-sign, 0), (sign, 1)] if exponent == 0 else [(sign, exponent - 1)] * 2
    return found
