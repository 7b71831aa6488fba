"""Pooling, reductions and selections: what commutes with a rising function, and sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hlsgen.expr import tree
from hlsgen.expr.affine import direction
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.arg_max import ArgMax
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.ops.hw.top_k import TopK
from hlsgen.ops.model import select
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.movement import Reshape
from hlsgen.ops.model.softmax import Softmax
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import Irrational, varies, zero_code
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.terms import terms_of


def rising(b: Builder, e: Expr, axes: Sequence[int]) -> tuple[Leaf, Expr]:
    """(leaf, function of it) with the function rising and uniform along `axes`.

    Then the greatest element of the function is the function of the greatest element.
    """
    leaves = tree.leaves(e)
    if not tree.sources(e) and len(leaves) == 1 and leaves[0].name not in b.approximate:
        sign = direction(e)
        if sign is not None and leaves[0].shape == e.shape and _uniform(e, axes):
            return _turned(b, e, leaves[0], fields.field_of(sign, len(e.shape)))
    a = grids.rising(b, full(b, e), axes)
    return a.leaf, a.expr


def _turned(b: Builder, e: Expr, leaf: Leaf, sign: np.ndarray) -> tuple[Leaf, Expr]:
    """The function over a leaf with the sign of falling parts turned."""
    if np.all(sign > 0):
        return leaf, e
    turned = b.emit(Linear((sign,), np.zeros((1,) * sign.ndim, np.int64)), leaf)
    return turned, tree.substitute(e, leaf, tree.mul(turned, Param.of(sign)))


def _uniform(e: Expr, axes: Sequence[int]) -> bool:
    """Whether all parameters are the same along the axes."""
    rank = len(e.shape)
    for node in tree.nodes(e):
        match node:
            case Param(values=values):
                shape = (1,) * (rank - values.ndim) + values.shape
            case Count(thresholds=table):
                shape = (1,) * (rank + 1 - table.ndim) + table.shape[:-1]
            case _:
                continue
        if any(shape[a] > 1 for a in axes):
            return False
    return True


def max_pool(b: Builder, e: Expr, window: Window) -> Expr:
    """The greatest element of each window."""
    leaf, function = rising(b, e, range(2, len(e.shape)))
    return replace_leaf(function, leaf, b.emit(MaxPool(window), leaf))


def reduce_extreme(b: Builder, e: Expr, kind: Reduction, axes: Shape, *, keep: bool) -> Expr:
    """The greatest or least element along axes."""
    leaf, function = rising(b, e, axes)
    z = replace_leaf(function, leaf, b.emit(Reduce(kind, axes, True), leaf))
    return z if keep else _squeezed(b, z, axes)


def replace_leaf(e: Expr, old: Leaf, new: Leaf) -> Expr:
    """The same function over a leaf of another shape; constants are uniform where it changed."""

    def free(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Param(values=values):
                return Param.of(values)
            case Leaf():
                return new if node.name == old.name else node
            case _:
                return tree.with_args(node, args)

    return tree.rewrite(e, free)


def _squeezed(b: Builder, e: Expr, axes: Shape) -> Expr:
    return move(b, e, Reshape(tuple(n for a, n in enumerate(e.shape) if a not in axes)))


def sum_pool(b: Builder, e: Expr, window: Window) -> Expr:
    """The sum of each window."""
    spatial = tuple(range(2, len(e.shape)))
    try:
        a = grids.uniform(b, full(b, e), spatial)
    except Irrational:
        if window.padded:
            raise
        taps = int(np.prod(window.kernel))
        return _each(b, e, spatial, taps, lambda x: b.emit(SumPool(window, 0), x))
    code = zero_code(a)
    if code is None and (window.padded or varies(a.offset, a.rank, spatial)):
        a, code = grids.zero_offset(b, a, spatial), 0
    y = b.emit(SumPool(window, code or 0), a.leaf)
    taps = Param.of(np.int64(np.prod(window.kernel)))
    return tree.affine(y, a.scale, tree.mul(a.offset, taps))


def reduce_sum(b: Builder, e: Expr, axes: Shape, *, keep: bool) -> Expr:
    """The sum along axes."""
    op, count = Reduce(Reduction.SUM, axes, True), int(np.prod([e.shape[x] for x in axes]))
    try:
        a = grids.uniform(b, full(b, e), axes)
        if varies(a.offset, a.rank, axes):
            a = grids.zero_offset(b, a, axes)
        offset = tree.mul(a.offset, Param.of(np.int64(count)))
        z = tree.affine(b.emit(op, a.leaf), a.scale, offset)
    except Irrational:
        z = _each(b, e, axes, count, lambda x: b.emit(op, x))
    return z if keep else _squeezed(b, z, axes)


def _each(
    b: Builder, e: Expr, axes: Sequence[int], count: int, added: Callable[[Leaf], Leaf]
) -> Expr:
    """Sums of `count` elements along `axes` of what no integers hold: of each of its terms."""
    terms, rest = terms_of(b, e)
    rank = len(e.shape)
    if any(varies(v, rank, axes) for v in (rest, *(weight for _, weight in terms))):
        raise Irrational(
            "a sum over elements with different irrational factors (batch normalisation's square "
            "root) has no integers; put a quantiser in front of it"
        )
    y = tree.mul(rest, Param.of(np.int64(count)))
    for leaf, weight in terms:
        y = tree.add(y, tree.mul(added(leaf), weight))
    return y


# -- selection ------------------------------------------------------------------------------


_STRICT = {Fn.SIGMOID, Fn.TANH, Fn.EXP, Fn.SOFTPLUS, Fn.ERF}


def _without_order(e: Expr, axis: int) -> tuple[Expr, list[Expr]]:
    """What keeps the order along `axis`, ties included, taken off: (inner, outer ones first)."""
    taken: list[Expr] = []
    while True:
        match e:
            case Host(op=Softmax(axis=along), args=(x,)) if along == axis:
                pass
            case Apply(fn=fn, args=(x,)) if fn in _STRICT:
                pass
            case _:
                return e, taken
        taken.append(e)
        e = x


def arg_extreme(b: Builder, e: Expr, op: select.ArgMax | select.ArgMin) -> Expr:
    """The place of the greatest or least element."""
    inner, _ = _without_order(e, op.axis)
    a = grids.rising(b, full(b, inner), (op.axis,))
    greatest = isinstance(op, select.ArgMax)
    return b.emit(ArgMax(op.axis, op.keepdims, greatest, op.last), a.leaf)


def top_k(b: Builder, e: Expr, op: select.TopK) -> tuple[Expr, Expr]:
    """The k greatest elements and their places; behind a softmax the host finds the elements."""
    inner, taken = _without_order(e, op.axis)
    a = grids.rising(b, full(b, inner), (op.axis,))
    values, places = b.emit_all(TopK(op.k, op.axis, op.largest), a.leaf)
    if any(isinstance(t, Host) for t in taken):
        return Host(op, (e,), values.shape), places
    y = tree.affine(values, a.scale, a.offset)
    for t in reversed(taken):
        y = tree.with_args(t, [y])
    return y, places
