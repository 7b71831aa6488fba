"""Tensors moved onto another grid of real numbers: exact integers in a new unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.product import Product
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.affine import Affine, rational, varies, whole, zero_code
from hlsgen.passes.lowering.emission import Builder

Array = NDArray[Any]


def zero_offset(b: Builder, a: Affine, axes: Sequence[int] = ()) -> Affine:
    """The same tensor as unit * n with no offset, the unit uniform along `axes`."""
    scale, offset = (rational(v, "a sum or a selection", a.rank) for v in (a.scale, a.offset))
    unit = constant.pairwise_gcd([scale, offset])
    if axes:
        unit = constant.gcd(unit, tuple(axes))
    return Affine.compact(regrid(b, a.leaf, scale, offset, unit), Param.of(unit), ZERO)


def regrid(b: Builder, leaf: Leaf, scale: Array, offset: Array, unit: Array) -> Leaf:
    """(scale * leaf + offset) / unit as integers."""
    factor, bias = whole(scale / unit), whole(offset / unit)
    if np.all(factor == 1) and np.all(bias == 0):
        return leaf
    shape = np.broadcast_shapes(leaf.shape, factor.shape, bias.shape)
    return b.emit(Linear((factor,), bias), b.broadcast(leaf, tuple(int(n) for n in shape)))


def uniform(b: Builder, a: Affine, axes: Sequence[int]) -> Affine:
    """The tensor on integers whose scale does not vary along `axes`."""
    if not varies(a.scale, a.rank, axes):
        return a
    scale = rational(a.scale, "a sum over its channels", a.rank)
    unit = constant.gcd(scale, tuple(axes))
    leaf = regrid(b, a.leaf, scale, np.zeros_like(scale), unit)
    return Affine.compact(leaf, Param.of(unit), a.offset)


def rising(b: Builder, a: Affine, axes: Sequence[int] = ()) -> Affine:
    """Integers that compare along `axes` as the values do, equal exactly where they are equal."""
    sign = constant.sign_field(a.scale)
    uneven = varies(a.scale, a.rank, axes) or varies(a.offset, a.rank, axes)
    if uneven or sign is None or bool(np.any(sign == 0)):
        return zero_offset(b, a, axes)
    if np.all(sign > 0):
        return a
    turn = fields.field_of(sign, a.rank)
    zero = np.zeros((1,) * a.rank, np.int64)
    leaf = b.emit(Linear((turn,), zero), a.leaf)
    return Affine.compact(leaf, tree.mul(a.scale, Param.of(turn)), a.offset)


def common_grid(b: Builder, x: Affine, y: Affine) -> tuple[Leaf, Leaf, Array]:
    """Both operands as integers in one unit without offset."""
    rank = max(x.rank, y.rank)
    parts: list[tuple[Leaf, Array, Array]] = [
        (b.rank(a.leaf, rank), rational(a.scale, "a comparison", rank),
         rational(a.offset, "a comparison", rank))
        for a in (x, y)
    ]  # fmt: skip
    unit = constant.pairwise_gcd([v for _, scale, offset in parts for v in (scale, offset)])
    left, right = (regrid(b, leaf, scale, offset, unit) for leaf, scale, offset in parts)
    return left, right, fields.compress(unit)


def extremum(b: Builder, x: Affine, y: Affine, *, greatest: bool) -> Affine:
    """The greater or lesser of two tensors."""
    left, right, unit = common_grid(b, x, y)
    return Affine.compact(b.emit(Extremum(greatest), left, right), Param.of(unit), ZERO)


def multiplied(b: Builder, x: Affine, y: Affine) -> Affine:
    """The product of two tensors, real zero taken out of both."""
    rank = max(x.rank, y.rank)
    x, y = (a if zero_code(a) is not None else zero_offset(b, a) for a in (x, y))
    zeros = (zero_code(x) or 0, zero_code(y) or 0)
    leaf = b.emit(Product(zeros), b.rank(x.leaf, rank), b.rank(y.leaf, rank))
    return Affine.compact(leaf, tree.mul(x.scale, y.scale), ZERO)


def clamped(b: Builder, fn: Fn, a: Affine, limit: Expr) -> Affine:
    """max or min of a tensor with a constant, on a grid that holds the constant."""
    scale, offset, bound = (rational(v, "a clip", a.rank) for v in (a.scale, a.offset, limit))
    unit = constant.pairwise_gcd([scale, offset, bound])
    # a positive unit keeps the order; regrid folds a negative scale into its factor
    leaf = regrid(b, a.leaf, scale, offset, unit)
    code = whole(bound / unit)
    shape = np.broadcast_shapes(leaf.shape, code.shape)
    leaf = b.broadcast(leaf, tuple(int(n) for n in shape))
    x = b.type_of(leaf)
    lo, hi = fields.to_object(x.lo), fields.to_object(x.hi)
    if fn is Fn.MAX:
        op = Clamp(code, _narrowed(np.maximum(fields.to_object(code), hi)))
    else:
        op = Clamp(_narrowed(np.minimum(fields.to_object(code), lo)), code)
    return Affine.compact(b.emit(op, leaf), Param.of(unit), ZERO)


def _narrowed(values: Array) -> Array:
    """Python ints as int64 where they fit; numpy makes numbers of arrays without axes."""
    return fields.to_int64(np.asarray(values, dtype=object))
