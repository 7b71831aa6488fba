"""The constant matrices that an operator multiplies its vectors or windows by."""

from __future__ import annotations

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


def constant_matrices(op: MatMul | Conv, x: IntType) -> tuple[ConstantMatrix, ...]:
    """What an operator multiplies each of its vectors or windows by: one matrix a group.

    A window is laid out channel by channel, the taps of one channel side by side.
    """
    match op:
        case MatMul(weights=weights):
            axis = len(x.shape) - 1
            lo, hi = (field.expand(v, x.shape, [axis]) for v in (x.lo, x.hi))
            other = tuple(range(axis))
            return (ConstantMatrix(weights, _ranges(lo.min(axis=other), hi.max(axis=other))),)
        case Conv(weights=weights, group=group):
            taps = int(np.prod(weights.shape[2:]))
            lo, hi = (np.repeat(v, taps).reshape(group, -1) for v in op.channel_bounds(x))
            rows = weights.reshape(group, weights.shape[0] // group, -1)
            return tuple(ConstantMatrix(rows[g].T, _ranges(lo[g], hi[g])) for g in range(group))


def _ranges(lo: IntArray, hi: IntArray) -> tuple[Range, ...]:
    return tuple((int(a), int(b)) for a, b in zip(lo.reshape(-1), hi.reshape(-1), strict=True))
