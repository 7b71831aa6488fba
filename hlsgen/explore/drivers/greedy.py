"""From the most bits down, one step at a time where it costs the least damage a LUT."""

from __future__ import annotations

import math

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate

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
    """All that have one width less in one place."""
    found: list[Candidate] = []
    for at, bits in enumerate(candidate.bits):
        widths = prediction.space.widths(at)
        place = widths.index(bits) if bits in widths else 0
        if place:
            found.append(candidate.with_bits(at, widths[place - 1]))
    return found


def price(prediction: Prediction, before: Candidate, after: Candidate) -> float:
    """Predicted damage for each LUT that is predicted to be saved; infinite where none is."""
    saved = prediction.luts(before) - prediction.luts(after)
    more = prediction.damage(after) - prediction.damage(before)
    return more / saved if saved > 0 else math.inf
