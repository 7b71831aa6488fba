"""Three of every four weights are -m or m, one is zero: five bits and two adders for four."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.arith.encodings.encoding import IntArray, OneMagnitude, at, magnitude
from hlsgen.errors import OptionError

FOUR = 4


@dataclass(frozen=True, slots=True)
class Sherry(OneMagnitude):
    """Four weights with one zero; the others are +-2^low.

    Shapes: one code of five bits for four weights: which one is zero (2 bits), then whether each of
    the others, in their order, is negative.
    Source: Sherry ("3:4 sparsity, 1.25 bits a weight").
    """

    name: ClassVar[str] = "sherry"

    @classmethod
    def of(cls, weights: IntArray) -> Sherry:
        """Errors: OptionError with the first four that have not exactly one zero.

        Shapes: weights (outputs, inputs), the inputs in the order in which they are streamed.
        """
        low = magnitude(weights, "sherry holds one magnitude; try shift or khot")
        if weights.shape[-1] % FOUR:
            raise OptionError(
                f"sherry takes inputs by fours, and there are {weights.shape[-1]}; try ternary"
            )
        fours = weights.reshape(weights.shape[0], -1, FOUR)
        wrong = (fours == 0).sum(axis=-1) != 1
        if wrong.any():
            row, column = (int(v) for v in np.argwhere(wrong)[0])
            listed = ", ".join(map(str, fours[row, column]))
            raise OptionError(
                f"weights {listed} at {at((row, FOUR * column))} have not exactly one zero of "
                "four; try ternary"
            )
        return cls(low)

    @property
    def group(self) -> int:
        return FOUR

    @property
    def bits(self) -> int:
        return 5

    @property
    def note(self) -> str:
        return "three of four weights, each added or subtracted"

    def encode(self, weights: IntArray) -> IntArray:
        fours = weights.reshape(*weights.shape[:-1], -1, FOUR)
        zero = np.argmax(fours == 0, axis=-1)
        others = np.take_along_axis(fours, _others(zero), axis=-1)
        return zero + ((others < 0) @ np.array([4, 8, 16]))

    def decode(self, codes: IntArray) -> IntArray:
        zero = codes & 3
        signs = np.where(codes[..., None] >> np.array([2, 3, 4]) & 1, -1, 1)
        fours = np.zeros((*codes.shape, FOUR), np.int64)
        np.put_along_axis(fours, _others(zero), signs << self.low, axis=-1)
        return fours.reshape(*codes.shape[:-1], -1)


def _others(zero: IntArray) -> IntArray:
    """The three places beside `zero`, in order."""
    place = np.arange(FOUR - 1)
    return place + (place >= zero[..., None])
