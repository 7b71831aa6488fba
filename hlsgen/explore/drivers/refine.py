"""From the best so far downhill: single steps, each evaluated, the good ones taken together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.greedy import lowered, price
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate
from hlsgen.quantise.scheme import Scales

_AT_ONCE = 4
_TRIED = 24  # steps away from one candidate before it is left as it is


def refine(search: Search) -> Drive:
    """Steps of one width down, or of one layer's scales, by predicted damage a LUT, four at a time.

    Accepted steps are taken together if together they are accepted, else the best one of them.
    """
    now = search.best()
    while now is not None:
        after: Candidate | None = None
        steps = list(_steps(search, now))[:_TRIED]
        for first in range(0, len(steps), _AT_ONCE):
            batch = steps[first : first + _AT_ONCE]
            yield batch
            taken = [c for c in batch if _better(search, c, now)]
            if len(taken) > 1:
                yield [_together(now, taken)]
            if taken:
                after = search.best()
                break
        now = after


def _better(search: Search, after: Candidate, before: Candidate) -> bool:
    known, goal = search.known, search.goal
    return goal.accepts(known[after]) and goal.rank(known[after]) < goal.rank(known[before])


def _steps(search: Search, now: Candidate) -> Iterable[Candidate]:
    prediction = _prediction(search, now)
    found = lowered(prediction, now)
    yield from sorted(found, key=lambda c: price(prediction, now, c))
    if Scales.FREE in now.scales:
        return
    kinds = [k for k in search.space.scales if k is not Scales.FREE]
    for at, kind in enumerate(now.scales):
        for other in kinds:
            if other is not kind:
                yield replace(now, scales=(*now.scales[:at], other, *now.scales[at + 1 :]))


def _prediction(search: Search, now: Candidate) -> Prediction:
    """Of the kind of scales that most layers have."""
    kind = max(now.scales, key=now.scales.count)
    return search.predictions.get(kind) or next(iter(search.predictions.values()))


def _together(start: Candidate, steps: list[Candidate]) -> Candidate:
    """Every place as the last step that changed it has it."""
    now = start
    for step in steps:
        for at, (before, after) in enumerate(zip(start.bits, step.bits, strict=True)):
            now = now if before == after else now.lowered(at, after)
        kinds: list[Scales] = []
        for own, before, after in zip(now.scales, start.scales, step.scales, strict=True):
            kinds.append(own if before is after else after)
        now = Candidate(now.weights, now.activations, tuple(kinds))
    return now
