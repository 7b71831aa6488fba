"""Sliding windows without weights."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.ir.model import ModelOp, ModelType, Shape
from hlsgen.ops.model.shapes import spatial


@dataclass(frozen=True, slots=True)
class MaxPool(ModelOp):
    """y[n,c,o] = max over k of x[n, c, o*stride + k*dilation - begin]; padding is never taken.

    Shapes: x [N,C,*D] -> [N,C,*O]; ceil_mode and auto_pad are resolved into `pads_end`.
    Source: ONNX MaxPool-1/8/10/11/12/22.
    """

    kernel: Shape
    strides: Shape
    dilations: Shape
    pads_begin: Shape
    pads_end: Shape

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        size = spatial(
            x.shape, self.kernel, self.strides, self.dilations, self.pads_begin, self.pads_end
        )
        return (ModelType((*x.shape[:2], *size), x.dtype),)


@dataclass(frozen=True, slots=True)
class SumPool(ModelOp):
    """y[n,c,o] = sum over k of x[n, c, o*stride + k*dilation - begin]; padding adds 0.

    Shapes: x [N,C,*D] -> [N,C,*O].
    Source: the numerator of ONNX AveragePool-1/7/10/11/19/22.
    """

    kernel: Shape
    strides: Shape
    dilations: Shape
    pads_begin: Shape
    pads_end: Shape

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        size = spatial(
            x.shape, self.kernel, self.strides, self.dilations, self.pads_begin, self.pads_end
        )
        return (ModelType((*x.shape[:2], *size), x.dtype),)
