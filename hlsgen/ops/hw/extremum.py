"""Greater or lesser of two tensors, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw.linear import broadcast


@dataclass(frozen=True, eq=False)
class Extremum(HwOp):
    """y = max(a, b) if `greatest` else min(a, b).

    Shapes: operands of one rank that broadcast.
    Source: ONNX Max-13, Min-13.
    """

    greatest: bool

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        a, b = inputs
        pick = np.maximum if self.greatest else np.minimum
        return (IntType.of(broadcast(a, b), pick(a.lo, b.lo), pick(a.hi, b.hi)),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return ((np.maximum if self.greatest else np.minimum)(*inputs),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        for greatest in (True, False):
            x = IntType.of((1, 3, 2, 4), -8, 7)
            yield cls(greatest), (x, IntType.of((1, 3, 1, 1), 0, 200))
