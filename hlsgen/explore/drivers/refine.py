"""From the best so far downhill by single steps; and from those that just missed, one step up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.greedy import lowered, price, raised
from hlsgen.explore.goal import Objective
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate
from hlsgen.quantise.scheme import Scales

_AT_ONCE = 4
_TRIED = 24  # steps away from one candidate before it is left as it is
_MISSED = 4  # cheaper candidates that lose a little too much, to be mended


def refine(search: Search) -> Drive:
    """Steps one format down, or of one layer's scales, by predicted damage a LUT, four at a time.

    Accepted steps are taken together if together they are accepted, else the best one of them.
    First of all, candidates that would be better than the best but just miss the goal are given one
    format more in the four places where that promises most: accuracy is not monotone in codes.
    """
    for missed in _missed(search):
        yield _raised(search, missed)
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


def _missed(search: Search) -> list[Candidate]:
    """Cheaper than the best accepted, the least loss first; within a budget there are none."""
    if search.goal.objective is not Objective.LUTS:
        return []
    known, goal = search.known, search.goal
    best = search.best()
    most = min(goal.budget, math.inf if best is None else known[best].luts)
    cheap = [c for c, o in known.items() if not o.error and o.luts < most and c != best]
    found = [c for c in cheap if search.space.holds(c)]
    return sorted(found, key=lambda c: goal.shortfall(known[c]))[:_MISSED]


def _raised(search: Search, missed: Candidate) -> list[Candidate]:
    """The steps up that undo the most predicted damage a LUT."""
    prediction = _prediction(search, missed)
    found = raised(prediction, missed)
    return sorted(found, key=lambda c: -price(prediction, c, missed))[:_AT_ONCE]


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
        for at, (before, after) in enumerate(zip(start.formats, step.formats, strict=True)):
            now = now if before == after else now.with_format(at, after)
        kinds: list[Scales] = []
        for own, before, after in zip(now.scales, start.scales, step.scales, strict=True):
            kinds.append(own if before is after else after)
        now = Candidate(now.weights, now.activations, tuple(kinds))
    return now
