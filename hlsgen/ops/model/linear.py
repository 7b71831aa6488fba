"""Sums of products."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType, Shape
from hlsgen.ops.model.shapes import broadcast, product_dtype, spatial


@dataclass(frozen=True, slots=True)
class Conv(ModelOp):
    """y[n,m,o] = sum over c, k of x[n, g(m)*C/G + c, o*stride + k*dilation - begin] * w[m,c,k].

    Outside of x the value 0 is read; there is no bias (an ADD behind it is one).

    Shapes: x [N,C,*D], w [M,C/group,*K] -> [N,M,*O]; any number of spatial axes.
    Source: ONNX Conv-1/11/22.
    """

    strides: Shape
    dilations: Shape
    pads_begin: Shape
    pads_end: Shape
    group: int

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        x, w = inputs
        _check_kernel(x, w, self.group)
        if w.shape[1] * self.group != x.shape[1] or w.shape[0] % self.group:
            raise ModelError(
                f"weights {list(w.shape)} with {self.group} groups do not fit "
                f"{x.shape[1]} input channels"
            )
        size = spatial(
            x.shape, w.shape[2:], self.strides, self.dilations, self.pads_begin, self.pads_end
        )
        return (ModelType((x.shape[0], w.shape[0], *size), product_dtype(x, w)),)


@dataclass(frozen=True, slots=True)
class ConvTranspose(ModelOp):
    """y[n,m,i*stride + k*dilation - begin] += x[n,c,i] * w[c,m,k], over all c of m's group.

    Shapes: x [N,C,*D], w [C,M/group,*K] -> [N,M,*O],
    O = (D-1)*stride + output_padding + (K-1)*dilation + 1 - begin - end.
    Source: ONNX ConvTranspose-1/11/22.
    """

    strides: Shape
    dilations: Shape
    pads_begin: Shape
    pads_end: Shape
    output_padding: Shape
    group: int

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        x, w = inputs
        _check_kernel(x, w, self.group)
        if w.shape[0] != x.shape[1] or x.shape[1] % self.group:
            raise ModelError(
                f"weights {list(w.shape)} with {self.group} groups do not fit "
                f"{x.shape[1]} input channels"
            )
        size = tuple(
            (d - 1) * s + extra + (k - 1) * dilation + 1 - b - e
            for d, s, extra, k, dilation, b, e in zip(
                x.shape[2:],
                self.strides,
                self.output_padding,
                w.shape[2:],
                self.dilations,
                self.pads_begin,
                self.pads_end,
                strict=True,
            )
        )
        if min(size, default=1) < 1:
            raise ModelError(f"the output would have size {list(size)}")
        channels = w.shape[1] * self.group
        return (ModelType((x.shape[0], channels, *size), product_dtype(x, w)),)


@dataclass(frozen=True, slots=True)
class MatMul(ModelOp):
    """y = a @ b as numpy.matmul: the last two axes multiply, those before broadcast.

    Shapes: [..., M, K] and [..., K, N] -> [..., M, N]; a missing axis of a 1-D operand is
    added for the product and taken away again.
    Source: ONNX MatMul-1/9/13.
    """

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        a, b = inputs
        if not a.shape or not b.shape:
            raise ModelError("a matrix product of a scalar")
        left = a.shape if len(a.shape) > 1 else (1, *a.shape)
        right = b.shape if len(b.shape) > 1 else (*b.shape, 1)
        if left[-1] != right[-2]:
            raise ModelError(
                f"a matrix product of {list(a.shape)} and {list(b.shape)}: "
                f"{left[-1]} columns meet {right[-2]} rows"
            )
        lead = broadcast(left[:-2], right[:-2])
        rows = left[-2:-1] if len(a.shape) > 1 else ()
        columns = right[-1:] if len(b.shape) > 1 else ()
        return (ModelType((*lead, *rows, *columns), product_dtype(a, b)),)


def _check_kernel(x: ModelType, w: ModelType, group: int) -> None:
    if len(x.shape) < 3 or len(x.shape) != len(w.shape):
        raise ModelError(
            f"a convolution needs input and weights of one rank, at least 3; "
            f"got {list(x.shape)} and {list(w.shape)}"
        )
    if group < 1:
        raise ModelError(f"group must be >= 1, got {group}")
