"""Sums of many terms: the exact range of every adder's result, and so its width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.budget import Budget
from hlsgen.arith.format import IntFormat
from hlsgen.emit.encodings import Encoded
from hlsgen.emit.matrices import constant_matrices, stream_order
from hlsgen.emit.streaming import Way
from hlsgen.emit.views import Operator
from hlsgen.ir import field
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw._exact import product
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.max_pool import channel_extremes
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.sum_pool import SumPool

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SumTree:
    """A balanced tree of adders over `terms` terms.

    `ranges` has a node, then all of its left half (terms // 2 of them), then its right half: 2 *
    terms - 1 nodes, the leaves among them. A range is that of all values which the node ever holds.
    """

    terms: int
    ranges: tuple[Range, ...]

    @property
    def formats(self) -> tuple[IntFormat, ...]:
        """As narrow as each range allows."""
        return tuple(IntFormat.of_range(*r) for r in self.ranges)

    @property
    def bits(self) -> IntArray:
        """Width of each node, negative where it is signed."""
        return np.array([-f.width if f.signed else f.width for f in self.formats])


@dataclass(frozen=True, eq=False)
class Terms:
    """What one piece of hardware adds up: start + t[0] + t[1] + ..., once for each of its results.

    Shapes: lo, hi (results, n) bound each term, independent of the others; start (results).
    """

    lo: IntArray
    hi: IntArray
    start: IntArray

    @property
    def count(self) -> int:
        return self.lo.shape[1]

    @property
    def widest(self) -> Range:
        """The range of all terms together."""
        return int(self.lo.min()), int(self.hi.max())

    def tree(self, lanes: int) -> SumTree:
        """The tree that adds `lanes` terms at a time, the same one for all of them."""
        low, high = (_prefixes(v.reshape(-1, lanes)) for v in (self.lo, self.hi))

        def nodes(begin: int, end: int) -> list[Range]:
            sums = (v[:, end] - v[:, begin] for v in (low, high))
            least, most = (int(f(v)) for f, v in zip((np.min, np.max), sums, strict=True))
            middle = begin + (end - begin) // 2
            below = [] if end - begin == 1 else nodes(begin, middle) + nodes(middle, end)
            return [(least, most), *below]

        return SumTree(lanes, tuple(nodes(0, lanes)))

    def accumulated(self, lanes: int = 1) -> Range:
        """The range of the start and of all sums after each `lanes` terms, in their order."""
        low, high = (_prefixes(v)[:, ::lanes] for v in (self.lo, self.hi))
        start = self.start[:, None]
        if low.dtype == object:
            start = field.to_object(start)
        return int((start + low).min()), int((start + high).max())

    def grouped(self, size: int) -> Terms:
        """Neighbours added up beforehand, `size` at a time."""
        low, high = (np.diff(_prefixes(v)[:, ::size], axis=1) for v in (self.lo, self.hi))
        return Terms(low, high, self.start)

    def bare(self) -> Terms:
        """The same terms, starting from zero."""
        return Terms(self.lo, self.hi, np.zeros_like(self.start))

    def reordered(self, order: NDArray[Any]) -> Terms:
        """Term k is what was term order[k]."""
        return Terms(self.lo[:, order], self.hi[:, order], self.start)


def _prefixes(values: IntArray) -> IntArray:
    """Exact sums of the first 0, 1, ..., n elements of each row, (rows, n + 1)."""
    largest = int(np.abs(values).max(initial=0))
    rows = values if largest * values.shape[1] < 1 << 61 else field.to_object(values)
    zero = np.zeros((rows.shape[0], 1), dtype=rows.dtype)
    return np.concatenate((zero, np.cumsum(rows, axis=1)), axis=1)


def terms(op: HwOp, *types: IntType) -> Terms | None:
    """What an operator adds up, in the order of its whole-tensor loops; None if it does not."""
    match op:
        case MatMul() | Conv():
            return _weighted(op, types[0])
        case MatMulStreams(zeros=zeros):
            return _of_streams(types, zeros)
        case SumPool():
            return _pooled(op, types[0])
        case Reduce(kind=Reduction.SUM, axes=axes):
            return _reduced(axes, types[0])
        case Linear(factors=factors, bias=bias):
            return _linear(factors, bias, types)
        case _:
            return None


def _weighted(op: MatMul | Conv, x: IntType) -> Terms:
    lows: list[IntArray] = []
    highs: list[IntArray] = []
    for matrix in constant_matrices(op, x):
        ends = (_column(side) for side in zip(*matrix.ranges, strict=True))
        a, b = (product(end, matrix.weights).T for end in ends)
        lows.append(np.minimum(a, b))
        highs.append(np.maximum(a, b))
    return Terms(np.concatenate(lows), np.concatenate(highs), op.bias)


def _column(values: tuple[int, ...]) -> IntArray:
    wide = any(abs(v) >= 1 << 62 for v in values)
    return np.array(values, dtype=object if wide else np.int64)[:, None]


def _of_streams(types: tuple[IntType, ...], zeros: tuple[int, int]) -> Terms:
    """Bounds for each k, of all rows and columns together."""
    inner = types[0].shape[-1]
    corners: list[IntArray] = []
    sides = [
        [field.to_object(f) - zero for f in (t.lo, t.hi)]
        for t, zero in zip(types, zeros, strict=True)
    ]
    ends_a = [_inner(v, -1, f, inner) for v, f in zip(sides[0], (np.min, np.max), strict=True)]
    ends_b = [_inner(v, -2, f, inner) for v, f in zip(sides[1], (np.min, np.max), strict=True)]
    corners = [a * b for a in ends_a for b in ends_b]
    lo, hi = np.min(corners, axis=0), np.max(corners, axis=0)
    return Terms(field.to_int64(lo)[None], field.to_int64(hi)[None], np.zeros(1, np.int64))


def _inner(values: IntArray, axis: int, extreme: Any, size: int) -> IntArray:
    """A field's extremes along one axis, that axis spelled out."""
    others = tuple(a for a in range(values.ndim) if a != values.ndim + axis)
    return np.broadcast_to(extreme(values, axis=others), (size,))


def _pooled(op: SumPool, x: IntType) -> Terms:
    lo, hi = (v.reshape(-1, 1) for v in np.broadcast_arrays(*channel_extremes(x)))
    if op.window.padded:
        lo, hi = np.minimum(lo, op.pad_value), np.maximum(hi, op.pad_value)
    shape = (lo.shape[0], int(np.prod(op.window.kernel)))
    start = np.zeros(lo.shape[0], np.int64)
    return Terms(np.broadcast_to(lo, shape), np.broadcast_to(hi, shape), start)


def _reduced(axes: tuple[int, ...], x: IntType) -> Terms:
    kept = tuple(a for a in range(len(x.shape)) if a not in axes)
    count = int(np.prod([x.shape[a] for a in axes]))
    lo, hi = (
        field.expand(f, x.shape, axes).transpose(*kept, *sorted(axes)).reshape(-1, count)
        for f in np.broadcast_arrays(x.lo, x.hi)
    )
    return Terms(lo, hi, np.zeros(lo.shape[0], np.int64))


def _linear(factors: tuple[IntArray, ...], bias: IntArray, types: tuple[IntType, ...]) -> Terms:
    lows: list[IntArray] = []
    highs: list[IntArray] = []
    for factor, x in zip(factors, types, strict=True):
        a, b = product(factor, x.lo), product(factor, x.hi)
        lows.append(np.minimum(a, b))
        highs.append(np.maximum(a, b))
    *fields, start = np.broadcast_arrays(*lows, *highs, bias)
    sides = fields[: len(lows)], fields[len(lows) :]
    lo, hi = (np.stack([f.reshape(-1) for f in side], axis=1) for side in sides)
    return Terms(lo, hi, start.reshape(-1))


@dataclass(frozen=True, slots=True)
class Sums:
    """The ranges of an operator's sums in hardware.

    `term` is one product or element; `tree` adds those of one clock (None where they come one by
    one); `total` is what the tree returns, or every sum in turn where there is no tree;
    `accumulated` is every sum in turn from clock to clock, its start (the bias) included.
    """

    term: Range
    tree: SumTree | None
    total: Range
    accumulated: Range


def folded_sums(found: Terms, lanes: int) -> Sums:
    """`lanes` terms in one clock (all of them where nothing is folded), then the accumulator."""
    tree = found.tree(lanes)
    return Sums(found.widest, tree, tree.ranges[0], found.accumulated(lanes))


def sequential_sums(found: Terms) -> Sums:
    """One term after the other."""
    return Sums(found.widest, None, found.bare().accumulated(), found.accumulated())


def counted_sums(count: int, lanes: int) -> Sums:
    """The ones of `lanes` bits in one clock, counted from zero to the ones of all of them."""
    return Sums((0, lanes), SumTree(1, ((0, lanes),)), (0, lanes), (0, count))


def budget_sums(op: MatMul | Conv, budget: Budget, x: IntType, lanes: int, *, tree: bool) -> Sums:
    """Sums that hold any weights within a budget, which bounds every part of a sum as well."""
    most = budget.l1 * op.reach(x)
    ends = (x.min, x.max, op.pad_value if isinstance(op, Conv) and op.window.padded else x.min)
    corners = [w * v for w in (budget.format.lo, budget.format.hi) for v in ends]
    term = max(min(corners), -most), min(max(corners), most)

    def nodes(count: int) -> list[Range]:
        below = [] if count == 1 else nodes(count // 2) + nodes(count - count // 2)
        return [(max(count * term[0], -most), min(count * term[1], most)), *below]

    total = int(op.bias.min()) - most, int(op.bias.max()) + most
    found = SumTree(lanes, tuple(nodes(lanes)))
    return Sums(term, found if tree else None, found.ranges[0] if tree else total, total)


def unit_sums(found: Terms, lanes: int, unit: Encoded | None, chunk: int = 1) -> Sums:
    """The sums of a matrix unit of `lanes` inputs a clock, `chunk` of them added up beforehand."""
    if unit is None:
        return folded_sums(found if chunk == 1 else found.grouped(chunk), lanes // chunk)
    if unit.counted is not None:
        return counted_sums(found.count, lanes)
    group = unit.encoding.group
    return folded_sums(found.grouped(group), lanes // group)


def operator_sums(
    operator: Operator, way: Way | None, unit: Encoded | None = None, chunk: int = 1
) -> Sums | None:
    """The sums of an operator in a stream of this way, or (None) in a parallel design."""
    op = operator.node.op
    if isinstance(op, MatMul | Conv) and op.budget is not None:
        lanes = operator.x[0].lanes if way is Way.MATRIX else 1
        return budget_sums(op, op.budget, operator.x[0].type, lanes, tree=way is Way.MATRIX)
    found = terms(op, *(v.type for v in operator.x))
    if found is None:
        return None
    if isinstance(op, Linear):
        return sequential_sums(found)
    match way:
        case None:
            return folded_sums(found, found.count)
        case Way.MATRIX:
            assert isinstance(op, MatMul | Conv)
            found = found.reordered(stream_order(op, operator.x[0].lanes))
            return unit_sums(found, operator.x[0].lanes, unit, chunk)
        case Way.CHANNELS | Way.WHOLE:
            return sequential_sums(found)
