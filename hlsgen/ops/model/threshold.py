"""A staircase given by its steps."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType


@dataclass(frozen=True, slots=True)
class CountThresholds(ModelOp):
    """y[.., c, ..] = number of k with thresholds[c, k] <= x[.., c, ..]; c runs along `axis`.

    Shapes: x and thresholds [C, K] or [1, K] -> x's shape.
    Source: qonnx MultiThreshold (without its out_scale and out_bias).
    """

    axis: int

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        x, thresholds = inputs
        if not 0 <= self.axis < len(x.shape) or len(thresholds.shape) != 2:
            raise ModelError(
                f"thresholds {list(thresholds.shape)} over axis {self.axis} of {list(x.shape)}: "
                "needed are thresholds of rank 2 and an axis of the input"
            )
        if thresholds.shape[0] not in (1, x.shape[self.axis]):
            raise ModelError(
                f"{thresholds.shape[0]} rows of thresholds for {x.shape[self.axis]} channels"
            )
        return (ModelType(x.shape, "float32"),)
