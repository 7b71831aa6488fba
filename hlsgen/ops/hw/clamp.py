"""Values limited to constant bounds: integer ReLU and clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Clamp(HwOp):
    """y = min(max(x, lo), hi); lo and hi are fields of the tensor, lo <= hi.

    Source: ONNX Relu-14, Clip-13 on integers.
    """

    lo: IntArray
    hi: IntArray

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        lo = np.minimum(np.maximum(x.lo, self.lo), self.hi)
        hi = np.minimum(np.maximum(x.hi, self.lo), self.hi)
        return (IntType.of(x.shape, lo, hi),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (np.minimum(np.maximum(inputs[0], self.lo), self.hi),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        x = IntType.of((1, 3, 2, 4), -8, 7)
        one = np.array([[[[0]]]])
        yield cls(one, one + 5), (x,)
        yield cls(np.array([-2, 0, 1]).reshape(1, 3, 1, 1), one + 6), (x,)
