"""A2Q+: zero-centred weights, which twice as many codes fit an accumulator with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hlsgen.train.quantisers.a2q import A2q, A2qQuantiser, a2q_budget
from hlsgen.train.quantisers.quantiser import Quantiser, Source


@dataclass(frozen=True, slots=True)
class A2qPlus(A2q):
    """As A2Q with the budget for zero-centred weights.

    The layer's weights start at their Euclidean projection to that budget. A layer whose inputs can
    be negative gains nothing by centring and is quantised by A2Q.
    """

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`, which is projected in place."""
        if source.signed:
            made = A2qQuantiser(self, weight.detach(), a2q_budget(self.accumulator, source))
        else:
            budget = a2qplus_budget(self.accumulator, source)
            made = A2qPlusQuantiser(self, weight.detach(), budget)
        rows = made.direction(weight.detach()).reshape(len(weight), -1)
        radius = made.budget * made.step().detach().reshape(-1)
        weight.data.copy_(projected(rows, radius).reshape(weight.shape))
        made.log_norm.data.clamp_(max=torch.log2(radius).reshape(made.log_norm.shape))
        return made


def a2qplus_budget(accumulator: int, source: Source) -> float:
    """The greatest norm before rounding: (2^P - 2) / (2^N - 1).

    Source: "A2Q+: Improving Accumulator-Aware Weight Quantization", ICML 2024.
    """
    return (2**accumulator - 2) / (2**source.bits - 1)


class A2qPlusQuantiser(A2qQuantiser):
    """As A2Q, of v - mean(v): positive and negative parts each take half of the budget."""

    def direction(self, weight: Tensor) -> Tensor:
        return weight - weight.mean(tuple(range(1, weight.ndim)), keepdim=True)


def projected(rows: Tensor, radius: Tensor) -> Tensor:
    """The nearest point to each row with |row|_1 <= radius, in Euclidean distance.

    Shapes: rows (n, k), radius (n,).
    """
    size = rows.abs()
    falling = size.sort(1, descending=True).values
    count = torch.arange(1, rows.shape[1] + 1, device=rows.device)
    sums = falling.cumsum(1) - radius[:, None]
    last = (falling * count > sums).sum(1, keepdim=True).clamp(min=1)
    theta = (sums.gather(1, last - 1) / last).clamp(min=0)
    return rows.sign() * (size - theta).clamp(min=0)
