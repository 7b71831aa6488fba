"""Tensors side by side and inside a border: each part keeps its own function of its integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr import tree
from hlsgen.expr.affine import peel
from hlsgen.expr.fold import fractions
from hlsgen.expr.tree import Apply, Expr, Host, Leaf, Param, Source
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw import concat, pad
from hlsgen.ops.model import movement as model
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import Affine, map_fields, zero_code
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full
from hlsgen.passes.lowering.joined import joined, waits
from hlsgen.passes.lowering.movement import grown, padded_params
from hlsgen.passes.lowering.side_by_side import place, side_by_side

Array = NDArray[Any]


def concatenate(b: Builder, args: Sequence[Expr], axis: int, shape: Shape) -> Expr:
    """Tensors side by side; each brings its own scale and offset, or function, along."""
    params = [a for a in args if isinstance(a, Param)]
    if len(params) == len(args):
        return _concat_params(params, axis, shape)
    if any(tree.has_host(a) for a in args) or _all_from_inputs(args):
        return Host(model.Concat(axis), tuple(args), shape)
    if any(_is_function(b, a) for a in args):
        try:
            return _by_function(b, args, axis, shape)
        except Unsupported:
            return joined(args, axis)
    try:
        return side_by_side(b, [full(b, a) for a in args], axis).expr
    except Unsupported:  # what is behind may quantise each part
        return joined(args, axis)


def _all_from_inputs(args: Sequence[Expr]) -> bool:
    """Only reordered network inputs: the host may go on."""
    return all(isinstance(a, Source) for a in args)


def _is_function(b: Builder, e: Expr) -> bool:
    """A function of one tensor that is not affine: better quantised behind the join."""
    if tree.sources(e) or tree.is_constant(e) or len(tree.leaves(e)) != 1:
        return False
    return peel(e) is None and tree.leaves(e)[0].name not in b.approximate


def _concat_params(args: Sequence[Param], axis: int, shape: Shape) -> Param:
    values = [fields.field_of(a.values, len(shape)) for a in args]
    if any(v.dtype == object for v in values):
        values = [fractions(v) for v in values]
    return Param(fields.concat(values, [a.shape for a in args], axis), shape)


def _by_function(b: Builder, args: Sequence[Expr], axis: int, shape: Shape) -> Expr:
    """One tensor of integers, and at each place the function of the part that lies there."""
    parts: list[tuple[Leaf, Expr]] = []
    for a in args:
        if _is_function(b, a):
            leaf = tree.leaves(a)[0]
            wide = b.broadcast(leaf, a.shape)
            parts.append((wide, tree.substitute(a, leaf, wide)))
        else:
            x = full(b, a)
            parts.append((x.leaf, x.expr))
    joined = b.emit(concat.Concat(axis), *(leaf for leaf, _ in parts))
    shapes = [a.shape for a in args]
    y: Expr | None = None
    for i, (leaf, function) in enumerate(parts):
        mask, border = place(shapes, axis, i)
        here = tree.substitute(padded_params(function, border), leaf, joined)
        y = here if y is None else Apply(Fn.WHERE, (mask, here, y), shape)
    assert y is not None
    return y


def padded(b: Builder, e: Expr, op: model.Pad, shape: Shape) -> Expr:
    """A border of a constant real value."""
    if isinstance(e, Param):
        spots = tuple(slice(b, b + n) for b, n in zip(op.before, e.shape, strict=True))
        keeps = e.values.dtype.kind == "f" or op.value == int(op.value)
        kind = e.values.dtype if keeps else np.dtype(object)
        values = np.full(shape, Fraction(op.value), dtype=object).astype(kind)
        values[spots] = e.values
        return Param.of(values)
    if waits(e):
        return _framed(e, op)
    if tree.has_host(e) or isinstance(e, Source):
        return Host(op, (e,), shape)
    if _is_function(b, e):
        return _function_inside(b, e, op, shape)
    try:
        a = shifted(b, full(b, e), Fraction(op.value))
    except Unsupported:  # what is behind may quantise the tensor and its border
        return _framed(e, op)
    code = zero_code(a) or 0
    y = bordered(b, a.leaf, op, code)
    scale = map_fields(a.scale, len(shape), lambda v: grown(v, op))  # any scale times 0 is 0
    offset = tree.mul(scale, Param.of(np.int64(-code)))
    return tree.add(tree.affine(y, scale, offset), Param.of(Fraction(op.value)))


def _framed(e: Expr, op: model.Pad) -> Expr:
    """The tensor between constants, axis by axis: as good as a Concat."""
    for axis, sizes in enumerate(zip(op.before, op.after, strict=True)):
        sides: list[Expr] = []
        for n in sizes:
            side = (*e.shape[:axis], n, *e.shape[axis + 1 :])
            number = np.full((1,) * len(side), Fraction(op.value), dtype=object)
            sides.append(Param(number, side))
        parts = [p for p in (sides[0], e, sides[1]) if p.shape[axis]]
        e = joined(parts, axis)
    return e


def _function_inside(b: Builder, e: Expr, op: model.Pad, shape: Shape) -> Expr:
    """The function inside of the border, the constant on it."""
    leaf = tree.leaves(e)[0]
    wide = b.broadcast(leaf, e.shape)
    x = b.type_of(wide)
    y = bordered(b, wide, op, min(max(0, x.min), x.max))
    inside = tree.substitute(padded_params(tree.substitute(e, leaf, wide), op), wide, y)
    widths = list(zip(op.before, op.after, strict=True))
    mask = fields.compress(np.pad(np.ones(e.shape, np.int64), widths))
    return Apply(Fn.WHERE, (Param.of(mask), inside, Param.of(Fraction(op.value))), shape)


def bordered(b: Builder, leaf: Leaf, op: model.Pad, code: int) -> Leaf:
    """The integers inside a border of `code`."""
    return b.emit(pad.Pad(op.before, op.after, (0,) * len(op.before), code), leaf)


def shifted(b: Builder, a: Affine, value: Fraction) -> Affine:
    """The tensor minus `value`, on a grid where real zero is one integer code."""
    if value:
        a = Affine(a.leaf, a.scale, tree.add(a.offset, Param.of(-value)))
    return a if zero_code(a) is not None else grids.zero_offset(b, a)


def spread_out(b: Builder, leaf: Leaf, inner: Shape, code: int) -> Leaf:
    """`inner` copies of `code` between neighbours along every axis."""
    if not any(inner):
        return leaf
    none = (0,) * len(inner)
    return b.emit(pad.Pad(none, none, inner, code), leaf)
