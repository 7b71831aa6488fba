"""One value from many along whole axes."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType, Shape


@dataclass(frozen=True, slots=True)
class ReduceSum(ModelOp):
    """y = sum of x over `axes` (counted from the front).

    Shapes: x -> x with 1 on `axes`, or without them.
    Source: ONNX ReduceSum-1/11/13; the numerator of ReduceMean and GlobalAveragePool.
    """

    axes: Shape
    keepdims: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (reduced(inputs[0], self.axes, self.keepdims),)


@dataclass(frozen=True, slots=True)
class ReduceMax(ModelOp):
    """y = max of x over `axes` (counted from the front).

    Shapes: x -> x with 1 on `axes`, or without them.
    Source: ONNX ReduceMax-1/11/12/13/18/20, GlobalMaxPool-1/22.
    """

    axes: Shape
    keepdims: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (reduced(inputs[0], self.axes, self.keepdims),)


@dataclass(frozen=True, slots=True)
class ReduceMin(ModelOp):
    """y = min of x over `axes` (counted from the front).

    Shapes: x -> x with 1 on `axes`, or without them.
    Source: ONNX ReduceMin-1/11/12/13/18/20.
    """

    axes: Shape
    keepdims: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (reduced(inputs[0], self.axes, self.keepdims),)


def reduced(x: ModelType, axes: Shape, keepdims: bool) -> ModelType:
    """The type of x after a reduction over `axes`."""
    if len(set(axes)) != len(axes) or any(not 0 <= axis < len(x.shape) for axis in axes):
        raise ModelError(f"axes {list(axes)} do not name axes of shape {list(x.shape)}")
    shape = tuple(
        1 if axis in axes else size
        for axis, size in enumerate(x.shape)
        if keepdims or axis not in axes
    )
    return ModelType(shape, x.dtype)
