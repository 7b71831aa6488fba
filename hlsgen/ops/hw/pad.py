"""A constant border, and constants between the elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw._exact import held


@dataclass(frozen=True, eq=False)
class Pad(HwOp):
    """y = x with before[a] and after[a] elements `value` around and inner[a] between neighbours.

    Shapes: along axis a, before + (n - 1) * (inner + 1) + 1 + after; before and after >= 0.
    Source: ONNX Pad-21 (constant); inner > 0 spreads the input of ConvTranspose-11 by its stride.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    inner: tuple[int, ...]
    value: int

    def shape(self, x: Shape) -> Shape:
        return tuple(
            b + (n - 1) * (i + 1) + 1 + a
            for n, b, a, i in zip(x, self.before, self.after, self.inner, strict=True)
        )

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        touched = tuple(
            axis for axis in range(len(x.shape))
            if self.before[axis] or self.after[axis] or self.inner[axis]
        )  # fmt: skip
        lo = np.minimum(x.lo.min(axis=touched, keepdims=True), self.value)
        hi = np.maximum(x.hi.max(axis=touched, keepdims=True), self.value)
        return (IntType.of(self.shape(x.shape), lo, hi),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = held(inputs[0], self.infer(*types)[0].dtype)
        y = np.full((x.shape[0], *self.shape(types[0].shape)), self.value, dtype=x.dtype)
        spots = tuple(
            slice(b, b + (n - 1) * (i + 1) + 1, i + 1)
            for n, b, i in zip(types[0].shape, self.before, self.inner, strict=True)
        )
        y[(slice(None), *spots)] = x
        return (y,)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        x = IntType.of((1, 3, 4, 5), -8, 7)
        yield cls((0, 0, 1, 0), (0, 0, 2, 3), (0, 0, 0, 0), 9), (x,)
        yield cls((0, 0, 1, 0), (0, 0, 0, 1), (0, 0, 1, 2), 0), (x,)
        yield cls((0, 2, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0), -1), (x,)
