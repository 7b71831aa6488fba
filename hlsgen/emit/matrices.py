"""The constant matrices that an operator multiplies its vectors or windows by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.adders.graph import Range
from hlsgen.ir import field
from hlsgen.ir.hw import IntArray, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


@dataclass(frozen=True, eq=False)
class ConstantMatrix:
    """y = x @ weights, for each x a vector of independent integers within `ranges`.

    Shapes: weights (K, M), ranges K.
    """

    weights: IntArray
    ranges: tuple[Range, ...]


def weight_matrices(op: MatMul | Conv) -> tuple[IntArray, ...]:
    """What an operator multiplies each of its vectors or windows by: one matrix (K, M) a group.

    A window is laid out channel by channel, the taps of one channel side by side.
    """
    if isinstance(op, MatMul):
        return (op.weights,)
    rows = op.weights.reshape(op.group, op.weights.shape[0] // op.group, -1)
    return tuple(r.T for r in rows)


def stream_order(op: MatMul | Conv, lanes: int = 1) -> IntArray:
    """Which row of the matrices each element of a streamed vector or window meets.

    Streams bring all channels of a tap before the next tap; taps come row by row, or column by
    column where more than one of them stands in a beat of so many `lanes`.
    """
    if isinstance(op, MatMul):
        return np.arange(len(op.weights))
    channels: int = op.weights.shape[1]
    taps: int = math.prod(op.weights.shape[2:])
    tap, channel = np.divmod(np.arange(taps * channels), channels)
    if lanes > channels:
        tap = np.arange(taps).reshape(op.weights.shape[2], -1).T.reshape(-1)[tap]
    return channel * taps + tap


def stream_matrix(op: MatMul | Conv, lanes: int = 1) -> IntArray:
    """The weights of a folded unit, (outputs, inputs) with the inputs as they are streamed."""
    rows = np.concatenate([m.T for m in weight_matrices(op)])
    return rows[:, stream_order(op, lanes)]


def constant_matrices(op: MatMul | Conv, x: IntType) -> tuple[ConstantMatrix, ...]:
    """The matrices of `weight_matrices` with the bounds of what they are multiplied by."""
    matrices = weight_matrices(op)
    match op:
        case MatMul():
            axis = len(x.shape) - 1
            lo, hi = (field.expand(v, x.shape, [axis]) for v in (x.lo, x.hi))
            other = tuple(range(axis))
            bounds = [_ranges(lo.min(axis=other), hi.max(axis=other))]
        case Conv(group=group):
            taps = int(np.prod(op.weights.shape[2:]))
            lo, hi = (np.repeat(v, taps).reshape(group, -1) for v in op.channel_bounds(x))
            bounds = list(map(_ranges, lo, hi))
    return tuple(map(ConstantMatrix, matrices, bounds))


def _ranges(lo: IntArray, hi: IntArray) -> tuple[Range, ...]:
    return tuple((int(a), int(b)) for a, b in zip(lo.reshape(-1), hi.reshape(-1), strict=True))
