"""The first frames of a streamed design, from empty FIFOs of given depths, in cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.schedule.process import Process
from hlsgen.schedule.selftimed import Run, channel_ends, settle


@dataclass(frozen=True, slots=True)
class Span:
    """The cycles at which a process moves its first and its last token of a frame."""

    first: int
    last: int


def opening(
    processes: Sequence[Process], depths: Mapping[str, int], frames: int
) -> tuple[tuple[Span, ...], ...]:
    """For each process its spans of the first frames, everything as early as it can be.

    Sources are always ready and sinks always take. Errors: Stuck where `depths` do not suffice.
    """
    runs = [Run(p, frames) for p in processes]
    ends = channel_ends(processes)
    settle(runs, {name: (*end, depths[name]) for name, end in ends.items()})
    return tuple(_spans(run) for run in runs)


def _spans(run: Run) -> tuple[Span, ...]:
    parts = [c.reshape(run.frames, -1) for c in run.cycles[: run.moving] if c.size]
    firsts = np.min([p[:, 0] for p in parts], axis=0)
    lasts = np.max([p[:, -1] for p in parts], axis=0)
    return tuple(Span(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True))
