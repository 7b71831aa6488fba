"""Convolutions and matrix products as tiles of sums, and the staircases behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.staircase import Realisation
from hlsgen.arith.steps import Steps
from hlsgen.errors import Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.sim import native_plan as plan
from hlsgen.sim.native_move import move
from hlsgen.sim.native_plan import CTYPES, Buffer, Planner, ctype_of
from hlsgen.sim.native_stairs import Form, Line, Lines, Lookup, Walk, fit

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Layout:
    """A product in elements of one sample.

    Shapes: weights (groups, channels, depth); `k` (depth), `x` and `y` (outer) are first elements.
    """

    weights: Array
    k: Array
    x: Array
    y: Array
    run: int
    x_step: int
    y_step: int
    x_group: int
    y_channel: int


def stairs(p: Planner, rows: Sequence[Steps], realisation: Realisation) -> plan.Stairs:
    """The form of a staircase, its parameters in place."""
    form = fit(rows, realisation)
    return plan.Stairs(form, type(form).__name__.lower(), _tables(p, form))


def _tables(p: Planner, form: Form) -> dict[str, str]:
    match form:
        case Line():
            return _line(p, form, "")
        case Lines(below=below, above=above):
            return _line(p, below, "0") | _line(p, above, "1")
        case Lookup(values=values):
            ctype = ctype_of(int(values.min()), int(values.max()))
            return {"values": p.param(values, ctype)}
        case Walk(t=t, codes=codes):
            return {"t": p.param(t, "int64_t"), "codes": p.param(codes, "int64_t")}


def _line(p: Planner, line: Line, suffix: str) -> dict[str, str]:
    arrays = {"a": line.a, "c": line.c, "lo": line.lo, "hi": line.hi, "add": line.add}
    return {f"{k}{suffix}": p.param(v, line.ctype) for k, v in arrays.items()}


def gemm(p: Planner, node: Node[HwOp]) -> None:
    """A product with weights, its input brought into the type of its sums first."""
    x, t, acc = p.buffer(node.inputs[0]), p.graph.types[node.inputs[0]], p.gemm_ctype(node)
    match node.op:
        case Conv(bias=bias, window=window, pad_value=pad):
            full = t
            if window.padded:
                x, full = _packed(p, x, t, window, pad, acc)
            layout = _convolution(node.op, full, p.graph.types[node.output])
        case MatMul(bias=bias):
            layout = _matrix(node.op, t)
        case _:
            raise TypeError(type(node.op).__name__)
    after = p.staircase_after(node)
    if after is None:
        y, steps = p.buffer(node.output), None
    else:
        op = after.op
        assert isinstance(op, Staircase)
        flat: list[int] = np.broadcast_to(op.row.reshape(-1), (len(bias),)).tolist()
        steps = stairs(p, [op.rows[r] for r in flat], op.realisation)
        y = p.buffer(after.output)
        p.fused.add(after.output)
    _emit(p, acc, layout, bias, x, y, steps)


def _packed(
    p: Planner, x: Buffer, t: IntType, window: Window, pad: int, acc: str
) -> tuple[Buffer, IntType]:
    """The input with its border, as the type of the sums."""
    source = window.pad(np.arange(t.size).reshape(t.shape), -1)
    shape = tuple(int(n) for n in source.shape)
    full = IntType.of(shape, min(t.min, pad), max(t.max, pad))
    y = p.scratch(acc, source.size, full)
    move(p, [x], y, source.reshape(-1), pad)
    return y, full


def _matrix(op: MatMul, t: IntType) -> _Layout:
    depth, width = map(int, op.weights.shape)
    return _Layout(
        op.weights.T[None], np.arange(depth), np.zeros(1, int), np.zeros(1, int),
        t.size // depth, depth, width, 0, 1,
    )  # fmt: skip


def _convolution(op: Conv, x: IntType, y: IntType) -> _Layout:
    """Positions run along the last axis, or over all of a 1x1 convolution's."""
    rank = len(op.window.kernel)
    spatial, out = x.shape[2:], y.shape[2:]
    plane, area = int(np.prod(spatial)), int(np.prod(out))
    batch, inner = x.shape[0], int(op.weights.shape[1])
    sizes = zip(op.window.kernel, op.window.dilations, strict=True)
    taps = np.arange(plane).reshape(spatial)[tuple(slice(0, (k - 1) * d + 1, d) for k, d in sizes)]
    k = np.add.outer(np.arange(inner) * plane, taps.reshape(-1)).reshape(-1)
    if all(n == 1 for n in (*op.window.kernel, *op.window.strides)):
        rows, run = np.zeros(1, int), area
        first = rows
    else:
        strided = tuple(
            slice(0, (n - 1) * s + 1, s) for n, s in zip(out, op.window.strides, strict=True)
        )
        starts = np.arange(plane).reshape(spatial)[strided][..., 0].reshape(-1)
        rows, run = np.arange(starts.size) * out[-1], out[-1]
        first = starts
    samples = np.arange(batch)[:, None]
    return _Layout(
        op.weights.reshape(op.group, -1, k.size), k,
        (samples * x.shape[1] * plane + first).reshape(-1),
        (samples * y.shape[1] * area + rows).reshape(-1),
        run, op.window.strides[rank - 1], 1, inner * plane, area,
    )  # fmt: skip


def _emit(
    p: Planner, acc: str, at: _Layout, bias: Array, x: Buffer, y: Buffer, steps: plan.Stairs | None
) -> None:
    groups, channels, depth = at.weights.shape
    vectors = max(1, p.block * np.dtype(CTYPES[acc]).itemsize // p.machine.vector_bytes)
    most = max(1, min(8, p.machine.sums // vectors))
    rows = -(-channels // -(-channels // most))
    tiles = -(-channels // rows)
    limit = max(1, p.machine.sums // (rows * vectors))
    positions = -(-at.run // -(-at.run // limit))
    packed = np.zeros((groups, tiles * rows, depth), dtype=at.weights.dtype)
    packed[:, :channels] = at.weights
    packed = packed.reshape(groups, tiles, rows, depth).swapaxes(2, 3)
    biases = np.zeros((groups, tiles * rows), dtype=bias.dtype)
    biases[:, :channels] = bias.reshape(groups, channels)
    if int(at.k.max(initial=0)) * p.block >= 1 << 31:
        raise Unsupported("a value of more than 2^31 elements in a block")
    b = p.block
    p.steps.append(
        plan.Gemm(
            acc, x, y, steps, groups, channels, rows, depth, at.x.size, at.run, positions,
            at.x_step * b, at.y_step * b, at.x_group * b, at.y_channel * b,
            p.param(at.k * b, "int32_t"), p.param(at.x * b, "int64_t"),
            p.param(at.y * b, "int64_t"), p.param(packed, acc), p.param(biases, acc),
        )
    )  # fmt: skip
