"""One signed power of two a weight: one barrel shifter and a conditional negation a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.arith.encodings.encoding import Encoding, IntArray, exponents


@dataclass(frozen=True, slots=True)
class Shift(Encoding):
    """weight = +-2^(low + field); where `zero`, field 0 is the weight 0 and field f is 2^(low+f-1).

    Without zeros no test for them: three bits hold +-{1, 2, 4, 8}; with them 0, +-{1, 2, 4}.
    Shapes: one code a weight, the sign above `field_bits`.
    Source: DenseShift ("DenseShiftConv2d3bit"), S3 for the form with zero.
    """

    name: ClassVar[str] = "shift"
    field_bits: int
    low: int
    zero: bool

    @classmethod
    def of(cls, weights: IntArray) -> Shift:
        """The one with the narrowest codes that holds all weights.

        Errors: OptionError with the first weight that is neither 0 nor +-2^k.
        """
        found = exponents(weights)[weights != 0]
        zero = bool((weights == 0).any())
        low = int(found.min(initial=62)) if found.size else 0
        fields = int(found.max(initial=low)) - low + zero
        return cls(max(fields.bit_length(), 1), low, zero)

    @property
    def group(self) -> int:
        return 1

    @property
    def bits(self) -> int:
        return self.field_bits + 1

    @property
    def parameters(self) -> tuple[int, ...]:
        return self.field_bits, self.low, int(self.zero)

    @property
    def reach(self) -> int:
        return self.low + (1 << self.field_bits) - 1

    @property
    def note(self) -> str:
        return f"signed powers of two{', and zero' if self.zero else ''}"

    def encode(self, weights: IntArray) -> IntArray:
        field = exponents(weights) - self.low + self.zero
        signed = field + ((weights < 0).astype(np.int64) << self.field_bits)
        return np.where(weights == 0, 0, signed)

    def decode(self, codes: IntArray) -> IntArray:
        field = codes & ((1 << self.field_bits) - 1)
        power = np.int64(1) << np.maximum(field - self.zero + self.low, 0)
        signed = np.where(codes >> self.field_bits & 1, -power, power)
        return np.where((field == 0) & self.zero, 0, signed)
