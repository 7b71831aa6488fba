"""The processes of a streamed design and the channels between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.emit.encodings import Encoded
from hlsgen.emit.jinja import index_of
from hlsgen.emit.matrices import stream_matrix
from hlsgen.emit.numbers import numbers
from hlsgen.emit.streaming import Way, elementwise_places, work
from hlsgen.emit.views import Operator, Value
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool

_SHALLOW = 2  # tokens that let a producer and a consumer overlap


@dataclass(frozen=True, slots=True)
class Stream:
    """A channel inside the design."""

    name: str
    beat: str
    depth: int
    note: str = ""


@dataclass(slots=True)
class StreamPlan:
    """Channels, and calls in an order in which sequential C simulation finds all data ready.

    Depths: a branch of a fork, and each output of a node that has several, holds its whole tensor.
    So no process waits for a reader that in turn waits for it, whatever the rates are. Sizes from
    an exact schedule would be smaller. `weights` are the weight ports by their reader's function.
    """

    streams: list[Stream] = field(default_factory=list[Stream])
    calls: list[str] = field(default_factory=list[str])
    weights: Mapping[str, str] = field(default_factory=dict[str, str])

    def stream(self, name: str, beat: str, depth: int = _SHALLOW, note: str = "") -> str:
        self.streams.append(Stream(name, beat, depth, note))
        return name

    def operate(self, operator: Operator, *arguments: str) -> None:
        """The call of an operator's own function, with its weight port if it has one."""
        port = self.weights.get(operator.function)
        self.call(operator.function, (), *arguments, *(() if port is None else (port,)))

    def call(self, function: str, parameters: Iterable[object], *arguments: str) -> None:
        listed = ", ".join(map(str, parameters))
        made = f"{function}<{listed}>" if listed else function
        self.calls.append(f"{made}({', '.join(arguments)});")


def port_bits(v: Value) -> int:
    """Width of a port's word: a power of two, a byte at least."""
    return max(8, 1 << (v.lanes * v.type.format.width - 1).bit_length())


def stream_plan(
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    operators: Sequence[Operator],
    made: Sequence[Value],
    weights: Mapping[str, str],
) -> StreamPlan:
    """All between the ports; `made` are the inputs and all values as their makers emit them."""
    plan = StreamPlan(weights=weights)
    by_name = {v.onnx: v for v in made}
    counts = _readers(operators, outputs, by_name)
    feeds: dict[str, Iterator[str]] = {}
    for port in inputs:
        v = by_name[port.onnx]
        entry = plan.stream(f"{port.name}_in", port.beat)
        parameters = port.t, port.type.format.width, port.lanes, port_bits(port), port.beats
        plan.call("from_port", parameters, port.name, entry)
        feeds[v.onnx] = iter(_fork(plan, v, _resized(plan, port, v.lanes, entry), counts))
    for operator in operators:
        _operate(plan, operator, by_name, feeds)
        for v in operator.y:
            feeds[v.onnx] = iter(_fork(plan, by_name[v.onnx], v.name, counts))
    for port in outputs:
        v = by_name[port.onnx]
        source = _resized(plan, replace(v, name=port.name), port.lanes, next(feeds[v.onnx]))
        parameters = port.t, port.type.format.width, port.lanes, port_bits(port), port.beats
        plan.call("to_port", parameters, source, port.name)
    return plan


def _readers(
    operators: Sequence[Operator], outputs: Sequence[Value], made: Mapping[str, Value]
) -> dict[str, int]:
    """How many processes and ports read each value."""
    found = dict.fromkeys(made, 0)
    for v in [x for operator in operators for x in operator.x] + list(outputs):
        found[v.onnx] += 1
    return found


def _fork(plan: StreamPlan, v: Value, source: str, counts: dict[str, int]) -> list[str]:
    """One channel for each reader of a value."""
    count = counts[v.onnx]
    if count == 0:
        plan.call("discard", (v.t, v.lanes, v.beats), source)
    if count <= 1:
        return [source]
    found: list[str] = []
    rest = source
    for k in range(1, count):
        note = "holds the whole tensor, so that its reader may wait for another branch"
        branch = plan.stream(f"{v.name}_to{k}", v.beat, v.beats + 1, note)
        last = k == count - 1
        after = (
            plan.stream(f"{v.name}_to{count}", v.beat, v.beats + 1, note)
            if last
            else plan.stream(f"{v.name}_rest{k}", v.beat)
        )
        plan.call("duplicate", (v.t, v.lanes, v.beats), rest, branch, after)
        found.append(branch)
        rest = after
    return [*found, rest]


