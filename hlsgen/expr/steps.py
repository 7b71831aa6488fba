"""From an integer-valued expression of one hardware tensor to exact staircases, one per row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.steps import Steps
from hlsgen.expr.affine import direction
from hlsgen.expr.clipped import clipped
from hlsgen.expr.monotone import monotone_steps
from hlsgen.expr.piecewise import piecewise_steps
from hlsgen.expr.rows import Rows, RowValues
from hlsgen.expr.tree import Apply, Count, Expr, Param, nodes, rewrite
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
DENSE_LIMIT = 1 << 14  # inputs evaluated one by one; beyond that, piece by piece
_CHUNK = 1 << 14  # inputs at a time: what fits the caches


def steps_of(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """The exact staircase of every row of an integer-valued expression of one leaf.

    1. A quantiser of an affine function of rational slope, clips anywhere: integer division.
    2. A function that only rises or only falls: every step is searched for, and certified by the
       codes on both its sides.
    3. Any other function of few inputs: all of them.
    4. Any other function: in pieces that certainly have one code, or only rise, or only fall.
    Rows that a constant condition sends different ways are looked at apart.
    """
    choice = _choice(e)
    if choice is not None:
        return _apart(e, rows, *choice)
    if not e.facts.leaves:
        codes = RowValues(e, rows).codes(np.arange(len(rows)), rows.ends()[0])
        none = np.zeros(0, np.int64)
        spans = zip(rows.lo, rows.hi, codes, strict=True)
        return tuple(Steps(int(lo), int(hi), int(c), none, none) for lo, hi, c in spans)
    found = clipped(e, rows)
    steps = None if found is None else found.steps(rows)
    if steps is not None:
        return steps
    lo, hi = rows.ends()
    spans = hi - lo + 1
    if direction(e) is not None and int(spans.max()) > 2:
        return monotone_steps(e, rows)
    if int(spans.sum()) <= DENSE_LIMIT:
        return _dense(e, rows, spans)
    return piecewise_steps(e, rows)


def _choice(e: Expr) -> tuple[Apply, Param] | None:
    """A choice by a constant, the outermost if there are several."""
    found = [
        (n, n.args[0])
        for n in nodes(e)
        if isinstance(n, Apply) and n.fn is Fn.WHERE and isinstance(n.args[0], Param)
    ]
    counted = any(isinstance(n, Count) for n in nodes(e))  # rows know those by the node itself
    return found[-1] if found and not counted else None


def _apart(e: Expr, rows: Rows, choice: Apply, condition: Param) -> tuple[Steps, ...]:
    """The rows that take the first branch, and those that take the second."""
    result: list[Steps | None] = [None] * len(rows)
    taken = rows.params[id(condition)] != 0
    for branch, which in ((choice.args[1], taken), (choice.args[2], ~taken)):
        places = np.flatnonzero(which)
        if places.size:
            steps = steps_of(_replaced(e, choice, branch), rows.part(places))
            for place, found in zip(places.tolist(), steps, strict=True):
                result[place] = found
    return tuple(s for s in result if s is not None)


def _replaced(e: Expr, old: Expr, new: Expr) -> Expr:
    """`e` with one node replaced; parameters stay the objects that rows know them by."""

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Apply(fn=fn, shape=shape):
                return Apply(fn, tuple(args), shape)
            case _:
                return node

    return rewrite(e, change, lambda node: new if node is old else None)


def _dense(e: Expr, rows: Rows, spans: Array) -> tuple[Steps, ...]:
    """All inputs of all rows, in parts of bounded size."""
    result: list[Steps] = []
    edges = [0, *np.cumsum(spans.astype(np.int64)).tolist()]
    start = 0
    while start < len(rows):
        stop = max(start + 1, bisect_right(edges, edges[start] + _CHUNK) - 1)
        result += _all_codes(RowValues(e, rows.part(slice(start, stop))), spans[start:stop])
        start = stop
    return tuple(result)


def _all_codes(values: RowValues, spans: Array) -> list[Steps]:
    lo: Array = values.rows.ends()[0]
    spans = spans.astype(np.int64)
    r = np.repeat(np.arange(len(values.rows)), spans)
    starts = np.cumsum(spans) - spans
    n = np.arange(len(r)) - np.repeat(starts, spans) + lo[r]
    codes = values.codes(r, n)
    return [
        Steps.from_codes(int(lo[i]), codes[starts[i] : starts[i] + spans[i]])
        for i in range(len(values.rows))
    ]
