"""Place of the greatest (or least) element along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class ArgMax(HwOp):
    """y = index of the greatest element along `axis` (least if not `greatest`).

    Among equals the first counts, or the last if `last`.
    Source: ONNX ArgMax-13, ArgMin-13.
    """

    axis: int
    keepdims: bool
    greatest: bool = True
    last: bool = False

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        kept = (1,) if self.keepdims else ()
        shape = (*x.shape[: self.axis], *kept, *x.shape[self.axis + 1 :])
        return (IntType.of(shape, 0, x.shape[self.axis] - 1),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = inputs[0] if self.greatest else -inputs[0]
        axis = self.axis + 1
        if self.last:
            index = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis=axis)
        else:
            index = np.argmax(x, axis=axis)
        return ((np.expand_dims(index, axis) if self.keepdims else index).astype(np.int64),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        for greatest in (True, False):
            for last in (True, False):
                yield cls(1, last, greatest, last), (IntType.of((1, 10), -2, 2),)
                yield cls(1, True, greatest, last), (IntType.of((1, 5, 3), -2, 2),)
