"""What the host computes: input values to codes (exact), hardware codes to outputs (float64)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.interval import Interval
from hlsgen.errors import Unsupported
from hlsgen.expr.evaluate import enclose, evaluate, function
from hlsgen.expr.exact import exact_integer
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source
from hlsgen.ir.model import ModelOp
from hlsgen.ops.model import cast, movement, select
from hlsgen.ops.model.softmax import Softmax

Array = NDArray[Any]


def moved(op: ModelOp, args: list[Array]) -> Array:
    """A host operator on arrays with a leading sample axis."""
    x = args[0]
    match op:
        case Softmax(axis=axis, log=log):
            return _softmax(x.astype(np.float64), axis + 1, log)
        case select.TopK(k=k, axis=axis, largest=largest):  # the values; the places are hardware
            x = np.sort(x, axis=axis + 1)
            return (np.flip(x, axis + 1) if largest else x).take(range(k), axis=axis + 1)
        case cast.Cast(dtype=dtype):
            return x if dtype.startswith(("float", "bfloat")) else np.trunc(x)
        case _:
            return _rearranged(op, args)


def _rearranged(op: ModelOp, args: list[Array]) -> Array:
    x = args[0]
    match op:
        case movement.Transpose(perm=perm):
            return x.transpose(0, *(p + 1 for p in perm))
        case movement.Reshape(shape=shape):
            return x.reshape(x.shape[0], *shape)
        case movement.Take(axis=axis, indices=indices):
            return x.take(indices, axis=axis + 1)
        case movement.Concat(axis=axis):
            return np.concatenate(args, axis=axis + 1)
        case movement.Pad(before=before, after=after, value=value):
            widths = [(0, 0), *zip(before, after, strict=True)]
            return np.pad(x, widths, constant_values=value)
        case _:
            raise Unsupported(f"{type(op).__name__} cannot run on the host")


def _softmax(x: Array, axis: int, log: bool) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    total = np.exp(shifted).sum(axis=axis, keepdims=True)
    return shifted - np.log(total) if log else np.exp(shifted) / total


def _aligned(x: Array, rank: int) -> Array:
    """Sample axis first, then axes of size 1 up to `rank`."""
    return x.reshape(x.shape[0], *(1,) * (rank + 1 - x.ndim), *x.shape[1:])


def codes_of(e: Expr, feeds: Mapping[str, Array]) -> Array:
    """The integers of a prologue for samples of the network inputs, exact for every float64 input.

    Shapes: `feeds[name]` and the result have a leading sample axis.
    """
    values = _Samples(e, feeds)
    y = evaluate(e, values.enclosure)
    shape = (values.count, *e.shape)
    lo, hi = np.broadcast_to(y.lo, shape), np.broadcast_to(y.hi, shape)
    unsure = np.flatnonzero(~(lo == hi) | (np.abs(lo) >= 1 << 53))
    if unsure.size == 0:
        return lo.astype(np.int64)
    codes = np.where((lo == hi) & (np.abs(lo) < 1 << 53), lo, 0).astype(np.int64).astype(object)
    for index in unsure.tolist():
        codes.flat[index] = exact_integer(e, values.at(np.unravel_index(index, shape)))
    fits = all(abs(v) < 1 << 62 for v in codes.flat)
    return codes.astype(np.int64) if fits else codes


class _Samples:
    """Lookups of a prologue's parts: sample arrays, reordered where the model reorders first."""

    def __init__(self, e: Expr, feeds: Mapping[str, Array]) -> None:
        self.rank = len(e.shape)
        self.feeds = feeds
        self.known: dict[int, Array] = {}
        self.count = next(iter(feeds.values())).shape[0]

    def source(self, node: Expr) -> Array:
        if id(node) not in self.known:
            match node:
                case Source(name=name):
                    value = self.feeds[name]
                case Host(op=op, args=args):
                    value = moved(op, [self.source(a) for a in args])
                case _:
                    raise Unsupported("a computed input is reordered before its quantiser")
            self.known[id(node)] = value
        return self.known[id(node)]

    def array(self, node: Expr) -> Array:
        match node:
            case Param(values=values):
                return values.reshape((1,) * (self.rank + 1 - values.ndim) + values.shape)
            case Count(thresholds=table):
                return table.reshape((1,) * (self.rank + 2 - table.ndim) + table.shape)
            case _:
                x = self.source(node)
                return x.reshape(x.shape[0], *(1,) * (self.rank + 1 - x.ndim), *x.shape[1:])

    def enclosure(self, node: Expr) -> Interval:
        return enclose(self.array(node))

    def at(self, place: tuple[Any, ...]) -> Any:
        def lookup(node: Expr) -> Any:
            array = self.array(node)
            spot = tuple(0 if n == 1 else int(i) for n, i in zip(array.shape, place, strict=False))
            return np.asarray(array[spot]).tolist()  # numpy scalars as Python's own numbers

        return lookup


def outputs_of(e: Expr, codes: Mapping[str, Array]) -> Array:
    """The real values of an epilogue in float64, for samples of the hardware outputs."""
    done: dict[int, Array] = {}

    def visit(node: Expr) -> Array:
        if id(node) not in done:
            done[id(node)] = _output_node(node, codes, visit)
        return done[id(node)]

    y = visit(e)
    count = next(iter(codes.values())).shape[0]
    return np.broadcast_to(y, (count, *e.shape))


def _output_node(node: Expr, codes: Mapping[str, Array], visit: Any) -> Array:
    match node:
        case Leaf(name=name):
            return codes[name].astype(np.float64)
        case Param(values=values):
            return values.astype(np.float64)[None]
        case Host(op=op, args=args):
            full = [np.broadcast_to(visit(a), (visit(a).shape[0], *a.shape)) for a in args]
            return moved(op, full)
        case Apply(fn=fn, args=args):
            rank = len(node.shape)
            points = [Interval.point(_aligned(visit(a), rank)) for a in args]
            y = function(fn, *points)
            return y.lo if y.is_point else (y.lo + y.hi) / 2
        case Count(arg=arg, thresholds=table):
            x = _aligned(visit(arg), len(node.shape))
            wide = table.reshape((1,) * (len(node.shape) + 2 - table.ndim) + table.shape)
            return (wide.astype(np.float64) <= x[..., None]).sum(axis=-1).astype(np.float64)
        case Source():
            raise Unsupported("an output that is an input")
