"""Sum of a sliding window: average pooling before its division."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw._exact import held, product
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.max_pool import channel_extremes, pooled


@dataclass(frozen=True, eq=False)
class SumPool(HwOp):
    """y[n,c,p] = sum_k x[n, c, p*stride + k*dilation - pad], `pad_value` beyond the border.

    Shapes: x (N, C, *spatial), any spatial rank.
    Source: ONNX AveragePool-19 without its division.
    """

    window: Window
    pad_value: int = 0

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        lo, hi = channel_extremes(x)
        if self.window.padded:
            lo, hi = np.minimum(lo, self.pad_value), np.maximum(hi, self.pad_value)
        taps = int(np.prod(self.window.kernel))
        factor = np.array(taps)
        return (IntType.of(pooled(x, self.window), product(lo, factor), product(hi, factor)),)

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int]:
        (y,) = self.infer(*inputs)
        return min(0, y.min), max(0, y.max)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = held(inputs[0], self.infer(*types)[0].dtype)
        windows = self.window.view(self.window.pad(x, self.pad_value))
        rank = len(self.window.kernel)
        y = np.zeros(windows.shape[: windows.ndim - rank], dtype=x.dtype)
        for tap in np.ndindex(*self.window.kernel):
            y += windows[(..., *tap)]
        return (y,)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield (
            cls(Window((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))),
            (IntType.of((1, 3, 6, 4), -8, 7),),
        )
        yield (
            cls(Window((3, 2), (2, 1), (1, 1), (1, 0), (1, 1)), 5),
            (IntType.of((1, 2, 5, 6), 3, 90),),
        )
        yield cls(Window((3,), (1,), (1,), (1,), (1,))), (IntType.of((1, 2, 8), 0, 1),)
