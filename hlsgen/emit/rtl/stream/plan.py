"""A folded design as units and channels of streaming SystemVerilog, and its schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hlsgen.emit.arithmetic import arithmetic_of
from hlsgen.emit.hls import Design
from hlsgen.emit.folded import window_facts
from hlsgen.emit.jinja import comment
from hlsgen.emit.names import Namer
from hlsgen.emit.processes import each_step, resize
from hlsgen.emit.rtl.stream.elementwise import map_unit
from hlsgen.emit.rtl.stream.matrix import matrix_unit, window_unit
from hlsgen.emit.rtl.stream.windows import slide_unit
from hlsgen.emit.rtl.stream.pixels import concat_unit, places_unit
from hlsgen.emit.rtl.stream.unit import Channel, Holder, Unit
from hlsgen.emit.streaming import Way, way
from hlsgen.emit.streams import port_bits
from hlsgen.emit.views import Operator, Value
from hlsgen.errors import Unsupported
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.schedule.process import Process
from hlsgen.schedule.sizes import Sizing, size_fifos


@dataclass(frozen=True, slots=True)
class StreamPort:
    """A port of the network and its channel: `lanes` elements a word of `bits`."""

    value: Value
    channel: str
    bits: int

    @property
    def source(self) -> str:
        """The name of the outside as a process."""
        return f"port {self.value.name}"


@dataclass(frozen=True, eq=False)
class RtlPlan:
    """Everything between the ports; `sizing` is of all units and ports together."""

    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    units: tuple[Unit, ...]
    channels: tuple[Channel, ...]
    sizing: Sizing

    @property
    def processes(self) -> tuple[Process, ...]:
        """Sources, units and sinks, writers before readers."""
        return processes(self.inputs, self.units, self.outputs)

    @property
    def depths(self) -> dict[str, int]:
        return {c.name: c.depth for c in self.channels}


def processes(
    inputs: Sequence[StreamPort], units: Sequence[Unit], outputs: Sequence[StreamPort]
) -> tuple[Process, ...]:
    """What the schedule is made of."""
    sources = [_port(p, reads=0, writes=1) for p in inputs]
    return (*sources, *(u.process for u in units), *(_port(p, reads=1, writes=0) for p in outputs))


def _port(port: StreamPort, reads: int, writes: int) -> Process:
    pattern = each_step(port.value.beats, reads=reads, writes=writes)
    own = (port.channel,)
    return Process(port.source, pattern.work, own * reads, own * writes, pattern.moves)


def stream_rtl_plan(design: Design, clock_ns: float) -> RtlPlan:
    """The units of a design that `design_of` has folded.

    Errors: Unsupported for an operator without a streaming SystemVerilog form.
    """
    draft = _Draft(design, clock_ns)
    inputs, outputs = draft.build()
    sizing = size_fifos(processes(inputs, draft.units, outputs), hold=0)
    channels = tuple(replace(c, depth=sizing.depths[c.name]) for c in draft.channels.values())
    return RtlPlan(tuple(inputs), tuple(outputs), tuple(draft.units), channels, sizing)


@dataclass
class _Draft:
    """A plan in the making."""

    design: Design
    clock_ns: float
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    units: list[Unit] = field(default_factory=list[Unit])

    def __post_init__(self) -> None:
        design = self.design
        self.made = {v.onnx: v for v in (*design.inputs, *design.values)}
        ports = [p.name for p in (*design.inputs, *design.outputs)]
        self.namer = Namer(["clk", "rst", design.top, *ports])

    def channel(self, name: str, v: Value, lanes: int, width: int | None = None) -> str:
        """A new channel of tokens of a value."""
        name = self.namer.take(name)
        bits = lanes * (width or v.type.format.width)
        self.channels[name] = Channel(name, bits, comment(v.note))
        return name

    def unit(self, unit: Unit) -> None:
        self.units.append(unit)

    def build(self) -> tuple[list[StreamPort], list[StreamPort]]:
        """All units, in an order in which writers come first; the ports."""
        design = self.design
        self.counts = dict.fromkeys((*design.graph.inputs, *self.made), 0)
        for v in [x for o in design.operators for x in o.x] + list(design.outputs):
            self.counts[v.onnx] += 1
        self.feeds: dict[str, Iterator[str]] = {}
        inputs: list[StreamPort] = []
        for port in design.inputs:
            entry = self.channel(f"{port.name}_words", port, port.lanes)
            inputs.append(StreamPort(port, entry, port_bits(port)))
            self.feeds[port.onnx] = iter(self._fork(port, entry))
        for operator in design.operators:
            self._operate(operator)
        outputs: list[StreamPort] = []
        for port in design.outputs:
            v = self.made[port.onnx]
            source = self._resized(v, v.lanes, port.lanes, next(self.feeds[port.onnx]))
            if self._written_by_port(source, inputs):  # straight through: a FIFO for each port
                source = self._copy(v, port.lanes, source)
            self.channels[source] = replace(self.channels[source], holder=Holder.OUTLET)
            outputs.append(StreamPort(port, source, port_bits(port)))
        return inputs, outputs

    def _written_by_port(self, channel: str, inputs: Sequence[StreamPort]) -> bool:
        return any(p.channel == channel for p in inputs)

    def _copy(self, v: Value, lanes: int, source: str) -> str:
        """The same tokens in another channel."""
        (target,) = self._forked(v, lanes, source, 1)
        return target

    def _fork(self, v: Value, source: str) -> list[str]:
        """One channel for each reader of a value."""
        count = self.counts[v.onnx]
        if count == 0:
            self._discard(v, source)
        return [source] if count <= 1 else self._forked(v, v.lanes, source, count)

    def _forked(self, v: Value, lanes: int, source: str, count: int) -> list[str]:
        targets = [self.channel(f"{v.name}_to{k + 1}", v, lanes) for k in range(count)]
        width = self.channels[source].bits
        self.unit(
            Unit(
                self.namer.take(f"fork_{v.name}"), f"{count} readers of {comment(v.onnx)}",
                "stream_fork", each_step(v.size // lanes, writes=count), (source,), tuple(targets),
                1, {"READERS": count, "WIDTH": width},
            )
        )  # fmt: skip
        return targets

    def _discard(self, v: Value, source: str) -> None:
        """A value that nothing reads."""
        self.unit(
            Unit(
                self.namer.take(f"discard_{v.name}"), f"{comment(v.onnx)} has no reader", "discard",
                each_step(v.beats, writes=0), (source,), (), 0,
            )
        )  # fmt: skip

    def _resized(
        self, v: Value, given: int, lanes: int, source: str, width: int | None = None
    ) -> str:
        """The channel in tokens of another width; two units where neither divides the other."""
        element = width or v.type.format.width
        for wanted in dict.fromkeys((math.gcd(given, lanes), lanes)):
            if wanted == given:
                continue
            target = self.channel(f"{v.name}_by{wanted}", v, wanted, width)
            parts, part = max(given, wanted) // min(given, wanted), min(given, wanted)
            module = "stream_narrow" if given > wanted else "stream_widen"
            self.unit(
                Unit(
                    self.namer.take(f"{module[7:]}_{target}"),
                    f"{given} elements a token to {wanted}", module,
                    resize(given, wanted, v.size // given), (source,), (target,), 1,
                    {"PARTS": parts, "WIDTH": part * element},
                )
            )  # fmt: skip
            source, given = target, wanted
        return source

    def _operate(self, operator: Operator) -> None:
        """An operator's unit, and those that bring its operands into shape."""
        op = operator.node.op
        kind = way(op, tuple(v.type for v in operator.x), tuple(v.type for v in operator.y))
        arguments = [self._prepared(operator, x) for x in operator.x]
        if kind is Way.CHANNELS and isinstance(op, Reshape):
            results = list(arguments)
        elif kind is Way.WHOLE:
            raise Unsupported(
                f"{type(op).__name__} of {operator.x[0].shape} has no streaming SystemVerilog "
                "form; HLS C++ has one",
                operator.node.loc,
            )
        else:
            (y,) = operator.y
            results = [self.channel(y.name, y, y.lanes)]
            self._compute(operator, kind, arguments, results[0])
        for y, channel in zip(operator.y, results, strict=True):
            self.feeds[y.onnx] = iter(self._fork(self.made[y.onnx], channel))

    def _prepared(self, operator: Operator, x: Value) -> str:
        """An operand as the operator's unit takes it: in tokens of its width, as windows."""
        op = operator.node.op
        source = self._resized(x, self.made[x.onnx].lanes, x.lanes, next(self.feeds[x.onnx]))
        if not isinstance(op, Conv | MaxPool | SumPool) or len(op.window.kernel) > 2:
            return source
        width = window_facts(operator).operand.width
        target = self.channel(f"{operator.function}_windows", x, x.lanes, width)
        self.channels[source] = replace(self.channels[source], holder=Holder.RING)
        name = self.namer.take(f"slide_{operator.function}")
        self.unit(slide_unit(operator, name, source, target))
        return target

    def _compute(
        self, operator: Operator, kind: Way, arguments: Sequence[str], result: str
    ) -> None:
        op, design = operator.node.op, self.design
        name = f"{design.top}_{operator.function}"
        sums = design.sums[operator.function]
        match op:
            case _ if kind is Way.MATRIX:
                assert sums is not None
                how = arithmetic_of(design.arithmetic, operator.node)
                self.unit(
                    matrix_unit(operator, name, arguments[0], result, sums, how, self.clock_ns)
                )
            case Conv() | MaxPool() | SumPool():
                self.unit(window_unit(operator, name, arguments[0], result, sums, self.clock_ns))
            case Concat():
                name = self.namer.take(f"concat_{result}")
                self.unit(concat_unit(operator, name, arguments, result))
            case Reduce():
                self.unit(places_unit(operator, name, arguments[0], result))
            case _:
                self.unit(map_unit(operator, name, arguments, result, self.clock_ns))
