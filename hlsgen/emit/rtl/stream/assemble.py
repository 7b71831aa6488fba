"""The units of a folded design, operator by operator, and the ports."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hlsgen.emit.arithmetic import arithmetic_of
from hlsgen.emit.folded import window_facts
from hlsgen.emit.hls import Design
from hlsgen.emit.names import Namer
from hlsgen.emit.rtl.stream.draft import Draft
from hlsgen.emit.rtl.stream.elementwise import map_unit
from hlsgen.emit.rtl.stream.gather import lanes_of
from hlsgen.emit.rtl.stream.matrix import matrix_unit, window_unit
from hlsgen.emit.rtl.stream.movement import gathers, moved_places, row_major
from hlsgen.emit.rtl.stream.pixels import concat_unit, places_unit
from hlsgen.emit.rtl.stream.serial import serial_unit
from hlsgen.emit.rtl.stream.unit import Holder, Unit
from hlsgen.emit.rtl.stream.whole import whole_unit
from hlsgen.emit.rtl.stream.whole_windows import whole_window_unit
from hlsgen.emit.rtl.stream.windows import slide_unit
from hlsgen.emit.streaming import Way, stream_order, way
from hlsgen.emit.streams import port_bits
from hlsgen.emit.views import Operator, Value
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.schedule.process import Steps


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


@dataclass
class Assembly:
    """Goes through a design once; `feeds` has the channels of each value, one for each reader."""

    design: Design
    clock_ns: float
    inputs: list[StreamPort] = field(default_factory=list[StreamPort])
    outputs: list[StreamPort] = field(default_factory=list[StreamPort])
    feeds: dict[str, Iterator[str]] = field(default_factory=dict[str, Iterator[str]])

    def __post_init__(self) -> None:
        design = self.design
        self.made = {v.onnx: v for v in (*design.inputs, *design.values)}
        ports = [p.name for p in (*design.inputs, *design.outputs)]
        self.draft = Draft(design.top, Namer(["clk", "rst", "peaks", design.top, *ports]))
        self.readers = dict.fromkeys(self.made, 0)
        for v in [x for o in design.operators for x in o.x] + list(design.outputs):
            self.readers[v.onnx] += 1

    def build(self) -> None:
        """All units and ports. Errors: Unsupported for an operator without a form here."""
        for port in self.design.inputs:
            entry = self.draft.channel(f"{port.name}_words", port, port.lanes)
            self.inputs.append(StreamPort(port, entry, port_bits(port)))
            self._feed(port, entry)
        for operator in self.design.operators:
            self._operate(operator)
        for port in self.design.outputs:
            self._output(port)

    def _output(self, port: Value) -> None:
        v = self.made[port.onnx]
        source = self.draft.resized(v, v.lanes, port.lanes, next(self.feeds[port.onnx]))
        if source in (p.channel for p in self.inputs):  # from port to port: each has its FIFO
            (source,) = self.draft.fork(v, port.lanes, source, 1)
        self.draft.hold(source, Holder.OUTLET)
        self.outputs.append(StreamPort(port, source, port_bits(port)))

    def _feed(self, v: Value, source: str) -> None:
        """One channel for each reader of a value."""
        count = self.readers[v.onnx]
        if count == 0:
            self.draft.discard(v, source)
        lanes = self.made[v.onnx].lanes
        targets = [source] if count <= 1 else self.draft.fork(v, lanes, source, count)
        self.feeds[v.onnx] = iter(targets)

    def _operate(self, operator: Operator) -> None:
        """An operator's unit, and those that bring its operands into shape."""
        op, (y, *_) = operator.node.op, operator.y
        kind = way(op, tuple(v.type for v in operator.x), tuple(v.type for v in operator.y))
        if kind is Way.WHOLE:
            self._whole(operator)
            return
        arguments = [self._prepared(operator, x) for x in operator.x]
        if isinstance(op, Reshape):
            result = arguments[0]
        elif gathers(operator):
            rows = self.draft.channel(f"{operator.function}_rows", y, y.lanes)
            self.draft.units.append(self._unit(operator, kind, arguments, rows))
            orders = row_major(y.shape), stream_order(y.shape)
            result = self.draft.reordered(y, rows, y.lanes, orders, y.lanes)
        else:
            result = self.draft.channel(y.name, y, y.lanes)
            self.draft.units.append(self._unit(operator, kind, arguments, result))
        self._feed(y, result)

    def _prepared(self, operator: Operator, x: Value) -> str:
        """An operand as the operator's unit takes it: in tokens of its width, as windows."""
        op, given = operator.node.op, self.made[x.onnx].lanes
        source = next(self.feeds[x.onnx])
        if gathers(operator):
            orders = stream_order(x.shape), row_major(x.shape)
            return self.draft.reordered(x, source, given, orders, x.lanes)
        source = self.draft.resized(x, given, min(x.lanes, x.channels), source)
        if not isinstance(op, Conv | MaxPool | SumPool):
            return source
        width = window_facts(operator).operand.width
        target = self.draft.channel(f"{operator.function}_windows", x, x.lanes, width)
        name = self.draft.namer.take(f"slide_{operator.function}")
        if x.lanes > x.channels:
            self.draft.units.append(whole_window_unit(operator, name, source, target))
            return target
        self.draft.hold(source, Holder.RING)
        self.draft.units.append(slide_unit(operator, name, source, target))
        return target

    def _unit(self, operator: Operator, kind: Way, arguments: Sequence[str], result: str) -> Unit:
        """The unit that computes an operator's tokens."""
        op, design = operator.node.op, self.design
        name = f"{design.top}_{operator.function}"
        sums = design.sums[operator.function]
        match op:
            case _ if operator.digit:
                return serial_unit(operator, name, arguments[0], result)
            case _ if kind is Way.MATRIX:
                assert sums is not None
                how = arithmetic_of(design.arithmetic, operator.node)
                return matrix_unit(operator, name, arguments[0], result, sums, how, self.clock_ns)
            case Conv() | MaxPool() | SumPool():
                return window_unit(operator, name, arguments[0], result, sums, self.clock_ns)
            case Concat():
                name = self.draft.namer.take(f"concat_{result}")
                tokens = [v.channels // v.lanes for v in operator.x]
                return concat_unit(operator, name, arguments, result, operator.y[0].lanes, tokens)
            case Reduce():
                return places_unit(operator, name, arguments[0], result)
            case _:
                return map_unit(operator, name, arguments, result, self.clock_ns)

    def _whole(self, operator: Operator) -> None:
        """An operator that needs tensors whole: moved by a table, or computed all at once."""
        y, draft = operator.y[0], self.draft
        lanes = self.made[y.onnx].lanes
        moved = moved_places(operator)
        if moved is not None:
            self._feed(y, self._moved(operator, *moved, lanes))
            return
        tokens = [
            draft.resized(x, self.made[x.onnx].lanes, x.size, next(self.feeds[x.onnx]))
            for x in operator.x
        ]
        result = draft.channel(f"{operator.function}_all", y, y.size)
        name = f"{self.design.top}_{operator.function}"
        draft.units.append(whole_unit(operator, name, tokens, result, self.clock_ns))
        self._feed(y, draft.resized(y, y.size, lanes, result))

    def _moved(self, operator: Operator, places: Steps, pad: int, lanes: int) -> str:
        """The operands as one stream, one after the other, in another order."""
        x, y, draft = operator.x, operator.y[0], self.draft
        given = [self.made[v.onnx].lanes for v in x]
        width = lanes_of(places, math.gcd(lanes, *given))
        channels = [
            draft.resized(v, n, width, next(self.feeds[v.onnx]))
            for v, n in zip(x, given, strict=True)
        ]
        source, of = channels[0], x[0].type.format
        if len(channels) > 1:
            source, of = draft.channel(f"{operator.function}_joined", y, width), y.type.format
            name = draft.namer.take(f"concat_{source}")
            tokens = [v.size // width for v in x]
            draft.units.append(concat_unit(operator, name, channels, source, width, tokens))
        size = sum(v.size for v in x)
        return draft.ordered(y, source, places, width, of, pad, size, lanes)
