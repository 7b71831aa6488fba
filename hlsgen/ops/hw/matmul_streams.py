"""Matrix product of two tensors that are both computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw._exact import accumulator_dtype, held, integers


@dataclass(frozen=True, eq=False)
class MatMulStreams(HwOp):
    """y[..., i, j] = sum_k (a[..., i, k] - zeros[0]) * (b[..., k, j] - zeros[1]).

    Shapes: a (..., I, K), b (..., K, J) of one rank >= 2, leading axes broadcast.
    Source: ONNX MatMul-13, MatMulInteger-10.
    """

    zeros: tuple[int, int] = (0, 0)

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        a, b = inputs
        if len(a.shape) < 2 or len(a.shape) != len(b.shape) or a.shape[-1] != b.shape[-2]:
            raise ModelError(
                f"matrix product needs (..., I, K) by (..., K, J), got {a.shape}, {b.shape}"
            )
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = tuple(int(n) for n in (*lead, a.shape[-2], b.shape[-1]))
        lo, hi = self._term(a, b)
        return (IntType.of(shape, lo * a.shape[-1], hi * a.shape[-1]),)

    def _term(self, a: IntType, b: IntType) -> tuple[int, int]:
        corners = [
            (x - self.zeros[0]) * (y - self.zeros[1])
            for x in (a.min, a.max)
            for y in (b.min, b.max)
        ]
        return min(corners), max(corners)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int]:
        (y,) = self.infer(*inputs)
        return min(0, y.min), max(0, y.max)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        lo, hi = self._term(*types)
        dtype = accumulator_dtype(max(-lo, hi, 0) * types[0].shape[-1])
        a, b = (
            (held(x, dtype) - zero).astype(dtype)
            for x, zero in zip(inputs, self.zeros, strict=True)
        )
        return (integers(a @ b),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield cls((3, -1)), (IntType.of((2, 3, 5), -8, 7), IntType.of((2, 5, 4), 0, 255))
        yield cls(), (IntType.of((1, 4), 0, 3), IntType.of((4, 2), -2, 1))
