"""Places by rising sensitivity: how many of them may take fewer codes."""

from __future__ import annotations

import math

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.path import along
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate, Format


def bisection(search: Search) -> Drive:
    """Only the ends and what narrows the boundary down: a logarithm of the places many.

    Source: Aug-Hessian's bisection; here over all formats one below the other.
    """
    for prediction in search.predictions.values():
        yield from along(search, _ladder(prediction)[::-1], 2)


def _ladder(prediction: Prediction) -> list[Candidate]:
    """Format by format, the least sensitive place first."""
    space, weights = prediction.space, _falling(prediction)
    now = space.uniform(weights[0], space.activations[-1], prediction.kind)
    path, groups = [now], range(len(space.layers), len(now.formats))
    for rung in range(1, max(len(weights), len(space.activations))):
        steps: list[tuple[int, Format]] = []
        if rung < len(weights):
            steps += [(at, weights[rung]) for at in range(len(space.layers))]
        if rung < len(space.activations):
            steps += [(at, space.activations[-1 - rung]) for at in groups]
        start = now

        def damage(step: tuple[int, Format], start: Candidate = start) -> float:
            return prediction.damage(start.with_format(*step))

        for at, lower in sorted(steps, key=damage):
            now = now.with_format(at, lower)
            path.append(now)
    return path


def _falling(prediction: Prediction) -> list[WeightFormat]:
    """Formats of weights downwards, those left out that save no LUTs: the row is to grow dearer."""
    space = prediction.space
    found: list[WeightFormat] = []
    least = math.inf
    for weights in reversed(space.weights):
        whole = space.uniform(weights, space.activations[-1], prediction.kind)
        if (luts := prediction.luts(whole)) < least:
            found, least = [*found, weights], luts
    return found
