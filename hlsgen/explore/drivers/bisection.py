"""Places by rising sensitivity: how many of them may take fewer bits."""

from __future__ import annotations

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate


def bisection(search: Search) -> Drive:
    """Only the ends and what narrows the boundary down: a logarithm of the places many.

    Source: Aug-Hessian's bisection; here over all widths one below the other.
    """
    for prediction in search.predictions.values():
        yield from along(search, _ladder(prediction)[::-1], 2)


def _ladder(prediction: Prediction) -> list[Candidate]:
    """Width by width, the least sensitive place first."""
    space = prediction.space
    now = space.uniform(space.weights[-1], space.activations[-1], prediction.kind)
    path = [now]
    rungs = max(len(space.weights), len(space.activations))
    for rung in range(2, rungs + 1):
        steps = [
            (at, widths[-rung])
            for at in range(len(now.bits))
            if rung <= len(widths := space.widths(at))
        ]
        start = now

        def damage(step: tuple[int, int], start: Candidate = start) -> float:
            return prediction.damage(start.with_bits(*step))

        for at, bits in sorted(steps, key=damage):
            now = now.with_bits(at, bits)
            path.append(now)
    return path
