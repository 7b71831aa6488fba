"""Convolutions: integer sums, scales pulled out of them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Expr, Param
from hlsgen.ir import field as fields
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw._exact import product, total
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.model import linear as model
from hlsgen.ops.model.movement import Reshape, Take
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import (
    Affine,
    map_fields,
    rational,
    varies,
    whole,
    zero_code,
)
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full
from hlsgen.passes.lowering.layout import spread_out
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.operands import operand
from hlsgen.passes.lowering.products import matmul
from hlsgen.passes.lowering.reloadable import budgeted, layer_weights
from hlsgen.passes.lowering.weights import weights

Array = NDArray[Any]


def convolution(b: Builder, x: Expr, w: Expr, op: model.Conv) -> Expr:
    """Conv."""
    window = Window(w.shape[2:], op.strides, op.dilations, op.pads_begin, op.pads_end)
    if not tree.is_constant(w):
        return _computed_kernel(b, x, w, window, op.group)
    values, unit = layer_weights(b, w, 0)
    return _convolved(b, full(b, x), values, unit, window, op.group)


def _convolved(
    b: Builder, a: Affine, values: Array, unit: Expr, window: Window, group: int
) -> Expr:
    """The sum; whatever stands for zero in the input is accounted for exactly, also beyond it."""
    spatial = tuple(range(2, a.rank))
    depthwise = group == a.leaf.shape[1]  # then scales may differ between the channels
    x = operand(a, spatial if depthwise else (1, *spatial))
    if x.factor is not None and any(x.factor.shape[s] > 1 for s in spatial):
        return _convolved(b, grids.uniform(b, a, (1, *spatial)), values, unit, window, group)
    used = values if x.factor is None else _times_factor(values, x.factor, group)
    unit = map_fields(unit, a.rank, lambda v: v.reshape((1, -1) + (1,) * (a.rank - 2)))
    repeat = len(values) // a.leaf.shape[1] if depthwise else 1
    scale = tree.mul(unit, _repeated(x.unit, a.rank, repeat))
    code = zero_code(a)
    if code is not None:
        taps = total(used.reshape(len(used), -1), 1)
        bias = product(taps, fields.field_of(-code, 1))
        op = budgeted(b, Conv(used, bias, window, group, code), a.leaf, unit, zero=code == 0)
        return tree.affine(b.emit(op, a.leaf), scale, ZERO)
    op = Conv(used, np.zeros(len(used), np.int64), window, group, 0)
    acc = b.emit(budgeted(b, op, a.leaf, unit, zero=False), a.leaf)
    offset = _offset_map(a, values, window, group, repeat if depthwise else 0)
    return tree.affine(acc, scale, tree.mul(unit, offset))


def _times_factor(values: Array, factor: Array, group: int) -> Array:
    """Weights times the integer factor of their input channel."""
    out, inner = values.shape[:2]
    per_channel = np.broadcast_to(factor.reshape(1, -1), (1, inner * group))
    per_channel = per_channel.reshape(group, 1, inner).repeat(out // group, axis=1)
    return product(values, per_channel.reshape(out, inner, *(1,) * (values.ndim - 2)))


def _repeated(unit: Expr, rank: int, times: int) -> Expr:
    """A per-channel unit of the input of a depthwise convolution, for each of its outputs."""
    if times == 1:
        return unit
    return map_fields(unit, rank, lambda v: np.repeat(v, times, axis=1) if v.shape[1] > 1 else v)


def _offset_map(a: Affine, values: Array, window: Window, group: int, repeat: int) -> Expr:
    """What the offsets of the input add to each output, the border included, exactly.

    `repeat` is how many outputs each channel of a depthwise convolution has, 0 of any other.
    """
    spatial = tuple(range(2, a.rank))
    mixed = spatial if repeat else (1, *spatial)
    if not window.padded and not varies(a.offset, a.rank, mixed):
        taps = total(values.reshape(len(values), -1), 1)
        per_output = Param.of(taps.reshape((1, -1) + (1,) * len(spatial)))
        return tree.mul(_repeated(a.offset, a.rank, max(repeat, 1)), per_output)
    offset = rational(a.offset, "a convolution", a.rank)
    step = constant.gcd_of(offset.ravel())
    shape = (len(offset), *a.leaf.shape[1:])
    field = np.broadcast_to(whole(offset / step), shape)
    conv = Conv(values, np.zeros(len(values), np.int64), window, group, 0)
    bounds = IntType.of(shape, int(field.min()), int(field.max()))
    (sums,) = conv.evaluate(field[None], types=(bounds,))
    return tree.mul(Param.of(fields.compress(sums[0])), Param.of(np.array(step, dtype=object)))


# -- transposed -----------------------------------------------------------------------------


def transposed(b: Builder, x: Expr, w: Expr, op: model.ConvTranspose) -> Expr:
    """ConvTranspose: the input spread by the stride, then a convolution with the kernel turned."""
    if not tree.is_constant(w):
        raise Unsupported("a transposed convolution with computed weights; make them constants")
    values, unit = weights(b, w, (1,))
    a = grids.uniform(b, full(b, x), tuple(range(1, len(x.shape))))
    if zero_code(a) is None:
        a = grids.zero_offset(b, a, tuple(range(len(x.shape))))
    inner = (0, 0, *(s - 1 for s in op.strides))
    leaf = spread_out(b, a.leaf, inner, zero_code(a) or 0)
    unit = map_fields(unit, values.ndim, lambda v: _turned_unit(v, op.group))
    window, crop = _transposed_window(op, w.shape[2:])
    y = _convolved(
        b, Affine(leaf, a.scale, a.offset), _turned(values, op.group), unit, window, op.group
    )
    for axis, (begin, end) in enumerate(crop, start=2):
        if begin or end:
            y = move(b, y, Take(axis, tuple(range(begin, y.shape[axis] - end))))
    return y


def _turned(values: Array, group: int) -> Array:
    """(C, O/g, *k) to (O, C/g, *k) with the kernel reversed."""
    c, o = values.shape[:2]
    kernel = values.shape[2:]
    grouped = values.reshape(group, c // group, o, *kernel).swapaxes(1, 2)
    turned = grouped.reshape(group * o, c // group, *kernel)
    return np.ascontiguousarray(np.flip(turned, tuple(range(2, turned.ndim))))


def _turned_unit(v: Array, group: int) -> Array:
    """A unit per output of one group, for the outputs of all groups, on axis 0."""
    v = v.swapaxes(0, 1)
    return v if v.shape[0] == 1 else np.concatenate([v] * group, axis=0)


def _transposed_window(
    op: model.ConvTranspose, kernel: tuple[int, ...]
) -> tuple[Window, list[tuple[int, int]]]:
    """Pads of the equivalent convolution; what would be negative is cropped afterwards."""
    begin = [d * (k - 1) - p for d, k, p in zip(op.dilations, kernel, op.pads_begin, strict=True)]
    end = [
        d * (k - 1) - p + extra
        for d, k, p, extra in zip(op.dilations, kernel, op.pads_end, op.output_padding, strict=True)
    ]
    ones = (1,) * len(kernel)
    window = Window(
        kernel, ones, op.dilations, tuple(max(0, v) for v in begin), tuple(max(0, v) for v in end)
    )
    return window, [(max(0, -x), max(0, -y)) for x, y in zip(begin, end, strict=True)]


# -- computed kernels -----------------------------------------------------------------------


def _computed_kernel(b: Builder, x: Expr, w: Expr, window: Window, group: int) -> Expr:
    """Conv whose kernel is computed: windows gathered into a matrix, then a product of two."""
    if group != 1:
        raise Unsupported("a grouped convolution with computed weights; make them constants")
    a = grids.uniform(b, full(b, x), tuple(range(1, len(x.shape))))
    if zero_code(a) is None:
        a = grids.zero_offset(b, a, tuple(range(len(x.shape))))
    taps = int(np.prod(window.kernel)) * x.shape[1]
    identity = np.eye(taps, dtype=np.int64).reshape(taps, x.shape[1], *window.kernel)
    gather = Conv(identity, np.zeros(taps, np.int64), window, 1, zero_code(a) or 0)
    columns = b.emit(gather, a.leaf)
    n, out = columns.shape[0], columns.shape[2:]
    gathered = tree.affine(columns, a.scale, a.offset)
    rows = move(b, w, Reshape((1, w.shape[0], taps)))
    y = matmul(b, rows, move(b, gathered, Reshape((n, taps, int(np.prod(out))))))
    return move(b, y, Reshape((n, w.shape[0], *out)))
