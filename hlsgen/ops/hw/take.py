"""Elements picked along an axis by constant indices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Take(HwOp):
    """y[..., i, ...] = x[..., indices[i], ...] along `axis`.

    Source: ONNX Gather-13, Slice-13, Split-18, Expand-13, Tile-13, Resize-19 (nearest), one axis.
    """

    axis: int
    indices: tuple[int, ...]

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        shape = (*x.shape[: self.axis], len(self.indices), *x.shape[self.axis + 1 :])
        lo, hi = (field.take(f, self.axis, self.indices) for f in (x.lo, x.hi))
        return (IntType.of(shape, lo, hi),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (np.take(inputs[0], self.indices, axis=self.axis + 1),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        x = IntType.of((1, 3, 4, 5), -8, 7)
        yield cls(2, (0, 0, 1, 1, 2, 2, 3, 3)), (x,)
        yield cls(3, (4, 2, 0)), (x,)
        yield cls(1, (1,)), (x,)
