"""The processes of a streamed design and the channels between them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hlsgen.emit.folded import two_dimensional, window_facts
from hlsgen.emit.helpers import (
    Discard,
    Duplicate,
    FromPort,
    Helper,
    Layout,
    Reorder,
    Resize,
    Slide,
    ToPort,
)
from hlsgen.emit.memories import FifoKind, fifo_kind
from hlsgen.emit.processes import Pattern, operator_pattern
from hlsgen.emit.views import Operator, Value
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.schedule.descent import descend
from hlsgen.schedule.process import Process
from hlsgen.schedule.sizes import size_fifos

# Stages of a pipeline that may keep tokens while it stalls. The HLS tool chooses them; products,
# their sum and a requantisation together have some tens.
HOLD = 64
_BEAT = re.compile(r"beat<ap_u?int<(\d+)>, (\d+) ?>")
SEARCH = 60_000_000  # tokens that a search for less depth may retime: some seconds
_LEAST_DEPTH = 2  # lets a producer and a consumer overlap


@dataclass(frozen=True, slots=True)
class Stream:
    """A channel inside the design."""

    name: str
    beat: str
    depth: int
    note: str = ""

    @property
    def kind(self) -> FifoKind:
        """What its FIFO is made of."""
        return fifo_kind(self.depth, beat_bits(self.beat))


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Channels, and calls in an order in which sequential C simulation finds all data ready.

    `processes` say of each call when it moves its beats, `helpers` what it is where it is not an
    operator's own function; the depths are from their schedule.
    `certified`: a schedule was checked for them token by token.
    Units: `interval` and `latency` in cycles.
    """

    streams: tuple[Stream, ...] = ()
    calls: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    helpers: tuple[Helper | None, ...] = ()
    interval: int = 0
    latency: int = 0
    certified: bool = False


@dataclass(slots=True)
class _Draft:
    """A plan in the making; `weights` are the weight ports by their reader's function."""

    weights: Mapping[str, str]
    streams: list[Stream] = field(default_factory=list[Stream])
    calls: list[str] = field(default_factory=list[str])
    processes: list[Process] = field(default_factory=list[Process])
    helpers: list[Helper | None] = field(default_factory=list["Helper | None"])

    def stream(self, name: str, beat: str, note: str = "") -> str:
        self.streams.append(Stream(name, beat, _LEAST_DEPTH, note))
        return name

    def operate(self, operator: Operator, reads: Sequence[str], writes: Sequence[str]) -> None:
        """The call of an operator's own function, with its weight port if it has one."""
        port = self.weights.get(operator.function)
        arguments = [*reads, *writes, *([] if port is None else [port])]
        self.calls.append(f"{operator.function}({', '.join(arguments)});")
        self._process(operator.function, operator_pattern(operator), reads, writes)
        self.helpers.append(None)

    def help(
        self,
        helper: Helper,
        reads: Sequence[str],
        writes: Sequence[str],
        *,
        before: Sequence[str] = (),
        after: Sequence[str] = (),
    ) -> None:
        """The call of a helper, which reads and writes channels; other arguments stand around."""
        self.calls.append(f"{helper.call}({', '.join([*before, *reads, *writes, *after])});")
        self._process(helper.call.partition("<")[0], helper.pattern, reads, writes)
        self.helpers.append(helper)

    def _process(
        self, function: str, pattern: Pattern, reads: Sequence[str], writes: Sequence[str]
    ) -> None:
        name = f"{function} of {(*writes, *reads)[0]}"
        self.processes.append(
            Process(name, pattern.work, tuple(reads), tuple(writes), pattern.moves, function)
        )

    def finished(self, spare: bool) -> StreamPlan:
        """Every channel as deep as the schedule of all processes asks for; `spare`: or less."""
        sizing = size_fifos(self.processes, HOLD)
        certified = False
        if spare:
            found = descend(self.processes, sizing.depths, sizing.interval, HOLD, SEARCH)
            certified = found is not None
            sizing = replace(sizing, depths=found or sizing.depths)
        streams = tuple(
            replace(s, depth=max(sizing.depths[s.name], _LEAST_DEPTH)) for s in self.streams
        )
        return StreamPlan(
            streams, tuple(self.calls), tuple(self.processes), tuple(self.helpers),
            sizing.interval, sizing.latency, certified,
        )  # fmt: skip


def beat_bits(beat: str) -> int:
    """Bits of a beat, from the type that the C++ declares."""
    found = _BEAT.fullmatch(beat)
    assert found is not None, beat
    return int(found[1]) * int(found[2])


def port_bits(v: Value) -> int:
    """Width of a port's word: a power of two, a byte at least."""
    return max(8, 1 << (v.lanes * v.type.format.width - 1).bit_length())


def stream_plan(
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    operators: Sequence[Operator],
    made: Sequence[Value],
    weights: Mapping[str, str],
    *,
    spare: bool = False,
) -> StreamPlan:
    """All between the ports; `made` are the inputs and all values as their makers emit them.

    `spare` searches for FIFOs less deep than the closed form, where it can be less.
    """
    plan = _Draft(weights)
    by_name = {v.onnx: v for v in made}
    counts = _readers(operators, outputs, by_name)
    feeds: dict[str, Iterator[str]] = {}
    for port in inputs:
        v = by_name[port.onnx]
        entry = plan.stream(f"{port.name}_in", port.beat)
        fmt, word = port.type.format, port_bits(port)
        plan.help(FromPort(fmt, port.lanes, word, port.beats), (), (entry,), before=(port.name,))
        feeds[v.onnx] = iter(_fork(plan, v, _resized(plan, port, v.lanes, entry), counts))
    for operator in operators:
        _operate(plan, operator, by_name, feeds)
        for v in operator.y:
            feeds[v.onnx] = iter(_fork(plan, by_name[v.onnx], v.name, counts))
    for port in outputs:
        v = by_name[port.onnx]
        source = _resized(plan, replace(v, name=port.name), port.lanes, next(feeds[v.onnx]))
        fmt, word = port.type.format, port_bits(port)
        plan.help(ToPort(fmt, port.lanes, word, port.beats), (source,), (), after=(port.name,))
    return plan.finished(spare)


