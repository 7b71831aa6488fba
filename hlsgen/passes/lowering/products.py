"""Matrix products: integer sums, scales pulled out of them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Expr, Param
from hlsgen.ir import field as fields
from hlsgen.ops.hw._exact import product, total
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.model.movement import Reshape, Transpose
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import (
    Affine,
    map_fields,
    rational,
    varies,
    zero_code,
)
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.operands import operand
from hlsgen.passes.lowering.reloadable import budgeted, layer_weights

Array = NDArray[Any]


def matmul(b: Builder, x: Expr, y: Expr) -> Expr:
    """MatMul as numpy defines it."""
    if len(x.shape) == 1:
        return _drop(b, matmul(b, move(b, x, Reshape((1, *x.shape))), y), -2)
    if len(y.shape) == 1:
        return _drop(b, matmul(b, x, move(b, y, Reshape((*y.shape, 1)))), -1)
    if tree.is_constant(y) and not tree.is_constant(x) and _is_matrix(y):
        z = _by_constant(b, x, move(b, y, Reshape(y.shape[-2:])))
        return _at_rank(b, z, max(len(x.shape), len(y.shape)))
    if tree.is_constant(x) and not tree.is_constant(y) and _is_matrix(x):
        turned = _swapped(b, move(b, x, Reshape(x.shape[-2:])))
        z = _swapped(b, _by_constant(b, _swapped(b, y), turned))
        return _at_rank(b, z, max(len(x.shape), len(y.shape)))
    return _of_streams(b, x, y)


def _is_matrix(e: Expr) -> bool:
    return all(n == 1 for n in e.shape[:-2])


def _drop(b: Builder, e: Expr, axis: int) -> Expr:
    shape = list(e.shape)
    del shape[axis]
    return move(b, e, Reshape(tuple(shape)))


def _at_rank(b: Builder, e: Expr, rank: int) -> Expr:
    shape = (1,) * (rank - len(e.shape)) + e.shape
    return e if shape == e.shape else move(b, e, Reshape(shape))


def _swapped(b: Builder, e: Expr) -> Expr:
    rank = len(e.shape)
    return move(b, e, Transpose((*range(rank - 2), rank - 1, rank - 2)))


def _by_constant(b: Builder, x: Expr, w: Expr) -> Expr:
    """Rows of x times a constant matrix."""
    values, unit = layer_weights(b, w, 1)
    a = full(b, x)
    last = a.rank - 1
    if varies(a.scale, a.rank, range(last)) and varies(a.scale, a.rank, (last,)):
        a = grids.uniform(b, a, (last,))
    s = operand(a, (last,))
    used: Array = values if s.factor is None else product(values, s.factor.reshape(-1, 1))
    unit = map_fields(unit, 2, lambda v: v.reshape((1,) * (a.rank - 1) + (-1,)))
    scale = tree.mul(s.unit, unit)
    code = zero_code(a)
    if code is not None:
        bias = product(total(used, 0), fields.field_of(-code, 1))
        return tree.affine(
            b.emit(budgeted(b, MatMul(used, bias), a.leaf, unit, zero=code == 0), a.leaf),
            scale,
            ZERO,
        )
    op = MatMul(used, np.zeros(len(used[0]), np.int64))
    acc = b.emit(budgeted(b, op, a.leaf, unit, zero=False), a.leaf)
    return tree.affine(acc, scale, tree.mul(_row_offset(a, values), unit))


def _row_offset(a: Affine, values: Array) -> Expr:
    """sum_k offset[k] * values[k, j]: a constant per output."""
    if not varies(a.offset, a.rank, (a.rank - 1,)):
        return tree.mul(a.offset, Param.of(total(values, 0)))
    offset = rational(a.offset, "a matrix product", a.rank)
    full_rows = np.broadcast_to(offset, (*offset.shape[:-1], values.shape[0]))
    return Param.of(np.asarray(full_rows @ fields.to_object(values), dtype=object))


def _of_streams(b: Builder, x: Expr, y: Expr) -> Expr:
    rank = max(len(x.shape), len(y.shape))
    left, right = (_stream(b, e, rank, axis) for e, axis in ((x, rank - 1), (y, rank - 2)))
    zeros = (zero_code(left) or 0, zero_code(right) or 0)
    z = b.emit(MatMulStreams(zeros), left.leaf, right.leaf)
    # a scale may vary along the axis that stays: rows of the left, columns of the right
    return tree.affine(z, tree.mul(left.scale, right.scale), ZERO)


def _stream(b: Builder, e: Expr, rank: int, summed: int) -> Affine:
    """An operand of a product of two tensors: zero is a code, the scale uniform where summed."""
    a = full(b, e)
    a = Affine(b.rank(a.leaf, rank), a.scale, a.offset)
    a = grids.uniform(b, a, (summed,))
    return a if zero_code(a) is not None else grids.zero_offset(b, a, (summed,))
