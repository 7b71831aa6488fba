"""DenseShift: signed powers of two without zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel
from hlsgen.train.straight_through import replaced, scaled_gradient, short_through

_LATENT = 0.02  # how far a latent parameter starts from its threshold
_TRIED = [percent / 100 for percent in range(10, 101)]  # steps over the mean size of a weight
_LEAST = 2.0**-24


@dataclass(frozen=True, slots=True)
class DenseShift:
    """Weights +-{1, 2, 4, ...} of so many bits, one of them the sign; no zero."""

    bits: int = 3

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        return DenseShiftQuantiser(self.bits, weight.detach())


class DenseShiftQuantiser(Quantiser):
    """y = s sign(w) 2^S, S how many of the last latent parameters are above zero.

    S_0 = 0, S_k = (S_(k-1) + 1) H(t_k), H(x) = 1 for x > 0 else 0, sign(0) = 1.
    Gradients: those of s sign(w) sqrt(S + 1), straight through sign and H.
    Source: "DenseShift: Towards Accurate and Efficient Low-Bit Power-of-Two Quantization".
    """

    def __init__(self, bits: int, weight: Tensor) -> None:
        shifts = (1 << (bits - 1)) - 1
        super().__init__(-(1 << shifts), 1 << shifts)
        size, places = nearest_shifts(weight, shifts)
        self.size = nn.Parameter(size)
        wanted = torch.arange(shifts, device=weight.device).reshape(-1, *[1] * weight.ndim)
        above = wanted >= shifts - places  # the last `places` of them
        self.latent = nn.Parameter((above.float() * 2 - 1) * _LATENT)

    def step(self) -> Tensor:
        share = self.latent[0].numel() / self.size.numel() * self.high
        size = scaled_gradient(self.size, share**-0.5) if self.training else self.size
        return short_through(size.clamp(min=_LEAST))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        sign = replaced(x, torch.where(x >= 0, 1.0, -1.0).to(x.dtype))
        count = torch.zeros_like(x)
        for latent in self.latent.to(x.dtype).unbind():
            count = (count + 1) * replaced(latent, (latent > 0).to(x.dtype))
        whole = count.detach().round()
        exact = sign.detach() * (1 << whole.to(torch.int64)).to(x.dtype)
        return replaced(sign * torch.sqrt(count + 1), exact)


def nearest_shifts(weight: Tensor, shifts: int) -> tuple[Tensor, Tensor]:
    """The step of each output with the least squared error, and the nearest exponents for it.

    Shapes: weight (outputs, ...); step (outputs, 1, ...), exponents as weight.
    """
    rows = weight.abs().reshape(len(weight), -1)
    powers = torch.exp2(torch.arange(shifts + 1, device=weight.device))
    middles = (powers[1:] + powers[:-1]) / 2
    best = torch.full((len(rows),), float("inf"), device=weight.device)
    size = torch.ones_like(best)
    for share in _TRIED:
        step = (rows.mean(1) * share).clamp(min=_LEAST)
        found = torch.bucketize(rows / step[:, None], middles)
        error = ((powers[found] * step[:, None] - rows) ** 2).sum(1)
        size = torch.where(error < best, step, size)
        best = torch.minimum(error, best)
    places = torch.bucketize(rows / size[:, None], middles)
    return size.reshape(by_channel(weight)), places.reshape(weight.shape)
