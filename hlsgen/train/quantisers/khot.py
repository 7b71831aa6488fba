"""K-hot: fixed point whose codes are sums of at most K signed powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.train.quantisers.qfx import QfxQuantiser
from hlsgen.train.quantisers.quantiser import Quantiser, Source, by_channel
from hlsgen.train.straight_through import replaced


@dataclass(frozen=True, slots=True)
class Khot:
    """Weights of so many signed powers of two on a grid of so many bits, binary point learned."""

    digits: int = 2
    bits: int = 8

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`."""
        made = KhotQuantiser(self.digits, self.bits, by_channel(weight))
        made.initialise(weight.detach())
        return made


class KhotQuantiser(QfxQuantiser):
    """y = k 2^-f, k the K-hot code nearest to the q of QFX; gradients are those of QFX."""

    table: Tensor

    def __init__(self, digits: int, bits: int, shape: tuple[int, ...]) -> None:
        super().__init__(bits, signed=True, narrow=True, shape=shape)
        table = WeightFormat(bits, digits).nearest(np.arange(self.low, self.high + 1))
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32), persistent=False)

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        whole = super().codes(x, step)
        places = whole.detach().round().to(torch.int64) - self.low
        return replaced(whole, self.table.to(whole.dtype)[places])
