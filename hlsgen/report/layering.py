"""Where boxes and passing lines stand: layers from top to bottom, in columns from left to right.

Layers are longest paths from the sources. Lines that pass layers get a place in each; the order in
a layer is by the mean place of what stands above and below, a few times over, and places are then
the nearest to those of their neighbours that leave room for all (isotonic regression). A long
drawing goes on in another column where only one box has lines to what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

BOX_ROOM, LINE_ROOM = 244.0, 18.0  # widths that a box and a passing line take
_BOX_WEIGHT = 1000.0  # lines make way for boxes
_SWEEPS = 6
_SETTLING = 80  # sweeps until boxes of a chain stand under each other


@dataclass(slots=True)
class Place:
    """A box (`key` not empty) or a passing line in a layer; x is its middle."""

    key: str
    rank: int
    above: list[int] = field(default_factory=list[int])
    below: list[int] = field(default_factory=list[int])
    x: float = 0.0

    @property
    def room(self) -> float:
        return BOX_ROOM if self.key else LINE_ROOM


@dataclass(frozen=True, slots=True)
class Layering:
    """Places, those of each layer from left to right, and those that each edge goes through."""

    places: tuple[Place, ...]
    rows: tuple[tuple[int, ...], ...]
    ways: tuple[tuple[int, ...], ...]

    def breaks(self) -> list[int]:
        """Layers behind which a column may end: a single box holds all that goes on."""
        return [
            rank
            for rank, row in enumerate(self.rows[:-1])
            if [bool(self.places[k].key) for k in row if self.places[k].below] == [True]
        ]

    def width(self, first: int, end: int) -> tuple[float, float]:
        """The least and the greatest x of some layers, with room."""
        mine = [self.places[k] for row in self.rows[first:end] for k in row]
        return min(p.x - p.room / 2 for p in mine), max(p.x + p.room / 2 for p in mine)


def layered(edges: Sequence[tuple[str, str]], last: frozenset[str]) -> Layering:
    """Places of a graph whose edges stand in the order of their targets; `last` go to its end."""
    ranks = _ranks(edges, last)
    places, rows, ways = _placed(edges, ranks)
    for _ in range(_SWEEPS):
        _order(places, rows)
    _align(places, rows)
    return Layering(tuple(places), tuple(map(tuple, rows)), tuple(map(tuple, ways)))


def columns(found: Layering, rank_height: float, frame: tuple[float, float]) -> list[int]:
    """The first layer of each column: as few as fit into a frame, else so as to come out largest.

    `frame` is width and height.
    """
    choices = [_cut(found, count) for count in range(1, 13)]
    return min(choices, key=lambda starts: _extent(found, starts, rank_height, frame))


def _cut(found: Layering, count: int) -> list[int]:
    """Columns of about as many layers each."""
    total = len(found.rows)
    most = -(-total // count)
    starts, allowed = [0], found.breaks()
    while total - starts[-1] > most:
        near = [r + 1 for r in allowed if starts[-1] < r + 1 <= starts[-1] + most]
        later = [r + 1 for r in allowed if r + 1 > starts[-1] + most]
        if not near and not later:
            break
        starts.append(near[-1] if near else later[0])
    return starts


def _extent(
    found: Layering, starts: list[int], rank_height: float, frame: tuple[float, float]
) -> float:
    """By how much the drawing exceeds the frame."""
    ends = [*starts[1:], len(found.rows)]
    spans = [found.width(a, b) for a, b in zip(starts, ends, strict=True)]
    wide = sum(right - left for left, right in spans)
    high = rank_height * max(b - a for a, b in zip(starts, ends, strict=True))
    return max(wide / frame[0], high / frame[1], 1.0)


def _ranks(edges: Sequence[tuple[str, str]], last: frozenset[str]) -> dict[str, int]:
    """The longest path from a source."""
    ranks: dict[str, int] = {}
    for source, target in edges:
        ranks.setdefault(source, 0)
        ranks[target] = max(ranks.get(target, 0), ranks[source] + 1)
    end = max(ranks.values(), default=0)
    return {key: end if key in last else rank for key, rank in ranks.items()}


def _placed(
    edges: Sequence[tuple[str, str]], ranks: Mapping[str, int]
) -> tuple[list[Place], list[list[int]], list[list[int]]]:
    """All places, those of each layer, and those that each edge goes through."""
    places = [Place(key, rank) for key, rank in ranks.items()]
    number = {key: k for k, key in enumerate(ranks)}
    rows: list[list[int]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    for key, rank in ranks.items():
        rows[rank].append(number[key])
    ways: list[list[int]] = []
    for source, target in edges:
        way = [number[source]]
        for rank in range(ranks[source] + 1, ranks[target]):
            rows[rank].append(len(places))
            way.append(len(places))
            places.append(Place("", rank))
        way.append(number[target])
        for a, b in pairwise(way):
            places[a].below.append(b)
            places[b].above.append(a)
        ways.append(way)
    return places, rows, ways


def _order(places: Sequence[Place], rows: Sequence[list[int]]) -> None:
    """One sweep down and one up, each layer sorted by the mean place of its neighbours."""
    for side, turn in (("above", rows), ("below", [*reversed(rows)])):
        at = {k: float(i) for row in rows for i, k in enumerate(row)}
        for row in turn:
            mean = {k: _mean([at[n] for n in getattr(places[k], side)], at[k]) for k in row}
            row.sort(key=lambda k: (mean[k], at[k]))
            at |= {k: float(i) for i, k in enumerate(row)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _align(places: Sequence[Place], rows: Sequence[list[int]]) -> None:
    """Places near those of their neighbours, boxes before lines."""
    for turn in [rows, [*reversed(rows)]] * _SETTLING:
        for row in turn:
            wanted = [_wanted(places, places[k]) for k in row]
            weights = [_BOX_WEIGHT if places[k].key else 1.0 for k in row]
            rooms = [places[k].room for k in row]
            for k, x in zip(row, _apart(wanted, weights, rooms), strict=True):
                places[k].x = x


def _wanted(places: Sequence[Place], place: Place) -> float:
    """The mean of the boxes next to it; of the lines, where there is no box."""
    near = [places[k] for k in place.above + place.below]
    boxes = [p.x for p in near if p.key]
    return _mean(boxes if place.key and boxes else [p.x for p in near], place.x)


def _apart(wanted: list[float], weights: list[float], rooms: list[float]) -> list[float]:
    """The nearest places, in this order, that are half of both rooms apart."""
    offsets = [0.0]
    for a, b in pairwise(rooms):
        offsets.append(offsets[-1] + (a + b) / 2)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = (want - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            x, w, n = pools.pop()
            pool = ((x * w + pool[0] * pool[1]) / (w + pool[1]), w + pool[1], n + pool[2])
        pools.append(pool)
    flat = [x for x, _, n in pools for _ in range(n)]
    return [x + offset for x, offset in zip(flat, offsets, strict=True)]
