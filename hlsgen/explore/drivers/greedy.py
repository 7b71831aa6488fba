"""From the most codes down, one step at a time where it costs the least damage a LUT."""

from __future__ import annotations

import math

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate, Space

_SPREAD = 6


def greedy(search: Search) -> Drive:
    """The row of steps, walked down in prediction, searched for its boundary in evaluation."""
    for prediction in search.predictions.values():
        yield from along(search, _steps(prediction)[::-1], _SPREAD)


def _steps(prediction: Prediction) -> list[Candidate]:
    space = prediction.space
    path = [space.uniform(space.weights[-1], space.activations[-1], prediction.kind)]
    while True:
        lower = lowered(prediction, path[-1])
        if not lower:
            return path
        path.append(min(lower, key=lambda c: price(prediction, path[-1], c)))


def lowered(prediction: Prediction, candidate: Candidate) -> list[Candidate]:
    """All that have a lower format in one place: the next that is predicted to save LUTs.

    Where none is, the next one.
    """
    luts = prediction.luts(candidate)
    rows = _rows(prediction.space, candidate, -1)
    return [next((c for c in row if prediction.luts(c) < luts), row[0]) for row in rows]


def raised(prediction: Prediction, candidate: Candidate) -> list[Candidate]:
    """All that have a higher format in one place: the next that is predicted to do less damage.

    Where none is, the next one.
    """
    damage = prediction.damage(candidate)
    rows = _rows(prediction.space, candidate, 1)
    return [next((c for c in row if prediction.damage(c) < damage), row[0]) for row in rows]


def _rows(space: Space, candidate: Candidate, way: int) -> list[list[Candidate]]:
    """For each place all with another format there, up (1) or down (-1), the next one first."""
    found: list[list[Candidate]] = []
    for at, own in enumerate(candidate.formats):
        formats = space.formats(at)[::way]
        row = [candidate.with_format(at, f) for f in formats[formats.index(own) + 1 :]]
        found += [row] if row else []
    return found


def price(prediction: Prediction, before: Candidate, after: Candidate) -> float:
    """Predicted damage for each LUT that is predicted to be saved; infinite where none is."""
    saved = prediction.luts(before) - prediction.luts(after)
    more = prediction.damage(after) - prediction.damage(before)
    return more / saved if saved > 0 else math.inf
