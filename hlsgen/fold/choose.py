"""The folding of a network for a board: chosen operator by operator, then checked on the design.

The programs of search.py see the operators alone. FIFOs, width converters and forks depend on what
neighbours choose, so the design is made, what stands between the operators is counted on it with
its real FIFO depths, and the search is run again with that much less room until both agree.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np

from hlsgen.boards import Board
from hlsgen.emit.arithmetic import GRAPHS, check_arithmetic
from hlsgen.emit.encodings import input_steps
from hlsgen.emit.folding import named_folding
from hlsgen.emit.hls import Design, HlsOptions, design_of
from hlsgen.emit.streams import port_bits
from hlsgen.errors import OptionError
from hlsgen.fold.candidates import Candidates, candidates, with_searched
from hlsgen.fold.estimate import Estimate, estimate
from hlsgen.fold.goal import SHELL, Goal, least_cycles, rooms
from hlsgen.fold.program import Vector, least_excess
from hlsgen.fold.search import Found, Step, fastest, least_use, next_step, shares
from hlsgen.ir.hw import HwGraph

_ROUNDS = 10  # of search and check


@dataclass(frozen=True, eq=False)
class Folded:
    """A design that fits, the options that make it, and what the next faster one would need.

    `limits` by kind and `shell`, which is within them; `cycles` a frame, transfers included.
    """

    options: HlsOptions
    design: Design
    estimate: Estimate
    limits: Vector
    shell: Vector
    cycles: int
    step: Step


@dataclass(frozen=True, eq=False)
class _Task:
    """A network, a board and a goal; `wanted` cycles a frame, None for as few as can be had.

    `searched` are the layers whose adder graphs are counted in `layers`, not guessed.
    """

    graph: HwGraph
    options: HlsOptions
    board: Board
    goal: Goal
    layers: tuple[Candidates, ...]
    limits: Vector
    prices: Vector
    shell: Vector
    wanted: int | None
    searched: frozenset[str] = frozenset()

    def with_searched(self, names: Set[str]) -> _Task:
        """The adder graphs of more layers counted."""
        o = self.options
        folding, steps = named_folding(self.graph, o.folding), input_steps(self.graph, o.arithmetic)
        layers = with_searched(self.layers, self.graph, o.arithmetic, folding, steps, names)
        return replace(self, layers=layers, searched=self.searched | names)

    def fps(self, cycles: int) -> float:
        """Frames a second at so many cycles."""
        return 1e9 / (cycles * self.options.clock_ns)


def fold(graph: HwGraph, options: HlsOptions, board: Board, goal: Goal) -> Folded:
    """The folding that a goal asks for; what `options` name by layer is left as it is.

    Errors: OptionError where no folding reaches the goal, with the nearest that can be had.
    """
    goal = goal.checked()
    check_arithmetic(graph, options.arithmetic)
    folding = named_folding(graph, options.folding)
    layers = candidates(graph, options.arithmetic, folding, input_steps(graph, options.arithmetic))
    wanted = None
    if goal.target_fps:
        wanted = max(1, int(1e9 / (options.clock_ns * goal.target_fps)))
    refusals: list[OptionError] = []
    for room in rooms(board):
        task = _Task(
            graph, options, board, goal, layers, goal.limits(room), goal.prices(room),
            SHELL[board.flow].vector, wanted,
        )  # fmt: skip
        try:
            return _settled(task)
        except OptionError as error:
            refusals.append(error)
    raise refusals[-1]


def _settled(task: _Task) -> Folded:
    """Search and check in turns, until the design that was made fits and is fast enough."""
    aim, floor, fixed = task.wanted, 0, task.shell
    for attempt in range(_ROUNDS):
        task, found = _counted(task, aim, floor, fixed)
        if found is None:
            raise _refused(task, fixed)
        options = _with(task.options, found)
        design = design_of(task.graph, options)
        own = estimate(design)
        between = task.shell + own.use.vector - found.use
        floor = least_cycles(task.board, _frame_bytes(design), task.options.clock_ns)
        cycles = max(own.interval, floor)
        fits = bool((task.shell + own.use.vector <= task.limits + 1e-6).all())
        if fits and (task.wanted is None or cycles <= task.wanted):
            step = next_step(task.layers, found.cycles, task.limits, between, task.prices)
            options = replace(options, spare_fifos=True)
            design = design_of(task.graph, options)
            own = estimate(design)
            return Folded(options, design, own, task.limits, task.shell, cycles, step)
        if task.wanted is not None and floor > task.wanted:
            raise OptionError(
                f"--target-fps {task.goal.target_fps:g}: the memory of {task.board.name} moves "
                f"{task.fps(floor):,.0f} frames a second"
            )
        if aim is not None and own.interval > aim:  # a process that no operator's choice counts
            aim = min(aim - 1, aim * aim // own.interval)
        # The room for operators only falls once rounds do not agree of themselves.
        fixed = between if attempt < 2 else np.maximum(fixed, between)
    raise _refused(task, fixed)


def _counted(task: _Task, aim: int | None, floor: int, fixed: Vector) -> tuple[_Task, Found | None]:
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


def _found(task: _Task, aim: int | None, floor: int, fixed: Vector) -> Found | None:
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


def _frame_bytes(design: Design) -> tuple[int, ...]:
    """Bytes that each port moves for a frame."""
    return tuple(v.beats * port_bits(v) // 8 for v in design.inputs + design.outputs)


def _refused(task: _Task, fixed: Vector) -> OptionError:
    """Why there is no such design, and the nearest that there is."""
    if task.wanted is None:
        needed = least_excess(task.layers, fixed, task.limits)
        assert needed is not None, "an operator without a choice"
        kind, share = max(shares(needed, task.limits).items(), key=lambda pair: pair[1])
        return OptionError(
            f"{task.board.name}: the network does not fit: its smallest folding takes "
            f"{share:.0%} of the {kind} that a design may take; give a larger board, "
            "--max-util, or fewer bits"
        )
    goal = f"--target-fps {task.goal.target_fps:g}"
    slowest = max(task.layers, key=lambda layer: int(layer.cycles.min()))
    if int(slowest.cycles.min()) > task.wanted:
        why = (
            f"{slowest.node} takes {int(slowest.cycles.min()):,} clocks however it is folded, "
            f"and {task.wanted:,} are wanted"
        )
    else:
        why = f"it does not fit {task.board.name}"
    nearest = _settled(replace(task, wanted=None))
    return OptionError(
        f"{goal}: {why}; {task.fps(nearest.cycles):,.0f} frames a second can be had "
        f"({binding_text(nearest.step, task.options.clock_ns)})"
    )


def binding_text(step: Step, clock_ns: float) -> str:
    """What keeps a design from being faster, and what the next faster one would take."""
    if step.slowest:
        return f"{step.slowest} cannot be folded for more"
    rate = f"the next step, {1e9 / (step.cycles * clock_ns):,.0f}"
    taken = {kind.upper(): share for kind, share in step.needed.items()}
    if not step.binding:
        most = max(taken, key=lambda kind: taken[kind])
        return f"{rate}, fits too and takes {taken[most]:.0%} of the {most} allowed"
    short = ", ".join(f"{share:.0%} of the {kind}" for kind, share in taken.items() if share > 1)
    kinds = " and ".join(kind.upper() for kind in step.binding)
    verb = "binds" if len(step.binding) == 1 else "bind"
    return f"{kinds} {verb}: {rate}, would take {short} allowed"
