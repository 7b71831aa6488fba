"""Greatest element of a sliding window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw._window import Window


def pooled(x: IntType, window: Window) -> Shape:
    """Output shape of a pooling window over (N, C, *spatial)."""
    if len(x.shape) != len(window.kernel) + 2:
        raise ModelError(
            f"pooling over {len(window.kernel)} axes needs rank {len(window.kernel) + 2}, "
            f"got {x.shape}"
        )
    shape = (*x.shape[:2], *window.output(x.shape[2:]))
    if min(shape) < 1:
        raise ModelError(f"pooling of {x.shape} leaves an empty output {shape}")
    return shape


def channel_extremes(x: IntType) -> tuple[IntArray, IntArray]:
    """Bounds per (N, C), the spatial axes taken together."""
    spatial = tuple(range(2, len(x.shape)))
    return x.lo.min(axis=spatial, keepdims=True), x.hi.max(axis=spatial, keepdims=True)


@dataclass(frozen=True, eq=False)
class MaxPool(HwOp):
    """y[n,c,p] = max_k x[n, c, p*stride + k*dilation - pad], elements beyond the border left out.

    Shapes: x (N, C, *spatial), any spatial rank.
    Source: ONNX MaxPool-12.
    """

    window: Window

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        return (IntType.of(pooled(x, self.window), *channel_extremes(x)),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = inputs[0]
        windows = self.window.view(self.window.pad(x, types[0].min))
        rank = len(self.window.kernel)
        y = windows[(..., *(0,) * rank)].copy()
        for tap in list(np.ndindex(*self.window.kernel))[1:]:
            np.maximum(y, windows[(..., *tap)], out=y)
        return (y,)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield (
            cls(Window((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))),
            (IntType.of((1, 3, 6, 4), -8, 7),),
        )
        yield (
            cls(Window((3, 2), (2, 1), (1, 2), (1, 0), (1, 1))),
            (IntType.of((1, 2, 5, 6), 3, 90),),
        )
        per_channel = field.field_of(np.array([-9, 0]).reshape(1, 2, 1), 3)
        yield (
            cls(Window((3,), (2,), (1,), (1,), (1,))),
            (IntType.of((1, 2, 8), per_channel, per_channel + 7),),
        )
