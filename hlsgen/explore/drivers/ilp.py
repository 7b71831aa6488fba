"""HAWQ-V3: integer programmes of least damage under one limit of LUTs after the other."""

from __future__ import annotations

import numpy as np

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.ilp import least_damage
from hlsgen.explore.prediction import LUT, Prediction
from hlsgen.explore.space import Candidate

_LIMITS = 40
_SPREAD = 6


def ilp(search: Search) -> Drive:
    """The optima under limits between the cheapest whole and the one of least damage."""
    for prediction in search.predictions.values():
        yield from along(search, _optima(prediction), _SPREAD)


def _optima(prediction: Prediction) -> list[Candidate]:
    choices = prediction.choices
    cheapest, finest = choices.cheapest(LUT), least_damage(choices, {})
    assert finest is not None
    low, high = (choices.total(p, LUT) for p in (cheapest, finest))
    found = [least_damage(choices, {LUT: limit}) for limit in np.geomspace(low, high, _LIMITS)]
    return list(dict.fromkeys(prediction.candidate(p) for p in found if p is not None))
