"""The first frames of a streamed design, from empty FIFOs of given depths, in cycles.

Source: as periodic.py, with room: a write waits until its FIFO has a free place. The least times
that meet all waits are found by going through the processes, there and back, until none changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.schedule.periodic import LATENCY
from hlsgen.schedule.process import Process, Steps


@dataclass(frozen=True, slots=True)
class Span:
    """The cycles at which a process moves its first and its last token of a frame."""

    first: int
    last: int


def opening(
    processes: Sequence[Process], depths: Mapping[str, int], frames: int
) -> tuple[tuple[Span, ...], ...]:
    """For each process its spans of the first frames, everything as early as it can be.

    Sources are always ready and sinks always take. `depths` must suffice for the design to go on
    (`size_fifos`): else there are no such times, and the search for them does not end.
    """
    runs = [_Run(p, frames) for p in processes]
    ends = _ends(processes)
    _settle(runs, {name: (*end, depths[name]) for name, end in ends.items()})
    return tuple(run.spans() for run in runs)


End = tuple[int, int]  # a process, and the place of a channel among all that it moves


def _ends(processes: Sequence[Process]) -> dict[str, tuple[End, End]]:
    """Writer and reader of each channel."""
    writer = {
        name: (k, len(p.reads) + i) for k, p in enumerate(processes) for i, name in
        enumerate(p.writes)
    }  # fmt: skip
    reader = {name: (k, i) for k, p in enumerate(processes) for i, name in enumerate(p.reads)}
    return {name: (writer[name], reader[name]) for name in writer}


class _Run:
    """One process over all frames: at which step each token moves, and when that is."""

    def __init__(self, process: Process, frames: int) -> None:
        self.work, self.frames = process.work, frames
        moves = process.moves()
        turns = np.arange(frames)[:, None] * process.work
        self.steps = [(steps + turns).reshape(-1) for steps in (*moves.reads, *moves.writes)]
        self.cycles = [steps.copy() for steps in self.steps]
        self.bounds: list[Steps] = [np.zeros_like(steps) for steps in self.steps]
        self.all = np.concatenate([*self.steps, np.zeros(0, np.int64)])
        self.order = np.argsort(self.all, kind="stable")
        self.cuts = np.cumsum([len(steps) for steps in self.steps])[:-1]

    def retime(self) -> bool:
        """Every step as early as its tokens' bounds allow; whether any became later."""
        waits = (np.concatenate([*self.bounds, np.zeros(0, np.int64)]) - self.all)[self.order]
        late = np.empty_like(waits)
        late[self.order] = np.maximum(np.maximum.accumulate(waits), 0)
        # Steps of one number move their tokens in the same cycle: the latest of their bounds.
        late = self._together(late)
        found = np.split(self.all + late, self.cuts)
        changed = any(bool((a != b).any()) for a, b in zip(found, self.cycles, strict=True))
        self.cycles = found
        return changed

    def _together(self, late: Steps) -> Steps:
        ordered, steps = late[self.order], self.all[self.order]
        last = np.searchsorted(steps, steps, side="right") - 1
        made = np.empty_like(late)
        made[self.order] = ordered[last]
        return made

    def spans(self) -> tuple[Span, ...]:
        parts = [c.reshape(self.frames, -1) for c in self.cycles if c.size]
        firsts = np.min([p[:, 0] for p in parts], axis=0)
        lasts = np.max([p[:, -1] for p in parts], axis=0)
        return tuple(Span(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True))


def _settle(runs: list[_Run], channels: Mapping[str, tuple[End, End, int]]) -> None:
    """Retimes processes until all waits are met."""
    of: dict[int, list[tuple[End, End, int]]] = {k: [] for k in range(len(runs))}
    for channel in channels.values():
        for k in {channel[0][0], channel[1][0]}:
            of[k].append(channel)
    there = range(len(runs))
    stale = set(there)
    while stale:
        for k in (*there, *reversed(there)):
            if k in stale:
                stale.discard(k)
                stale |= _retimed(runs, k, of[k])


def _retimed(runs: list[_Run], k: int, channels: list[tuple[End, End, int]]) -> set[int]:
    """Retimes a process; the neighbours that may have to follow."""
    run = runs[k]
    for (writer, out), (reader, into), depth in channels:
        if reader == k:
            run.bounds[into] = runs[writer].cycles[out] + LATENCY
        if writer == k:
            run.bounds[out][depth:] = runs[reader].cycles[into][:-depth] + LATENCY
    if not run.retime():
        return set()
    return {end[0] for channel in channels for end in channel[:2] if end[0] != k}
