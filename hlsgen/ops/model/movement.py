"""Operators that only move elements: no value changes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType, Shape
from hlsgen.ops.model.shapes import common_dtype


@dataclass(frozen=True, slots=True)
class Transpose(ModelOp):
    """y[i_perm[0], i_perm[1], ...] = x[i_0, i_1, ...].

    Shapes: x -> x's sizes in the order `perm`.
    Source: ONNX Transpose-1/13/21.
    """

    perm: Shape

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if sorted(self.perm) != list(range(len(x.shape))):
            raise ModelError(f"perm {list(self.perm)} is no order of {len(x.shape)} axes")
        return (ModelType(tuple(x.shape[axis] for axis in self.perm), x.dtype),)


@dataclass(frozen=True, slots=True)
class Reshape(ModelOp):
    """The same elements in the same (row-major) order under another shape.

    Shapes: x -> shape; every number is resolved and positive.
    Source: ONNX Reshape-5/13/14, Squeeze, Unsqueeze, Flatten.
    """

    shape: Shape

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if prod(self.shape) != prod(x.shape):
            raise ModelError(
                f"cannot reshape {list(x.shape)} ({prod(x.shape)} elements) to "
                f"{list(self.shape)} ({prod(self.shape)})"
            )
        return (ModelType(self.shape, x.dtype),)


@dataclass(frozen=True, slots=True)
class Concat(ModelOp):
    """The inputs one behind the other along `axis` (counted from the front).

    Shapes: equal but for `axis` -> their sum on it.
    Source: ONNX Concat-4/11/13.
    """

    axis: int

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        first = inputs[0].shape
        if not 0 <= self.axis < len(first):
            raise ModelError(f"axis {self.axis} does not exist in shape {list(first)}")
        rest = {(*item.shape[: self.axis], *item.shape[self.axis + 1 :]) for item in inputs}
        if len(rest) != 1 or any(len(item.shape) != len(first) for item in inputs):
            shapes = [list(item.shape) for item in inputs]
            raise ModelError(f"shapes {shapes} differ outside of axis {self.axis}")
        size = sum(item.shape[self.axis] for item in inputs)
        shape = (*first[: self.axis], size, *first[self.axis + 1 :])
        return (ModelType(shape, common_dtype(*inputs)),)


@dataclass(frozen=True, slots=True)
class Take(ModelOp):
    """y[.., j, ..] = x[.., indices[j], ..] along `axis`; indices count from the front.

    Shapes: x -> x with len(indices) elements on `axis`.
    Source: ONNX Gather, Slice, Split, Expand, Tile, Resize (nearest), Pad (edge, reflect, wrap)
    with indices known when the file is read.
    """

    axis: int
    indices: tuple[int, ...]

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if not 0 <= self.axis < len(x.shape):
            raise ModelError(f"axis {self.axis} does not exist in shape {list(x.shape)}")
        size = x.shape[self.axis]
        if not self.indices:
            raise ModelError("the result would be empty")
        if min(self.indices) < 0 or max(self.indices) >= size:
            raise ModelError(f"an index lies outside of 0 .. {size - 1}")
        shape = (*x.shape[: self.axis], len(self.indices), *x.shape[self.axis + 1 :])
        return (ModelType(shape, x.dtype),)


@dataclass(frozen=True, slots=True)
class Pad(ModelOp):
    """x with `before` and `after` elements of `value` around it, per axis.

    Shapes: x -> x + before + after.
    Source: ONNX Pad-2/11/13/18/19/21, mode constant.
    """

    before: Shape
    after: Shape
    value: float

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if len(self.before) != len(x.shape) or len(self.after) != len(x.shape):
            raise ModelError(f"pads for {len(self.before)} axes of a rank {len(x.shape)} tensor")
        if min((*self.before, *self.after), default=0) < 0:
            raise ModelError("pads must not be negative here")
        sizes = zip(self.before, x.shape, self.after, strict=True)
        return (ModelType(tuple(b + n + a for b, n, a in sizes), x.dtype),)
