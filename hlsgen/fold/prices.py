"""LUTs of the pieces that folded units are made of: counts, times factors.

The factors are in cost.toml, which says which of them were measured and which are assumed.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FACTORS = Path(__file__).with_name("cost.toml")

Pieces = Mapping[str, float]  # how much there is of each kind, mostly bits


def luts(pieces: Pieces) -> float:
    """LUTs of so many pieces."""
    known = factors()
    return sum(known[kind] * count for kind, count in pieces.items())


@cache
def factors() -> Mapping[str, float]:
    """LUTs for one unit of each kind of piece."""
    with FACTORS.open("rb") as file:
        return tomllib.load(file)["luts"]


def selected(ways: int, bits: float) -> float:
    """4:1 choices of one bit that pick one of so many words."""
    return bits * math.ceil((ways - 1) / 3)


def dsp_tiles(a: int, b: int) -> int:
    """DSP48E2 of a product of two signed words: 27 x 18 bits each. Source: AMD UG579."""
    return min(math.ceil(a / 27) * math.ceil(b / 18), math.ceil(a / 18) * math.ceil(b / 27))
