"""Each hardware operator as steps of the native program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.arg_max import ArgMax
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.constant import Constant
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.top_k import TopK
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.ops.hw.truth_table import TruthTable
from hlsgen.sim import native_plan as plan
from hlsgen.sim.native_gemm import gemm, stairs
from hlsgen.sim.native_move import move
from hlsgen.sim.native_plan import Machine, Planner, Program, integer_ctype

Array = NDArray[Any]


def program(graph: HwGraph, machine: Machine) -> Program:
    """The steps of a graph. Errors: Unsupported where 64 bits do not suffice."""
    p = Planner(graph, machine)
    last = _last_uses(p)
    inputs = [p.buffer(name) for name in graph.inputs]
    for i, node in enumerate(graph.nodes):
        if node.output not in p.fused and not isinstance(node.op, Reshape):
            _plan(p, node)
        p.memory.free("")
        done = {p.resolve(n) for n in (*node.inputs, *node.outputs)}
        for root in done:
            if last.get(root, i) <= i:
                p.memory.free(root)
    return p.finish(inputs, [p.buffer(name) for name in graph.outputs])


def _last_uses(p: Planner) -> dict[str, int]:
    last: dict[str, int] = {}
    for i, node in enumerate(p.graph.nodes):
        last.update((p.resolve(name), i) for name in (*node.outputs, *node.inputs))
    last.update((p.resolve(name), len(p.graph.nodes)) for name in p.graph.outputs)
    return last


def _plan(p: Planner, node: Node[HwOp]) -> None:  # noqa: C901 - one case an operator
    match node.op:
        case Conv() | MatMul():
            gemm(p, node)
        case Constant(values=values):
            y = p.buffer(node.output)
            p.steps.append(plan.Fill(y, p.param(values.reshape(-1), y.ctype)))
        case Take() | Transpose() | Concat() | Pad():
            _move(p, node)
        case MaxPool() | SumPool() | Reduce():
            _fold(p, node)
        case ArgMax() | TopK():
            _rank(p, node)
        case MatMulStreams(zeros=zeros):
            _streams(p, node, zeros)
        case Staircase():
            _curve(p, node, node.op)
        case TruthTable():
            _tables(p, node, node.op)
        case _:
            _pointwise(p, node)


def _types(p: Planner, node: Node[HwOp]) -> tuple[IntType, ...]:
    return tuple(p.graph.types[name] for name in node.inputs)


def _curve(p: Planner, node: Node[HwOp], op: Staircase) -> None:
    x, y = p.buffer(node.inputs[0]), p.buffer(node.output)
    row = np.broadcast_to(op.row, p.graph.types[node.output].shape).reshape(-1)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(row)) + 1, [row.size]))
    shape = stairs(p, op.rows, op.realisation)
    p.steps.append(
        plan.Curve(
            x, y, shape, len(starts) - 1,
            p.param(starts, "int64_t"), p.param(row[starts[:-1]], "int32_t"),
        )
    )  # fmt: skip


def _tables(p: Planner, node: Node[HwOp], op: TruthTable) -> None:
    x, y = p.buffer(node.inputs[0]), p.buffer(node.output)
    flat = {
        name: p.param(values, y.ctype if name == "values" else "int64_t")
        for name, values in op.flat.items()
    }
    p.steps.append(
        plan.Tables(x, y, x.size // op.inputs, op.inputs, len(op.tables), **flat)
    )  # fmt: skip


def _move(p: Planner, node: Node[HwOp]) -> None:
    """A movement is what it does to the elements' numbers."""
    types = _types(p, node)
    ends = np.cumsum([0, *(t.size for t in types)])
    numbers: list[Array] = [
        np.arange(a, b).reshape(1, *t.shape) for a, b, t in zip(ends, ends[1:], types, strict=False)
    ]
    op = replace(node.op, value=-1) if isinstance(node.op, Pad) else node.op
    value = node.op.value if isinstance(node.op, Pad) else 0
    (source,) = op.evaluate(*numbers, types=types)
    move(p, [p.buffer(n) for n in node.inputs], p.buffer(node.output), source.reshape(-1), value)


def _fold(p: Planner, node: Node[HwOp]) -> None:
    x, y, t = p.buffer(node.inputs[0]), p.buffer(node.output), _types(p, node)[0]
    numbers = np.arange(t.size).reshape(t.shape)
    match node.op:
        case MaxPool(window=window):
            table, kind, border = window.view(window.pad(numbers, -1)), "max", 0
        case SumPool(window=window, pad_value=pad):
            table, kind, border = window.view(window.pad(numbers, -1)), "sum", pad
        case Reduce(kind=reduction, axes=axes):
            kept = [a for a in range(numbers.ndim) if a not in axes]
            table, border = numbers.transpose(*kept, *axes), 0
            kind = {Reduction.SUM: "sum", Reduction.MAX: "max", Reduction.MIN: "min"}[reduction]
        case _:
            raise TypeError(type(node.op).__name__)
    table = table.reshape(y.size, -1)
    inside = (table >= 0).sum(axis=1)
    initial = {"sum": (table.shape[1] - inside) * border, "max": t.min, "min": t.max}[kind]
    starts = np.concatenate(([0], np.cumsum(inside)))
    limit = max(abs(t.min), abs(t.max), abs(border)) * table.shape[1]
    acc = x.ctype if kind != "sum" else integer_ctype(limit)
    p.steps.append(
        plan.Fold(
            kind, acc, x, y, p.param(np.broadcast_to(initial, (y.size,)), acc),
            p.param(starts, "int64_t"), p.param(table[table >= 0], "int64_t"),
        )
    )  # fmt: skip


