"""Operators as units: a kernel and the elements that each copy of it reads and makes.

What a network repeats - the window of a convolution, a row of a matrix product, a pooled window, a
function of one element - is one unit with as many copies as there are places. Where the copies
stand is index arithmetic on whole tensors, so that a unit costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.matrices import weight_matrices
from hlsgen.emit.products.lookup import looked_up
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl import ranks
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.stairs import stair
from hlsgen.emit.rtl.sums import total, weighted
from hlsgen.errors import Unsupported
from hlsgen.ir.hw import HwOp, IntArray
from hlsgen.ops.hw.arg_max import ArgMax
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.ops.hw.top_k import TopK
from hlsgen.ops.hw.truth_table import TruthTable


@dataclass(frozen=True, slots=True)
class Element:
    """One integer of a bus."""

    bus: str
    index: int


Operand: TypeAlias = Element | int  # an int stands for itself
Places = NDArray[Any]  # of operands, in the shape of a tensor
Index = NDArray[np.int64]
Weave = Callable[[Builder, Sequence[int]], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Read:
    """A vector port: copy n has element source[table[n, p]] at its place p."""

    source: Places
    table: Index


@dataclass(frozen=True, eq=False)
class Write:
    """Copy n makes the row-major places table[n] of output `output` of the operator."""

    output: int
    table: Index


@dataclass(frozen=True, eq=False)
class Unit:
    """Copies of one kernel: `weave` makes its outputs from its ports, both vector after vector."""

    weave: Weave
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]

    @property
    def count(self) -> int:
        return len(self.writes[0].table)


def units(  # noqa: C901 - one case an operator
    op: HwOp, x: Sequence[Places], shape: tuple[int, ...], how: Arithmetic, step: int = 1
) -> list[Unit]:
    """The units of an operator on tensors of elements; `shape` is that of its first output.

    `step`: the operands of a layer with weights differ by multiples of it.
    Errors: Unsupported for an operator without a parallel form.
    """
    match op:
        case MatMul():
            return list(_matmul(op, x[0], how, step))
        case Conv():
            return list(_conv(op, x[0], how, step))
        case TruthTable():
            return list(_truth_table(op, x[0]))
        case Linear():
            return list(_linear(op, x, shape, how))
        case Staircase():
            return list(_staircase(op, x[0], how))
        case Clamp(lo, hi):
            return list(_clamp(np.broadcast_to(lo, shape), np.broadcast_to(hi, shape), x[0]))
        case Extremum() | Product():
            return list(_pairwise(op, x, shape))
        case MatMulStreams():
            return list(_streams(op, x[0], x[1], shape))
        case SumPool() | MaxPool():
            return list(_pool(op, x[0]))
        case Reduce():
            return list(_reduce(op, x[0]))
        case ArgMax() | TopK():
            return list(_rank(op, x[0]))
        case _:
            raise Unsupported(
                f"{type(op).__name__} has no parallel SystemVerilog form; HLS C++ has one"
            )


def _matmul(op: MatMul, x: Places, how: Arithmetic, step: int) -> Iterator[Unit]:
    (weights,) = weight_matrices(op)
    inner, outer = weights.shape
    weave = _affine(weights, op.bias, how, step)
    count = x.size // inner
    read = Read(x.reshape(-1), _rows(count, inner))
    yield Unit(weave, (read,), (Write(0, _rows(count, outer)),))


def _truth_table(op: TruthTable, x: Places) -> Iterator[Unit]:
    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        return [looked_up(b, ports, table) for table in op.tables]

    count = x.size // op.inputs
    read = Read(x.reshape(-1), _rows(count, op.inputs))
    yield Unit(weave, (read,), (Write(0, _rows(count, len(op.tables))),))


def _affine(weights: IntArray, bias: IntArray, how: Arithmetic, step: int) -> Weave:
    """x @ weights + bias; neighbouring codes of x are `step` apart."""
    columns, constants = weights.T.tolist(), bias.tolist()
    return lambda b, ports: product_sums(b, ports, columns, constants, how, step)


def _conv(op: Conv, x: Places, how: Arithmetic, step: int) -> Iterator[Unit]:
    """One kernel a group, whatever the position; the border is constant operands."""
    padded = op.window.pad(x, op.pad_value)
    source, places = padded.reshape(-1), np.arange(padded.size).reshape(padded.shape)
    windows = op.window.view(places)  # (N, C, *out, *kernel)
    rank = len(op.window.kernel)
    n, c = windows.shape[:2]
    size = int(np.prod(windows.shape[2 : 2 + rank]))
    patches = windows.reshape(n, op.group, c // op.group, size, -1)
    patches = np.moveaxis(patches, 2, -2).reshape(n, op.group, size, -1)
    out = len(op.bias) // op.group
    made = _rows(n * len(op.bias), size).reshape(n, op.group, out, size).swapaxes(2, 3)
    for g, weights in enumerate(weight_matrices(op)):
        weave = _affine(weights, op.bias[g * out : (g + 1) * out], how, step)
        read = Read(source, patches[:, g].reshape(n * size, -1))
        yield Unit(weave, (read,), (Write(0, made[:, g].reshape(n * size, -1)),))


def _alike(keys: Iterable[Hashable]) -> list[Index]:
    """The places of each different key."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return [np.array(places)[:, None] for places in found.values()]


