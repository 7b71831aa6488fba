"""Estimated hardware of one unit, by which forms are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.arith.signed_digit import csd_weight

# Words x bits a RAMB18E2 can be read as. Source: AMD UG573, block RAM port widths.
BRAM18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated hardware of one unit, for choosing between forms; nothing here was synthesised.

    Assumed: an adder of w bits takes w LUTs, a comparison w/2, a product with a constant of z
    signed digits z - 1 adders, a ROM one LUT per output bit up to 64 words and twice as many for
    each further address bit, a DSP48E2 multiplies 27 x 18 bits.
    """

    lut: float = 0.0
    dsp: int = 0
    bram18: float = 0.0

    @property
    def total(self) -> float:
        """LUTs, with a DSP as 150 and a block RAM as 250: about their shares of a large device."""
        return self.lut + 150 * self.dsp + 250 * self.bram18

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.lut + other.lut, self.dsp + other.dsp, self.bram18 + other.bram18)


def rom_cost(words: int, bits: int) -> Cost:
    """A ROM of `words` words, in LUTs or in block RAM of 18 Kbit; one word is wired."""
    if words <= 1 or bits <= 0:
        return Cost()
    lut = Cost(lut=bits * 2.0 ** max(0, (words - 1).bit_length() - 6))
    blocks = min(math.ceil(words / deep) * math.ceil(bits / wide) for deep, wide in BRAM18_SHAPES)
    return min(lut, Cost(bram18=blocks), key=_total)


def multiply_cost(m: Sequence[int], n_bits: int) -> Cost:
    """The product m * n, m being one of the given constants; the ROM of them not included."""
    m_bits = max(abs(v) for v in m).bit_length() + 1
    tiles = min(
        math.ceil(m_bits / 18) * math.ceil(n_bits / 27),
        math.ceil(m_bits / 27) * math.ceil(n_bits / 18),
    )
    weight = csd_weight(m[0])
    if len(set(m)) > 1:
        return Cost(dsp=tiles)
    adders = Cost(lut=float(max(0, weight - 1) * (m_bits + n_bits)))
    return min(adders, Cost(dsp=tiles), key=_total)


def _total(cost: Cost) -> float:
    return cost.total