def _rank(p: Planner, node: Node[HwOp]) -> None:
    match node.op:
        case ArgMax(axis=axis, greatest=greatest, last=last):
            k, values = 1, None
        case TopK(axis=axis, greatest=greatest, k=k):
            values, last = p.buffer(node.outputs[0]), False
        case _:
            raise TypeError(type(node.op).__name__)
    shape = _types(p, node)[0].shape
    inner = int(np.prod(shape[axis + 1 :]))
    p.steps.append(
        plan.Rank(
            p.buffer(node.inputs[0]), p.buffer(node.outputs[-1]), values,
            int(np.prod(shape[:axis])), shape[axis], inner, k, greatest, last,
        )
    )  # fmt: skip


def _streams(p: Planner, node: Node[HwOp], zeros: tuple[int, int]) -> None:
    a, b = _types(p, node)
    y = p.graph.types[node.output]
    i, k, j = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = y.shape[:-2]

    def bases(t: IntType) -> Array:
        count = int(np.prod(t.shape[:-2]))
        place = np.arange(count).reshape(t.shape[:-2]) * (t.shape[-2] * t.shape[-1])
        return np.broadcast_to(place, lead).reshape(-1)

    largest = [max(abs(t.min - z), abs(t.max - z)) for t, z in zip((a, b), zeros, strict=True)]
    p.steps.append(
        plan.Streams(
            plan.sum_ctype(max(*largest, largest[0] * largest[1] * k)),
            p.buffer(node.inputs[0]), p.buffer(node.inputs[1]), p.buffer(node.output), zeros,
            int(np.prod(lead)), (i, k, j),
            p.param(bases(a), "int64_t"), p.param(bases(b), "int64_t"),
        )
    )  # fmt: skip


def _pointwise(p: Planner, node: Node[HwOp]) -> None:
    types, out = _types(p, node), p.graph.types[node.output]
    build = _Pointwise(p, node, types, out.shape)
    match node.op:
        case Linear(factors=factors, bias=bias):
            low, high = node.op.partial_bounds(*types)
            acc = integer_ctype(max(-low, high, *(int(np.abs(f).max()) for f in factors)))
            step = build.step("linear", acc, factors, low=bias)
        case Clamp(lo=lo, hi=hi):
            step = build.step("clamp", _widest(types, lo, hi), low=lo, high=hi)
        case Extremum(greatest=greatest):
            step = build.step("max" if greatest else "min", _widest(types))
        case Product(zeros=zeros):
            edges = [abs(e - z) for t, z in zip(types, zeros, strict=True) for e in (t.min, t.max)]
            largest = max(*edges, *map(abs, zeros), -out.min, out.max)
            step = build.step("product", integer_ctype(largest), zeros=zeros)
        case _:
            raise Unsupported(f"no native code for {type(node.op).__name__}")
    p.steps.append(step)


def _widest(types: Sequence[IntType], *constants: Array) -> str:
    ends = [e for t in types for e in (t.min, t.max)]
    ends += [int(e) for v in constants for e in (v.min(), v.max())]
    return integer_ctype(max(map(abs, ends)))


class _Pointwise:
    """Tables of an element-wise operator: constants and operands spelled out where they vary."""

    def __init__(
        self, p: Planner, node: Node[HwOp], types: Sequence[IntType], shape: tuple[int, ...]
    ) -> None:
        self.p, self.node, self.types, self.shape = p, node, types, shape

    def step(
        self, kind: str, acc: str, factors: Sequence[Array] = (), *,
        low: Array | None = None, high: Array | None = None, zeros: tuple[int, int] = (0, 0),
    ) -> plan.Pointwise:  # fmt: skip
        operands = tuple(
            (self.p.buffer(name), self._index(t), self.constant(factors[k], acc) if factors else "")
            for k, (name, t) in enumerate(zip(self.node.inputs, self.types, strict=True))
        )
        y = self.p.buffer(self.node.output)
        limits = ("0" if v is None else self.constant(v, acc) for v in (low, high))
        return plan.Pointwise(kind, acc, y, operands, *limits, zeros=zeros)

    def constant(self, values: Array, acc: str) -> str:
        """A literal, or an array indexed by the element."""
        if values.size == 1:
            return f"{acc}({int(values.reshape(-1)[0])}LL)"
        full = np.broadcast_to(values, self.shape).reshape(-1)
        return f"{self.p.param(full.astype(np.int64), acc)}[i]"

    def _index(self, t: IntType) -> str:
        if t.shape == self.shape:
            return ""
        numbers = np.broadcast_to(np.arange(t.size).reshape(t.shape), self.shape)
        return self.p.param(numbers.reshape(-1), "int64_t")
