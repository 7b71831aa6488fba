"""HAWQ-V2 and ZeroQ: the whole front of damage and LUTs by dynamic programming."""

from __future__ import annotations

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.pareto_dp import front
from hlsgen.explore.prediction import LUT

_SPREAD = 6


def pareto(search: Search) -> Drive:
    """Candidates of the predicted front, then those about the boundary."""
    for prediction in search.predictions.values():
        wholes = front(prediction.choices, LUT)
        yield from along(search, [prediction.candidate(p) for p in wholes], _SPREAD)
