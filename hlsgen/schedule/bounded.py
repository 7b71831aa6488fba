"""Periodic schedules of processes between FIFOs of given depths.

Source: max-plus, as periodic.py, with room: a write waits until its FIFO has a free place. The
least times that meet all waits, this frame and those before, are found by retiming processes until
none changes; from the times of deeper FIFOs they only grow, so a search can go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.schedule.periodic import LATENCY, held, paced
from hlsgen.schedule.process import Moves, Process, Steps

NEVER = np.iinfo(np.int64).min // 4  # a bound that holds nothing up
# Without a schedule times grow without end: a search that retimes more than this many times all
# tokens, or a process so often, counts as one without.
_ROUNDS, _VISITS = 2, 5


@dataclass(frozen=True, eq=False)
class Timing:
    """The cycles at which one process moves the tokens of a frame, channels as in `Moves`.

    `shown` are those at which written tokens can be seen at the latest.
    """

    reads: tuple[Steps, ...]
    writes: tuple[Steps, ...]
    shown: tuple[Steps, ...]


class Bounded:
    """The schedule of a design with frames `interval` apart; `hold` as in `size_fifos`."""

    def __init__(self, processes: Sequence[Process], interval: int, hold: int) -> None:
        self.interval = interval
        self.runs = [_Run(p, p.moves(), interval, hold) for p in processes]
        writer = {c: (k, i) for k, p in enumerate(processes) for i, c in enumerate(p.writes)}
        reader = {c: (k, i) for k, p in enumerate(processes) for i, c in enumerate(p.reads)}
        self.ends = {c: (writer[c], reader[c]) for c in writer}
        self.of: list[list[str]] = [[*p.reads, *p.writes] for p in processes]
        self.visited = 0  # tokens of all retimed processes, what a search costs

    def settle(self, depths: Mapping[str, int], stale: Sequence[int] | None = None) -> bool:
        """Whether there is such a schedule; its times, from those that stand, are then the least.

        Channels without a depth have room for all. `stale` are the processes to begin with, all of
        them by default.
        """
        there = range(len(self.runs))
        waiting = set(there if stale is None else stale)
        visits = [0] * len(self.runs)
        most = self.visited + (1 + _ROUNDS) * sum(run.tokens for run in self.runs)
        while waiting:
            for k in (*there, *reversed(there)):
                if k not in waiting:
                    continue
                waiting.discard(k)
                visits[k] += 1
                if visits[k] > _VISITS or self.visited > most:
                    return False
                waiting |= self._retimed(k, depths)
        return True

    def timings(self) -> tuple[Timing, ...]:
        """The times of all processes."""
        return tuple(run.timing for run in self.runs)

    def reset(self, timings: Sequence[Timing]) -> None:
        """Back to times that stood before."""
        for run, timing in zip(self.runs, timings, strict=True):
            run.timing = timing

    def _retimed(self, k: int, depths: Mapping[str, int]) -> set[int]:
        """Retimes a process; the neighbours that may have to follow."""
        run = self.runs[k]
        self.visited += run.tokens
        arrivals: list[Steps] = []
        rooms: list[Steps] = []
        for name in self.of[k]:
            (w, out), (r, into) = self.ends[name]
            if r == k:
                arrivals.append(self.runs[w].timing.shown[out] + LATENCY)
        for name in self.of[k]:
            (w, out), (r, into) = self.ends[name]
            if w == k:
                read = self.runs[r].timing.reads[into]
                depth = depths.get(name)
                rooms.append(
                    np.full(len(read), NEVER)
                    if depth is None
                    else shifted(read, -depth, self.interval) + LATENCY
                )
        if not run.retime(arrivals, rooms):
            return set()
        return {end[0] for name in self.of[k] for end in self.ends[name]} - {k}


def shifted(cycles: Steps, by: int, interval: int) -> Steps:
    """For each token the cycle of the one so many tokens later, in later or earlier frames."""
    place = np.arange(len(cycles)) + by
    return cycles[place % len(cycles)] + place // len(cycles) * interval


class _Run:
    """One process: at which step each token moves, and the lateness of these steps."""

    def __init__(self, process: Process, moves: Moves, interval: int, hold: int) -> None:
        self.work, self.interval = process.work, interval
        writes = moves.writes
        late = tuple(held(w, process.work, hold) for w in writes)
        if not process.reads:  # paced evenly: a source that is faster only makes nothing later
            writes, late = (
                tuple(paced(s, process.work, interval) for s in side) for side in (writes, late)
            )
            self.work = interval
        self.parts = (len(moves.reads), len(writes))
        self.steps = [*moves.reads, *writes, *late]
        self.all = np.concatenate([*self.steps, np.zeros(0, np.int64)])
        self.order = np.argsort(self.all, kind="stable")
        self.last = np.searchsorted(self.all[self.order], self.all[self.order], side="right") - 1
        self.cuts = np.cumsum([len(s) for s in self.steps])[:-1]
        self.tokens = len(self.all)
        self.timing = self._split(self.all)

    def _split(self, cycles: Steps) -> Timing:
        parts = np.split(cycles, self.cuts) if self.steps else []
        reads, writes = self.parts
        return Timing(
            tuple(parts[:reads]),
            tuple(parts[reads : reads + writes]),
            tuple(parts[reads + writes :]),
        )

    def retime(self, arrivals: Sequence[Steps], rooms: Sequence[Steps]) -> bool:
        """Every step as early as its tokens' bounds allow; whether any became later."""
        if not self.tokens:
            return False
        # What shows late has no bound of its own: it follows the steps before it.
        free = [np.full(len(s), NEVER) for s in self.timing.shown]
        waits = (np.concatenate([*arrivals, *rooms, *free]) - self.all)[self.order]
        late = np.maximum.accumulate(np.maximum(waits, 0))
        late = np.maximum(late, late[-1] - self.interval + self.work)  # the frame before
        made = np.empty_like(late)
        made[self.order] = late[self.last]  # steps of one number are one step
        found = self._split(self.all + made)
        changed = any(
            bool((a > b).any())
            for new, old in ((found.reads, self.timing.reads), (found.shown, self.timing.shown),
                             (found.writes, self.timing.writes))
            for a, b in zip(new, old, strict=True)
        )  # fmt: skip
        self.timing = found
        return changed
