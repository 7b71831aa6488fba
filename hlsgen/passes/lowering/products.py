"""Convolutions and matrix products: integer sums, scales pulled out of them exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.model import linear as model
from hlsgen.ops.model.movement import Reshape, Take, Transpose
from hlsgen.passes.lowering.builder import Affine, Builder, varies, zero_code
from hlsgen.passes.lowering.movement import move, spread

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Operand:
    """unit * factor * leaf + offset, with the unit uniform along the summed axes.

    `factor` (integers along one axis) goes into the weights.
    """

    leaf: Leaf
    unit: Expr
    factor: Array | None
    offset: Expr


def operand(b: Builder, a: Affine, axes: tuple[int, ...]) -> Operand:
    """Split a scale that varies along `axes` into a common unit and integers."""
    rank = a.rank
    if not varies(a.scale, rank, axes):
        return Operand(a.leaf, a.scale, None, a.offset)
    exact = constant.rationals(a.scale)
    if exact is None:
        raise Unsupported(
            "a batch normalisation without a quantiser behind it stands in front of a sum over "
            "its channels; its factors are irrational, so no integers hold them; put a quantiser "
            "between, or fold it into the layer before"
        )
    exact = fields.field_of(exact, rank)
    unit = constant.gcd(exact, axes)
    factor = fields.to_int64(np.vectorize(int, otypes=[object])(exact / unit))
    return Operand(a.leaf, Param(unit, a.leaf.shape), factor, a.offset)


def uniform(b: Builder, a: Affine, axes: tuple[int, ...]) -> Affine:
    """The tensor on integers whose scale does not vary along `axes`."""
    x = operand(b, a, axes)
    if x.factor is None:
        return a
    zero = np.zeros((1,) * a.rank, np.int64)
    return Affine(b.emit(Linear((x.factor,), zero), a.leaf), x.unit, a.offset)


# -- convolution ----------------------------------------------------------------------------


def convolution(b: Builder, x: Expr, w: Expr, op: model.Conv) -> Expr:
    """Conv of a tensor with constant weights."""
    if not tree.is_constant(w):
        return _computed_kernel(b, x, w, op)
    values, unit = b.weights(w, (0,))
    window = Window(w.shape[2:], op.strides, op.dilations, op.pads_begin, op.pads_end)
    return _convolved(b, b.integer(x), values, unit, window, op.group)


def _convolved(
    b: Builder, a: Affine, values: Array, unit: Expr, window: Window, group: int
) -> Expr:
    spatial = tuple(range(2, a.rank))
    x = operand(b, a, spatial if group == a.leaf.shape[1] else (1, *spatial))
    if x.factor is not None:
        if any(x.factor.shape[s] > 1 for s in spatial):  # factors differ from pixel to pixel
            return _convolved(b, uniform(b, a, (1, *spatial)), values, unit, window, group)
        values = _times_factor(values, x.factor, group)
    return _with_offset(b, a, x, values, _channel(unit, a.rank), window, group)


def _times_factor(values: Array, factor: Array, group: int) -> Array:
    """Weights times the integer factor of their input channel."""
    out, inner = values.shape[:2]
    per_channel = np.broadcast_to(factor.reshape(1, -1), (1, inner * group))
    per_channel = per_channel.reshape(group, 1, inner).repeat(out // group, axis=1)
    shaped = per_channel.reshape(out, inner, *(1,) * (values.ndim - 2))
    return fields.to_int64(fields.to_object(values) * fields.to_object(shaped))


def _channel(unit: Expr, rank: int) -> Expr:
    """A unit per output channel (axis 0 of the weights) as a field of the result."""
    if isinstance(unit, Param):
        values = fields.field_of(unit.values, rank)
        return Param(values.reshape((1, -1) + (1,) * (rank - 2)), (1, 1) + (1,) * (rank - 2))
    return _reshaped_constant(unit, (1, -1) + (1,) * (rank - 2))


def _reshaped_constant(e: Expr, shape: tuple[int, ...]) -> Expr:
    exact = constant.rationals(e)
    if exact is None:
        raise Unsupported("weights with an irrational scale")
    return Param.of(exact.reshape(shape))


def _with_offset(
    b: Builder, a: Affine, x: Operand, values: Array, unit: Expr, window: Window, group: int
) -> Expr:
    """The sum, with whatever stands for zero in the input accounted for exactly."""
    # group == channels: the unit of the input may vary per channel, and so per output channel
    scale = tree.mul(unit, _per_output(x.unit, values.shape[0], a))
    code = zero_code(Affine(a.leaf, a.scale, a.offset))
    taps = values.reshape(values.shape[0], -1).sum(axis=1)
    if code is not None:
        bias = fields.to_int64(fields.to_object(taps) * -code)
        return tree.affine(b.emit(Conv(values, bias, window, group, code), a.leaf), scale, ZERO)
    zero = np.zeros(values.shape[0], np.int64)
    acc = b.emit(Conv(values, zero, window, group, 0), a.leaf)
    return tree.affine(acc, scale, _offset_map(b, a, x, values, unit, window, group))


def _per_output(unit: Expr, out: int, a: Affine) -> Expr:
    """A per-channel unit of the input of a depthwise convolution, repeated for its outputs."""
    channels = a.leaf.shape[1]
    if not varies(unit, a.rank, (1,)) or out == channels:
        return unit
    exact = constant.rationals(unit)
    if exact is None:
        raise Unsupported("a depthwise convolution of a tensor with irrational scales")
    return Param.of(np.repeat(fields.field_of(exact, a.rank), out // channels, axis=1))


def _offset_map(
    b: Builder, a: Affine, x: Operand, values: Array, unit: Expr, window: Window, group: int
) -> Expr:
    """What the offsets of the input add to each output, the border included, exactly."""
    offset = constant.rationals(a.offset)
    if offset is None:
        raise Unsupported(
            "an irrational offset (batch normalisation without a quantiser behind it) in front "
            "of a convolution"
        )
    if x.factor is not None:  # the weights already hold it: undo by exact division
        offset = fields.field_of(offset, a.rank) / fields.field_of(x.factor, a.rank)
    offset = fields.field_of(offset, a.rank)
    step = constant.gcd_of(offset.ravel())
    whole = np.vectorize(int, otypes=[object])(offset / step)
    field = np.broadcast_to(fields.to_int64(whole), (1, *a.leaf.shape[1:]))
    conv = Conv(values, np.zeros(values.shape[0], np.int64), window, group, 0)
    bounds = IntType.of(field.shape, int(field.min()), int(field.max()))
    (sums,) = conv.evaluate(field[None], types=(bounds,))
    total = fields.compress(sums[0])
    return tree.mul(unit, tree.mul(Param.of(total), Param.of(np.array(step, dtype=object))))


def transposed(b: Builder, x: Expr, w: Expr, op: model.ConvTranspose) -> Expr:
    """ConvTranspose: the input spread by the stride, then a convolution with the kernel turned."""
    if not tree.is_constant(w):
        raise Unsupported("a transposed convolution with computed weights")
    values, unit = b.weights(w, (1,) if op.group == 1 else ())
    a = uniform(b, b.integer(x), tuple(range(1, len(x.shape))))
    code = zero_code(a)
    if code is None:
        a = b.zero_offset(a, tuple(range(len(x.shape))))
        code = 0
    inner = (0, 0, *(s - 1 for s in op.strides))
    leaf = spread(b, a.leaf, inner, code)
    turned, unit = _turned(values, unit, op.group)
    window, crop = _transposed_window(op, w.shape[2:])
    y = _convolved(b, Affine(leaf, a.scale, a.offset), turned, unit, window, op.group)
    for axis, (begin, end) in enumerate(crop, start=2):
        if begin or end:
            indices = tuple(range(begin, y.shape[axis] - end))
            y = move(b, y, Take(axis, indices))
    return y


def _turned(values: Array, unit: Expr, group: int) -> tuple[Array, Expr]:
    """(C, O/g, *k) to (O, C/g, *k) with the kernel reversed; the unit moves to axis 0."""
    c, o = values.shape[:2]
    kernel = values.shape[2:]
    grouped = values.reshape(group, c // group, o, *kernel).swapaxes(1, 2)
    turned = grouped.reshape(group * o, c // group, *kernel)
    turned = np.flip(turned, tuple(range(2, turned.ndim)))
    if isinstance(unit, Param) and unit.values.ndim == values.ndim:
        return np.ascontiguousarray(turned), Param.of(unit.values.swapaxes(0, 1))
    return np.ascontiguousarray(turned), unit


def _transposed_window(
    op: model.ConvTranspose, kernel: tuple[int, ...]
) -> tuple[Window, list[tuple[int, int]]]:
    """Pads of the equivalent convolution; what would be negative is cropped afterwards."""
    begin = [d * (k - 1) - p for d, k, p in zip(op.dilations, kernel, op.pads_begin, strict=True)]
    end = [
        d * (k - 1) - p + extra
        for d, k, p, extra in zip(
            op.dilations, kernel, op.pads_end, op.output_padding, strict=True
        )
    ]
    ones = (1,) * len(kernel)
    window = Window(
        kernel, ones, op.dilations, tuple(max(0, v) for v in begin), tuple(max(0, v) for v in end)
    )
    return window, [(max(0, -x), max(0, -y)) for x, y in zip(begin, end, strict=True)]


def _computed_kernel(b: Builder, x: Expr, w: Expr, op: model.Conv) -> Expr:
    """Conv whose kernel is computed: windows gathered into a matrix, then a product of two."""
    if op.group != 1:
        raise Unsupported("a grouped convolution with computed weights")
    a = uniform(b, b.integer(x), tuple(range(1, len(x.shape))))
    kernel = w.shape[2:]
    code = zero_code(a)
    if code is None:
        a, code = b.zero_offset(a, tuple(range(len(x.shape)))), 0
    window = Window(kernel, op.strides, op.dilations, op.pads_begin, op.pads_end)
    taps = int(np.prod(kernel)) * x.shape[1]
    identity = np.eye(taps, dtype=np.int64).reshape(taps, x.shape[1], *kernel)
    columns = b.emit(Conv(identity, np.zeros(taps, np.int64), window, 1, code), a.leaf)
    out = columns.shape[2:]
    n = columns.shape[0]
    columns_expr = move(
        b, tree.affine(columns, a.scale, a.offset), Reshape((n, taps, int(np.prod(out))))
    )
    rows = move(b, w, Reshape((1, w.shape[0], taps)))
    y = product(b, rows, columns_expr)
    return move(b, y, Reshape((n, w.shape[0], *out)))


# -- matrix product -------------------------------------------------------------------------


def product(b: Builder, x: Expr, y: Expr) -> Expr:
    """MatMul as numpy defines it."""
    if len(x.shape) == 1:
        return _drop(b, product(b, move(b, x, Reshape((1, *x.shape))), y), -2)
    if len(y.shape) == 1:
        return _drop(b, product(b, x, move(b, y, Reshape((*y.shape, 1)))), -1)
    if tree.is_constant(y) and not tree.is_constant(x) and _is_matrix(y):
        return _by_constant(b, x, move(b, y, Reshape(y.shape[-2:])))
    if tree.is_constant(x) and not tree.is_constant(y) and _is_matrix(x):
        turned = _swapped(b, y)
        weights = _swapped(b, move(b, x, Reshape(x.shape[-2:])))
        z = _swapped(b, _by_constant(b, turned, weights))
        rank = max(len(x.shape), len(y.shape))
        return move(b, z, Reshape((1,) * (rank - len(z.shape)) + z.shape))
    return _of_streams(b, x, y)


def _is_matrix(e: Expr) -> bool:
    return all(n == 1 for n in e.shape[:-2])


def _drop(b: Builder, e: Expr, axis: int) -> Expr:
    shape = list(e.shape)
    del shape[axis]
    return move(b, e, Reshape(tuple(shape)))


def _swapped(b: Builder, e: Expr) -> Expr:
    rank = len(e.shape)
    return move(b, e, Transpose((*range(rank - 2), rank - 1, rank - 2)))


def _by_constant(b: Builder, x: Expr, w: Expr) -> Expr:
    values, unit = b.weights(w, (1,))
    a = b.integer(x)
    a = Affine(b.broadcast(a.leaf, x.shape), a.scale, a.offset)
    last = a.rank - 1
    if varies(a.scale, a.rank, range(last)) and varies(a.scale, a.rank, (last,)):
        a = uniform(b, a, (last,))
    s = operand(b, a, (last,))
    if s.factor is not None:
        wide = fields.to_object(values) * fields.to_object(s.factor.reshape(-1, 1))
        values = fields.to_int64(wide)
    scale = tree.mul(s.unit, _row(unit, a.rank))
    code = zero_code(a)
    if code is not None:
        taps = fields.to_object(values).sum(axis=0) if values.dtype == object else values.sum(axis=0)
        bias = fields.to_int64(fields.to_object(np.asarray(taps)) * -code)
        return tree.affine(b.emit(MatMul(values, bias), a.leaf), scale, ZERO)
    acc = b.emit(MatMul(values, np.zeros(values.shape[1], np.int64)), a.leaf)
    return tree.affine(acc, scale, _row_offset(a, w, s, values, unit))


def _row(unit: Expr, rank: int) -> Expr:
    """A unit per column of the weights as a field of the result."""
    if isinstance(unit, Param):
        return Param.of(unit.values.reshape((1,) * (rank - 1) + (-1,)))
    return _reshaped_constant(unit, (1,) * (rank - 1) + (-1,))


def _row_offset(a: Affine, w: Expr, s: Operand, values: Array, unit: Expr) -> Expr:
    """sum_k offset[k] * w[k, j]: a constant per output."""
    if not varies(a.offset, a.rank, (a.rank - 1,)) and s.factor is None:
        taps = Param.of(values.sum(axis=0))
        return tree.mul(tree.mul(a.offset, taps), _row(unit, a.rank))
    offset = constant.rationals(a.offset)
    if offset is None:
        raise Unsupported(
            "an irrational offset (batch normalisation without a quantiser behind it) in front "
            "of a matrix product"
        )
    offset = fields.field_of(offset, a.rank)
    if s.factor is not None:
        offset = offset / fields.field_of(s.factor, a.rank)
    full = np.broadcast_to(offset, (*offset.shape[:-1], values.shape[0]))
    return tree.mul(Param.of(full @ fields.to_object(values)), _row(unit, a.rank))


def _of_streams(b: Builder, x: Expr, y: Expr) -> Expr:
    rank = max(len(x.shape), len(y.shape))
    left, right = (_stream(b, e, rank, axis) for e, axis in ((x, rank - 1), (y, rank - 2)))
    zeros = (zero_code(left) or 0, zero_code(right) or 0)
    z = b.emit(MatMulStreams(zeros), left.leaf, right.leaf)
    return tree.affine(z, tree.mul(left.scale, right.scale), ZERO)


def _stream(b: Builder, e: Expr, rank: int, axis: int) -> Affine:
    """An operand of a product of two tensors: zero is a code, the scale uniform where summed."""
    a = b.integer(e)
    leaf = b.rank(a.leaf, rank)
    a = uniform(b, Affine(leaf, a.scale, a.offset), tuple(range(rank)))
    if zero_code(a) is None:
        a = b.zero_offset(a, tuple(range(rank)))
    return a


def fraction(value: float) -> Fraction:
    return Fraction(value)
