"""A folded design as units and channels of streaming SystemVerilog, and its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hlsgen.emit.hls import Design
from hlsgen.emit.processes import each_step
from hlsgen.emit.rtl.stream.assemble import Assembly, StreamPort
from hlsgen.emit.rtl.stream.unit import Channel, Unit
from hlsgen.schedule.process import Process
from hlsgen.schedule.sizes import Sizing, size_fifos


@dataclass(frozen=True, eq=False)
class RtlPlan:
    """Everything between the ports; `sizing` is of all units and ports together."""

    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    units: tuple[Unit, ...]
    channels: tuple[Channel, ...]
    sizing: Sizing

    @property
    def ports(self) -> tuple[StreamPort, ...]:
        return (*self.inputs, *self.outputs)

    @property
    def processes(self) -> tuple[Process, ...]:
        """Sources, units and sinks, writers before readers."""
        return _processes(self.inputs, self.units, self.outputs)

    @property
    def depths(self) -> dict[str, int]:
        return {c.name: c.depth for c in self.channels}

    def with_depths(self, depths: Mapping[str, int]) -> RtlPlan:
        """The same units with other channels; their cycles are another matter."""
        channels = tuple(replace(c, depth=depths.get(c.name, c.depth)) for c in self.channels)
        return replace(self, channels=channels)


def _processes(
    inputs: Sequence[StreamPort], units: Sequence[Unit], outputs: Sequence[StreamPort]
) -> tuple[Process, ...]:
    sources = [_port(p, reads=0, writes=1) for p in inputs]
    return (*sources, *(u.process for u in units), *(_port(p, reads=1, writes=0) for p in outputs))


def _port(port: StreamPort, reads: int, writes: int) -> Process:
    pattern = each_step(port.value.beats, reads=reads, writes=writes)
    own = (port.channel,)
    return Process(port.source, pattern.work, own * reads, own * writes, pattern.moves)


def stream_rtl_plan(design: Design, clock_ns: float) -> RtlPlan:
    """The units of a design that `design_of` has folded, every channel as deep as they need.

    Errors: Unsupported for an operator without a streaming SystemVerilog form.
    """
    made = Assembly(design, clock_ns)
    made.build()
    units, channels = tuple(made.draft.units), made.draft.channels.values()
    sizing = size_fifos(_processes(made.inputs, units, made.outputs), hold=0)
    plan = RtlPlan(tuple(made.inputs), tuple(made.outputs), units, tuple(channels), sizing)
    return plan.with_depths(sizing.depths)
