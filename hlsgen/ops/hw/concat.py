"""Tensors side by side along an axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Concat(HwOp):
    """y = the inputs one after the other along `axis`.

    Source: ONNX Concat-13.
    """

    axis: int

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        shapes = [x.shape for x in inputs]
        total = sum(s[self.axis] for s in shapes)
        shape = (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])
        lo = field.concat([x.lo for x in inputs], shapes, self.axis)
        hi = field.concat([x.hi for x in inputs], shapes, self.axis)
        return (IntType.of(shape, lo, hi),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        batch = max(x.shape[0] for x in inputs)
        full = [np.broadcast_to(x, (batch, *x.shape[1:])) for x in inputs]
        return (np.concatenate(full, axis=self.axis + 1),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        a, b = IntType.of((1, 3, 4, 2), -8, 7), IntType.of((1, 2, 4, 2), 0, 100)
        yield cls(1), (a, b)
        yield cls(1), (b, a, b)
        yield cls(2), (IntType.of((1, 3, 4), -8, 7), IntType.of((1, 3, 1), 0, 7))
