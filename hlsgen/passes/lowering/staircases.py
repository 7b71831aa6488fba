"""Integer-valued expressions of one tensor as staircase nodes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.arith.interval import Interval
from hlsgen.arith.realise import realise
from hlsgen.arith.steps import Steps
from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO, direction
from hlsgen.expr.evaluate import enclose, evaluate
from hlsgen.expr.exact import exact_rational
from hlsgen.expr.rows import Rows, RowValues, folded, rows_of
from hlsgen.expr.steps import steps_of
from hlsgen.expr.tree import Count, Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.lowering.affine import Affine, Irrational, whole
from hlsgen.passes.lowering.emission import Builder

Array = NDArray[Any]
GRID_LIMIT = 1 << 15  # values of a function that are listed to find a common unit


class NotProven(Irrational):
    """A rounded sum comes too near to a step to say that its code is right."""


def bounds(b: Builder, e: Expr) -> Interval:
    """Certified bounds of an expression over everything its leaves can be."""

    def lookup(node: Expr) -> Interval:
        match node:
            case Leaf():
                x = b.type_of(node)
                return Interval(*np.broadcast_arrays(enclose(x.lo).lo, enclose(x.hi).hi))
            case Param(values=values):
                return enclose(values)
            case Count(thresholds=thresholds):
                return enclose(thresholds)
            case _:
                return Interval(np.array(-np.inf), np.array(np.inf))

    return evaluate(e, lookup)


def staircase(b: Builder, core: Expr) -> Leaf:
    """The integers of an integer-valued expression of one leaf, as one staircase node."""
    (leaf,) = tree.leaves(core)
    if leaf.shape != core.shape:
        if leaf.name in b.approximate:
            raise NotProven("a sum with irrational factors is spread over a larger tensor")
        wide = b.broadcast(leaf, core.shape)
        core, leaf = tree.substitute(core, leaf, wide), wide
    core = folded(core)
    rows = rows_of(core, b.type_of(leaf))
    steps = steps_of(core, rows)
    if leaf.name in b.approximate:
        rounded = b.approximate[leaf.name]
        if direction(core) is None or not rounded.harmless(steps, rows.row):
            raise NotProven(
                "a sum with irrational factors (batch normalisation's square root) comes so close "
                "to a step of the quantiser behind it that its rounding cannot be proven right"
            )
    return _emitted(b, leaf, steps, rows.row)


def _emitted(b: Builder, leaf: Leaf, steps: tuple[Steps, ...], row: Array) -> Leaf:
    if all(_is_identity(s) for s in steps):
        return leaf
    steps, row = _merged(steps, row)
    out = IntFormat.of_range(min(s.min_code for s in steps), max(s.max_code for s in steps))
    how = realise(steps, b.type_of(leaf).format, out)
    return b.emit(Staircase(steps, row, how), leaf)


def _is_identity(s: Steps) -> bool:
    return len(s.t) == s.hi - s.lo and s.first == s.lo and bool(np.all(s.jump == 1))


def _merged(steps: tuple[Steps, ...], row: Array) -> tuple[tuple[Steps, ...], Array]:
    """Channels with one function share one row."""
    index: dict[Any, int] = {}
    kept: list[Steps] = []
    target = np.empty(len(steps), dtype=np.int64)
    for i, s in enumerate(steps):
        key = (s.lo, s.hi, s.first, _content(s.t), _content(s.jump))
        if key not in index:
            index[key] = len(kept)
            kept.append(s)
        target[i] = index[key]
    return tuple(kept), fields.compress(np.asarray(target[row]))


def _content(values: Array) -> Any:
    return tuple(values.tolist()) if values.dtype == object else values.tobytes()


def listed(b: Builder, e: Expr) -> Affine | None:
    """A function of one narrow tensor whose values are all rational: integers in their unit."""
    (leaf,) = tree.leaves(e)
    if leaf.name in b.approximate:
        return None
    leaf, e = _spread(b, leaf, e)
    e = folded(e)
    rows = rows_of(e, b.type_of(leaf))
    spans = rows.hi - rows.lo + 1
    if int(spans.sum()) > GRID_LIMIT:
        return None
    values = _values(e, rows, spans)
    if values is None:
        return None
    unit = constant.gcd_of(values)
    codes = whole(np.array([v / unit for v in values], dtype=object))
    codes = np.broadcast_to(codes, (len(values),))
    if codes.dtype == object:
        raise Unsupported("the values of a function without a quantiser need more than 62 bits")
    edges = np.concatenate(([0], np.cumsum(spans.astype(np.int64))))
    steps = tuple(
        Steps.from_codes(int(lo), codes[first:last])
        for lo, first, last in zip(rows.lo, edges[:-1], edges[1:], strict=True)
    )
    scale = Param.of(np.array(unit, dtype=object))
    return Affine.compact(_emitted(b, leaf, steps, rows.row), scale, ZERO)


def _spread(b: Builder, leaf: Leaf, e: Expr) -> tuple[Leaf, Expr]:
    if leaf.shape == e.shape:
        return leaf, e
    wide = b.broadcast(leaf, e.shape)
    return wide, tree.substitute(e, leaf, wide)


def _values(e: Expr, rows: Rows, spans: Array) -> list[Fraction] | None:
    """The exact value at every input of every row; None if one is irrational."""
    known = RowValues(e, rows)
    found: list[Fraction] = []
    for r, (lo, span) in enumerate(zip(rows.lo, spans, strict=True)):
        for n in range(int(lo), int(lo + span)):
            value = exact_rational(e, known.lookup(r, n))
            if value is None:
                return None
            found.append(value)
    return found
