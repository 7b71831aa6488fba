"""What a report says of a streamed design: its schedule, its processes, its FIFOs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hlsgen.emit.hls import Design
from hlsgen.report.facts import FRAMES, Fifo, Span, Streaming
from hlsgen.report.facts import Process as ProcessFacts
from hlsgen.schedule.opening import opening
from hlsgen.schedule.process import Process

_MOST_TOKENS = 40_000_000  # in all frames of the timeline; each takes some tens of bytes
_BEAT = re.compile(r"beat<ap_u?int<(\d+)>, (\d+) ?>")


def streaming_of(design: Design, clock_ns: float) -> Streaming:
    """The schedule of a design with `io` stream, its first frames followed token by token."""
    plan = design.plan
    served, own = _served(design), {o.function for o in design.operators}
    spans, why = _spans(plan.processes, {s.name: s.depth for s in plan.streams})
    writer = {name: p.name for p in plan.processes for name in p.writes}
    reader = {name: p.name for p in plan.processes for name in p.reads}
    return Streaming(
        plan.interval,
        plan.latency,
        1e9 / (plan.interval * clock_ns),
        tuple(p.name for p in plan.processes if p.work == plan.interval),
        tuple(
            ProcessFacts(p.name, served[p.name], "" if f in own else f, p.work, s)
            for p, s in zip(plan.processes, spans, strict=True)
            for f in (p.function,)
        ),
        tuple(
            Fifo(s.name, writer[s.name], reader[s.name], _bits(s.beat), s.depth)
            for s in plan.streams
        ),
        why,
    )


def _spans(
    processes: Sequence[Process], depths: Mapping[str, int]
) -> tuple[list[tuple[Span, ...]], str]:
    tokens = FRAMES * sum(sum(map(len, p.moves().reads)) * 2 for p in processes)
    if tokens > _MOST_TOKENS:
        return [()] * len(processes), f"{tokens:,} tokens move in {FRAMES} frames, too many"
    found = opening(processes, depths, FRAMES)
    return [tuple(Span(s.first, s.last) for s in spans) for spans in found], ""


def _bits(beat: str) -> int:
    """Bits of a beat, from the type that the C++ declares."""
    found = _BEAT.fullmatch(beat)
    assert found is not None, beat
    return int(found[1]) * int(found[2])


def _served(design: Design) -> dict[str, str]:
    """The operator that each process belongs to: a helper serves the one that reads its results.

    A fork serves the operator before it. "" for what only serves a port.
    """
    processes = design.plan.processes
    own = {o.function: o.node.output for o in design.operators}
    found = {p.name: own.get(p.function, "") for p in processes}
    reader = {name: p for p in processes for name in p.reads}
    writer = {name: p for p in processes for name in p.writes}
    for p in reversed(processes):
        if not found[p.name] and len(p.writes) == 1 and p.reads:
            found[p.name] = found[reader[p.writes[0]].name]
    for p in processes:
        if not found[p.name] and p.reads:
            found[p.name] = found[writer[p.reads[0]].name]
    return found
