"""Sum, greatest or least element along axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np

from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw._exact import held


class Reduction(StrEnum):
    """What becomes of the elements along the axes."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, eq=False)
class Reduce(HwOp):
    """y = sum (or max, min) of x along `axes`.

    Shapes: the axes stay with size 1 if `keepdims`, else they go.
    Source: ONNX ReduceSum-13, ReduceMax-20, ReduceMin-20, GlobalAveragePool-1, GlobalMaxPool-1.
    """

    kind: Reduction
    axes: tuple[int, ...]
    keepdims: bool

    def shape(self, x: Shape) -> Shape:
        if self.keepdims:
            return tuple(1 if a in self.axes else n for a, n in enumerate(x))
        return tuple(n for a, n in enumerate(x) if a not in self.axes)

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        lo, hi = (field.expand(f, x.shape, self.axes) for f in (x.lo, x.hi))
        match self.kind:
            case Reduction.SUM:
                size = max(abs(x.min), abs(x.max)) * x.size
                if size >= 1 << 62:
                    lo, hi = field.to_object(lo), field.to_object(hi)
                lo = lo.sum(axis=self.axes, keepdims=self.keepdims)
                hi = hi.sum(axis=self.axes, keepdims=self.keepdims)
            case Reduction.MAX:
                lo = lo.max(axis=self.axes, keepdims=self.keepdims)
                hi = hi.max(axis=self.axes, keepdims=self.keepdims)
            case Reduction.MIN:
                lo = lo.min(axis=self.axes, keepdims=self.keepdims)
                hi = hi.min(axis=self.axes, keepdims=self.keepdims)
            case _:
                assert_never(self.kind)
        return (IntType.of(self.shape(x.shape), lo, hi),)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int] | None:
        if self.kind is not Reduction.SUM:
            return None
        (y,) = self.infer(*inputs)
        return min(0, y.min), max(0, y.max)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        axes = tuple(a + 1 for a in self.axes)
        reduction = {
            Reduction.SUM: np.sum,
            Reduction.MAX: np.max,
            Reduction.MIN: np.min,
        }[self.kind]
        x = held(inputs[0], self.infer(*types)[0].dtype)
        return (np.asarray(reduction(x, axis=axes, keepdims=self.keepdims)),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        for kind in Reduction:
            yield cls(kind, (2, 3), True), (IntType.of((1, 3, 4, 5), -7, 9),)
            yield cls(kind, (1,), False), (IntType.of((2, 6, 3), -70, -9),)
