"""Moves of elements: copies in runs, and a constant where nothing comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.sim.native_plan import Buffer, Move, Planner

Array = NDArray[Any]


def move(p: Planner, inputs: Sequence[Buffer], y: Buffer, source: Array, value: int) -> None:
    """y[i] = element source[i] of the inputs one after the other, `value` where it is -1."""
    ends = np.cumsum([0, *(x.size for x in inputs)])
    owner = np.where(source < 0, -1, np.searchsorted(ends, source, side="right") - 1)
    broken = (np.diff(owner) != 0) | ((np.diff(source) != 1) & (source[1:] >= 0))
    starts = np.concatenate(([0], np.flatnonzero(broken) + 1))
    length = np.diff(np.concatenate((starts, [source.size])))

    def runs(which: int, base: int) -> tuple[int, str, str, str]:
        mine = owner[starts] == which
        at = starts[mine]
        origin, target = p.param(source[at] - base, "int64_t"), p.param(at, "int64_t")
        return int(mine.sum()), origin, target, p.param(length[mine], "int64_t")

    parts = tuple((x, *runs(k, int(ends[k]))) for k, x in enumerate(inputs))
    count, _, to, many = runs(-1, 0)
    p.steps.append(Move(y, tuple(part for part in parts if part[1]), (count, to, many), value))
