"""Matrix product with constant integer weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hlsgen.arith.budget import Budget
from hlsgen.errors import ModelError
from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw._exact import accumulator_dtype, integers, total


@dataclass(frozen=True, eq=False)
class MatMul(HwOp):
    """y[..., j] = bias[j] + sum_k x[..., k] * weights[k, j].

    Shapes: weights (K, M), bias (M); x (..., K), y (..., M).
    Where there is a `budget`, bounds hold for all weights within it.
    Source: ONNX MatMul-13 with a constant second operand.
    """

    weights: IntArray
    bias: IntArray
    budget: Budget | None = None

    @property
    def output_rows(self) -> IntArray:
        """The weights of each output, (outputs, inputs)."""
        return self.weights.T

    def reach(self, x: IntType) -> int:
        """The greatest magnitude of an operand."""
        return max(abs(x.min), abs(x.max))

    @cached_property
    def parts(self) -> tuple[IntArray, IntArray]:
        """Weights split by sign, in a type that keeps interval sums exact."""
        w = field.to_object(self.weights) if self.weights.dtype == object else self.weights
        return np.maximum(w, 0), np.minimum(w, 0)

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        if not x.shape or x.shape[-1] != self.weights.shape[0]:
            raise ModelError(
                f"matrix product needs {self.weights.shape[0]} input features, got shape {x.shape}"
            )
        lo, hi = self._bounds(x, clamp=False)
        return (IntType.of((*x.shape[:-1], self.weights.shape[1]), lo, hi),)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int]:
        lo, hi = self._bounds(inputs[0], clamp=True)
        return int(lo.min()), int(hi.max())

    def _bounds(self, x: IntType, *, clamp: bool) -> tuple[IntArray, IntArray]:
        if self.budget is not None:
            most = self.budget.l1 * self.reach(x)
            bias = field.to_object(self.bias)
            return field.to_int64(bias - most), field.to_int64(bias + most)
        positive, negative = self.parts
        k = self.weights.shape[0]
        lo = field.expand(x.lo, x.shape, [len(x.shape) - 1])
        hi = field.expand(x.hi, x.shape, [len(x.shape) - 1])
        if clamp:  # a partial sum may leave any term out
            lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
        top = max(abs(x.min), abs(x.max), 1) * k * max(int(np.abs(self.weights).max(initial=0)), 1)
        if top >= 1 << 62:
            lo, hi, positive, negative = map(field.to_object, (lo, hi, positive, negative))
        low = lo @ positive + hi @ negative + self.bias
        high = hi @ positive + lo @ negative + self.bias
        if clamp:
            low, high = np.minimum(low, self.bias), np.maximum(high, self.bias)
        return field.to_int64(low), field.to_int64(high)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        dtype = accumulator_dtype(self.magnitude(types[0]))
        product = inputs[0].astype(dtype) @ self._typed(dtype)
        return (integers(product) + self.bias,)

    def magnitude(self, x: IntType) -> int:
        columns = total(np.abs(self.weights), 0)
        return max(abs(x.min), abs(x.max)) * int(columns.max(initial=0))

    def _typed(self, dtype: np.dtype) -> IntArray:
        return self.weights.astype(dtype)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        rng = np.random.default_rng(0)
        for shape, m, bits in (((1, 12), 5, 4), ((3, 7), 4, 8), ((1, 2, 9), 1, 2)):
            w = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (shape[-1], m))
            yield cls(w, rng.integers(-99, 99, m)), (IntType.of(shape, -8, 7),)
        yield (
            cls(np.ones((4, 3), np.int64) << 40, np.zeros(3, np.int64)),
            (IntType.of((1, 4), 0, 1 << 30),),
        )
