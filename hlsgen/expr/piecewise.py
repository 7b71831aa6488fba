"""Steps of functions that rise here and fall there: pieces of one direction, certified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.steps import Steps
from hlsgen.errors import Unsupported
from hlsgen.expr.rows import Rows, RowValues
from hlsgen.expr.tree import Expr

Array = NDArray[Any]
Pieces = tuple[Array, Array, Array]  # the row, the least and the greatest input of every piece
SEGMENT_LIMIT = 1 << 23
_CHUNK = 1 << 14  # pieces at a time: what fits the caches
_START = 1 << 10  # pieces to begin with, over all rows
_SMALL = 8  # pieces of fewer inputs are looked at input by input


def piecewise_steps(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """The staircase of every row of any integer-valued expression of one leaf.

    1. A piece that certainly has one code is done.
    2. A piece on which the function certainly rises only, or falls only, is halved wherever the
       codes at its ends differ: equal ends have nothing between them.
    3. Any other piece is halved, and looked at input by input when it is small.

    Errors: Unsupported for more than 2^23 steps and small pieces.
    """
    search = _Search(RowValues(e, rows))
    todo = _beginning(rows)
    while len(todo[0]):
        todo = search.halved(todo)
        search.check(2 * len(todo[0]))
    return search.steps(rows)


def _beginning(rows: Rows) -> Pieces:
    """The ranges of all rows, cut into equal parts."""
    lo, hi = rows.ends()
    parts = max(1, _START // len(rows))
    width = (hi - lo) // parts + 1
    r = np.repeat(np.arange(len(rows)), parts)
    a = lo[r] + np.tile(np.arange(parts), len(rows)) * width[r]
    b = np.minimum(a + (width[r] - 1), hi[r])
    return _chosen((r, a, b), a <= b)


@dataclass(eq=False)
class _Search:
    """The pieces of one code found so far: their rows, least inputs and codes."""

    values: RowValues
    found: list[Pieces] = field(default_factory=list[Pieces])
    count: int = 0

    def halved(self, todo: Pieces) -> Pieces:
        """Halves of the pieces that could not be settled."""
        left: list[Pieces] = []
        for start in range(0, len(todo[0]), _CHUNK):
            part = _chosen(todo, slice(start, start + _CHUNK))
            r, a, b = part
            y, certain = self.values.direction(r, a, b)
            flat = (y.lo == y.hi) & (np.abs(y.lo) < 1 << 53)
            self.keep(r[flat], a[flat], y.lo[flat].astype(np.int64))
            steep = certain & (4 * (y.hi - y.lo) > b - a)  # almost every input may be a step
            small = ~flat & (steep | (b - a < _SMALL))
            self.inputs(_chosen(part, small))
            self.monotone(_chosen(part, certain & ~flat & ~small))
            left.append(_chosen(part, ~(flat | certain | small)))
        return _halves(_joined(left))

    def monotone(self, todo: Pieces) -> None:
        """Pieces on which the function only rises or only falls."""
        if not len(todo[0]):
            return
        first, last = self.codes(todo[0], todo[1]), self.codes(todo[0], todo[2])
        while len(todo[0]):
            r, a, b = todo
            same = first == last
            self.keep(r[same], a[same], first[same])
            dense = ~same & (b - a <= 4 * np.abs(last - first))
            self.inputs(_chosen(todo, dense))
            rest = ~(same | dense)
            todo = _halves(_chosen(todo, rest))
            self.check(len(todo[0]))
            first, last = self._ends(todo, first[rest], last[rest])

    def _ends(self, halves: Pieces, first: Array, last: Array) -> tuple[Array, Array]:
        """The codes at the ends of halves, given those at the ends of the whole pieces."""
        r, a, b = halves
        count = len(first)
        left = self.codes(r[:count], b[:count])
        right = self.codes(r[count:], a[count:])
        return np.concatenate((first, right)), np.concatenate((left, last))

    def inputs(self, todo: Pieces) -> None:
        """Pieces input by input."""
        r, a, b = todo
        if not len(r):
            return
        count = (b - a + 1).astype(np.int64)
        self.check(int(count.sum()))
        rows = np.repeat(r, count)
        n = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(a, count)
        self.keep(rows, n, self.codes(rows, n))

    def codes(self, r: Array, n: Array) -> Array:
        """The codes at single inputs."""
        parts = [slice(i, i + _CHUNK) for i in range(0, len(r), _CHUNK)]
        found = [self.values.codes(r[part], n[part]) for part in parts]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def keep(self, r: Array, start: Array, code: Array) -> None:
        """Pieces of one code; where the one before has it, too, they are dropped later."""
        self.found.append((r, start, code))
        self.count += len(r)

    def check(self, more: int) -> None:
        """Refuses what would take too long, and too much memory."""
        if self.count + more > SEGMENT_LIMIT:
            raise Unsupported(
                f"a function with more than {SEGMENT_LIMIT} steps between an integer and its "
                "quantiser; use fewer bits in front of it"
            )

    def steps(self, rows: Rows) -> tuple[Steps, ...]:
        """The pieces put in order."""
        r, start, code = _joined(self.found)
        order = np.lexsort((start, r))
        r, start, code = r[order], start[order], code[order]
        edges = np.searchsorted(r, np.arange(len(rows) + 1))
        result: list[Steps] = []
        for i, (lo, hi) in enumerate(zip(rows.lo, rows.hi, strict=True)):
            s, c = start[edges[i] : edges[i + 1]], code[edges[i] : edges[i + 1]]
            jump = c[1:] - c[:-1]
            at = np.flatnonzero(jump)
            result.append(Steps(int(lo), int(hi), int(c[0]), s[at + 1], jump[at]))
        return tuple(result)


def _chosen(pieces: Pieces, which: Array | slice) -> Pieces:
    r, a, b = pieces
    return r[which], a[which], b[which]


def _joined(parts: list[Pieces]) -> Pieces:
    r, a, b = (np.concatenate(part) for part in zip(*parts, strict=True))
    return r, a, b


def _halves(pieces: Pieces) -> Pieces:
    r, a, b = pieces
    middle = (a + b) >> 1
    return np.tile(r, 2), np.concatenate((a, middle + 1)), np.concatenate((middle, b))
