"""Reals to integer codes and back."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType
from hlsgen.ops.model.shapes import broadcast


@dataclass(frozen=True, slots=True)
class Quantize(ModelOp):
    """q = clip(round(x / scale + zero_point), qmin, qmax), or clip(round(x / scale) + zero_point).

    The first where `zero_point_inside`; the second is ONNX QuantizeLinear. They differ only in
    what happens to a tie.

    Shapes: x, and scale and zero_point that broadcast to x's shape -> x's shape.
    Formats: the output is the narrowest int<W> or uint<W> that holds qmin .. qmax.
    Source: ONNX QuantizeLinear-10/13/19/21/23, QONNX IntQuant-1.
    """

    qmin: int
    qmax: int
    rounding: Rounding
    zero_point_inside: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        x, scale, zero_point = inputs
        _check_parameters(x, scale, zero_point)
        return (ModelType(x.shape, code_dtype(self.qmin, self.qmax)),)


@dataclass(frozen=True, slots=True)
class Dequantize(ModelOp):
    """y = scale * (q - zero_point).

    Shapes: q, and scale and zero_point that broadcast to q's shape -> q's shape.
    Formats: y has the element type of the scale.
    Source: ONNX DequantizeLinear-10/13/19/21/23, QONNX IntQuant-1.
    """

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        q, scale, zero_point = inputs
        _check_parameters(q, scale, zero_point)
        return (ModelType(q.shape, "float32" if scale.is_integer else scale.dtype),)


def code_dtype(qmin: int, qmax: int) -> str:
    """The narrowest integer type that holds every code."""
    if qmin > qmax:
        raise ModelError(f"the smallest code {qmin} lies above the largest {qmax}")
    if qmin >= 0:
        return f"uint{max(qmax.bit_length(), 1)}"
    return f"int{max((-qmin - 1).bit_length(), qmax.bit_length() if qmax > 0 else 0) + 1}"


def _check_parameters(x: ModelType, scale: ModelType, zero_point: ModelType) -> None:
    for what, item in (("scale", scale), ("zero point", zero_point)):
        if broadcast(x.shape, item.shape) != x.shape:
            raise ModelError(
                f"a {what} of shape {list(item.shape)} does not fit a tensor of shape "
                f"{list(x.shape)}"
            )
