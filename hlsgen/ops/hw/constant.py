"""A tensor of constants as a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Constant(HwOp):
    """y = values; no input."""

    values: IntArray

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        return (IntType.of(self.values.shape, self.values, self.values),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (self.values[None],)  # broadcasts over the samples

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield cls(np.arange(-3, 3).reshape(1, 2, 3)), ()
