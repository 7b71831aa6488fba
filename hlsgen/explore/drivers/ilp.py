"""HAWQ-V3: integer programmes of least damage under one limit of LUTs after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

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
        yield from along(search, _Optima(prediction), _SPREAD)


class _Optima(Sequence[Candidate]):
    """One a limit, solved when it is asked for."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        choices = prediction.choices
        self.cheapest = choices.cheapest(LUT)
        finest = least_damage(choices, {})
        low, high = (choices.total(p, LUT) for p in (self.cheapest, finest or self.cheapest))
        self.limits: list[float] = np.geomspace(low, high, _LIMITS).tolist()

    def __len__(self) -> int:
        return _LIMITS

    @overload
    def __getitem__(self, index: int) -> Candidate: ...

    @overload
    def __getitem__(self, index: slice) -> list[Candidate]: ...

    def __getitem__(self, index: int | slice) -> Candidate | list[Candidate]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        limit = self.limits[index]
        found = least_damage(self.prediction.choices, {LUT: limit})
        return self.prediction.candidate(found or self.cheapest)
