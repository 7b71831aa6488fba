"""Constants of a requantisation that the sum in front of it can start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hlsgen.arith.staircase import Affine, Wrapped
from hlsgen.arith.steps import Steps, widen
from hlsgen.ir import field
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntArray
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase


def absorb_offsets(graph: HwGraph) -> HwGraph:
    """The same function with biases that hold the constants behind them.

    1. Of y = (m * x + b) >> shift where m divides b, x starts from b / m more and b becomes 0: the
       sum has its bias anyway, and the requantisation loses an adder.
    2. x must come from a product with constant weights, be read by nothing else and be no output;
       the rows of the staircase must follow the output channels.
    """
    replaced: dict[int, Node[HwOp]] = {}
    types = dict(graph.types)
    place = {node.output: k for k, node in enumerate(graph.nodes)}
    for k, node in enumerate(graph.nodes):
        match node.op:
            case Staircase(realisation=Affine() | Wrapped()) as stair:
                (x,) = node.inputs
                source = graph.producer.get(x)
                alone = x not in graph.outputs and len(graph.consumers[x]) == 1
                if source is None or not alone or not isinstance(source.op, MatMul | Conv):
                    continue
                moved = _moved(source.op, stair, types[x].shape)
                if moved is not None:
                    replaced[place[x]], replaced[k] = (
                        replace(n, op=op) for n, op in zip((source, node), moved, strict=True)
                    )
                    types[x] = moved[0].infer(*(types[v] for v in source.inputs))[0]
            case _:
                pass
    nodes = tuple(replaced.get(k, node) for k, node in enumerate(graph.nodes))
    return replace(graph, nodes=nodes, types=types)


def _moved(
    source: MatMul | Conv, stair: Staircase, shape: Sequence[int]
) -> tuple[MatMul | Conv, Staircase] | None:
    """Both operators after the move; None where nothing moves."""
    chosen = stair.realisation
    assert isinstance(chosen, Affine | Wrapped)
    how = chosen if isinstance(chosen, Affine) else chosen.rise
    row = channel_rows(stair.row, shape, len(shape) - 1 if isinstance(source, MatMul) else 1)
    whole = [b + (how.offset << how.shift if how.tie is None else 0) for b in how.b]
    by = [b // m if m and b % m == 0 else 0 for m, b in zip(how.m, whole, strict=True)]
    if row is None or not any(by):
        return None
    late = 0 if how.tie is None else how.offset
    rest = tuple(b - m * d for m, b, d in zip(how.m, whole, by, strict=True))
    lo, hi = (tuple(v + d for v, d in zip(ends, by, strict=True)) for ends in (how.lo, how.hi))
    fewer = replace(how, b=rest, offset=late, lo=lo, hi=hi)
    form = fewer if isinstance(chosen, Affine) else replace(chosen, rise=fewer)
    rows = tuple(_later(steps, d) for steps, d in zip(stair.rows, by, strict=True))
    bias = field.to_int64(
        field.to_object(source.bias) + np.array([by[r] for r in row], dtype=object)
    )
    return replace(source, bias=bias), replace(stair, rows=rows, realisation=form)


def channel_rows(row: IntArray, shape: Sequence[int], axis: int) -> list[int] | None:
    """The row of each channel; None where a channel has several."""
    lines = np.moveaxis(np.broadcast_to(row, shape), axis, 0).reshape(shape[axis], -1)
    return lines[:, 0].tolist() if (lines == lines[:, :1]).all() else None


def _later(steps: Steps, by: int) -> Steps:
    """The staircase of n -> c(n - by)."""
    lo, hi = steps.lo + by, steps.hi + by
    return replace(steps, lo=lo, hi=hi, t=widen(steps.t, max(abs(lo), abs(hi))) + by)
