"""Real tensors as exact sums of constants times integer tensors, for operators that add elements.

No integers hold clip(s * n + o, low, high) with irrational s and o, but three tensors of integers
do: it is s * clamp(n, f, l) + o + (low - s * f - o) * [n <= f] + (high - s * l - o) * [n >= l], f
the last n at the lower limit and l the first at the upper one. Each is summed on its own, and the
quantiser behind joins the sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.expr import tree
from hlsgen.expr.affine import linear_terms
from hlsgen.expr.tree import Apply, Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import Affine, Irrational
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full
from hlsgen.passes.lowering.lines import Enclosed
from hlsgen.passes.lowering.staircases import staircase

Array = NDArray[Any]
Terms = tuple[list[tuple[Leaf, Expr]], Expr]


def terms_of(b: Builder, e: Expr) -> Terms:
    """([(integers of e's shape, weight)], constant): e is the sum of weight * integers + constant.

    Errors: Irrational where a summand has no such form.
    """
    found: list[tuple[Leaf, Expr]] = []
    atoms, rest = linear_terms(e)
    for atom, weight in atoms:
        parts, offset = _atom(b, atom)
        rest = tree.add(rest, tree.free(tree.mul(weight, offset)))
        for leaf, factor in parts:
            found.append((b.broadcast(leaf, e.shape), tree.free(tree.mul(weight, factor))))
    return found, tree.free(rest)


def _atom(b: Builder, e: Expr) -> Terms:
    try:
        a = full(b, e)
    except Irrational:
        clip = _clip(e)
        if clip is None:
            raise
        inner, low, high = clip
        return _clipped(b, full(b, inner), low, high)
    return [(a.leaf, a.scale)], a.offset


def _clip(e: Expr) -> tuple[Expr, Expr | None, Expr | None] | None:
    """(argument, lower limit, upper limit) of a ReLU or a Clip."""
    limits: dict[Fn | Rounding, Expr] = {}
    while isinstance(e, Apply) and e.fn in (Fn.MAX, Fn.MIN) and e.fn not in limits:
        x, limit = e.args if tree.is_constant(e.args[1]) else e.args[::-1]
        if not tree.is_constant(limit):
            return None
        limits[e.fn] = limit
        e = x
    low, high = limits.get(Fn.MAX), limits.get(Fn.MIN)
    if low is not None and high is not None and not _ordered(low, high):
        return None
    return (e, low, high) if limits else None


def _ordered(low: Expr, high: Expr) -> bool:
    rank = max(len(low.shape), len(high.shape))
    return bool(np.all(Enclosed.of(low, rank).hi < Enclosed.of(high, rank).lo))


def _clipped(b: Builder, a: Affine, low: Expr | None, high: Expr | None) -> Terms:
    """The sum in the head of this file."""
    a = grids.rising(b, a)
    x = b.type_of(a.leaf)
    least, most = fields.to_object(x.lo), fields.to_object(x.hi)
    ends: list[tuple[Fn, Expr, Array, Array]] = []
    if low is not None:
        edge = _edge(a, low, math.floor)
        least = np.asarray(np.maximum(least, np.minimum(edge, most)), dtype=object)
        ends.append((Fn.LESS_EQUAL, low, edge, least))
    if high is not None:
        edge = _edge(a, high, math.ceil)
        most = np.asarray(np.minimum(most, np.maximum(edge, least)), dtype=object)
        ends.append((Fn.GREATER_EQUAL, high, edge, most))
    shape = np.broadcast_shapes(a.leaf.shape, least.shape, most.shape)
    leaf = b.broadcast(a.leaf, tuple(int(n) for n in shape))
    clamp = Clamp(fields.to_int64(least), fields.to_int64(most))
    parts: list[tuple[Leaf, Expr]] = [(b.emit(clamp, leaf), a.scale)]
    for fn, limit, edge, end in ends:
        reached = tree.add(tree.mul(a.scale, _integers(end)), a.offset)
        there = staircase(b, tree.apply(fn, leaf, _integers(edge)))
        parts.append((there, tree.apply(Fn.SUB, limit, reached)))
    return parts, a.offset


def _integers(values: Array) -> Param:
    return Param.of(fields.compress(fields.to_int64(values)))


def _edge(a: Affine, limit: Expr, whole: Callable[[Fraction], int]) -> Array:
    """The integer at which the tensor passes the limit, rounded down or up."""
    scale, offset = Enclosed.of(a.scale, a.rank), Enclosed.of(a.offset, a.rank)
    bound = Enclosed.of(limit, a.rank)
    gaps = (bound.lo - offset.hi, bound.hi - offset.lo)
    corners = [np.asarray(g / s, dtype=object) for g in gaps for s in (scale.lo, scale.hi)]
    found = [np.vectorize(whole, otypes=[object])(c) for c in corners]
    if any(bool((f != found[0]).any()) for f in found):
        raise Irrational(
            "a clip of a tensor with irrational factors is summed without a quantiser between, and "
            "where its limit lies is not decided; put a quantiser behind the clip"
        )
    return np.asarray(found[0], dtype=object)
