"""Self-compressing weights: bits of each output learned, down to none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.grid import Grid
from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel, code_range
from hlsgen.train.straight_through import power_of_two, round_through

_MOST = 16


@dataclass(frozen=True, slots=True)
class SelfCompress:
    """Fixed point that starts with so many bits; `price` is a bit of a weight's in the loss."""

    bits: int = 8
    price: float = 1e-6

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        return SelfCompressQuantiser(self, weight.detach())


class SelfCompressQuantiser(Quantiser):
    """y = 2^e round(clip(2^-e x, -2^(b-1), 2^(b-1) - 1)), b >= 0 and e for each output.

    b is a real number in training and rounded up in evaluation; an output with b = 0 is zero.
    Gradients: straight through rounding, through the bounds of the clip to b.
    Source: "Self-Compressing Neural Networks", arXiv:2301.13142.
    """

    def __init__(self, form: SelfCompress, weight: Tensor) -> None:
        super().__init__(*code_range(form.bits, signed=True, narrow=False))
        self.price, self.fan_in = form.price, weight[0].numel()
        most = weight.abs().reshape(len(weight), -1).amax(1).clamp(min=2.0**-30)
        exponent = torch.ceil(torch.log2(most)) - (form.bits - 1)
        self.exponent = nn.Parameter(exponent.reshape(by_channel(weight)))
        self.width = nn.Parameter(torch.full(by_channel(weight), float(form.bits)))

    def widths(self) -> Tensor:
        """Bits of each output, whole numbers in evaluation."""
        width = self.width.clamp(0, _MOST)
        return width if self.training else width.ceil()

    def step(self) -> Tensor:
        return power_of_two(round_through(self.exponent))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        exponent = self.widths().to(x.dtype) - 1
        half = torch.exp2(exponent) if self.training else power_of_two(exponent)
        return round_through(torch.minimum(torch.maximum(x / step, -half), half - 1))

    def penalty(self) -> Tensor | None:
        return self.price * self.fan_in * self.width.clamp(0, _MOST).sum()

    def grid(self, weight: Tensor | None = None) -> Grid:
        bits = max(int(self.width.detach().clamp(0, _MOST).ceil().max()), 2)
        low, high = code_range(bits, signed=True, narrow=False)
        return Grid(self.step().detach().cpu().to(torch.float64), low, high)
