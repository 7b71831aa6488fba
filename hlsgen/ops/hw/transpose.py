"""Axes in another order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Transpose(HwOp):
    """y[i_perm[0], i_perm[1], ...] = x[i_0, i_1, ...].

    Source: ONNX Transpose-13.
    """

    perm: tuple[int, ...]

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        shape = tuple(x.shape[p] for p in self.perm)
        return (IntType.of(shape, x.lo.transpose(self.perm), x.hi.transpose(self.perm)),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (np.transpose(inputs[0], (0, *(p + 1 for p in self.perm))),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield cls((0, 2, 3, 1)), (IntType.of((1, 3, 4, 5), -8, 7),)
        yield cls((1, 0)), (IntType.of((4, 5), 0, 1),)
