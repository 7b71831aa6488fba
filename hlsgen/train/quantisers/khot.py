"""K-hot: fixed point whose codes are sums of at most K signed powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
    """y = khot(q) 2^-f, q as of QFX; gradients are those of QFX."""

    table: Tensor

    def __init__(self, digits: int, bits: int, shape: tuple[int, ...]) -> None:
        super().__init__(bits, signed=True, narrow=True, shape=shape)
        table = [khot(code, digits, bits) for code in range(self.low, self.high + 1)]
        self.register_buffer("table", torch.tensor(table, dtype=torch.float32), persistent=False)

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        whole = super().codes(x, step)
        places = whole.detach().round().to(torch.int64) - self.low
        return replaced(whole, self.table.to(whole.dtype)[places])


def khot(code: int, digits: int, bits: int) -> int:
    """The sum of at most `digits` signed powers of two that greedy rounding finds for `code`.

    Each takes the power nearest to what is left, the larger one of two; the first stays within
    2^(bits-2) where the sum would leave the codes.
    """
    most = (1 << (bits - 1)) - 1
    found = _greedy(code, digits, None)
    return found if abs(found) <= most else _greedy(code, digits, 1 << (bits - 2))


def _greedy(code: int, digits: int, first_at_most: int | None) -> int:
    rest, total = abs(code), 0
    for index in range(digits):
        if rest == 0:
            break
        size = abs(rest)
        exponent = size.bit_length() - 1
        if exponent >= 1 and size >= 3 << (exponent - 1):
            exponent += 1
        power = 1 << exponent
        if index == 0 and first_at_most is not None:
            power = min(power, first_at_most)
        power = power if rest > 0 else -power
        total, rest = total + power, rest - power
    return total if code > 0 else -total
