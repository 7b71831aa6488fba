"""Bipolar weights and activations of one and two bits (FracBNN)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel
from hlsgen.train.straight_through import replaced, round_through, short_through

_LEAST = 2.0**-24


@dataclass(frozen=True, slots=True)
class Bipolar:
    """Weights -s and s, one step an output, its sign that of the weight, + for 0.

    `gated` layers take two-bit activations of their own and compute with the low bit only where the
    high bit's sum exceeds a learned threshold (`hlsgen.train.precision_gate`).
    """

    gated: bool = False

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        return BipolarQuantiser(weight.detach())


class BipolarQuantiser(Quantiser):
    """y = s sign(w), sign(0) = 1, s learned, first mean |w|.

    Gradients: dy/dw = 1, dy/ds = sign(w).
    Source: "FracBNN: Accurate and FPGA-Efficient Binary Neural Networks with Fractional
    Activations", FPGA 2021.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__(-1, 1)
        size = weight.abs().reshape(len(weight), -1).mean(1)
        self.size = nn.Parameter(size.reshape(by_channel(weight)))

    def step(self) -> Tensor:
        return short_through(self.size.clamp(min=_LEAST))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        return replaced(x / step.detach(), torch.where(x >= 0, 1.0, -1.0).to(x.dtype))


class TwoBitBipolarQuantiser(Quantiser):
    """y = s (2u - 3), u = clip(round(x / 2s + 3/2), 0, 3): the values -3s, -s, s, 3s.

    With s = 1/3 these are the activations of FracBNN; s is learned here.
    Gradients: dy/dx = 1, 0 where clipped.
    """

    def __init__(self) -> None:
        super().__init__(-3, 3)
        self.size = nn.Parameter(torch.tensor(1 / 3))

    def initialise(self, x: Tensor) -> None:
        """The mean size of a value is half of the way between s and 3s."""
        self.size.data.copy_((x.abs().mean() / 2).clamp(min=_LEAST))

    def step(self) -> Tensor:
        return short_through(self.size.clamp(min=_LEAST))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        u = torch.clamp(round_through((x + 3 * step) / (2 * step)), 0, 3)
        return 2 * u - 3
