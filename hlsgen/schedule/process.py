"""A process of a streamed design: which step of a frame moves a token on which channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]  # a step for each token, in the tokens' order, never falling


@dataclass(frozen=True, eq=False)
class Moves:
    """The steps of a frame at which tokens move: one array a channel, one entry a token.

    A step takes one cycle where nothing holds it up, is taken whole or not at all, and moves at
    most one token a channel. Steps between those that move anything only take time.
    A process may look at tokens again before it lets go of them, as a line buffer does: then
    `reads` are the steps that first need each token and `frees` those that make its place free.
    """

    reads: tuple[Steps, ...] = ()
    writes: tuple[Steps, ...] = ()
    frees: tuple[Steps, ...] | None = None

    @property
    def freed(self) -> tuple[Steps, ...]:
        """The step that makes room, for each token read."""
        return self.reads if self.frees is None else self.frees


@dataclass(frozen=True, eq=False)
class Process:
    """One frame after the other, each of `work` steps in one fixed order.

    `reads` and `writes` name channels in the order of `moves()`, which is called anew where it is
    needed: its arrays are as long as tensors. `function` is what several processes may be calls of.
    What a step writes can be read `stages` cycles later than a register's content could: it passes
    a pipeline that never stalls. Its place in the channel is taken when the step is.
    """

    name: str
    work: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    moves: Callable[[], Moves]
    function: str = ""
    stages: int = 0
