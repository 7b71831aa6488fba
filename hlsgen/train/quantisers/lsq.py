"""LSQ: a learned step size, the usual baseline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel, code_range
from hlsgen.train.straight_through import round_through, scaled_gradient, short_through

_LEAST = 2.0**-24


@dataclass(frozen=True, slots=True)
class Lsq:
    """Codes of so many bits, the step learned: any number of 12 significant bits."""

    bits: int = 8

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`, one step for each output."""
        made = LsqQuantiser(self.bits, signed=True, narrow=True, shape=by_channel(weight))
        made.initialise(weight.detach())
        return made

    def for_activations(self, signed: bool) -> Quantiser:
        """The quantiser of an activation."""
        return LsqQuantiser(self.bits, signed=signed, narrow=False)


class LsqQuantiser(Quantiser):
    """y = s q, q = clip(round(x / s)).

    Gradients: dy/dx = 1, 0 where clipped; dy/ds = q - x / s, q where clipped, times
    1 / sqrt(elements * greatest code).
    Source: "Learned Step Size Quantization", ICLR 2020.
    """

    def __init__(
        self, bits: int, *, signed: bool, narrow: bool, shape: tuple[int, ...] = ()
    ) -> None:
        super().__init__(*code_range(bits, signed=signed, narrow=narrow))
        self.size = nn.Parameter(torch.ones(shape))

    def initialise(self, x: Tensor) -> None:
        """2 mean|x| / sqrt(greatest code)."""
        rows = x.reshape(self.size.numel(), -1).to(torch.float32).abs()
        found = 2 * rows.mean(1) / max(self.high, 1) ** 0.5
        self.size.data.copy_(found.clamp(min=_LEAST).reshape(self.size.shape))

    def step(self) -> Tensor:
        return short_through(self.size.clamp(min=_LEAST))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        return torch.clamp(round_through(x / step), self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        if self.calibrating or not self.training:
            return super().forward(x)
        share = x.numel() / self.size.numel() * max(self.high, 1)
        step = short_through(scaled_gradient(self.size, share**-0.5).clamp(min=_LEAST))
        return self.codes(x, step) * step
