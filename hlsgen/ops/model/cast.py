"""Changes of element type."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.ir.model import ModelOp, ModelType


@dataclass(frozen=True, slots=True)
class Cast(ModelOp):
    """The same value in another element type.

    Real -> integer cuts toward zero; integer -> narrower integer keeps the low bits (two's
    complement); anything -> bool is x != 0. Integer -> wider integer and integer -> real keep
    the value: they are written only because later operators depend on the type (Div).

    Shapes: x -> x.
    Source: ONNX Cast-9/13/19/21/23.
    """

    dtype: str

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        return (ModelType(inputs[0].shape, self.dtype),)
