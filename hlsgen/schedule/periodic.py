"""Schedules in which every frame is the one before, `interval` cycles later, in closed form.

A token is there one cycle after the step that writes it, and its place is free one cycle after the
step that reads it. Of all schedules of an interval in which no process ever waits for room this is
the earliest, so it says how much room is needed for that.

Source: self-timed execution of cyclo-static dataflow in max-plus algebra; a process whose frames
take `work` steps, work <= interval, is late by the running maximum of its operands' lateness over
two frames, this one and the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hlsgen.schedule.process import Moves, Steps

LATENCY = 1  # cycles from a write to the first read that can see it, and from a read to its room


@dataclass(frozen=True, eq=False)
class Lateness:
    """How many cycles after its own count a process takes each step: a staircase over steps.

    `least` is the lateness of steps before `steps[0]`; from `steps[k]` on it is `late[k]`, which
    rises with every k.
    """

    steps: Steps
    late: Steps
    least: int

    def at(self, steps: Steps) -> Steps:
        """The cycles at which these steps are taken."""
        if not len(self.steps):
            return steps + self.least
        levels = np.concatenate(([self.least], self.late))
        return steps + levels[np.searchsorted(self.steps, steps, side="right")]


def lateness(
    moves: Moves, arrivals: tuple[Steps, ...], work: int, interval: int | None
) -> Lateness:
    """The least lateness with which a process meets its operands.

    `arrivals` are the cycles from which on tokens can be read. Without an `interval` it is that of
    the first frame, which no frame before holds up.
    """
    if not any(map(len, moves.reads)):
        return Lateness(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
    steps = np.concatenate(moves.reads)
    order = np.argsort(steps, kind="stable")
    late = np.maximum.accumulate((np.concatenate(arrivals) - steps)[order])
    least = 0 if interval is None else int(late[-1]) - interval + work
    rises = np.flatnonzero(np.diff(late, prepend=least) > 0)
    rises = rises[late[rises] > least]
    return Lateness(steps[order][rises], late[rises], least)


def paced(steps: Steps, work: int, interval: int) -> Steps:
    """The steps of a source spread evenly over the interval, which keeps first FIFOs small."""
    return steps * interval // work if work else steps


def held(steps: Steps, work: int, hold: int) -> Steps:
    """The steps at which written tokens show at the latest, if a pipeline of `hold` stages stalls.

    Such a pipeline keeps a token until `hold` more steps were taken, or until the frame ends.
    """
    return np.minimum(steps + hold, max(work - 1, 0))


def most_held(written: Steps, read: Steps, interval: int) -> int:
    """The most tokens that a channel holds, counting those whose room is not free yet.

    Frames overlap: tokens of earlier frames count.
    """
    if not len(written):
        return 0
    count = len(written)
    frames = max(0, -(-(int(read[-1]) + LATENCY - int(written[0])) // interval))
    free = np.zeros(count, np.int64)
    for frame in range(frames + 1):
        free += np.searchsorted(read + LATENCY - frame * interval, written, side="right")
    return int((np.arange(1, count + 1) + frames * count - free).max())
