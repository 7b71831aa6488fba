"""What the stream blocks of the templates need to know of an operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.emit.encodings import Encoded
from hlsgen.emit.jinja import index_of
from hlsgen.emit.matrices import stream_matrix
from hlsgen.emit.numbers import numbers
from hlsgen.emit.streaming import Way, Work, elementwise_places, work
from hlsgen.emit.views import Operator
from hlsgen.ir.hw import IntArray
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool


def two_dimensional(window: Window) -> Window:
    """A one-dimensional window runs down a single column."""
    if len(window.kernel) == 2:
        return window
    return Window(
        (*window.kernel, 1), (*window.strides, 1), (*window.dilations, 1),
        (*window.pads_begin, 0), (*window.pads_end, 0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """Elements of a window: format, what stands for the border, how channels go together."""

    operand: IntFormat
    border: int
    groups: int
    alone: bool


def window_facts(operator: Operator) -> WindowFacts:
    """Facts of a convolution or pooling."""
    op, x = operator.node.op, operator.x[0].type
    match op:
        case Conv():
            known = numbers(op, x)
            alone = _work(operator).way is Way.CHANNELS
            return WindowFacts(known["operand_t"], known["pad_value"], op.group, alone)  # pyright: ignore[reportArgumentType]
        case SumPool(pad_value=pad):
            pad = pad if op.window.padded else x.min
            fmt = IntFormat.of_range(min(x.min, pad), max(x.max, pad))
            return WindowFacts(fmt, pad, 1, True)
        case _:
            return WindowFacts(x.format, x.min, 1, True)


def _work(operator: Operator) -> Work:
    return work(
        operator.node.op, *(tuple(v.type for v in side) for side in (operator.x, operator.y))
    )


def stream_numbers(operator: Operator, unit: Encoded | None = None) -> dict[str, Any]:
    """What the stream blocks of the templates need; `unit` says how weights are encoded, if so."""
    todo = _work(operator)
    beats = [v.beat for v in operator.x]
    found: dict[str, Any] = {"streamed": todo.way is not Way.WHOLE, "way": todo.way.value}
    match operator.node.op:
        case _ if todo.way is Way.WHOLE:
            pass
        case Conv() | MaxPool() | SumPool() as op:
            facts = window_facts(operator)
            beats = [f"beat<{facts.operand.cpp}, {operator.x[0].lanes} >"]
            found |= {"operand": facts.operand.cpp, "window_taps": math.prod(op.window.kernel)}
            if isinstance(op, Conv):
                found |= _conv_numbers(op, operator, todo.way, unit)
        case MatMul() as op:
            found |= {"operand": operator.x[0].t, "groups": 1}
            found |= _folded(op, operator, unit)
        case _:
            found["field_places"] = _field_places(operator)
    found["taken"] = beats[0] if beats else ""
    arguments = zip(beats + [v.beat for v in operator.y], operator.x + operator.y, strict=True)
    found["arguments"] = ", ".join(f"hls::stream<{b} > &s_{v.local}" for b, v in arguments)
    return found


def _conv_numbers(op: Conv, operator: Operator, way: Way, unit: Encoded | None) -> dict[str, Any]:
    if way is Way.MATRIX:
        return {"groups": op.group} | _folded(op, operator, unit)
    lanes = operator.x[0].lanes
    kernel = op.weights.reshape(-1, lanes, math.prod(op.window.kernel)).swapaxes(1, 2)
    kernel = np.ascontiguousarray(kernel).reshape(-1, lanes)
    return {"folded_weights": kernel if unit is None else unit.encoding.encode(kernel)}


def _folded(op: MatMul | Conv, operator: Operator, unit: Encoded | None) -> dict[str, Any]:
    """Weights as one row for each clock: PE x SIMD of them, or the codes that hold them."""
    pe, simd = operator.y[0].lanes, operator.x[0].lanes
    groups = op.group if isinstance(op, Conv) else 1
    matrix = stream_matrix(op, simd)
    outputs, inner = matrix.shape
    folds = -(-outputs // groups // pe)
    matrix = padded(matrix, groups * folds * pe)
    tiles = matrix.reshape(-1, pe, inner // simd, simd).swapaxes(1, 2)
    codes = tiles if unit is None else unit.encoding.encode(tiles)
    return {
        "folded_weights": np.ascontiguousarray(codes).reshape(-1, pe * codes.shape[-1]),
        "rows": operator.y[0].size // outputs,
        "folds": folds,
        "steps": inner // simd,
        "padded": partial(padded, rows=groups * folds * pe),
        "pe": pe,
        "simd": simd,
    }


def padded(values: IntArray, rows: int) -> IntArray:
    """So many rows: the last one again, which every encoding holds; what that makes is dropped."""
    return np.concatenate([values, np.repeat(values[-1:], rows - len(values), axis=0)])


def _field_places(operator: Operator) -> dict[str, str]:
    """Where an element by element operator finds its constants while it streams."""
    x, y = (tuple(v.type for v in side) for side in (operator.x, operator.y))
    places = elementwise_places(operator.node.op, x, y[0]) or {}
    lanes = operator.y[0].lanes
    return {name: index_of(sizes, ("n", f"c * {lanes} + l", "p")) for name, sizes in places.items()}
