"""All undominated wholes of an additive problem, by merging the fronts of its families."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from hlsgen.explore.choices import Choices

Point = tuple[float, float, tuple[tuple[int, int], ...]]  # damage, cost, (unit, choice)

_MOST = 4096  # points of a front, beyond which neighbours in cost are thinned out


def front(choices: Choices, cost: str, most: int = _MOST) -> list[tuple[int, ...]]:
    """Wholes none of which another beats in damage and cost at once, from the cheapest on.

    Exact while no front on the way has more than `most` points; beyond that, of points whose costs
    fall into one of `most` equal steps the one of least damage is kept.
    Source: Dong 2020 (HAWQ-V2, 1911.03852), Cai 2020 (ZeroQ, 2001.00281): the merge of layers'
    fronts; ties are met by merging within a family tag by tag.
    """
    whole: list[Point] = [(0.0, 0.0, ())]
    for units in choices.members().values():
        family = [p for tag in choices.common(units) for p in _tagged(choices, cost, units, tag)]
        whole = _thinned(_undominated(_merged(whole, _undominated(family))), most)
    return [tuple(c for _, c in sorted(picked)) for _, _, picked in whole]


def _tagged(choices: Choices, cost: str, units: Sequence[int], tag: object) -> list[Point]:
    """The front of a family whose choices all have this tag."""
    found: list[Point] = [(0.0, 0.0, ())]
    for u in units:
        own: list[Point] = [
            (choices.damage[u][c], choices.costs[cost][u][c], ((u, c),))
            for c in choices.tagged(u, tag)
        ]
        found = _undominated(_merged(found, own))
    return found


def _merged(a: Iterable[Point], b: Iterable[Point]) -> list[Point]:
    return [(da + db, ca + cb, pa + pb) for (da, ca, pa), (db, cb, pb) in product(a, b)]


def _undominated(points: Iterable[Point]) -> list[Point]:
    """By rising cost, each of less damage than all before it."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p[1], p[0])):
        if not kept or point[0] < kept[-1][0]:
            kept.append(point)
    return kept


def _thinned(points: list[Point], most: int) -> list[Point]:
    if len(points) <= most:
        return points
    low, high = points[0][1], points[-1][1]
    steps = {int((p[1] - low) / (high - low) * (most - 1)): p for p in points}
    return list({p[1]: p for p in (points[0], *steps.values())}.values())
