"""Ternary weights whose dead ones act as a bias (Tequila)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hlsgen.train.grid import Grid
from hlsgen.train.quantisers.quantiser import Quantiser, Source
from hlsgen.train.straight_through import replaced, short_through

_LEAST = 2.0**-24


@dataclass(frozen=True, slots=True)
class Ternary:
    """Weights -a, 0, a; `dead` is what the weights at 0 add to the bias, over their size."""

    dead: float = 1e-3

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        return TernaryQuantiser(self.dead)


class TernaryQuantiser(Quantiser):
    """y = a {1 where w >= a/2, -1 where w <= -a/2, else 0}, a = mean |w| of an output.

    The weights at 0 add `dead` times their sum to the output's bias, whatever the input.
    Gradients: dw = dy, and `dead` times that of the bias where the weight is 0.
    Source: "Tequila: Trapping-free Ternary Quantization for Large Language Models", its groups as
    wide as a row, so that one scale an output remains.
    """

    def __init__(self, dead: float) -> None:
        super().__init__(-1, 1)
        self.dead = dead

    def forward(self, x: Tensor) -> Tensor:
        a, alive = self._parts(x.detach())
        return replaced(x, a * alive)

    def bias(self, w: Tensor) -> Tensor | None:
        _, alive = self._parts(w.detach())
        dead = w * (alive == 0).to(w.dtype)
        at = dead if self.training else dead.to(torch.float64).cpu()
        return self.dead * at.sum(tuple(range(1, w.ndim))).to(w.device)

    def grid(self, weight: Tensor | None = None) -> Grid:
        if weight is None:
            raise ValueError("the scale of ternary weights follows from the weights")
        a, _ = self._parts(weight.detach())
        return Grid(a.cpu().to(torch.float64), self.low, self.high)

    def _parts(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The scale of each output, and -1, 0 or 1 for each weight.

        In evaluation the mean is taken on the CPU in float64: the same on every device.
        """
        at = w if self.training else w.to(torch.float64).cpu()
        mean = at.abs().mean(tuple(range(1, w.ndim)), keepdim=True).clamp(min=_LEAST)
        a = short_through(mean.to(torch.float32)).to(w.dtype).to(w.device)
        return a, (w >= a / 2).to(w.dtype) - (w <= -a / 2).to(w.dtype)
