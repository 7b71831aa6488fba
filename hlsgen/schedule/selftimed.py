"""Self-timed execution with FIFOs of given depths: every step as early as all its waits allow.

A step waits for the step before, for the tokens that it reads, and for room for those it writes.
The least times that meet all waits are found by going through the processes, there and back, until
none changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hlsgen.schedule.periodic import LATENCY
from hlsgen.schedule.process import Process, Steps

Gate = NDArray[np.bool_]  # the cycles at which a port may move a token, over and over again
OPEN: Gate = np.ones(1, np.bool_)  # of a port that nothing holds up
_NEVER = 1 << 40  # the cycle of what waits for a token after the last one


@dataclass(frozen=True, eq=False)
class Times:
    """When each token of a channel is written, read and let go of, in cycles; `end` is the last.

    A unit that makes tokens without reading any, a border for instance, has begun the next frame.
    """

    written: Mapping[str, Steps]
    read: Mapping[str, Steps]
    freed: Mapping[str, Steps]
    end: int

    def peak(self, channel: str) -> int:
        """The highest count of places taken, as a register shows it up to the end."""
        written, freed = self.written[channel], self.freed[channel]
        written = written[written <= self.end]
        released = np.searchsorted(np.sort(freed), written, side="right")
        return int((np.arange(1, len(written) + 1) - released).max(initial=0))


class Stuck(Exception):
    """Some token is never moved: the depths let the processes wait for each other."""


def self_timed(
    processes: Sequence[Process],
    depths: Mapping[str, int],
    frames: int,
    gates: Mapping[str, Gate],
) -> Times:
    """So many frames through all ports, from empty FIFOs.

    `gates` are of the ports, by process: those move a token at each of their steps.
    Errors: Stuck where not all frames can pass.
    """
    runs = [Run(p, frames + 1, gates.get(p.name)) for p in processes]
    ends = channel_ends(processes)
    settle(runs, {name: (*end, depths[name]) for name, end in ends.items()})
    written: dict[str, Steps] = {}
    read: dict[str, Steps] = {}
    freed: dict[str, Steps] = {}
    for name, ((writer, out), (reader, into)) in ends.items():
        moved = runs[writer].cycles[out], runs[reader].cycles[into], runs[reader].freed(into)
        written[name], read[name], freed[name] = (c[c < _NEVER] for c in moved)
    last = [run.cycles[0][run.cycles[0] < _NEVER] for run in runs if run.gate is not None]
    return Times(written, read, freed, max(int(c[-1]) for c in last if c.size))


End = tuple[int, int]  # a process, and the place of a channel among all that it moves


def channel_ends(processes: Sequence[Process]) -> dict[str, tuple[End, End]]:
    """Writer and reader of each channel."""
    writer = {
        name: (k, len(p.reads) + i) for k, p in enumerate(processes) for i, name in
        enumerate(p.writes)
    }  # fmt: skip
    reader = {name: (k, i) for k, p in enumerate(processes) for i, name in enumerate(p.reads)}
    return {name: (writer[name], reader[name]) for name in writer}


class Run:
    """One process over all frames: at which step each token moves, and when that is."""

    def __init__(self, process: Process, frames: int, gate: Gate | None = None) -> None:
        self.work, self.frames, self.stages = process.work, frames, process.stages
        moves = process.moves()
        self.moving = len(moves.reads) + len(moves.writes)
        turns = np.arange(frames)[:, None] * process.work
        arrays = (*moves.reads, *moves.writes, *(moves.frees or ()))
        self.separate = moves.frees is not None
        self.steps = [(steps + turns).reshape(-1) for steps in arrays]
        self.cycles = [steps.copy() for steps in self.steps]
        self.bounds: list[Steps] = [np.zeros_like(steps) for steps in self.steps]
        self.all = np.concatenate([*self.steps, np.zeros(0, np.int64)])
        self.order = np.argsort(self.all, kind="stable")
        self.cuts = np.cumsum([len(steps) for steps in self.steps])[:-1]
        self.gate = gate  # a port lets all frames pass but the last one
        if gate is not None:
            assert self.moving == 1, "only a port can be held up"
            assert gate.any(), "a gate that never opens"

    def freed(self, read: int) -> Steps:
        """When the tokens of a channel read are let go of."""
        return self.cycles[self.moving + read if self.separate else read]

    def retime(self) -> bool:
        """Every step as early as its tokens' bounds allow; whether any became later."""
        if self.gate is not None:
            found = [self._gated(self.gate)]
        else:
            bounds = np.concatenate([*self.bounds, np.zeros(0, np.int64)])
            waits = (bounds - self.all)[self.order]
            late = np.empty_like(waits)
            late[self.order] = np.maximum(np.maximum.accumulate(waits), 0)
            # Steps of one number move their tokens in the same cycle: the latest of their bounds.
            found = np.split(self.all + self._together(late), self.cuts)
        changed = any(bool((a != b).any()) for a, b in zip(found, self.cycles, strict=True))
        self.cycles = found
        return changed

    def _together(self, late: Steps) -> Steps:
        ordered, steps = late[self.order], self.all[self.order]
        last = np.searchsorted(steps, steps, side="right") - 1
        made = np.empty_like(late)
        made[self.order] = ordered[last]
        return made

    def _gated(self, gate: Gate) -> Steps:
        """Counted in cycles at which the gate is open, a port is one that nothing holds up."""
        turns, rest = np.divmod(self.bounds[0], len(gate))
        before = np.concatenate(([0], np.cumsum(gate)))
        place = turns * int(before[-1]) + before[rest]  # open cycles before the bound
        tokens = np.arange(len(place))
        place = tokens + np.maximum(np.maximum.accumulate(place - tokens), 0)
        turns, rest = np.divmod(place, int(before[-1]))
        found = turns * len(gate) + np.flatnonzero(gate)[rest]
        found[self.work * (self.frames - 1) :] = _NEVER
        return found


