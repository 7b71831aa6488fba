"""Operators as units: kernels and the elements that each instance of them reads and makes.

A unit is one copy of a kernel in space. Units with equal `key` are the same hardware on other
elements: the kernel is made once, for the joint bounds of its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl import ranks
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.stairs import stair
from hlsgen.emit.rtl.sums import total, weighted
from hlsgen.errors import Unsupported
from hlsgen.ir.hw import HwOp
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

Places = NDArray[Any]  # of elements: what stands at each place of a tensor
Weave = Callable[[Builder, Sequence[int]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Unit:
    """An instance: `weave` makes the kernel's outputs from its ports.

    `inputs` are the elements at the ports; `outputs` say where the results go: (output of the
    operator, row-major place).
    """

    key: Hashable
    weave: Weave
    inputs: tuple[Any, ...]
    outputs: tuple[tuple[int, int], ...]


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
    inner, outer = op.weights.shape
    columns, bias = op.weights.T.tolist(), op.bias.tolist()

    def weave(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        return product_sums(b, ports, columns, bias, how, step)

    for i, row in enumerate(x.reshape(-1, inner)):
        yield Unit("", weave, tuple(row), tuple((0, i * outer + j) for j in range(outer)))


def _conv(op: Conv, x: Places, how: Arithmetic, step: int) -> Iterator[Unit]:
    """One kernel a group, whatever the position; the border is constant operands."""
    windows = op.window.view(op.window.pad(x, op.pad_value))  # (N, C, *out, *kernel)
    rank = len(op.window.kernel)
    n, c = windows.shape[:2]
    places = windows.shape[2 : 2 + rank]
    patches = windows.reshape(n, op.group, c // op.group, *places, -1)
    patches = np.moveaxis(patches, 2, -2).reshape(n, op.group, int(np.prod(places)), -1)
    size, out = patches.shape[2], len(op.bias) // op.group
    for g in range(op.group):
        mine = slice(g * out, (g + 1) * out)
        rows, bias = op.weights[mine].reshape(out, -1).tolist(), op.bias[mine].tolist()

        def weave(b: Builder, p: Sequence[int], rows: Any = rows, bias: Any = bias) -> list[int]:
            return product_sums(b, p, rows, bias, how, step)

        for i in range(n):
            for p in range(size):
                first = (i * op.group + g) * out
                made = tuple((0, (first + o) * size + p) for o in range(out))
                yield Unit(g, weave, tuple(patches[i, g, p]), made)


def _linear(
    op: Linear, x: Sequence[Places], shape: tuple[int, ...], how: Arithmetic
) -> Iterator[Unit]:
    operands = zip(*(np.broadcast_to(v, shape).reshape(-1) for v in x), strict=True)
    fields = [np.broadcast_to(f, shape).reshape(-1).tolist() for f in (op.bias, *op.factors)]
    for i, (elements, (bias, *factors)) in enumerate(
        zip(operands, zip(*fields, strict=True), strict=True)
    ):

        def weave(b: Builder, p: Sequence[int], f: Any = factors, v: Any = bias) -> list[int]:
            return [weighted(b, p, f, v, how)]

        yield Unit((bias, *factors), weave, elements, ((0, i),))


def _staircase(op: Staircase, x: Places, how: Arithmetic) -> Iterator[Unit]:
    rows = np.broadcast_to(op.row, x.shape).reshape(-1).tolist()
    for i, (element, row) in enumerate(zip(x.reshape(-1), rows, strict=True)):

        def weave(b: Builder, p: Sequence[int], r: int = row) -> list[int]:
            return [stair(b, p[0], op.realisation, r, how)]

        yield Unit(row, weave, (element,), ((0, i),))


def _clamp(lo: Places, hi: Places, x: Places) -> Iterator[Unit]:
    fields = zip(x.reshape(-1), lo.reshape(-1).tolist(), hi.reshape(-1).tolist(), strict=True)
    for i, (element, low, high) in enumerate(fields):

        def weave(b: Builder, p: Sequence[int], low: int = low, high: int = high) -> list[int]:
            return [b.clip(p[0], low, high)]

        yield Unit((low, high), weave, (element,), ((0, i),))


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

    a, c = (np.broadcast_to(v, shape).reshape(-1) for v in x)
    for i, pair in enumerate(zip(a, c, strict=True)):
        yield Unit("", weave, pair, ((0, i),))


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
                      for k in range(inner)])
            for i in range(rows) for j in range(columns)
        ]  # fmt: skip

    size = rows * columns
    for n, (left, right) in enumerate(zip(a, c, strict=True)):
        made = tuple((0, n * size + i) for i in range(size))
        yield Unit("", weave, (*left.reshape(-1), *right.reshape(-1)), made)


def _pool(op: SumPool | MaxPool, x: Places) -> Iterator[Unit]:
    """The elements within the border; beyond it stand constants, or nothing for the maximum."""
    windows = op.window.view(op.window.pad(x, None))
    taps = int(np.prod(op.window.kernel))
    for i, window in enumerate(windows.reshape(-1, taps)):
        inside = tuple(e for e in window if e is not None)
        beyond = taps - len(inside)

        def weave(b: Builder, ports: Sequence[int], beyond: int = beyond) -> list[int]:
            match op:
                case SumPool(pad_value=value):
                    return [total(b, [Term(w) for w in ports], value * beyond)]
                case MaxPool():
                    return [ranks.extreme(b, ports, greatest=True)]

        yield Unit(beyond, weave, inside, ((0, i),))


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

    for i, row in enumerate(rows):
        yield Unit("", weave, tuple(row), ((0, i),))


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
    for i, line in enumerate(lines.reshape(int(np.prod(before)), size)):
        first = (i // after) * count * after + i % after
        made = tuple((y, first + r * after) for y in range(kinds) for r in range(count))
        yield Unit("", weave, tuple(line), made)
