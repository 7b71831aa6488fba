"""Convolution with constant integer weights."""

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
from hlsgen.ops.hw._window import Window


@dataclass(frozen=True, eq=False)
class Conv(HwOp):
    """y[n,o,p] = bias[o] + sum_{c,k} x[n, c, p*stride + k*dilation - pad] * weights[o,c,k].

    Elements beyond the border are `pad_value` (the code that stands for zero).
    Shapes: weights (O, C/group, *kernel), bias (O); x (N, C, *spatial), any spatial rank.
    Where there is a `budget`, bounds hold for all weights within it.
    Source: ONNX Conv-11, ConvInteger-10, QLinearConv-10.
    """

    weights: IntArray
    bias: IntArray
    window: Window
    group: int = 1
    pad_value: int = 0
    budget: Budget | None = None

    @property
    def output_rows(self) -> IntArray:
        """The weights of each output, (outputs, inputs)."""
        return self.weights.reshape(len(self.weights), -1)

    def reach(self, x: IntType) -> int:
        """The greatest magnitude of an operand, the border included."""
        return max(abs(x.min), abs(x.max), abs(self.pad_value) if self.window.padded else 0)

    @property
    def depthwise(self) -> bool:
        """One input channel per group."""
        return self.group > 1 and self.weights.shape[1] == 1

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        rank = len(self.window.kernel)
        if len(x.shape) != rank + 2 or x.shape[1] != self.weights.shape[1] * self.group:
            raise ModelError(
                f"convolution needs shape (N, {self.weights.shape[1] * self.group}, "
                f"{rank} spatial), got {x.shape}"
            )
        shape = (x.shape[0], self.weights.shape[0], *self.window.output(x.shape[2:]))
        if min(shape) < 1:
            raise ModelError(f"convolution of {x.shape} leaves an empty output {shape}")
        low, high = self._bounds(x, clamp=False)
        dims = (1, -1) + (1,) * rank
        return (IntType.of(shape, low.reshape(dims), high.reshape(dims)),)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int]:
        low, high = self._bounds(inputs[0], clamp=True)
        return int(low.min()), int(high.max())

    def channel_bounds(self, x: IntType) -> tuple[IntArray, IntArray]:
        """Least and greatest operand per input channel, the border included."""
        other = tuple(a for a in range(len(x.shape)) if a != 1)
        lo = field.expand(x.lo, x.shape, [1]).min(axis=other)
        hi = field.expand(x.hi, x.shape, [1]).max(axis=other)
        if self.window.padded:
            lo, hi = np.minimum(lo, self.pad_value), np.maximum(hi, self.pad_value)
        return lo, hi

    def _bounds(self, x: IntType, *, clamp: bool) -> tuple[IntArray, IntArray]:
        if self.budget is not None:
            most = self.budget.l1 * self.reach(x)
            bias = field.to_object(self.bias)
            return field.to_int64(bias - most), field.to_int64(bias + most)
        lo, hi = self.channel_bounds(x)
        if clamp:
            lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
        positive, negative = self.tap_sums
        if self.magnitude(x) >= 1 << 62:
            lo, hi, positive, negative = map(field.to_object, (lo, hi, positive, negative))
        per_group = self.weights.shape[1]
        lo, hi = (
            np.repeat(v.reshape(self.group, per_group), len(self.bias) // self.group, axis=0)
            for v in (lo, hi)
        )  # (O, C/group)
        low = (lo * positive + hi * negative).sum(axis=1) + self.bias
        high = (hi * positive + lo * negative).sum(axis=1) + self.bias
        if clamp:
            low, high = np.minimum(low, self.bias), np.maximum(high, self.bias)
        return field.to_int64(low), field.to_int64(high)

    @cached_property
    def tap_sums(self) -> tuple[IntArray, IntArray]:
        """Sums over the kernel of the positive and of the negative weights, (O, C/group)."""
        flat = self.weights.reshape(*self.weights.shape[:2], -1)
        return total(np.maximum(flat, 0), 2), total(np.minimum(flat, 0), 2)

    def magnitude(self, x: IntType) -> int:
        """A bound of the sum of absolute products."""
        positive, negative = self.tap_sums
        rows = total(positive - negative, 1)  # neither passes 62 bits unless both are objects
        return max(abs(x.min), abs(x.max), abs(self.pad_value)) * int(rows.max(initial=0))

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        dtype = accumulator_dtype(self.magnitude(types[0]))
        x = inputs[0].reshape(-1, *types[0].shape[1:])  # samples and N together
        product = _convolve(x.astype(dtype), self.weights.astype(dtype), self)
        bias = self.bias.reshape(-1, *(1,) * len(self.window.kernel))
        y = integers(product) + bias
        return (y.reshape(inputs[0].shape[0], types[0].shape[0], *y.shape[1:]),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        rng = np.random.default_rng(1)

        def one(shape: tuple[int, ...], out: int, window: Window, group: int = 1, pad: int = 0):
            w = rng.integers(-8, 8, (out, shape[1] // group, *window.kernel))
            op = cls(w, rng.integers(-50, 50, out), window, group, pad)
            return op, (IntType.of(shape, 0, 15),)

        plain = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
        yield one((1, 3, 6, 5), 4, plain, pad=3)
        yield one((1, 4, 7, 6), 4, Window((3, 2), (2, 1), (1, 2), (0, 1), (1, 2)), group=2)
        yield one((1, 4, 5, 5), 4, plain, group=4)
        yield one((1, 2, 4, 4), 6, plain, group=2)
        yield one((1, 5, 4, 4), 3, Window((1, 1), (1, 1), (1, 1), (0, 0), (0, 0)))
        yield one((1, 5, 4, 4), 3, Window((1, 1), (2, 2), (1, 1), (0, 0), (0, 0)))
        yield one((1, 3, 11), 2, Window((3,), (2,), (2,), (4,), (0,)), pad=-1)
        yield one((2, 3, 4, 4), 2, Window((4, 4), (1, 1), (1, 1), (0, 0), (0, 0)))
        yield one((1, 2, 3, 4, 3), 2, Window((2, 3, 2), (1, 1, 1), (1, 1, 1), (0, 1, 0), (1, 1, 0)))


def _convolve(x: IntArray, w: IntArray, op: Conv) -> IntArray:
    """Batched convolution (B, C, *spatial) -> (B, O, *out) in the type of `x`."""
    rank = len(op.window.kernel)
    if op.depthwise:
        return _depthwise(x, w, op)
    windows = op.window.view(op.window.pad(x, op.pad_value))  # (B, C, *out, *kernel)
    b, c = x.shape[:2]
    out = windows.shape[2 : 2 + rank]
    inner = c // op.group
    # (B, *out, group, inner, *kernel) -> one matrix per group
    axes = (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank))
    columns = windows.transpose(axes).reshape(b * int(np.prod(out)), op.group, -1)
    o = w.shape[0] // op.group
    kernel = w.reshape(op.group, o, inner * int(np.prod(op.window.kernel)))
    parts = [columns[:, g] @ kernel[g].T for g in range(op.group)]
    y = np.concatenate(parts, axis=1).reshape(b, *out, w.shape[0])
    return np.moveaxis(y, -1, 1)


def _depthwise(x: IntArray, w: IntArray, op: Conv) -> IntArray:
    """One channel a group: a sum of shifted planes, which needs no columns."""
    rank = len(op.window.kernel)
    multiple = w.shape[0] // op.group
    windows = op.window.view(op.window.pad(x, op.pad_value))
    windows = np.repeat(windows, multiple, axis=1) if multiple > 1 else windows
    y = np.zeros(windows.shape[: 2 + rank], dtype=x.dtype)
    for tap in np.ndindex(*op.window.kernel):
        plane = windows[(slice(None),) * (2 + rank) + tap]
        y += plane * w[(slice(None), 0, *tap)].reshape(-1, *(1,) * rank)
    return y
