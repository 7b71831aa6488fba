"""How model operators arrange numbers, for arrays with a leading sample axis and any arithmetic.

A constant has one sample. Sums of products are handed to a `dot` of the caller's arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError, Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.model import ModelOp, Shape
from hlsgen.ops.model.linear import Conv, ConvTranspose, MatMul
from hlsgen.ops.model.movement import Concat, Pad, Reshape, Take, Transpose
from hlsgen.ops.model.pool import MaxPool, SumPool
from hlsgen.ops.model.reduce import ReduceMax, ReduceMin, ReduceSum

Array = NDArray[Any]
Dot = Callable[[Array, Array], Array]  # [.., R, K] and [.., K, M] to [.., R, M]
ValueT = TypeVar("ValueT")
Movement = Transpose | Reshape | Take | Pad | Concat
Product = Conv | ConvTranspose | MatMul
Sum = SumPool | ReduceSum
Extreme = MaxPool | ReduceMax | ReduceMin


def walk(
    nodes: Sequence[Node[ModelOp]],
    values: dict[str, ValueT],
    step: Callable[[Node[ModelOp], list[ValueT]], Iterable[ValueT]],
    keep: frozenset[str] | None = None,
) -> dict[str, ValueT]:
    """Evaluates all nodes in order; values that nobody needs any more go, but for `keep`."""
    last = {name: i for i, node in enumerate(nodes) for name in node.inputs}
    for i, node in enumerate(nodes):
        try:
            results = step(node, [values[name] for name in node.inputs])
        except HlsgenError as error:
            raise error.at(node.loc) from None
        values.update(zip(node.outputs, results, strict=False))
        if keep is not None:
            for name in set(node.inputs):
                if last[name] == i and name not in keep:
                    del values[name]
    return values


def aligned(x: Array, rank: int) -> Array:
    """The sample axis first, then axes of size 1, then x's own up to `rank` in all."""
    return x.reshape(x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:])


def same_rank(arrays: Iterable[Array]) -> list[Array]:
    """Arrays that broadcast as their samples do under numpy's rule."""
    listed = list(arrays)
    rank = max(a.ndim for a in listed) - 1
    return [aligned(a, rank) for a in listed]


def moved(op: Movement, args: list[Array]) -> Array:
    """Data movement of samples."""
    x = args[0]
    match op:
        case Transpose(perm=perm):
            return x.transpose(0, *(p + 1 for p in perm))
        case Reshape(shape=shape):
            return x.reshape(x.shape[0], *shape)
        case Take(axis=axis, indices=indices):
            return x.take(indices, axis=axis + 1)
        case Pad(before=before, after=after, value=value):
            widths = [(0, 0), *zip(before, after, strict=True)]
            return np.pad(x, widths, constant_values=x.dtype.type(value))
        case Concat(axis=axis):
            count = max(a.shape[0] for a in args)
            wide = [np.broadcast_to(a, (count, *a.shape[1:])) for a in args]
            return np.concatenate(wide, axis=axis + 1)


def product(op: Product, x: Array, w: Array, dot: Dot) -> Array:
    """Sums of products; convolutions become matrix products of their windows."""
    match op:
        case MatMul():
            return _matrix(x, w, dot)
        case Conv():
            return _conv(op, x, _plain(w), dot)
        case ConvTranspose():
            return _transposed(op, x, _plain(w), dot)


def _plain(w: Array) -> Array:
    if w.shape[0] != 1:
        raise Unsupported("a convolution with computed weights is not verified")
    return w[0]


def _matrix(a: Array, b: Array, dot: Dot) -> Array:
    left = a[:, None] if a.ndim == 2 else a
    right = b[..., None] if b.ndim == 2 else b
    y = dot(*same_rank((left, right)))
    y = y[..., 0, :] if a.ndim == 2 else y
    return y[..., 0] if b.ndim == 2 else y


