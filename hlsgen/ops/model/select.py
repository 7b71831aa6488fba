"""Positions of the largest and smallest elements."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType
from hlsgen.ops.model.reduce import reduced


@dataclass(frozen=True, slots=True)
class ArgMax(ModelOp):
    """Position of the largest element along `axis`; of equal ones the first, or the last.

    Shapes: x -> x with 1 on `axis`, or without it; int64.
    Source: ONNX ArgMax-1/11/12/13.
    """

    axis: int
    keepdims: bool
    last: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (ModelType(reduced(inputs[0], (self.axis,), self.keepdims).shape, "int64"),)


@dataclass(frozen=True, slots=True)
class ArgMin(ModelOp):
    """Position of the smallest element along `axis`; of equal ones the first, or the last.

    Shapes: x -> x with 1 on `axis`, or without it; int64.
    Source: ONNX ArgMin-1/11/12/13.
    """

    axis: int
    keepdims: bool
    last: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (ModelType(reduced(inputs[0], (self.axis,), self.keepdims).shape, "int64"),)


@dataclass(frozen=True, slots=True)
class TopK(ModelOp):
    """The k largest (or smallest) elements along `axis`, best first, and their positions.

    Of equal elements the one at the lower position comes first.

    Shapes: x -> twice x with k on `axis`: values, positions (int64).
    Source: ONNX TopK-1/10/11/24.
    """

    k: int
    axis: int
    largest: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if not 0 <= self.axis < len(x.shape):
            raise ModelError(f"axis {self.axis} does not exist in shape {list(x.shape)}")
        if not 1 <= self.k <= x.shape[self.axis]:
            raise ModelError(f"cannot take {self.k} of {x.shape[self.axis]} elements")
        shape = (*x.shape[: self.axis], self.k, *x.shape[self.axis + 1 :])
        return ModelType(shape, x.dtype), ModelType(shape, "int64")
