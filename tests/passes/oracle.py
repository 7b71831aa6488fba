"""The exact meaning of a model, written a second time: Fractions and wide intervals, op by op.

Slow and simple on purpose. It shares no arithmetic with hlsgen: rounding, windows, broadcasting,
square roots are done here in their own few lines. Irrational numbers are intervals of 400 bits;
a rounding that they do not decide raises Undecided.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model import cast, elementwise, linear, movement, pool, quantize, reduce, select
from hlsgen.ops.model.softmax import Softmax
from hlsgen.ops.model.threshold import CountThresholds
from tests.passes.exact_numbers import (
    BITS,
    add,
    applied,
    compare,
    div,
    ends,
    greater,
    iv,
    mul,
    neg,
    number,
    rounded,
    truth,
    wide,
)

Array = Any


# -- tensors ------------------------------------------------------------------------------------


def each(f: Callable[..., Any], *arrays: Array) -> Array:
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    full = [np.broadcast_to(a, shape) for a in arrays]
    out = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        out[place] = f(*(a[place] for a in full))
    return out


def tensor(values: Any) -> Array:
    values = np.asarray(values)
    out = np.empty(values.shape, dtype=object)
    for place in np.ndindex(*values.shape):
        out[place] = number(values[place])
    return out


def total(terms: Sequence[Any]) -> Any:
    y: Any = Fraction(0)
    for t in terms:
        y = add(y, t)
    return y


def taps(op: Any, place: tuple[int, ...], kernel: tuple[int, ...], size: tuple[int, ...]):
    """(kernel place, input place) of the taps that lie inside of the tensor."""
    for k in np.ndindex(*kernel):
        spot = tuple(
            p * s + t * d - b
            for p, s, t, d, b in zip(place, op.strides, k, op.dilations, op.pads_begin, strict=True)
        )
        if all(0 <= i < n for i, n in zip(spot, size, strict=True)):
            yield k, spot


def convolved(op: linear.Conv, x: Array, w: Array, shape: tuple[int, ...]) -> Array:
    out = np.empty(shape, dtype=object)
    inner, per_group = w.shape[1], w.shape[0] // op.group
    for n, o, *place in np.ndindex(*shape):
        first = (o // per_group) * inner
        found = taps(op, tuple(place), w.shape[2:], x.shape[2:])
        out[(n, o, *place)] = total(
            [
                mul(x[(n, first + c, *spot)], w[(o, c, *k)])
                for k, spot in found
                for c in range(inner)
            ]
        )
    return out


def transposed(op: linear.ConvTranspose, x: Array, w: Array, shape: tuple[int, ...]) -> Array:
    out = np.full(shape, Fraction(0), dtype=object)
    per_group, inner = w.shape[1], x.shape[1] // op.group
    for n, c, *place in np.ndindex(*x.shape):
        group = c // inner
        for o, *k in np.ndindex(*w.shape[1:]):
            spot = tuple(
                p * s + t * d - b
                for p, s, t, d, b in zip(
                    place, op.strides, k, op.dilations, op.pads_begin, strict=True
                )
            )
            if all(0 <= i < m for i, m in zip(spot, shape[2:], strict=True)):
                at = (n, group * per_group + o, *spot)
                out[at] = add(out[at], mul(x[(n, c, *place)], w[(c, o, *k)]))
    return out


def product(a: Array, b: Array) -> Array:
    left = a if a.ndim > 1 else a[None]
    right = b if b.ndim > 1 else b[:, None]
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*lead, *left.shape[-2:]))
    right = np.broadcast_to(right, (*lead, *right.shape[-2:]))
    out = np.empty((*lead, left.shape[-2], right.shape[-1]), dtype=object)
    for *at, i, j in np.ndindex(*out.shape):
        row, column = left[(*at, i)], right[(*at, slice(None), j)]
        out[(*at, i, j)] = total([mul(u, v) for u, v in zip(row, column, strict=True)])
    out = out if a.ndim > 1 else out[..., 0, :]
    return out if b.ndim > 1 else out[..., 0]


def windowed(op: pool.MaxPool | pool.SumPool, x: Array, shape: tuple[int, ...]) -> Array:
    out = np.empty(shape, dtype=object)
    for n, c, *place in np.ndindex(*shape):
        found = taps(op, tuple(place), op.kernel, x.shape[2:])
        values = [x[(n, c, *spot)] for _, spot in found]
        out[(n, c, *place)] = largest(values) if isinstance(op, pool.MaxPool) else total(values)
    return out


def largest(values: Sequence[Any]) -> Any:
    best = values[0]
    for v in values[1:]:
        best = greater(v, best)
    return best


def reduced(f: Callable[[Sequence[Any]], Any], x: Array, axes: Sequence[int], keep: bool) -> Array:
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = x.transpose(*kept, *axes).reshape(*(x.shape[a] for a in kept), -1)
    out = np.empty(rows.shape[:-1], dtype=object)
    for place in np.ndindex(*out.shape):
        out[place] = f(list(rows[place]))
    return out.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keep else out


def order(values: Sequence[Any], greatest: bool) -> list[int]:
    """Positions, best first; equals in their own order. Insertion sort by exact comparison."""
    found: list[int] = []
    for i, v in enumerate(values):
        at = len(found)
        while at and compare(v, values[found[at - 1]]) * (1 if greatest else -1) > 0:
            at -= 1
        found.insert(at, i)
    return found


def best_place(values: Sequence[Any], greatest: bool, last: bool) -> Fraction:
    if last:
        return Fraction(len(values) - 1 - order(values[::-1], greatest)[0])
    return Fraction(order(values, greatest)[0])


def best_k(op: select.TopK, x: Array) -> list[Array]:
    moved = np.moveaxis(x, op.axis, -1)
    shape = (*moved.shape[:-1], op.k)
    values, places = np.empty(shape, dtype=object), np.empty(shape, dtype=object)
    for at in np.ndindex(*shape[:-1]):
        row = list(moved[at])
        for j, i in enumerate(order(row, op.largest)[: op.k]):
            values[(*at, j)], places[(*at, j)] = row[i], Fraction(i)
    return [np.moveaxis(values, -1, op.axis), np.moveaxis(places, -1, op.axis)]


def softmax(values: Array, log: bool) -> Array:
    powers = [iv.exp(wide(v)) for v in values]
    whole = powers[0]
    for p in powers[1:]:
        whole = whole + p
    shares = [
        wide(v) - iv.log(whole) if log else p / whole for v, p in zip(values, powers, strict=True)
    ]
    out = np.empty(len(shares), dtype=object)
    out[:] = shares
    return out


def quantized(op: quantize.Quantize, x: Any, scale: Any, zero: Any) -> Any:
    if op.zero_point_inside:
        q = rounded(add(div(x, scale), zero), str(op.rounding))
    else:
        q = add(rounded(div(x, scale), str(op.rounding)), zero)
    return min(max(q, Fraction(op.qmin)), Fraction(op.qmax))


def casted(x: Any, dtype: str) -> Any:
    if dtype == "bool":
        return truth(compare(x, Fraction(0)) != 0)
    if dtype.startswith(("float", "bfloat")):
        return x
    whole, width = int(rounded(x, "zero")), int(dtype.lstrip("uint"))
    whole %= 1 << width
    if not dtype.startswith("u") and whole >= 1 << (width - 1):
        whole -= 1 << width
    return Fraction(whole)


def spread(op: movement.Pad, x: Array) -> Array:
    widths = tuple(zip(op.before, op.after, strict=True))
    return np.pad(x, widths, constant_values=number(op.value))


def evaluate_op(  # noqa: C901 (one case an operator)
    op: ModelOp, args: list[Array], shape: tuple[int, ...]
) -> list[Array]:
    x = args[0]
    match op:
        case elementwise.Elementwise(fn):
            return [each(lambda *values: applied(str(fn), values), *args)]
        case quantize.Quantize():
            return [each(lambda v, s, z: quantized(op, v, s, z), *args)]
        case quantize.Dequantize():
            return [each(lambda q, s, z: mul(s, add(q, neg(z))), *args)]
        case cast.Cast(dtype):
            return [each(lambda v: casted(v, dtype), x)]
        case linear.Conv():
            return [convolved(op, x, args[1], shape)]
        case linear.ConvTranspose():
            return [transposed(op, x, args[1], shape)]
        case linear.MatMul():
            return [product(x, args[1])]
        case movement.Transpose(perm):
            return [x.transpose(perm)]
        case movement.Reshape(new):
            return [x.reshape(new)]
        case movement.Concat(axis):
            return [np.concatenate(args, axis)]
        case movement.Take(axis, indices):
            return [x.take(indices, axis)]
        case movement.Pad():
            return [spread(op, x)]
        case pool.MaxPool() | pool.SumPool():
            return [windowed(op, x, shape)]
        case _:
            return _chosen(op, args)


def _chosen(  # noqa: C901 (one case an operator)
    op: ModelOp, args: list[Array]
) -> list[Array]:
    x = args[0]
    match op:
        case reduce.ReduceSum(axes, keep):
            return [reduced(total, x, axes, keep)]
        case reduce.ReduceMax(axes, keep):
            return [reduced(largest, x, axes, keep)]
        case reduce.ReduceMin(axes, keep):
            return [each(neg, reduced(largest, each(neg, x), axes, keep))]
        case select.ArgMax(axis, keep, last):
            return [reduced(lambda v: best_place(v, True, last), x, (axis,), keep)]
        case select.ArgMin(axis, keep, last):
            return [reduced(lambda v: best_place(v, False, last), x, (axis,), keep)]
        case select.TopK():
            return best_k(op, x)
        case Softmax(axis, log):
            moved = np.moveaxis(x, axis, -1)
            out = np.empty(moved.shape, dtype=object)
            for at in np.ndindex(*moved.shape[:-1]):
                out[at] = softmax(moved[at], log)
            return [np.moveaxis(out, -1, axis)]
        case CountThresholds(axis):
            moved, table = np.moveaxis(x, axis, -1), args[1]
            out = np.empty(moved.shape, dtype=object)
            for at in np.ndindex(*moved.shape):
                row = table[at[-1] if table.shape[0] > 1 else 0]
                out[at] = Fraction(sum(compare(moved[at], t) >= 0 for t in row))
            return [np.moveaxis(out, -1, axis)]
        case _:
            raise NotImplementedError(type(op).__name__)


def evaluate(model: Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of one sample, exact; `feeds` may hold Fractions."""
    iv.prec = BITS
    values = {name: tensor(v) for name, v in model.constants.items()}
    values |= {name: tensor(v) for name, v in feeds.items()}
    for node in model:
        shape = model.types[node.outputs[0]].shape
        results = evaluate_op(node.op, [values[n] for n in node.inputs], shape)
        for name, y in itertools.zip_longest(node.outputs, results):
            if name is not None and y is not None:
                values[name] = y.reshape(model.types[name].shape)
    return values


def declared(values: Array, width: int, frac: int, signed: bool = True) -> Array:
    """Inputs as a declared format takes them: rounded half up, saturated."""
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)

    def one(v: Fraction) -> Fraction:
        code = math.floor(v * 2**frac + Fraction(1, 2))
        return Fraction(min(max(code, low), high)) / 2**frac

    return each(one, tensor(values))


def approximate(x: Any) -> float:
    low, high = ends(x)
    return float((low + high) / 2)