def windows(x: Array, kernel: Shape, strides: Shape, dilations: Shape) -> Array:
    """Views [N, C, *O, *K] of every window of x [N, C, *D]."""
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))
    views = sliding_window_view(x, span, axis=tuple(range(2, x.ndim)))
    steps = (slice(None),) * 2 + tuple(slice(None, None, s) for s in strides)
    return views[steps + tuple(slice(None, None, d) for d in dilations)]


def _conv(op: Conv, x: Array, w: Array, dot: Dot) -> Array:
    pads = [(0, 0), (0, 0), (0, 0), *zip(op.pads_begin, op.pads_end, strict=True)]
    x = np.pad(x, pads) if any(map(any, pads)) else x
    flat = x.reshape(-1, *x.shape[2:])
    depthwise = w.shape[1] == 1 and w.shape[0] == op.group
    if dot is np.matmul and (depthwise or w.shape[1] >= _WIDE):
        y = _by_taps(op, flat, w, depthwise=depthwise)
    else:
        y = _by_columns(op, flat, w, dot)
    return y.reshape(x.shape[0], x.shape[1], *y.shape[1:])


_WIDE = 8  # so many channels are worth a matrix product for each tap


def _by_taps(op: Conv, x: Array, w: Array, *, depthwise: bool) -> Array:
    """One matrix product for each tap of the window: no copies of windows, no order of k."""
    rank = len(op.strides)
    inner = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    steps = zip(x.shape[2:], w.shape[2:], op.strides, op.dilations, strict=True)
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in steps]
    y = np.zeros((x.shape[0], *size, w.shape[0]), np.result_type(x, w))
    inputs, outputs = w.shape[1], w.shape[0] // op.group
    for tap in np.ndindex(*w.shape[2:]):
        spots = tuple(
            slice(k * d, k * d + (n - 1) * s + 1, s)
            for k, d, n, s in zip(tap, op.dilations, size, op.strides, strict=True)
        )
        plane, weights = inner[(slice(None), *spots)], w[(slice(None), slice(None), *tap)]
        if depthwise:
            y += plane * weights[:, 0]
            continue
        rows = np.ascontiguousarray(plane).reshape(-1, x.shape[1])  # one large product is fastest
        for g in range(op.group):
            mine = slice(g * outputs, (g + 1) * outputs)
            part = rows[:, g * inputs : (g + 1) * inputs] @ weights[mine].T
            y[..., mine] += part.reshape(*y.shape[:-1], outputs)
    return np.moveaxis(y, 1 + rank, 1)


def _by_columns(op: Conv, x: Array, w: Array, dot: Dot) -> Array:
    """Every window as a row of one matrix."""
    rank = len(op.strides)
    views = windows(x, w.shape[2:], op.strides, op.dilations)
    size = views.shape[2 : 2 + rank]
    columns = np.moveaxis(views, 1, 1 + rank)
    if w.shape[1] == 1 and w.shape[0] == op.group:  # depthwise: groups side by side
        grouped = np.moveaxis(columns, 1 + rank, 0).reshape(op.group, -1, math.prod(w.shape[2:]))
        y = dot(grouped, w.reshape(op.group, -1, 1))[..., 0].T
    else:
        y = _groups(columns, w, op.group, rank, dot)
    return np.moveaxis(y.reshape(x.shape[0], *size, w.shape[0]), -1, 1)


def _groups(columns: Array, w: Array, group: int, rank: int, dot: Dot) -> Array:
    inputs, outputs = w.shape[1], w.shape[0] // group
    parts: list[Array] = []
    for g in range(group):
        chosen = columns[(slice(None),) * (1 + rank) + (slice(g * inputs, (g + 1) * inputs),)]
        weights = w[g * outputs : (g + 1) * outputs].reshape(outputs, -1)
        parts.append(dot(chosen.reshape(-1, weights.shape[1]), weights.T))
    return np.concatenate(parts, axis=-1)


