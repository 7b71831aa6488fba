"""How each operator works on streams, and on how many elements at once it can."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool


class Io(StrEnum):
    """How the network meets its neighbours."""

    PARALLEL = "parallel"
    STREAM = "stream"


class Way(StrEnum):
    """What an operator does with its streams."""

    MATRIX = "matrix"  # inputs folded by SIMD, outputs by PE
    CHANNELS = "channels"  # every channel on its own, PE of them at once
    WHOLE = "whole"  # reads whole tensors, computes, writes


@dataclass(frozen=True, slots=True)
class Work:
    """What folding may choose: PE divides `outputs`, SIMD divides `inputs`.

    Where it `pads`, PE may be any number up to `outputs`: the last fold then makes lanes too many.
    SIMD may also be one of `taps`: all inputs of a column of a window, or of all of it.
    Units: `cycles` at PE = SIMD = 1.
    """

    way: Way
    outputs: int
    inputs: int
    cycles: int
    pads: bool = False
    taps: tuple[int, ...] = ()


def channels(of: IntType) -> int:
    """The innermost axis of a tensor's stream: axis 1 of (N, C, *spatial), else the last one."""
    rank = len(of.shape)
    return 1 if rank == 0 else of.shape[1] if rank >= 3 else of.shape[-1]


def work(op: HwOp, x: tuple[IntType, ...], y: tuple[IntType, ...]) -> Work:
    """How an operator streams these tensors."""
    size = sum(v.size for v in x) + sum(v.size for v in y)
    match way(op, x, y):
        case Way.MATRIX:
            return _matrix(op, y[0])
        case Way.CHANNELS:
            taps = _taps(op)
            common = math.gcd(*(channels(v) for v in x + y))
            most = max(v.size for v in x + y)
            return Work(Way.CHANNELS, common, 1, max(most, y[0].size * taps))
        case Way.WHOLE:
            return Work(Way.WHOLE, math.gcd(*(channels(v) for v in y)), 1, size)


def _matrix(op: HwOp, y: IntType) -> Work:
    match op:
        case Conv():
            outputs = op.weights.shape[0] // op.group
            inputs = op.weights.shape[1]
            pads = op.group == 1 and op.budget is None
            cycles = y.size * _taps(op) * inputs
            return Work(Way.MATRIX, outputs, inputs, cycles, pads, _windows(op))
        case MatMul():
            inputs, outputs = op.weights.shape
            pads = len(y.shape) < 3 and op.budget is None
            return Work(Way.MATRIX, outputs, inputs, y.size * inputs, pads)
        case _:
            raise AssertionError(f"{type(op).__name__} is no matrix")


def _windows(op: Conv) -> tuple[int, ...]:
    """Inputs of a column of taps, and of the whole window, where they can come at once."""
    if op.group > 1 or math.prod(op.window.kernel) == 1:
        return ()
    height, *others = op.window.kernel
    column, whole = height * op.weights.shape[1], op.weights[0].size
    apart = any(d > 1 for d in op.window.dilations[1:])  # a whole window slides over all columns
    found = ([column] if height > 1 and column < whole else []) + ([] if apart else [whole])
    return tuple(found) if others or height > 1 else ()


def _taps(op: HwOp) -> int:
    match op:
        case Conv() | MaxPool() | SumPool():
            return math.prod(op.window.kernel)
        case _:
            return 1


def way(op: HwOp, x: tuple[IntType, ...], y: tuple[IntType, ...]) -> Way:
    """The best way that this project knows."""
    match op:
        case MatMul():
            return Way.MATRIX
        case Conv():
            return _conv_way(op)
        case MaxPool() | SumPool():
            return Way.CHANNELS if len(op.window.kernel) <= 2 else Way.WHOLE
        case Staircase() | Clamp() | Linear() | Product() | Extremum():
            return Way.CHANNELS if elementwise_places(op, x, y[0]) is not None else Way.WHOLE
        case Concat(axis=axis):
            rank = len(y[0].shape)
            return Way.CHANNELS if axis == (1 if rank >= 3 else rank - 1) else Way.WHOLE
        case Reduce(axes=axes):
            rank = len(x[0].shape)
            spatial = rank >= 3 and sorted(axes) == list(range(2, rank))
            return Way.CHANNELS if spatial else Way.WHOLE
        case Reshape():
            return Way.CHANNELS if same_order(x[0].shape, y[0].shape) else Way.WHOLE
        case _:
            return Way.WHOLE


def _conv_way(op: Conv) -> Way:
    if len(op.window.kernel) > 2:
        return Way.WHOLE
    alone = op.depthwise and op.weights.shape[0] == op.group
    return Way.CHANNELS if alone else Way.MATRIX


def stream_order(shape: Shape) -> np.ndarray:
    """Row-major offsets of the elements in the order in which they are streamed."""
    offsets = np.arange(math.prod(shape)).reshape(shape)
    return (np.moveaxis(offsets, 1, -1) if len(shape) >= 3 else offsets).reshape(-1)


def same_order(a: Shape, b: Shape) -> bool:
    """Whether a reshape leaves the stream as it is."""
    return bool(np.array_equal(stream_order(a), stream_order(b)))


def fields(op: HwOp) -> dict[str, Shape]:
    """Shapes of the constants that an element by element operator reads, by the table's name."""
    match op:
        case Clamp(lo, hi):
            return {"low": lo.shape, "high": hi.shape}
        case Linear(factors, bias):
            return {f"factor{k}": f.shape for k, f in enumerate(factors)} | {"bias": bias.shape}
        case Staircase(rows=rows, row=row):
            return {"row": row.shape} if len(rows) > 1 else {}
        case _:
            return {}


def elementwise_places(
    op: HwOp, x: tuple[IntType, ...], y: IntType
) -> dict[str, tuple[int, int, int]] | None:
    """Each field's sizes along (batch, channels, pixels), or None where a stream cannot follow."""
    if any(v.shape != y.shape for v in x):
        return None
    found: dict[str, tuple[int, int, int]] = {}
    for name, shape in fields(op).items():
        wide = (1,) * (len(y.shape) - len(shape)) + tuple(shape)
        merged = _merged(wide, y.shape)
        if merged is None:
            return None
        found[name] = merged
    return found


def _merged(field: Shape, shape: Shape) -> tuple[int, int, int] | None:
    if len(shape) < 3:
        padded = (1, 1, *field)[-2:] if field else (1, 1)
        return (padded[0], padded[1], 1)
    spatial = field[2:]
    if any(n != 1 for n in spatial) and spatial != tuple(shape[2:]):
        return None
    return field[0], field[1], math.prod(spatial)
