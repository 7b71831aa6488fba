"""What a report says of a streamed design: its schedule, its processes, its FIFOs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hlsgen.emit.hls import Design
from hlsgen.emit.serving import served
from hlsgen.emit.streams import beat_bits
from hlsgen.fold.use import Use
from hlsgen.report.facts import FRAMES, Fifo, Span, Streaming
from hlsgen.report.facts import Process as ProcessFacts
from hlsgen.schedule.opening import opening
from hlsgen.schedule.process import Process

_MOST_TOKENS = 40_000_000  # in all frames of the timeline; each takes some tens of bytes


def streaming_of(design: Design, clock_ns: float, shell: Use, units: int) -> Streaming:
    """The schedule of a design with `io` stream, its first frames followed token by token.

    `units` of it work side by side.
    """
    plan = design.plan
    serves, own = served(design), {o.function for o in design.operators}
    spans, why = _spans(plan.processes, {s.name: s.depth for s in plan.streams})
    writer = {name: p.name for p in plan.processes for name in p.writes}
    reader = {name: p.name for p in plan.processes for name in p.reads}
    return Streaming(
        plan.interval,
        plan.latency,
        1e9 / (plan.interval * clock_ns),
        tuple(p.name for p in plan.processes if p.work == plan.interval),
        tuple(
            ProcessFacts(p.name, serves[p.name], "" if f in own else f, p.work, s)
            for p, s in zip(plan.processes, spans, strict=True)
            for f in (p.function,)
        ),
        tuple(
            Fifo(s.name, writer[s.name], reader[s.name], beat_bits(s.beat), s.depth)
            for s in plan.streams
        ),
        why,
        shell.counts,
        units * 1e9 / (plan.interval * clock_ns),
    )


def _spans(
    processes: Sequence[Process], depths: Mapping[str, int]
) -> tuple[list[tuple[Span, ...]], str]:
    tokens = FRAMES * sum(sum(map(len, p.moves().reads)) * 2 for p in processes)
    if tokens > _MOST_TOKENS:
        return [()] * len(processes), f"{tokens:,} tokens move in {FRAMES} frames, too many"
    found = opening(processes, depths, FRAMES)
    return [tuple(Span(s.first, s.last) for s in spans) for spans in found], ""
