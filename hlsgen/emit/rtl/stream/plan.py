"""A folded design as units and channels of streaming SystemVerilog, and its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hlsgen.emit.hls import Design
from hlsgen.emit.processes import each_step
from hlsgen.emit.rtl.stream.assemble import Assembly, StreamPort
from hlsgen.emit.rtl.stream.unit import Channel, Unit
from hlsgen.schedule.process import Process
from hlsgen.schedule.selftimed import OPEN, Gate, Times, self_timed
from hlsgen.schedule.sizes import size_fifos


@dataclass(frozen=True, eq=False)
class RtlPlan:
    """Everything between the ports.

    Units: cycles. A full pipeline takes a frame every `interval`; `latency` lies between the first
    word taken and the last one given of the first frame, with ports that are always ready.
    """

    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    units: tuple[Unit, ...]
    channels: tuple[Channel, ...]
    interval: int
    latency: int

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

    def times(self, frames: int, gates: Mapping[str, Gate] | None = None) -> Times:
        """When every token moves; `gates` hold up ports, by name. Errors: Stuck."""
        held = gates or {}
        by_source = {p.source: held.get(p.value.name, OPEN) for p in self.ports}
        return self_timed(self.processes, self.depths, frames, by_source)

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
    spread = [u if u.spread is None else replace(u, pattern=u.spread) for u in units]
    sizing = size_fifos(_processes(made.inputs, spread, made.outputs), hold=0)
    inputs, outputs = tuple(made.inputs), tuple(made.outputs)
    plan = RtlPlan(inputs, outputs, units, tuple(channels), sizing.interval, sizing.latency)
    plan = plan.with_depths(sizing.depths)
    return replace(plan, latency=plan.times(1).end + 1)