def _linear(
    op: Linear, x: Sequence[Places], shape: tuple[int, ...], how: Arithmetic
) -> Iterator[Unit]:
    sources = [np.broadcast_to(v, shape).reshape(-1) for v in x]
    fields = [np.broadcast_to(f, shape).reshape(-1).tolist() for f in (op.bias, *op.factors)]
    rows: list[tuple[int, ...]] = list(zip(*fields, strict=True))
    for at in _alike(rows):
        row = rows[int(at[0, 0])]

        def weave(b: Builder, p: Sequence[int], f: tuple[int, ...] = row) -> list[int]:
            return [weighted(b, p, f[1:], f[0], how)]

        yield Unit(weave, tuple(Read(s, at) for s in sources), (Write(0, at),))


def _staircase(op: Staircase, x: Places, how: Arithmetic) -> Iterator[Unit]:
    rows = np.broadcast_to(op.row, x.shape).reshape(-1).tolist()
    for at in _alike(rows):

        def weave(b: Builder, p: Sequence[int], r: int = rows[at[0, 0]]) -> list[int]:
            return [stair(b, p[0], op.realisation, r, how)]

        yield Unit(weave, (Read(x.reshape(-1), at),), (Write(0, at),))


def _clamp(lo: Places, hi: Places, x: Places) -> Iterator[Unit]:
    bounds = list(zip(lo.reshape(-1).tolist(), hi.reshape(-1).tolist(), strict=True))
    for at in _alike(bounds):

        def weave(b: Builder, p: Sequence[int], of: Any = bounds[at[0, 0]]) -> list[int]:
            return [b.clip(p[0], *of)]

        yield Unit(weave, (Read(x.reshape(-1), at),), (Write(0, at),))


