"""Moving elements: the same for a tensor of integers and for the constants that go with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import tree
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw import reshape, take, transpose
from hlsgen.ops.model import movement as model
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.joined import is_joined, move_joined

Array = NDArray[Any]
Mover = model.Transpose | model.Reshape | model.Take


def move(b: Builder, e: Expr, op: Mover) -> Expr:
    """The expression after Transpose, Reshape or Take: leaves move, constants move along."""
    shape = moved_shape(op, e.shape)

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Leaf():
                return _move_leaf(b, node, op)
            case Param(values=values):
                return Param(_move_field(values, op, node.shape), shape)
            case Host() if is_joined(node):
                return move_joined(node, op, lambda part, op: move(b, part, op))
            case Source() | Host():
                return Host(op, (node,), shape)
            case Apply(fn=fn):
                return Apply(fn, tuple(args), shape)
            case Count(thresholds=table):
                return Count(args[0], _move_thresholds(table, op, node.shape), shape)

    return _rewrite(spread(b, e, e.shape), change)


def moved_shape(op: Mover, shape: Shape) -> Shape:
    """The shape of the moved tensor."""
    match op:
        case model.Transpose(perm=perm):
            return tuple(shape[p] for p in perm)
        case model.Reshape(shape=new):
            return new
        case model.Take(axis=axis, indices=indices):
            return (*shape[:axis], len(indices), *shape[axis + 1 :])


def _move_leaf(b: Builder, leaf: Leaf, op: Mover) -> Leaf:
    match op:
        case model.Transpose(perm=perm):
            same = perm == tuple(range(len(perm)))
            return leaf if same else b.emit(transpose.Transpose(perm), leaf)
        case model.Reshape(shape=shape):
            return leaf if shape == leaf.shape else b.emit(reshape.Reshape(shape), leaf)
        case model.Take(axis=axis, indices=indices):
            same = indices == tuple(range(leaf.shape[axis]))
            return leaf if same else b.emit(take.Take(axis, indices), leaf)


def _move_field(values: Array, op: Mover, shape: Shape) -> Array:
    match op:
        case model.Transpose(perm=perm):
            return values.transpose(perm)
        case model.Reshape(shape=new):
            return fields.reshape(values, shape, new)
        case model.Take(axis=axis, indices=indices):
            return fields.take(values, axis, indices)


def _move_thresholds(table: Array, op: Mover, shape: Shape) -> Array:
    """Thresholds are fields with one more axis, which stays last."""
    rank = len(shape)
    match op:
        case model.Transpose(perm=perm):
            return table.transpose(*perm, rank)
        case model.Reshape(shape=new):
            columns = [fields.reshape(table[..., k], shape, new) for k in range(table.shape[-1])]
            wide = np.broadcast_shapes(*(c.shape for c in columns))
            return np.stack([np.broadcast_to(c, wide) for c in columns], axis=-1)
        case model.Take(axis=axis, indices=indices):
            return table if table.shape[axis] == 1 else table.take(np.asarray(indices), axis=axis)


def spread(b: Builder, e: Expr, shape: Shape) -> Expr:
    """The same expression with every part spelled out to `shape` (constants stay compressed)."""
    rank = len(shape)

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Leaf():
                return node if node.shape == shape else b.broadcast(node, shape)
            case Param(values=values):
                return Param(fields.field_of(values, rank), shape)
            case Host() if is_joined(node):
                return _joined_spread(b, node, shape)
            case Source() | Host():
                return node if node.shape == shape else _host_spread(node, shape)
            case Apply(fn=fn):
                return Apply(fn, tuple(args), shape)
            case Count(thresholds=table):
                lead = (1,) * (rank + 1 - table.ndim)
                return Count(args[0], table.reshape(lead + table.shape), shape)

    return _rewrite(e, change)


def _joined_spread(b: Builder, e: Expr, shape: Shape) -> Expr:
    aligned = (1,) * (len(shape) - len(e.shape)) + e.shape
    e = e if aligned == e.shape else move(b, e, model.Reshape(aligned))
    for axis, (have, want) in enumerate(zip(aligned, shape, strict=True)):
        if have != want:
            e = move(b, e, model.Take(axis, (0,) * want))
    return e


def _host_spread(e: Expr, shape: Shape) -> Expr:
    aligned = (1,) * (len(shape) - len(e.shape)) + e.shape
    y: Expr = e if aligned == e.shape else Host(model.Reshape(aligned), (e,), aligned)
    for axis, (have, want) in enumerate(zip(aligned, shape, strict=True)):
        if have != want:
            op = model.Take(axis, (0,) * want)
            y = Host(op, (y,), moved_shape(op, y.shape))
    return y


def _rewrite(e: Expr, change: Callable[[Expr, Sequence[Expr]], Expr]) -> Expr:
    """`change` from the leaves up; a host operator counts as a leaf."""

    def stop(node: Expr) -> Expr | None:
        return change(node, ()) if isinstance(node, Host) else None

    return tree.rewrite(e, change, stop)


def grown(values: Array, op: model.Pad, extra: int = 0) -> Array:
    """A field with a border of ones along the axes on which it varies; `extra` axes stay."""
    rank = len(op.before)
    field = values.reshape((1,) * (rank + extra - values.ndim) + values.shape)
    axes = list(zip(op.before, field.shape, op.after, strict=False))
    shape = [b + n + a if n > 1 else n for b, n, a in axes] + list(field.shape[rank:])
    result = np.full(shape, Fraction(1), dtype=object).astype(field.dtype)
    result[tuple(slice(b, b + n) if n > 1 else slice(None) for b, n, _ in axes)] = field
    return result


def padded_params(e: Expr, op: model.Pad) -> Expr:
    """A function of a larger tensor, whose parameters stand inside a border of ones.

    The leaf stays; the caller puts a leaf of the padded shape in its place.
    """
    shape = tuple(b + n + a for b, n, a in zip(op.before, e.shape, op.after, strict=True))

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Param(values=values):
                return Param.of(grown(values, op))
            case Apply(fn=fn):
                return Apply(fn, tuple(args), shape)
            case Count(thresholds=table):
                return Count(args[0], grown(table, op, 1), shape)
            case _:
                return node

    return tree.rewrite(e, change)
