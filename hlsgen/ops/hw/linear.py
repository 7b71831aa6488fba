"""Weighted sum of tensors, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType


def broadcast(*inputs: IntType) -> tuple[int, ...]:
    """The shape of an element-wise result; operands have one rank."""
    return tuple(int(n) for n in np.broadcast_shapes(*(x.shape for x in inputs)))


@dataclass(frozen=True, eq=False)
class Linear(HwOp):
    """y = bias + sum_i factors[i] * x_i: an exact residual join, a rescaled or shifted stream.

    Shapes: inputs of one rank that broadcast; factors and bias are fields of the result.
    """

    factors: tuple[IntArray, ...]
    bias: IntArray

    def _terms(self, inputs: tuple[IntType, ...]) -> list[tuple[IntArray, IntArray]]:
        terms: list[tuple[IntArray, IntArray]] = []
        for factor, x in zip(self.factors, inputs, strict=True):
            f, lo, hi = map(field.to_object, (factor, x.lo, x.hi))
            a, b = f * lo, f * hi
            terms.append((np.minimum(a, b), np.maximum(a, b)))
        return terms

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        terms = self._terms(inputs)
        bias = field.to_object(self.bias)
        lo = field.to_int64(np.asarray(sum((t[0] for t in terms), bias)))
        hi = field.to_int64(np.asarray(sum((t[1] for t in terms), bias)))
        return (IntType.of(broadcast(*inputs), lo, hi),)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int]:
        terms = self._terms(inputs)
        lo = min(0, int(self.bias.min())) + sum(min(0, int(t[0].min())) for t in terms)
        hi = max(0, int(self.bias.max())) + sum(max(0, int(t[1].max())) for t in terms)
        return lo, hi

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        lo, hi = self.partial_bounds(*types)
        wide = max(-lo, hi) >= 1 << 62
        total = field.to_object(self.bias) if wide else self.bias
        for factor, x in zip(self.factors, inputs, strict=True):
            f, v = (field.to_object(factor), field.to_object(x)) if wide else (factor, x)
            total = total + f * v
        return (np.asarray(total),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        def ints(*values: int) -> IntArray:
            return np.array(values, dtype=np.int64).reshape(1, -1, 1, 1)

        x = IntType.of((1, 3, 2, 4), -8, 7)
        yield cls((ints(1), ints(1)), ints(0)), (x, x)
        yield cls((ints(3, -5, 1), ints(1000003)), ints(7, 0, -7)), (x, x)
        yield cls((ints(-1),), ints(2)), (x,)
        yield cls((ints(2), ints(1)), ints(0)), (x, IntType.of((1, 3, 1, 1), 0, 255))
        wide = IntType.of((1, 3, 2, 4), -(1 << 30), 1 << 30)
        yield cls((ints(1 << 45), ints(3)), ints(1)), (wide, x)