def _pairwise(
    op: Extremum | Product, x: Sequence[Places], shape: tuple[int, ...]
) -> Iterator[Unit]:
    def weave(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        first, second = ports
        match op:
            case Extremum(greatest):
                return [b.extremum(first, second, greatest=greatest)]
            case Product(zeros):
                zero, other = zeros
                low, high = b.sum([Term(first)], -zero), b.sum([Term(second)], -other)
                return [b.product(low, high)]

    at = np.arange(int(np.prod(shape)))[:, None]
    reads = tuple(Read(np.broadcast_to(v, shape).reshape(-1), at) for v in x)
    yield Unit(weave, reads, (Write(0, at),))


def _streams(op: MatMulStreams, a: Places, c: Places, shape: tuple[int, ...]) -> Iterator[Unit]:
    """One unit a matrix, so that an operand's zero is taken off once."""
    rows, columns = shape[-2:]
    a = np.broadcast_to(a, (*shape[:-2], *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    c = np.broadcast_to(c, (*shape[:-2], *c.shape[-2:])).reshape(-1, *c.shape[-2:])
    inner = int(a.shape[-1])

    def weave(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        left = [b.sum([Term(w)], -op.zeros[0]) for w in ports[: rows * inner]]
        right = [b.sum([Term(w)], -op.zeros[1]) for w in ports[rows * inner :]]
        return [
            total(b, [Term(b.product(left[i * inner + k], right[k * columns + j]))
                      for k in range(inner)], products=True)
            for i in range(rows) for j in range(columns)
        ]  # fmt: skip

    yield Unit(weave, (_rowwise(a), _rowwise(c)), (Write(0, _rows(len(a), rows * columns)),))


def _rows(count: int, size: int) -> Index:
    """The places of each row of a (count, size) tensor."""
    return np.arange(count * size).reshape(count, size)


def _rowwise(x: Places) -> Read:
    """A copy a slice of the first axis."""
    return Read(x.reshape(-1), _rows(len(x), x.size // max(1, len(x))))


def _pool(op: SumPool | MaxPool, x: Places) -> Iterator[Unit]:
    """The elements within the border; beyond it stand constants, or nothing for the maximum."""
    places = op.window.pad(np.arange(x.size).reshape(x.shape), -1)
    windows = op.window.view(places).reshape(-1, int(np.prod(op.window.kernel)))
    for at in _alike((windows < 0).sum(axis=1).tolist()):
        inside = windows[at[:, 0]]
        beyond = int((inside[0] < 0).sum())

        def weave(b: Builder, ports: Sequence[int], beyond: int = beyond) -> list[int]:
            match op:
                case SumPool(pad_value=value):
                    return [total(b, [Term(w) for w in ports], value * beyond)]
                case MaxPool():
                    return [ranks.extreme(b, ports, greatest=True)]

        read = Read(x.reshape(-1), inside[inside >= 0].reshape(len(at), -1))
        yield Unit(weave, (read,), (Write(0, at),))


def _reduce(op: Reduce, x: Places) -> Iterator[Unit]:
    kept = [a for a in range(x.ndim) if a not in op.axes]
    size = int(np.prod([x.shape[a] for a in kept]))
    rows = x.transpose([*kept, *op.axes]).reshape(size, -1)

    def weave(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        match op.kind:
            case Reduction.SUM:
                return [total(b, [Term(w) for w in ports])]
            case Reduction.MAX | Reduction.MIN:
                return [ranks.extreme(b, ports, greatest=op.kind is Reduction.MAX)]

    yield Unit(weave, (_rowwise(rows),), (Write(0, _rows(size, 1)),))


def _rank(op: ArgMax | TopK, x: Places) -> Iterator[Unit]:
    lines = np.moveaxis(x, op.axis, -1)
    before, size = lines.shape[:-1], lines.shape[-1]
    after = int(np.prod(x.shape[op.axis + 1 :]))

    def weave(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        match op:
            case ArgMax(greatest=greatest, last=last):
                return [ranks.place(b, ports, greatest=greatest, last=last)]
            case TopK(k=k, greatest=greatest):
                values, places = ranks.leading(b, ports, k, greatest=greatest)
                return [*values, *places]

    count = op.k if isinstance(op, TopK) else 1
    kinds = 2 if isinstance(op, TopK) else 1
    copies = int(np.prod(before))
    n = np.arange(copies)[:, None]
    made = (n // after) * count * after + n % after + np.arange(count) * after
    read = _rowwise(lines.reshape(copies, size))
    yield Unit(weave, (read,), tuple(Write(y, made) for y in range(kinds)))