def settle(runs: Sequence[Run], channels: Mapping[str, tuple[End, End, int]]) -> None:
    """Retimes processes until all waits are met. Errors: Stuck where they cannot be."""
    of: dict[int, list[tuple[End, End, int]]] = {k: [] for k in range(len(runs))}
    for channel in channels.values():
        for k in {channel[0][0], channel[1][0]}:
            of[k].append(channel)
    horizon = _horizon(runs)
    there = range(len(runs))
    stale = set(there)
    while stale:
        for k in (*there, *reversed(there)):
            if k in stale:
                stale.discard(k)
                stale |= _retimed(runs, k, of[k])
        if any(_beyond(c, horizon) for run in runs for c in run.cycles):
            raise Stuck


def _beyond(cycles: Steps, horizon: int) -> bool:
    """Whether some step that has all it needs is too late."""
    late = cycles[np.searchsorted(cycles, horizon, side="right") :]
    return bool(late.size) and int(late[0]) < _NEVER


def _horizon(runs: Sequence[Run]) -> int:
    """No step is later than if all were taken one after the other, each through its pipeline."""
    total = 0
    for run in runs:
        slow = 1 if run.gate is None else len(run.gate)
        moved = sum(c.size for c in run.cycles)
        total += run.frames * run.work * slow + moved * (run.stages + 2 * LATENCY) * slow
    return total


def _retimed(runs: Sequence[Run], k: int, channels: list[tuple[End, End, int]]) -> set[int]:
    """Retimes a process; the neighbours that may have to follow."""
    run = runs[k]
    for (writer, out), (reader, into), depth in channels:
        if reader == k:
            run.bounds[into] = runs[writer].cycles[out] + LATENCY + runs[writer].stages
        if writer == k:
            run.bounds[out][depth:] = runs[reader].freed(into)[:-depth] + LATENCY
    if not run.retime():
        return set()
    return {end[0] for channel in channels for end in channel[:2] if end[0] != k}
