"""Whether times are a schedule: the proof that a design neither stops nor takes longer.

Any times that meet these inequalities, frame after frame `interval` later, are a schedule; a design
that moves everything as early as it can is never later, since more tokens or more room make nothing
later. So it never deadlocks, whatever its readers do, and takes a frame in `interval` cycles or
fewer. One pass over the tokens; how the times were found does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hlsgen.schedule.bounded import Timing, shifted
from hlsgen.schedule.periodic import LATENCY
from hlsgen.schedule.process import Process, Steps


def violations(
    processes: Sequence[Process],
    timings: Sequence[Timing],
    depths: Mapping[str, int],
    interval: int,
) -> list[str]:
    """What the times break: nothing where they are a schedule. A line each, naming its place.

    Channels without a depth have room for all.
    """
    found: list[str] = []
    written: dict[str, tuple[Steps, Steps]] = {}
    for process, timing in zip(processes, timings, strict=True):
        found += _order(process, timing, interval)
        for name, made, shown in zip(process.writes, timing.writes, timing.shown, strict=True):
            written[name] = made, shown
    for process, timing in zip(processes, timings, strict=True):
        for name, read in zip(process.reads, timing.reads, strict=True):
            made, shown = written[name]
            if len(made) != len(read):
                found.append(f"{name}: {len(made)} tokens written, {len(read)} read")
            elif (read < shown + LATENCY).any():
                found.append(f"{name}: a token is read before it is there")
            elif name in depths and not _has_room(made, read, depths[name], interval):
                found.append(f"{name}: a token is written without room")
    return found


def _has_room(made: Steps, read: Steps, depth: int, interval: int) -> bool:
    """Whether each token is read before the one is written that takes its place."""
    return bool((shifted(made, depth, interval) >= read + LATENCY).all())


def _order(process: Process, timing: Timing, interval: int) -> list[str]:
    """The steps of a process one after the other, each a cycle, this frame's before the next's."""
    moves = process.moves()
    pairs = [
        *zip(moves.reads, timing.reads, strict=True),
        *zip(moves.writes, timing.writes, strict=True),
    ]
    if not pairs or not sum(len(steps) for steps, _ in pairs):
        return []
    steps = np.concatenate([s for s, _ in pairs])
    cycles = np.concatenate([c for _, c in pairs])
    order = np.lexsort((cycles, steps))
    gaps, passed = np.diff(steps[order]), np.diff(cycles[order])
    wrap = process.work - int(steps.max()) + int(steps.min())
    if (passed < gaps).any() or (passed[gaps == 0] != 0).any():
        return [f"{process.name}: a step comes too early"]
    if int(cycles.min()) + interval - int(cycles.max()) < wrap:
        return [f"{process.name}: a frame begins before the one before it ends"]
    return []
