"""Moving elements: the same for a tensor of integers and for the constants that go with it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.fold import fractions
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw import concat, pad, reshape, take, transpose
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.model import movement as model
from hlsgen.passes.lowering.builder import Affine, Builder, zero_code

Mover = model.Transpose | model.Reshape | model.Take


def move(b: Builder, e: Expr, op: Mover) -> Expr:
    """The expression after Transpose, Reshape or Take: leaves move, constants move along."""
    done: dict[int, Expr] = {}
    shape = _moved_shape(op, e.shape)

    def visit(node: Expr) -> Expr:
        if id(node) not in done:
            done[id(node)] = _move_node(b, node, op, shape, visit)
        return done[id(node)]

    return visit(broadcast_to(b, e, e.shape))


def _moved_shape(op: Mover, shape: Shape) -> Shape:
    match op:
        case model.Transpose(perm=perm):
            return tuple(shape[p] for p in perm)
        case model.Reshape(shape=new):
            return new
        case model.Take(axis=axis, indices=indices):
            return (*shape[:axis], len(indices), *shape[axis + 1 :])


def _move_node(
    b: Builder, node: Expr, op: Mover, shape: Shape, visit: Callable[[Expr], Expr]
) -> Expr:
    match node:
        case Leaf():
            return _move_leaf(b, node, op)
        case Param(values=values):
            return Param(_move_field(values, op, node.shape), shape)
        case Source() | Host():
            return Host(op, (node,), shape)
        case Apply(fn=fn, args=args):
            return Apply(fn, tuple(visit(a) for a in args), shape)
        case Count(arg=arg, thresholds=table):
            return Count(visit(arg), _move_thresholds(table, op, node.shape), shape)


def _move_leaf(b: Builder, leaf: Leaf, op: Mover) -> Leaf:
    match op:
        case model.Transpose(perm=perm):
            return leaf if _keeps_order(perm) else b.move(transpose.Transpose(perm), leaf)
        case model.Reshape(shape=shape):
            return leaf if shape == leaf.shape else b.move(reshape.Reshape(shape), leaf)
        case model.Take(axis=axis, indices=indices):
            same = indices == tuple(range(leaf.shape[axis]))
            return leaf if same else b.move(take.Take(axis, indices), leaf)


def _keeps_order(perm: Shape) -> bool:
    return perm == tuple(range(len(perm)))


def _move_field(values: fields.Array, op: Mover, shape: Shape) -> fields.Array:
    match op:
        case model.Transpose(perm=perm):
            return values.transpose(perm)
        case model.Reshape(shape=new):
            return fields.reshape(values, shape, new)
        case model.Take(axis=axis, indices=indices):
            return fields.take(values, axis, indices)


def _move_thresholds(table: fields.Array, op: Mover, shape: Shape) -> fields.Array:
    """Thresholds are fields with one more axis, which stays last."""
    rank = len(shape)
    table = table.reshape((1,) * (rank + 1 - table.ndim) + table.shape)
    levels = table.shape[-1]
    match op:
        case model.Transpose(perm=perm):
            return table.transpose(*perm, rank)
        case model.Reshape(shape=new):
            columns = [fields.reshape(table[..., k], shape, new) for k in range(levels)]
            wide = np.broadcast_shapes(*(c.shape for c in columns))
            return np.stack([np.broadcast_to(c, wide) for c in columns], axis=-1)
        case model.Take(axis=axis, indices=indices):
            return table if table.shape[axis] == 1 else table.take(np.asarray(indices), axis=axis)


def broadcast_to(b: Builder, e: Expr, shape: Shape) -> Expr:
    """The same expression with every part spelled out to `shape` (constants stay compressed)."""
    match e:
        case Leaf():
            return e if e.shape == shape else b.broadcast(e, shape)
        case Param(values=values):
            return Param(fields.field_of(values, len(shape)), shape)
        case Source() | Host():
            if e.shape == shape:
                return e
            return _host_broadcast(e, shape)
        case Apply(fn=fn, args=args):
            return Apply(fn, tuple(broadcast_to(b, a, shape) for a in args), shape)
        case Count(arg=arg, thresholds=table):
            return Count(broadcast_to(b, arg, shape), table, shape)


def _host_broadcast(e: Expr, shape: Shape) -> Expr:
    aligned = (1,) * (len(shape) - len(e.shape)) + e.shape
    y: Expr = e if aligned == e.shape else Host(model.Reshape(aligned), (e,), aligned)
    for axis, (have, want) in enumerate(zip(aligned, shape, strict=True)):
        if have != want:
            op = model.Take(axis, (0,) * want)
            y = Host(op, (y,), _moved_shape(op, y.shape))
    return y


def concatenate(b: Builder, args: list[Expr], axis: int, shape: Shape) -> Expr:
    """Tensors side by side; each brings its own scale and offset along."""
    if all(isinstance(a, Param) for a in args):
        return _concat_params([a for a in args if isinstance(a, Param)], axis, shape)
    if any(tree.has_host(a) for a in args):
        return Host(model.Concat(axis), tuple(args), shape)
    parts = [b.integer(a) for a in args]
    parts = [Affine(b.broadcast(p.leaf, a.shape), p.scale, p.offset) for p, a in zip(parts, args, strict=True)]
    leaf = b.emit(concat.Concat(axis), *(p.leaf for p in parts))
    shapes = [a.shape for a in args]
    columns: list[Expr] = []
    for values in ([p.scale for p in parts], [p.offset for p in parts]):
        exact = [constant.rationals(v) for v in values]
        known = [fields.field_of(v, len(shape)) for v in exact if v is not None]
        if len(known) < len(exact):
            raise Unsupported(
                "a concatenation of tensors with irrational scales (batch normalisation without "
                "a quantiser behind it)"
            )
        columns.append(Param(fields.concat(known, shapes, axis), shape))
    return tree.affine(leaf, columns[0], columns[1])


def _concat_params(args: list[Param], axis: int, shape: Shape) -> Param:
    values = [fields.field_of(a.values, len(shape)) for a in args]
    if any(v.dtype == object for v in values):
        values = [fractions(v) for v in values]
    return Param(fields.concat(values, [a.shape for a in args], axis), shape)


def padded(b: Builder, e: Expr, op: model.Pad, shape: Shape) -> Expr:
    """A border of a constant real value."""
    if isinstance(e, Param):
        widths = list(zip(op.before, op.after, strict=True))
        full = np.broadcast_to(e.values, e.shape)
        value = Fraction(op.value) if full.dtype == object else op.value
        return Param.of(np.pad(full, widths, constant_values=value))
    if tree.has_host(e) or (tree.sources(e) and not tree.leaves(e) and _movable(e)):
        return Host(op, (e,), shape)
    a = shifted(b, b.integer(e), Fraction(op.value))
    code = zero_code(a)
    assert code is not None
    leaf = b.broadcast(a.leaf, e.shape)
    none = (0,) * len(shape)
    y = b.emit(pad.Pad(op.before, op.after, none, code), leaf)
    value = Param.of(np.array(Fraction(op.value), dtype=object))
    return tree.add(tree.affine(y, a.scale, a.offset), value)


def _movable(e: Expr) -> bool:
    """Only reordering so far: the host may go on."""
    return all(isinstance(n, (Source, Host)) for n in tree.nodes(e))


def shifted(b: Builder, a: Affine, value: Fraction) -> Affine:
    """The tensor minus `value`, on a grid where real zero is one integer code."""
    minus = Param.of(np.array(-value, dtype=object))
    a = Affine(a.leaf, a.scale, tree.add(a.offset, minus) if value else a.offset)
    return a if zero_code(a) is not None else b.zero_offset(a)


def spread(b: Builder, leaf: Leaf, inner: Shape, code: int) -> Leaf:
    """`inner` copies of `code` between neighbours along every axis."""
    if not any(inner):
        return leaf
    none = (0,) * len(inner)
    return b.emit(pad.Pad(none, none, inner, code), leaf)


__all__ = ["ZERO", "Linear", "broadcast_to", "concatenate", "move", "padded", "shifted", "spread"]
