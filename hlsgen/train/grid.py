"""The numbers that a tensor may hold."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """value = scale * code, code in [low, high].

    Shapes: scale has no axes, or the rank of the tensor with one entry a channel on axis 0.
    """

    scale: Tensor
    low: int
    high: int

    @property
    def signed(self) -> bool:
        """Whether codes can be negative."""
        return self.low < 0

    @property
    def narrow(self) -> bool:
        """Whether the codes are symmetric about zero."""
        return self.low == -self.high

    @property
    def bits(self) -> int:
        """How wide a code is."""
        return max(self.high.bit_length(), (-self.low - 1).bit_length()) + self.signed
