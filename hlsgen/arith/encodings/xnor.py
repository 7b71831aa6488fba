"""Weights -m and m over operands of two codes: one XNOR a product, then a count of ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.arith.encodings.encoding import Encoding, IntArray, at
from hlsgen.errors import OptionError


@dataclass(frozen=True, slots=True)
class Xnor(Encoding):
    """A word of `lanes` weights: bit i is set where weight i is positive.

    With the operand lo or lo + step as a bit that says which, and `ones` the count of operand bits
    that equal their weight's: sum(w x) = m * step * ones + m * (lo * S + step * (S - n) / 2), S the
    sum of the n signs of the output's weights. The magnitude m may differ from output to output: it
    is not in the codes.
    """

    name: ClassVar[str] = "xnor"
    lanes: int

    @property
    def group(self) -> int:
        return self.lanes

    @property
    def bits(self) -> int:
        return self.lanes

    @property
    def parameters(self) -> tuple[int, ...]:
        return (self.lanes,)

    @property
    def reach(self) -> int:
        return 0

    @property
    def note(self) -> str:
        return "operand bits that equal the weight's are counted"

    def encode(self, weights: IntArray) -> IntArray:
        words = (weights > 0).reshape(*weights.shape[:-1], -1, self.lanes)
        exact = words.astype(object) @ np.array([1 << i for i in range(self.lanes)], object)
        return exact if self.lanes > 62 else exact.astype(np.int64)

    def decode(self, codes: IntArray) -> IntArray:
        """The signs."""
        places = np.array(range(self.lanes), object)
        bits = (codes.astype(object)[..., None] >> places & 1).astype(np.int64)
        return (2 * bits - 1).reshape(*codes.shape[:-1], -1)


def magnitudes(weights: IntArray) -> IntArray:
    """The one magnitude of each output's weights.

    Shapes: weights (outputs, inputs).
    Errors: OptionError with the first weight that is zero or has another one than its output.
    """
    found = np.abs(weights[:, :1])
    wrong = (np.abs(weights) != found) | (weights == 0)
    if wrong.any():
        row, column = (int(v) for v in np.argwhere(wrong)[0])
        why = "is zero" if weights[row, column] == 0 else f"has not magnitude {found[row, 0]}"
        raise OptionError(
            f"weight {weights[row, column]} at {at((row, column))} {why}, and xnor needs one "
            "magnitude for all weights of an output; try ternary"
        )
    return found[:, 0]


@dataclass(frozen=True, eq=False)
class Counted:
    """sum(w x) of each output = scale * ones + start. Shapes: scale, start (outputs)."""

    scale: IntArray
    start: IntArray


def counted(weights: IntArray, codes: tuple[int, int]) -> Counted:
    """What the count of ones of each output means, its operands being one of two codes.

    Errors: those of `magnitudes`.
    """
    size = magnitudes(weights).astype(object)
    low, high = codes
    step = high - low
    signs = np.sign(weights).astype(np.int64).sum(axis=1).astype(object)
    start = size * (low * signs + step * (signs - weights.shape[1]) // 2)
    return Counted(size * step, start)
