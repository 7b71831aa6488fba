"""Product of two tensors, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw.linear import broadcast


def product_bounds(a: IntType, b: IntType, zeros: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Bounds of (a - zeros[0]) * (b - zeros[1]) per element."""
    alo, ahi = (field.to_object(f) - zeros[0] for f in (a.lo, a.hi))
    blo, bhi = (field.to_object(f) - zeros[1] for f in (b.lo, b.hi))
    corners = [x * y for x in (alo, ahi) for y in (blo, bhi)]
    lo = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    hi = np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))
    low, high = (np.asarray(v, dtype=object) for v in (lo, hi))  # no axes: a number by now
    return field.to_int64(low), field.to_int64(high)


@dataclass(frozen=True, eq=False)
class Product(HwOp):
    """y = (a - zeros[0]) * (b - zeros[1]).

    Shapes: operands of one rank that broadcast.
    """

    zeros: tuple[int, int] = (0, 0)

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        a, b = inputs
        return (IntType.of(broadcast(a, b), *product_bounds(a, b, self.zeros)),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        a, b = inputs
        if self.infer(*types)[0].dtype == object:
            a, b = field.to_object(a), field.to_object(b)
        return ((a - self.zeros[0]) * (b - self.zeros[1]),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        x = IntType.of((1, 3, 2, 4), -8, 7)
        yield cls(), (x, x)
        yield cls((3, -2)), (x, IntType.of((1, 3, 1, 1), 0, 200))
