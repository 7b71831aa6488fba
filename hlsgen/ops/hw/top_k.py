"""The k greatest (or least) elements along an axis and their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class TopK(HwOp):
    """values, indices of the k greatest elements along `axis`, in falling order (least: rising).

    Among equals the lower index comes first.
    Source: ONNX TopK-11, sorted.
    """

    k: int
    axis: int
    greatest: bool = True

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        shape = (*x.shape[: self.axis], self.k, *x.shape[self.axis + 1 :])
        lo = x.lo.min(axis=self.axis, keepdims=True)
        hi = x.hi.max(axis=self.axis, keepdims=True)
        return IntType.of(shape, lo, hi), IntType.of(shape, 0, x.shape[self.axis] - 1)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = inputs[0]
        order = np.argsort(-x if self.greatest else x, axis=self.axis + 1, kind="stable")
        index = order.take(range(self.k), axis=self.axis + 1)
        return np.take_along_axis(x, index, axis=self.axis + 1), index.astype(np.int64)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        for greatest in (True, False):
            yield cls(3, 1, greatest), (IntType.of((1, 8), -2, 2),)
            yield cls(1, 1, greatest), (IntType.of((2, 5, 3), -2, 2),)
