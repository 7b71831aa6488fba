"""How deep each FIFO of a streamed design must be to cost no throughput and never to deadlock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hlsgen.schedule.cycles import on_cycles
from hlsgen.schedule.periodic import LATENCY, held, lateness, most_held, paced
from hlsgen.schedule.process import Moves, Process, Steps


@dataclass(frozen=True, slots=True)
class Sizing:
    """FIFO depths in tokens, with the cycles a frame takes once they are given.

    `interval` lies between frames of a full pipeline, `latency` from the first token taken to the
    last one given for the first frame.
    """

    interval: int
    latency: int
    depths: Mapping[str, int]


def size_fifos(processes: Sequence[Process], hold: int) -> Sizing:
    """Depths under which no process of the earliest periodic schedule waits for room.

    1. The interval is the work of the busiest process: no schedule has a shorter one.
    2. Every channel holds what the schedule at this interval puts into it, its source paced evenly.
       A real source may be faster, and any reader slower: room is asked for, never taken away.
    3. Between a fork and its join, tokens may also be kept by pipelines of up to `hold` stages that
       stall as a whole when their input runs dry. Channels there hold what a schedule needs in
       which each token is written when its step is taken and seen as late as that allows: so much
       suffices for every depth of every pipeline.
    `processes` stand in an order in which writers come before readers.
    """
    interval = max((p.work for p in processes), default=1)
    inner = on_cycles(processes)
    first, prompt, stalling = _Run(None, 0), _Run(interval, 0), _Run(interval, hold)
    depths: dict[str, int] = {}
    for process in processes:
        moves = process.moves()
        first.take(process, moves)
        for name, depth in prompt.take(process, moves).items():
            depths[name] = max(depth, 1)
        if not inner:
            continue
        for name, depth in stalling.take(process, moves).items():
            if name in inner:
                depths[name] = max(depth, depths[name])
    return Sizing(interval, first.last + 1, depths)


@dataclass(slots=True)
class _Run:
    """One schedule, process by process; only channels that wait for their reader are kept."""

    interval: int | None
    hold: int
    last: int = 0
    written: dict[str, Steps] = field(default_factory=dict[str, Steps])
    seen: dict[str, Steps] = field(default_factory=dict[str, Steps])

    def take(self, process: Process, moves: Moves) -> dict[str, int]:
        """Schedules a process; what each channel that it reads has held at most."""
        arrivals = tuple(self.seen.pop(name) + LATENCY for name in process.reads)
        late = lateness(moves, arrivals, process.work, self.interval)
        for name, steps in zip(process.writes, moves.writes, strict=True):
            shown = held(steps, process.work, self.hold) if self.hold else steps
            if self.interval is not None and not process.reads:
                steps, shown = (paced(s, process.work, self.interval) for s in (steps, shown))
            cycles = late.at(steps)
            self.written[name] = cycles
            self.seen[name] = (late.at(shown) if self.hold else cycles) + process.stages
        self.last = max(self.last, int(late.at(np.array([process.work - 1]))[0]))
        found: dict[str, int] = {}
        for name, steps, frees, arrival in zip(
            process.reads, moves.reads, moves.freed, arrivals, strict=True
        ):
            written, taken = self.written.pop(name), late.at(steps)
            assert bool((taken >= arrival).all()), f"{name} is read before it is written"
            if self.interval is not None:
                freed = taken if frees is steps else late.at(frees)
                found[name] = most_held(written, freed, self.interval)
        return found
