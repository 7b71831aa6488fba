"""QFX: fixed point with a learned binary point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel, code_range
from hlsgen.train.straight_through import power_of_two, round_through, scaled_gradient

_TRIED = 3  # binary points beyond the one that clips nothing


@dataclass(frozen=True, slots=True)
class Qfx:
    """Fixed point of so many bits, its binary point learned.

    Weights have one for each output, symmetric codes, activations one for all.
    """

    bits: int = 8

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        made = QfxQuantiser(self.bits, signed=True, narrow=True, shape=by_channel(weight))
        made.initialise(weight.detach())
        return made

    def for_activations(self, signed: bool) -> Quantiser:
        """The quantiser of an activation."""
        return QfxQuantiser(self.bits, signed=signed, narrow=False)


class QfxQuantiser(Quantiser):
    """y = q 2^-f, q = clip(round(x 2^f)), f = round(point).

    Gradients: dy/dx = 1, 0 where clipped; dy/dpoint = ln 2 (x - y), -ln 2 y where clipped, times
    1 / sqrt(elements * greatest code).
    Source: "Trainable Fixed-Point Quantization for Deep Learning Acceleration on FPGAs".
    """

    def __init__(
        self, bits: int, *, signed: bool, narrow: bool, shape: tuple[int, ...] = ()
    ) -> None:
        super().__init__(*code_range(bits, signed=signed, narrow=narrow))
        self.point = nn.Parameter(torch.zeros(shape))

    def initialise(self, x: Tensor) -> None:
        """The binary point of least squared error, from the one that clips nothing on."""
        rows = x.reshape(self.point.numel(), -1).to(torch.float32)
        most = torch.maximum(rows.amax(1) / self.high, -rows.amin(1) / max(-self.low, 1))
        whole = -torch.ceil(torch.log2(most.clamp(min=2.0**-30)))
        points = torch.stack([whole + extra for extra in range(_TRIED)])
        errors = torch.stack([self._error(rows, point) for point in points])
        best = errors.argmin(0, keepdim=True)
        self.point.data.copy_(points.gather(0, best).reshape(self.point.shape))

    def _error(self, rows: Tensor, point: Tensor) -> Tensor:
        step = power_of_two(-point)[:, None]
        values = torch.clamp(torch.round(rows / step), self.low, self.high) * step
        return ((values - rows) ** 2).sum(1)

    def step(self) -> Tensor:
        return power_of_two(-round_through(self.point))

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        return torch.clamp(round_through(x / step), self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        if self.calibrating or not self.training:
            return super().forward(x)
        share = x.numel() / self.point.numel() * max(self.high, 1)
        step = power_of_two(-round_through(scaled_gradient(self.point, share**-0.5)))
        return self.codes(x, step) * step
