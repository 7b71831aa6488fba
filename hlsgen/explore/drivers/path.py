"""Along a row of candidates from cheap to dear: where those that are accepted begin or end."""

from __future__ import annotations

from collections.abc import Sequence

from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.goal import Objective
from hlsgen.explore.space import Candidate

_BETWEEN = 3  # evaluated at once where the end lies between two


def along(search: Search, path: Sequence[Candidate], spread: int) -> Drive:
    """Evaluates `spread` candidates over the row, then narrows down on the boundary.

    For fewest LUTs it is the first that loses little enough, for the best accuracy the last within
    the budget, as if both grew along the row.
    """
    outcomes: dict[int, Outcome] = {}
    last = len(path) - 1
    asked = sorted({round(k * last / max(spread - 1, 1)) for k in range(spread)} | {0, last})
    while asked:
        found = yield [path[k] for k in asked]
        outcomes.update(zip(asked, found, strict=True))
        low, high = _boundary(search, outcomes)
        asked = _between(low, high)


def _boundary(search: Search, outcomes: dict[int, Outcome]) -> tuple[int, int]:
    """The neighbours among those evaluated between which the boundary lies."""
    goal, places = search.goal, sorted(outcomes)
    if goal.objective is Objective.LUTS:
        good = [k for k in places if goal.accepts(outcomes[k])]
        if not good:
            return places[-1], places[-1]
        return max((k for k in places if k < good[0]), default=good[0]), good[0]
    within = [k for k in places if goal.accepts(outcomes[k])]
    if not within:
        return places[0], places[0]
    return within[-1], min((k for k in places if k > within[-1]), default=within[-1])


def _between(low: int, high: int) -> list[int]:
    """Up to three places inside, evenly spaced."""
    inside = range(low + 1, high)
    if len(inside) <= _BETWEEN:
        return list(inside)
    step = (high - low) / (_BETWEEN + 1)
    return sorted({round(low + step * (k + 1)) for k in range(_BETWEEN)})
