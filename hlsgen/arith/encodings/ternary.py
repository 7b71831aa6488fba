"""Weights -m, 0, m: an operand is subtracted, skipped or added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.arith.encodings.encoding import IntArray, OneMagnitude, magnitude


@dataclass(frozen=True, slots=True)
class Ternary(OneMagnitude):
    """weight = 0 for code 0, 2^low for code 1, -2^low for code 3.

    Shapes: one code of two bits a weight: it counts, it is negative.
    """

    name: ClassVar[str] = "ternary"

    @classmethod
    def of(cls, weights: IntArray) -> Ternary:
        """Errors: OptionError with the first weight that has another magnitude or is no power."""
        return cls(magnitude(weights, "ternary holds one magnitude and zero; try shift or khot"))

    @property
    def group(self) -> int:
        return 1

    @property
    def bits(self) -> int:
        return 2

    @property
    def note(self) -> str:
        return "add, subtract or skip"

    def encode(self, weights: IntArray) -> IntArray:
        return (weights != 0).astype(np.int64) + 2 * (weights < 0)

    def decode(self, codes: IntArray) -> IntArray:
        return ((codes & 1) << self.low) * np.where(codes >> 1 & 1, -1, 1)
