"""Another shape for the same elements in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ir.model import Shape


@dataclass(frozen=True, eq=False)
class Reshape(HwOp):
    """y = x read in row-major order under the new shape: no hardware at all.

    Source: ONNX Reshape-21, Flatten-21, Squeeze-21, Unsqueeze-21.
    """

    shape: Shape

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        lo, hi = (field.reshape(f, x.shape, self.shape) for f in (x.lo, x.hi))
        y = IntType.of(self.shape, lo, hi)
        if y.size != x.size:
            raise ModelError(f"cannot reshape {x.shape} to {self.shape}")
        return (y,)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (inputs[0].reshape(inputs[0].shape[0], *self.shape),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        yield cls((1, 12)), (IntType.of((1, 3, 4), -8, 7),)
        yield cls((2, 3, 2)), (IntType.of((12,), -8, 7),)
