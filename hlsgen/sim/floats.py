"""Hardware operators on integers held in floating point: numpy's fastest exact arithmetic.

A carrier is an array of whole numbers, float32 while every one is below 2^24, float64 below 2^53,
else int64. Sums of products and staircases then run at BLAS and vector speed; what is not treated
here runs by the operator's own `evaluate` on int64.
Images lie in memory with their channels innermost, whatever the order of their axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw._exact import accumulator_dtype, integers
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.sim.native_stairs import Line, fit_line, hints

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Product:
    """Weights of a convolution or matrix product as one matrix a group, with its bias.

    Shapes: weights (groups, depth, channels), the depth of a convolution in the order taps, inputs.
    """

    weights: Array
    bias: Array


_prepared: WeakKeyDictionary[HwOp, Product | Line | None] = WeakKeyDictionary()


def evaluate(
    node: Node[HwOp], inputs: list[Array], types: tuple[IntType, ...]
) -> tuple[Array, ...]:
    """The outputs of one node, as carriers."""
    if any(x.dtype == object for x in inputs):
        return node.op.evaluate(*map(integers, inputs), types=types)
    prepared = _prepare(node.op, types)
    match node.op, prepared:
        case Conv(), Product():
            return (_convolve(node.op, prepared, inputs[0]),)
        case MatMul(), Product():
            x = inputs[0].astype(prepared.weights.dtype, copy=False)
            return (_biased(x @ prepared.weights[0], prepared.bias),)
        case Staircase(), Line():
            return (_narrow(prepared, prepared.evaluate(inputs[0])),)
        case MaxPool(window=window), _:
            return (_greatest(window, inputs[0], types[0]),)
        case ((Reshape() | Transpose() | Take() | Concat()), _):
            return node.op.evaluate(*inputs, types=types)
        case _:
            return node.op.evaluate(*map(integers, inputs), types=types)


def _prepare(op: HwOp, types: tuple[IntType, ...]) -> Product | Line | None:
    """What depends on the operator alone, found once."""
    if op not in _prepared:
        match op:
            case Conv() | MatMul():
                _prepared[op] = _product(op, types[0])
            case Staircase():
                line = fit_line(op.rows, hints(op.realisation))
                _prepared[op] = None if line is None else line.at(op.row)
            case _:
                return None
    return _prepared[op]


def _product(op: Conv | MatMul, x: IntType) -> Product | None:
    bias = int(np.abs(op.bias).max(initial=0)) if op.bias.dtype != object else 1 << 62
    dtype = accumulator_dtype(op.magnitude(x) + bias)
    if dtype.kind != "f":
        return None
    if isinstance(op, MatMul):
        return Product(op.weights[None].astype(dtype), op.bias.astype(dtype))
    taps = np.moveaxis(op.weights, 1, -1)  # (O, *kernel, C / group)
    matrix = taps.reshape(op.group, op.weights.shape[0] // op.group, -1).swapaxes(1, 2)
    return Product(np.ascontiguousarray(matrix.astype(dtype)), op.bias.astype(dtype))


def _biased(y: Array, bias: Array) -> Array:
    if bias.any():
        y += bias
    return y


def _narrow(line: Line, codes: Array) -> Array:
    """Codes as float32 where they fit."""
    small = max(-float(line.lo.min()), float(line.hi.max()) + 1) < 1 << 24
    return codes.astype(np.float32, copy=False) if small else codes


def _inner(x: Array) -> Array:
    """(samples, N, C, *spatial) as (samples * N, *spatial, C)."""
    return np.moveaxis(x.reshape(-1, *x.shape[2:]) if x.shape[1] > 1 else x[:, 0], 1, -1)


def _outer(y: Array, samples: int) -> Array:
    """The way back; a view."""
    y = np.moveaxis(y, -1, 1)
    batch = y.shape[0] // samples
    return y[:, None] if batch == 1 else y.reshape(samples, batch, *y.shape[1:])


def _padded(window: Window, x: Array, value: int, dtype: Any) -> Array:
    """The tensor (B, *spatial, C) with its border, as `dtype`."""
    if not window.padded:
        return x.astype(dtype, copy=False)
    ends = zip(window.pads_begin, window.pads_end, x.shape[1:-1], strict=True)
    sizes = [begin + size + end for begin, end, size in ends]
    full = np.full((x.shape[0], *sizes, x.shape[-1]), value, dtype=dtype)
    ends = zip(window.pads_begin, x.shape[1:-1], strict=True)
    full[(slice(None), *(slice(begin, begin + size) for begin, size in ends))] = x
    return full


def _planes(window: Window, padded: Array) -> list[Array]:
    """One view (B, *out, C) for each tap of the window."""
    sizes = padded.shape[1:-1]
    out = Window(
        window.kernel, window.strides, window.dilations, (0,) * len(sizes), (0,) * len(sizes)
    )
    shape = out.output(sizes)
    views: list[Array] = []
    for tap in np.ndindex(*window.kernel):
        spots = tuple(
            slice(k * d, k * d + (n - 1) * s + 1, s)
            for k, d, n, s in zip(tap, window.dilations, shape, window.strides, strict=True)
        )
        views.append(padded[(slice(None), *spots)])
    return views


def _convolve(op: Conv, made: Product, x: Array) -> Array:
    padded = _padded(op.window, _inner(x), op.pad_value, made.weights.dtype)
    planes = _planes(op.window, padded)
    shape = planes[0].shape
    groups, depth, channels = made.weights.shape
    if op.depthwise:
        y = _depthwise(planes, made)
    elif groups > 1:
        y = _by_columns(planes, made)
    else:
        rows = planes[0] if len(planes) == 1 else _windows(op.window, padded, shape[1:-1])
        y = rows.reshape(-1, depth) @ made.weights[0]
    y = _biased(y.reshape(*shape[:-1], groups * channels), made.bias)
    return _outer(y, x.shape[0])


def _windows(window: Window, padded: Array, out: tuple[int, ...]) -> Array:
    """All windows (B, *out, *kernel, C) as a view of the tensor (B, *spatial, C)."""
    padded = np.ascontiguousarray(padded)
    steps = padded.strides[1:-1]
    strides = (
        padded.strides[0],
        *(s * t for s, t in zip(steps, window.strides, strict=True)),
        *(s * d for s, d in zip(steps, window.dilations, strict=True)),
        padded.strides[-1],
    )
    shape = (padded.shape[0], *out, *window.kernel, padded.shape[-1])
    return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)


def _by_columns(planes: list[Array], made: Product) -> Array:
    """All windows as rows of one matrix a group."""
    groups, depth, channels = made.weights.shape
    *lead, width = planes[0].shape
    inner = width // groups
    y = np.empty((int(np.prod(lead)), groups, channels), dtype=made.weights.dtype)
    for g in range(groups):
        columns = np.empty((*lead, len(planes), inner), dtype=made.weights.dtype)
        for k, plane in enumerate(planes):
            columns[..., k, :] = plane[..., g * inner : (g + 1) * inner]
        y[:, g] = columns.reshape(-1, depth) @ made.weights[g]
    return y


def _depthwise(planes: list[Array], made: Product) -> Array:
    """One channel a group: a weighted sum of shifted planes."""
    weights = made.weights.transpose(1, 0, 2)  # (taps, groups, multiple)
    if weights.shape[2] == 1:
        weights = weights[:, :, 0]
    else:
        planes = [plane[..., None] for plane in planes]
    y = planes[0] * weights[0]
    term = np.empty_like(y)
    for plane, weight in zip(planes[1:], weights[1:], strict=True):
        np.multiply(plane, weight, out=term)
        y += term
    return y


def _greatest(window: Window, x: Array, t: IntType) -> Array:
    planes = _planes(window, _padded(window, _inner(x), t.min, x.dtype))
    y = planes[0]
    for i, plane in enumerate(planes[1:]):
        y = np.maximum(y, plane, out=y if i else None)
    return _outer(y, x.shape[0])
