"""Probabilities at the end of a classifier."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType


@dataclass(frozen=True, slots=True)
class Softmax(ModelOp):
    """y[i] = exp(x[i]) / sum over j of exp(x[j]) along `axis`; its logarithm where `log`.

    Shapes: x -> x.
    Source: ONNX Softmax-13 and LogSoftmax-13 (older forms are reshaped to it).
    """

    axis: int
    log: bool

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        (x,) = inputs
        if not 0 <= self.axis < len(x.shape):
            raise ModelError(f"axis {self.axis} does not exist in shape {list(x.shape)}")
        return (x,)