def _transposed(op: ConvTranspose, x: Array, w: Array, dot: Dot) -> Array:
    """A convolution of x spread out by zeros with the flipped weights."""
    kernel = w.shape[2:]
    gaps = [(d - 1) * s + 1 for d, s in zip(x.shape[3:], op.strides, strict=True)]
    spread = np.zeros((*x.shape[:3], *gaps), x.dtype)
    spread[(slice(None),) * 3 + tuple(slice(None, None, s) for s in op.strides)] = x
    reach = [d * (k - 1) for k, d in zip(kernel, op.dilations, strict=True)]
    begin = tuple(r - p for r, p in zip(reach, op.pads_begin, strict=True))
    end = tuple(
        r - p + extra for r, p, extra in zip(reach, op.pads_end, op.output_padding, strict=True)
    )
    if min((*begin, *end)) < 0:
        sides = zip(begin, end, spread.shape[3:], strict=True)
        crop = tuple(slice(max(-b, 0), n - max(-e, 0)) for b, e, n in sides)
        spread = spread[(slice(None),) * 3 + crop]
    begin, end = (tuple(max(p, 0) for p in side) for side in (begin, end))
    inputs, outputs = w.shape[0] // op.group, w.shape[1]
    flipped = w[(slice(None),) * 2 + (slice(None, None, -1),) * len(kernel)]
    parts = [flipped[g * inputs : (g + 1) * inputs].swapaxes(0, 1) for g in range(op.group)]
    weights = np.concatenate(parts) if outputs else flipped
    plain = Conv((1,) * len(kernel), op.dilations, begin, end, op.group)
    return _conv(plain, spread, weights, dot)


def summed(op: Sum, x: Array, dot: Dot) -> Array:
    """Plain sums, as products with ones."""
    columns, shape = _gathered(op, x)
    return dot(columns, np.ones((columns.shape[-1], 1), x.dtype))[..., 0].reshape(shape)


def terms(op: Sum, x: Array) -> int:
    """How many numbers each sum adds."""
    return int(_gathered(op, x[:1])[0].shape[-1])


def _gathered(op: Sum | Extreme, x: Array) -> tuple[Array, tuple[int, ...]]:
    """[.., R, K] with the K members of every result along the last axis, and the result's shape."""
    match op:
        case SumPool() | MaxPool():
            pads = [(0, 0), (0, 0), (0, 0), *zip(op.pads_begin, op.pads_end, strict=True)]
            least = np.iinfo(x.dtype).min if x.dtype.kind == "i" else -np.inf
            low = 0 if isinstance(op, SumPool) else least
            padded = np.pad(x, pads, constant_values=low) if any(map(any, pads)) else x
            flat = padded.reshape(-1, *padded.shape[2:])
            views = windows(flat, op.kernel, op.strides, op.dilations)
            rank = len(op.kernel)
            members = views.reshape(*views.shape[: 2 + rank], -1)
            return members, (*x.shape[:2], *members.shape[1:-1])
        case ReduceSum() | ReduceMax() | ReduceMin():
            axes = tuple(a + 1 for a in op.axes)
            kept = [a for a in range(x.ndim) if a not in axes]
            members = x.transpose(*kept, *axes).reshape(*(x.shape[a] for a in kept), -1)
            shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
            if not op.keepdims:
                shape = [x.shape[a] for a in kept]
            return members[..., None, :], tuple(shape)


def extreme(op: Extreme, x: Array) -> Array:
    """Greatest (or least) members."""
    columns, shape = _gathered(op, x)
    y = columns.min(axis=-1) if isinstance(op, ReduceMin) else columns.max(axis=-1)
    return y.reshape(shape)


def samples_of(values: Mapping[str, Array], chosen: Array) -> dict[str, Array]:
    """The chosen samples of every value; constants stay."""
    return {n: v if v.shape[0] == 1 else v[chosen] for n, v in values.items()}


def members(op: Sum | Extreme, x: Array) -> Array:
    """The K numbers that every result is made of, along the last axis."""
    return _gathered(op, x)[0]
