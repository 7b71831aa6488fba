"""One folding for one budget: chosen operator by operator, then checked on the design.

The programs of search.py see the operators alone. FIFOs, width converters and forks depend on what
neighbours choose, so the design is made, what stands between the operators is counted on it with
its real FIFO depths, and the search is run again with that much less room until both agree.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np

from hlsgen.boards import Board
from hlsgen.emit.arithmetic import GRAPHS
from hlsgen.emit.encodings import input_steps
from hlsgen.emit.folding import named_folding
from hlsgen.emit.hls import Design, HlsOptions, design_of
from hlsgen.fold.candidates import Candidates, with_searched
from hlsgen.fold.copies import Copies
from hlsgen.fold.estimate import Estimate, estimate
from hlsgen.fold.program import Vector
from hlsgen.fold.search import Found, Step, fastest, least_use, next_step
from hlsgen.fold.transfers import floor_of, moved_by
from hlsgen.ir.hw import HwGraph

_ROUNDS = 10  # of search and check
_NO_STEP = Step(0, "", (), {})


@dataclass(frozen=True, eq=False)
class Task:
    """A network, a board and what each of its compute units may take.

    `wanted` cycles a frame, None for as few as can be had. `searched` are the layers whose adder
    graphs are counted in `layers`, not guessed.
    """

    graph: HwGraph
    options: HlsOptions
    board: Board
    layers: tuple[Candidates, ...]
    copies: Copies
    limits: Vector
    prices: Vector
    shell: Vector
    wanted: int | None
    searched: frozenset[str] = frozenset()

    def with_searched(self, names: Set[str]) -> Task:
        """The adder graphs of more layers counted."""
        o = self.options
        folding, steps = named_folding(self.graph, o.folding), input_steps(self.graph, o.arithmetic)
        layers = with_searched(self.layers, self.graph, o.arithmetic, folding, steps, names)
        return replace(self, layers=layers, searched=self.searched | names)


@dataclass(frozen=True, eq=False)
class Folded:
    """A design that fits, the options that make it, and what the next faster one would need.

    `units` of it work side by side; `estimate`, `limits` by kind and the `shell` within them are
    those of one; `cycles` a frame of one, transfers included.
    """

    options: HlsOptions
    design: Design
    estimate: Estimate
    units: int
    limits: Vector
    shell: Vector
    cycles: int
    step: Step

    @property
    def whole(self) -> Vector:
        """What one unit takes with its shell."""
        return self.shell + self.estimate.use.vector

    @property
    def fits(self) -> bool:
        """Whether it stays within the limits."""
        return bool((self.whole <= self.limits + 1e-6).all())

    @property
    def fps(self) -> float:
        """Frames a second of all units."""
        return self.rate(self.cycles)

    def rate(self, cycles: int) -> float:
        """Frames a second of all units if one took so many cycles a frame."""
        return 1e9 * self.units / (cycles * self.options.clock_ns)


def settled(task: Task) -> Folded | None:
    """Search and check in turns, until the design that was made fits and is fast enough.

    None where no such design is found. Without `wanted` cycles the turns can overshoot: what stands
    between the operators of a design that was too fast takes more than a slower one needs.
    """
    aim, floor, fixed = task.wanted, 0, task.shell
    for attempt in range(_ROUNDS):
        task, found = _counted(task, aim, floor, fixed)
        if found is None:
            return None
        options = _with(task.options, found)
        design = design_of(task.graph, options)
        own = estimate(design)
        between = task.shell + own.use.vector - found.use
        transfers = floor_of(task.board, moved_by(design), options.clock_ns, task.copies.units)
        floor = transfers.cycles
        cycles = max(own.interval, floor)
        made = Folded(
            options, design, own, task.copies.units, task.limits, task.shell, cycles, _NO_STEP
        )
        if made.fits and (task.wanted is None or cycles <= task.wanted):
            step = next_step(task.layers, found.cycles, task.limits, between, task.prices)
            if step.cycles < floor:
                step = Step(floor, "", (), {}, transfers.by)
            return _spared(task.graph, replace(made, step=step))
        if task.wanted is not None and floor > task.wanted:
            return None
        if aim is not None and own.interval > aim:  # a process that no operator's choice counts
            aim = min(aim - 1, aim * aim // own.interval)
        # The room for operators only falls once rounds do not agree of themselves.
        fixed = between if attempt < 2 else np.maximum(fixed, between)
    return None


def _spared(graph: HwGraph, made: Folded) -> Folded:
    """The same with FIFOs no deeper than they have to be, unless it then does not fit.

    A FIFO that is too short for a block RAM takes LUTs.
    """
    options = replace(made.options, spare_fifos=True)
    design = design_of(graph, options)
    spared = replace(made, options=options, design=design, estimate=estimate(design))
    return spared if spared.fits else made


def _counted(task: Task, aim: int | None, floor: int, fixed: Vector) -> tuple[Task, Found | None]:
    """The choices, and the task with the adder graphs among them searched for and counted.

    A guess tells which graphs are worth a search, which takes seconds where a layer is large.
    """
    while True:
        found = _found(task, aim, floor, fixed)
        picked = {} if found is None else found.choices
        names = {name for name, choice in picked.items() if choice.arithmetic in GRAPHS}
        if names <= task.searched:
            return task, found
        task = task.with_searched(names - task.searched)


def _found(task: Task, aim: int | None, floor: int, fixed: Vector) -> Found | None:
    room = task.limits - fixed
    if aim is None:
        return fastest(task.layers, room, task.prices, floor)
    return least_use(task.layers, aim, room, task.prices)


def _with(options: HlsOptions, found: Found) -> HlsOptions:
    """The options that make the choices."""
    chosen = found.choices
    return replace(
        options,
        folding={name: (c.pe, c.simd) for name, c in chosen.items()},
        arithmetic={n: c.arithmetic for n, c in chosen.items() if c.arithmetic is not None},
        memory={name: c.memory for name, c in chosen.items() if c.memory is not None},
    )