def _resized(plan: StreamPlan, v: Value, lanes: int, source: str) -> str:
    """The channel in beats of another width; two steps where neither width divides the other."""
    step = math.gcd(v.lanes, lanes)
    for wanted in dict.fromkeys((step, lanes)):
        if wanted != v.lanes:
            resized = replace(v, lanes=wanted)
            target = plan.stream(f"{v.name}_by{wanted}", resized.beat)
            plan.call("resize", (v.t, v.lanes, wanted, v.beats), source, target)
            v, source = resized, target
    return source


def _operate(
    plan: StreamPlan,
    operator: Operator,
    made: Mapping[str, Value],
    feeds: Mapping[str, Iterator[str]],
) -> None:
    """The call of one operator, with the processes that bring its operands into shape."""
    arguments = [
        _prepared(plan, operator, x, made[x.onnx].lanes, next(feeds[x.onnx])) for x in operator.x
    ]
    for y in operator.y:
        v = made[y.onnx]
        plan.stream(y.name, v.beat, v.beats + 1 if len(operator.y) > 1 else _SHALLOW, y.note)
    if not _gathers(operator):
        plan.operate(operator, *arguments, *(y.name for y in operator.y))
    for y in operator.y if _gathers(operator) else ():
        _scatter(plan, operator, arguments, y, made[y.onnx])


def _scatter(
    plan: StreamPlan, operator: Operator, arguments: Sequence[str], y: Value, made: Value
) -> None:
    """The call of a product whose result vectors do not stand side by side in the stream."""
    rows = plan.stream(f"{operator.function}_rows", y.beat)
    plan.operate(operator, *arguments, rows)
    vectors = y.size // y.shape[-1], y.shape[-1], 1
    plan.call("reorder", (y.t, *_layout(y, vectors), *_layout(made)), rows, y.name)


def _gathers(operator: Operator) -> bool:
    """Whether a matrix product's vectors do not stand side by side in the stream."""
    return isinstance(operator.node.op, MatMul) and len(operator.x[0].shape) >= 3


def _layout(v: Value, sizes: tuple[int, int, int] | None = None) -> tuple[int, int, int, int]:
    """Lanes, and the tensor as (batch, channels, pixels)."""
    return (v.lanes, *(sizes or (v.batch, v.channels, v.pixels)))


def _prepared(plan: StreamPlan, operator: Operator, x: Value, given: int, source: str) -> str:
    """The operand as the operator's function takes it: windows, or vectors side by side."""
    op = operator.node.op
    tagged = replace(x, name=f"{operator.function}_{x.local}", lanes=given)
    if _gathers(operator):
        target = plan.stream(f"{operator.function}_vectors", x.beat)
        vectors = x.size // x.shape[-1], x.shape[-1], 1
        plan.call("reorder", (x.t, *_layout(tagged), *_layout(x, vectors)), source, target)
        return target
    source = _resized(plan, tagged, x.lanes, source)
    if isinstance(op, Conv | MaxPool | SumPool) and len(op.window.kernel) <= 2:
        return _windows(plan, operator, source)
    return source


def _windows(plan: StreamPlan, operator: Operator, source: str) -> str:
    """The process that makes windows of a stream."""
    op, x, y = operator.node.op, operator.x[0], operator.y[0]
    assert isinstance(op, Conv | MaxPool | SumPool)
    facts = window_facts(operator)
    target = plan.stream(f"{operator.function}_windows", f"beat<{facts.operand.cpp}, {x.lanes} >")
    w = two_dimensional(op.window)
    height, width = (*x.shape[2:], 1)[:2]
    out_height, out_width = (*y.shape[2:], 1)[:2]
    chunks = x.channels // x.lanes
    parameters = (
        x.t, facts.operand.cpp, x.lanes, x.batch, chunks, chunks if facts.alone else facts.groups,
        height, width, *w.kernel, *w.strides, *w.dilations, *w.pads_begin, out_height, out_width,
    )  # fmt: skip
    plan.call("slide", parameters, source, target, str(facts.border))
    return target


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


def _work(operator: Operator) -> Any:
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
    matrix = stream_matrix(op)
    outputs, inner = matrix.shape
    tiles = matrix.reshape(-1, pe, inner // simd, simd).swapaxes(1, 2)
    codes = tiles if unit is None else unit.encoding.encode(tiles)
    return {
        "folded_weights": np.ascontiguousarray(codes).reshape(-1, pe * codes.shape[-1]),
        "rows": operator.y[0].size // outputs,
        "folds": outputs // pe // (op.group if isinstance(op, Conv) else 1),
        "steps": inner // simd,
        "pe": pe,
        "simd": simd,
    }


def _field_places(operator: Operator) -> dict[str, str]:
    """Where an element by element operator finds its constants while it streams."""
    x, y = (tuple(v.type for v in side) for side in (operator.x, operator.y))
    places = elementwise_places(operator.node.op, x, y[0]) or {}
    lanes = operator.y[0].lanes
    return {name: index_of(sizes, ("n", f"c * {lanes} + l", "p")) for name, sizes in places.items()}
