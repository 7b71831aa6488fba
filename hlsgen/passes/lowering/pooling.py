"""Pooling, reductions and selections: what commutes with a rising function, and sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO, direction
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param
from hlsgen.ir import field as fields
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
from hlsgen.passes.lowering.builder import Affine, Builder, substitute, varies, zero_code
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.products import uniform


def rising(b: Builder, e: Expr, axes: Sequence[int]) -> tuple[Leaf, Expr]:
    """(leaf, function of it) with the function rising and uniform along `axes`.

    Then the greatest element of the function is the function of the greatest element.
    """
    if tree.sources(e) or tree.is_constant(e) or len(tree.leaves(e)) != 1:
        a = b.integer(e)
        e = a.expr
    leaves = tree.leaves(e)
    sign = direction(e)
    rank = len(e.shape)
    if sign is not None and leaves[0].shape == e.shape and _uniform(e, rank, axes):
        leaf = leaves[0]
        if np.all(sign > 0):
            return leaf, e
        turned = b.emit(Linear((fields.field_of(sign, rank),), _zero(rank)), leaf)
        flipped = Apply(Fn.MUL, (turned, Param(fields.field_of(sign, rank), e.shape)), e.shape)
        return turned, substitute(e, leaf, flipped)
    return _regridded(b, e, axes)


def _zero(rank: int) -> np.ndarray:
    return np.zeros((1,) * rank, np.int64)


def _uniform(e: Expr, rank: int, axes: Sequence[int]) -> bool:
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


def _regridded(b: Builder, e: Expr, axes: Sequence[int]) -> tuple[Leaf, Expr]:
    """Any function as integers whose order is that of the values along `axes`."""
    a = b.integer(e)
    a = Affine(b.broadcast(a.leaf, e.shape), a.scale, a.offset)
    scale, offset = constant.rationals(a.scale), constant.rationals(a.offset)
    plain = scale is not None and bool(np.all(scale > 0))
    if not plain or varies(a.scale, a.rank, axes) or varies(a.offset, a.rank, axes):
        del offset
        a = b.zero_offset(a, axes)
    return a.leaf, a.expr


def max_pool(b: Builder, e: Expr, window: Window) -> Expr:
    leaf, function = rising(b, e, range(2, len(e.shape)))
    y = b.emit(MaxPool(window), leaf)
    return replace_leaf(function, leaf, y)


def reduce_extreme(b: Builder, e: Expr, kind: Reduction, axes: tuple[int, ...], keep: bool) -> Expr:
    leaf, function = rising(b, e, axes)
    y = b.emit(Reduce(kind, axes, True), leaf)
    z = replace_leaf(function, leaf, y)
    return z if keep else _squeezed(b, z, axes)


def _squeezed(b: Builder, e: Expr, axes: tuple[int, ...]) -> Expr:
    return move(b, e, Reshape(tuple(n for a, n in enumerate(e.shape) if a not in axes)))


def replace_leaf(e: Expr, old: Leaf, new: Leaf) -> Expr:
    """The same function over a leaf of another shape; constants are uniform where it changed."""
    done: dict[int, Expr] = {}

    def visit(node: Expr) -> Expr:
        if id(node) not in done:
            match node:
                case Leaf():
                    done[id(node)] = new if node.name == old.name else node
                case Param(values=values):
                    done[id(node)] = Param(values, (1,) * len(new.shape)) if values.size == 1 else node
                case Apply(fn=fn, args=args):
                    done[id(node)] = Apply(fn, tuple(visit(a) for a in args), new.shape)
                case Count(arg=arg, thresholds=table):
                    done[id(node)] = Count(visit(arg), table, new.shape)
                case _:
                    done[id(node)] = node
        return done[id(node)]

    return _reshaped_params(visit(e), new)


def _reshaped_params(e: Expr, new: Leaf) -> Expr:
    """Parameters claim the new shape (their fields have size 1 wherever it differs)."""
    match e:
        case Param(values=values):
            return Param(fields.field_of(values, len(new.shape)), new.shape)
        case Apply(fn=fn, args=args):
            return Apply(fn, tuple(_reshaped_params(a, new) for a in args), new.shape)
        case Count(arg=arg, thresholds=table):
            return Count(_reshaped_params(arg, new), table, new.shape)
        case _:
            return e


def sum_pool(b: Builder, e: Expr, window: Window) -> Expr:
    spatial = tuple(range(2, len(e.shape)))
    a = uniform(b, b.integer(e), spatial)
    a = Affine(b.broadcast(a.leaf, e.shape), a.scale, a.offset)
    code = zero_code(a)
    if code is None and (window.padded or varies(a.offset, a.rank, spatial)):
        a, code = b.zero_offset(a, spatial), 0
    y = b.emit(SumPool(window, code or 0), a.leaf)
    taps = Param.of(np.int64(np.prod(window.kernel)))
    return tree.affine(y, a.scale, tree.mul(a.offset, taps))


def reduce_sum(b: Builder, e: Expr, axes: tuple[int, ...], keep: bool) -> Expr:
    a = uniform(b, b.integer(e), axes)
    a = Affine(b.broadcast(a.leaf, e.shape), a.scale, a.offset)
    if varies(a.offset, a.rank, axes):
        a = b.zero_offset(a, axes)
    y = b.emit(Reduce(Reduction.SUM, axes, True), a.leaf)
    count = Param.of(np.int64(np.prod([e.shape[x] for x in axes])))
    z = tree.affine(y, a.scale, tree.mul(a.offset, count))
    return z if keep else _squeezed(b, z, axes)


# -- selection ------------------------------------------------------------------------------


def ordered(b: Builder, e: Expr, axis: int) -> Affine:
    """Integers that compare along `axis` as the values do, equal exactly where they are equal."""
    e = _before_softmax(e, axis)
    a = b.integer(e)
    a = Affine(b.broadcast(a.leaf, e.shape), a.scale, a.offset)
    scale = constant.sign_field(a.scale)
    uneven = varies(a.scale, a.rank, (axis,)) or varies(a.offset, a.rank, (axis,))
    if uneven or scale is None or not np.all(scale > 0):
        a = b.zero_offset(a, (axis,))
    return a


def _before_softmax(e: Expr, axis: int) -> Expr:
    """Softmax keeps the order along its axis, so a selection can do without it."""
    while isinstance(e, Host) and isinstance(e.op, Softmax) and e.op.axis == axis:
        e = e.args[0]
    return e


def arg_extreme(b: Builder, e: Expr, op: select.ArgMax | select.ArgMin) -> Expr:
    a = ordered(b, e, op.axis)
    return b.emit(ArgMax(op.axis, op.keepdims, isinstance(op, select.ArgMax), op.last), a.leaf)


def top_k(b: Builder, e: Expr, op: select.TopK) -> tuple[Expr, Expr]:
    softmax = isinstance(e, Host)
    a = ordered(b, e, op.axis)
    values, places = b.emit_all(TopK(op.k, op.axis, op.largest), a.leaf)
    shown = tree.affine(values, a.scale, a.offset)
    if softmax:  # the values would need the softmax itself; only the places are exact integers
        shown = Host(op, (e,), values.shape)
    return shown, places


__all__ = ["ZERO", "arg_extreme", "max_pool", "reduce_extreme", "reduce_sum", "sum_pool", "top_k"]
