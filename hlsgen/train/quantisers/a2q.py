"""A2Q: weights that no accumulator of P bits can overflow with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel, code_range
from hlsgen.train.straight_through import short_through, trunc_through

_LEAST = 2.0**-24


@dataclass(frozen=True, slots=True)
class A2q:
    """Codes of so many bits whose sums with any inputs fit a signed accumulator.

    `price` is what the loss grows by for each unit that a learned norm lies above its bound.
    """

    bits: int = 8
    accumulator: int = 16
    price: float = 1e-3

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        return A2qQuantiser(self, weight.detach(), a2q_budget(self.accumulator, source))


def a2q_budget(accumulator: int, source: Source) -> float:
    """The greatest sum of |codes| of an output: (2^(P-1) - 1) 2^(signed - N).

    Source: "A2Q: Accumulator-Aware Quantization with Guaranteed Overflow Avoidance", ICCV 2023.
    """
    return (2 ** (accumulator - 1) - 1) * 2.0 ** (source.signed - source.bits)


class A2qQuantiser(Quantiser):
    """q = clip(towards zero(v g / |v|_1)), g = min(2^norm / s, budget), y = s q.

    Rounding towards zero only shrinks, so |q|_1 never exceeds the budget. In evaluation the sums
    are taken on the CPU in float64: the same codes on every device.
    Gradients: straight through rounding; s and g learned through their logarithms.
    """

    def __init__(self, form: A2q, weight: Tensor, budget: float) -> None:
        super().__init__(*code_range(form.bits, signed=True, narrow=True))
        self.budget, self.price = budget, form.price
        size = weight.abs().reshape(len(weight), -1).amax(1).clamp(min=_LEAST) / self.high
        shape = by_channel(weight)
        self.log_size = nn.Parameter(torch.log2(size).reshape(shape))
        norm = self._norm(self.direction(weight)).clamp(min=_LEAST)
        self.log_norm = nn.Parameter(torch.log2(norm))

    def direction(self, weight: Tensor) -> Tensor:
        """What is scaled to the norm."""
        return weight

    def step(self) -> Tensor:
        size = self.log_size if self.training else self.log_size.cpu()
        return short_through(torch.exp2(size)).to(self.log_size.device)

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        norm = self.log_norm.to(x.dtype)
        if self.training:
            return self._codes(x, step, norm)
        return self._codes(x.cpu(), step.cpu(), norm.cpu()).to(x.device)

    def _codes(self, x: Tensor, step: Tensor, norm: Tensor) -> Tensor:
        v = self.direction(x)
        wanted = (torch.exp2(norm) / step).clamp(max=self.budget)
        scaled = v * wanted / self._norm(v).clamp(min=_LEAST)
        return torch.clamp(trunc_through(scaled), self.low, self.high)

    def _norm(self, v: Tensor) -> Tensor:
        return v.abs().sum(tuple(range(1, v.ndim)), keepdim=True)

    def penalty(self) -> Tensor | None:
        beyond = torch.exp2(self.log_norm) - self.budget * self.step()
        return self.price * beyond.clamp(min=0).sum()