def _readers(
    operators: Sequence[Operator], outputs: Sequence[Value], made: Mapping[str, Value]
) -> dict[str, int]:
    """How many processes and ports read each value."""
    found = dict.fromkeys(made, 0)
    for v in [x for operator in operators for x in operator.x] + list(outputs):
        found[v.onnx] += 1
    return found


def _fork(plan: _Draft, v: Value, source: str, counts: dict[str, int]) -> list[str]:
    """One channel for each reader of a value."""
    count = counts[v.onnx]
    if count == 0:
        plan.help(Discard(v.type.format, v.lanes, v.beats), (source,), ())
    if count <= 1:
        return [source]
    found: list[str] = []
    rest = source
    for k in range(1, count):
        branch = plan.stream(f"{v.name}_to{k}", v.beat)
        last = k == count - 1
        after = plan.stream(f"{v.name}_to{count}" if last else f"{v.name}_rest{k}", v.beat)
        plan.help(Duplicate(v.type.format, v.lanes, v.beats), (rest,), (branch, after))
        found.append(branch)
        rest = after
    return [*found, rest]


def _resized(plan: _Draft, v: Value, lanes: int, source: str) -> str:
    """The channel in beats of another width, which divides the channels."""
    if lanes == v.lanes:
        return source
    target = plan.stream(f"{v.name}_by{lanes}", replace(v, lanes=lanes).beat)
    helper = Resize.of(v.type.format, v.lanes, lanes, v.channels, v.batch * v.pixels)
    plan.help(helper, (source,), (target,))
    return target


def _operate(
    plan: _Draft,
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
        plan.stream(y.name, v.beat, y.note)
    if not _gathers(operator):
        plan.operate(operator, arguments, [y.name for y in operator.y])
    for y in operator.y if _gathers(operator) else ():
        _scatter(plan, operator, arguments, y, made[y.onnx])


def _scatter(
    plan: _Draft, operator: Operator, arguments: Sequence[str], y: Value, made: Value
) -> None:
    """The call of a product whose result vectors do not stand side by side in the stream."""
    rows = plan.stream(f"{operator.function}_rows", y.beat)
    plan.operate(operator, arguments, (rows,))
    vectors = y.size // y.shape[-1], y.shape[-1], 1
    helper = Reorder(y.type.format, _layout(y, vectors), _layout(made))
    plan.help(helper, (rows,), (y.name,))


def _gathers(operator: Operator) -> bool:
    """Whether a matrix product's vectors do not stand side by side in the stream."""
    return isinstance(operator.node.op, MatMul) and len(operator.x[0].shape) >= 3


def _layout(v: Value, sizes: tuple[int, int, int] | None = None) -> Layout:
    """Lanes, and the tensor as (batch, channels, pixels)."""
    return (v.lanes, *(sizes or (v.batch, v.channels, v.pixels)))


def _prepared(plan: _Draft, operator: Operator, x: Value, given: int, source: str) -> str:
    """The operand as the operator's function takes it: windows, or vectors side by side."""
    tagged = replace(x, name=f"{operator.function}_{x.local}", lanes=given)
    if _gathers(operator):
        even = math.gcd(given, x.channels)
        source = _resized(plan, tagged, even, source)
        target = plan.stream(f"{operator.function}_vectors", x.beat)
        vectors = x.size // x.shape[-1], x.shape[-1], 1
        layouts = _layout(replace(tagged, lanes=even)), _layout(x, vectors)
        plan.help(Reorder(x.type.format, *layouts), (source,), (target,))
        return target
    source = _resized(plan, tagged, min(x.lanes, x.channels), source)
    helper = slide_of(operator)
    return source if helper is None else _windows(plan, operator, helper, source)


def _windows(plan: _Draft, operator: Operator, helper: Slide, source: str) -> str:
    """The process that makes windows of a stream."""
    beat = f"beat<{helper.operand.cpp}, {helper.made} >"
    target = plan.stream(f"{operator.function}_windows", beat)
    plan.help(helper, (source,), (target,), after=(str(window_facts(operator).border),))
    return target


def slide_of(operator: Operator) -> Slide | None:
    """The process that an operator's windows come from, if it takes windows."""
    op, x, y = operator.node.op, operator.x[0], operator.y[0]
    if not isinstance(op, Conv | MaxPool | SumPool) or len(op.window.kernel) > 2:
        return None
    facts = window_facts(operator)
    window = two_dimensional(op.window)
    height, width = (*x.shape[2:], 1)[:2]
    out_height, out_width = (*y.shape[2:], 1)[:2]
    if _is_point(window) and facts.operand == x.type.format:
        return None
    lanes, places = min(x.lanes, x.channels), (out_height, out_width)
    chunks = x.channels // lanes
    return Slide(
        x.type.format, facts.operand, lanes, x.batch, chunks,
        chunks if facts.alone else facts.groups, (height, width), places, window,
        x.lanes // lanes, operator.digits * math.prod(places) if operator.digit else 0,
    )  # fmt: skip


def _is_point(window: Window) -> bool:
    """Whether the windows of a stream are the stream itself."""
    return window.kernel == window.strides == (1, 1) and not window.padded
