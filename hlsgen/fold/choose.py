"""The folding of a network for a board, and how many compute units of it: what a goal asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hlsgen.boards import Board
from hlsgen.emit.arithmetic import check_arithmetic
from hlsgen.emit.encodings import input_steps
from hlsgen.emit.folding import named_folding
from hlsgen.emit.hls import HlsOptions
from hlsgen.errors import OptionError
from hlsgen.fold.candidates import candidates
from hlsgen.fold.copies import Copies, copies
from hlsgen.fold.goal import SHELL, Goal
from hlsgen.fold.program import least_excess
from hlsgen.fold.search import fastest, levels, shares
from hlsgen.fold.settle import Folded, Task, settled
from hlsgen.ir.hw import HwGraph


def fold(
    graph: HwGraph, options: HlsOptions, board: Board, goal: Goal, units: int | None = None
) -> Folded:
    """The folding that a goal asks for; what `options` name by layer is left as it is.

    It is that of one of `units` compute units; where that is None, there are as many as give the
    most frames a second, or the fewest that give those asked for.
    Errors: OptionError where no folding reaches the goal, with the nearest that can be had.
    """
    goal = goal.checked()
    check_arithmetic(graph, options.arithmetic)
    folding = named_folding(graph, options.folding)
    layers = candidates(graph, options.arithmetic, folding, input_steps(graph, options.arithmetic))
    whole = Copies(1, board.budget)
    first = Task(
        graph, options, board, layers, whole, goal.limits(board.budget),
        goal.prices(board.budget), SHELL[board.flow].vector, None,
    )  # fmt: skip
    ports = len(graph.inputs) + len(graph.outputs)
    tasks = [_sized(first, goal, each) for each in copies(board, units, ports)]
    found = _reaching(tasks, goal.target_fps) if goal.target_fps else None
    if found is not None:
        return found
    found = _most_frames(tasks)  # the closer look: it may reach what was wanted after all
    if found is None:
        raise _too_small(min(tasks[::-1], key=lambda task: task.copies.units), goal)
    if found.fps < goal.target_fps:
        raise _out_of_reach(tasks, goal, found)
    return found


def _sized(task: Task, goal: Goal, each: Copies) -> Task:
    """The task for another number of units."""
    return replace(task, copies=each, limits=goal.limits(each.room), prices=goal.prices(each.room))


def _reaching(tasks: Sequence[Task], fps: float) -> Folded | None:
    """The fewest units that give so many frames a second together."""
    for task in tasks:
        found = settled(replace(task, wanted=_wanted(task, fps)))
        if found is not None:
            return found
    return None


def _wanted(task: Task, fps: float) -> int:
    """Cycles a frame of one unit for so many frames a second of all."""
    return int(1e9 * task.copies.units / (task.options.clock_ns * fps))


def _most_frames(tasks: Sequence[Task]) -> Folded | None:
    """The most frames a second; of equals the fewest units, and none that needs several dies.

    What the operators alone would give, with nothing between them, orders the numbers of units and
    bounds them: most are never looked at closely.
    """
    bounds = [fastest(t.layers, t.limits - t.shell, t.prices) for t in tasks]
    possible = [(t, b.cycles) for t, b in zip(tasks, bounds, strict=True) if b is not None]
    possible.sort(key=lambda pair: (-pair[0].copies.units / pair[1], pair[0].copies.spans))
    best: Folded | None = None
    for task, least in possible:
        most = None if best is None else _cycles_to_beat(best, task.copies)
        if most is None or least <= most:
            best = _fastest(task, most) or best
    return best


def _cycles_to_beat(best: Folded, other: Copies) -> int:
    """With how many cycles a frame other units would be the better ones."""
    ahead = other.units < best.units and not other.spans  # as many frames will do
    return (other.units * best.cycles - (not ahead)) // best.units


def _fastest(task: Task, at_most: int | None) -> Folded | None:
    """The fewest cycles, `at_most` so many: bisection from the first design that settles.

    It goes on as long as the next step has room on paper, for that is what the turns of search and
    check may have missed.
    """
    counts = levels(task.layers)
    best = settled(replace(task, wanted=at_most))
    if best is None and at_most is None:
        best = settled(replace(task, wanted=counts[-1]))
    if best is None:
        return None
    faster, tried = [c for c in counts if c < best.cycles], set[int]()
    while best.step.fits and best.step.cycles not in tried:
        middle = len(faster) // 2
        aim = faster[middle] if faster else best.step.cycles
        tried.add(aim)
        found = settled(replace(task, wanted=aim))
        if found is None:
            faster = faster[middle + 1 :]
        else:
            best, faster = found, [c for c in faster if c < found.cycles]
    return replace(best, step=replace(best.step, crowded=best.step.fits))


def _out_of_reach(tasks: Sequence[Task], goal: Goal, nearest: Folded) -> OptionError:
    """Why there is no design so fast, and the nearest that there is."""
    task = max(tasks, key=lambda task: task.copies.units)
    wanted = _wanted(task, goal.target_fps)
    slowest = max(task.layers, key=lambda layer: int(layer.cycles.min()))
    least = int(slowest.cycles.min())
    if least > wanted:
        why = (
            f"{slowest.node} takes {least:,} clocks however it is folded, and {wanted:,} are wanted"
        )
    else:
        why = f"it does not fit {task.board.name}"
    return OptionError(
        f"--target-fps {goal.target_fps:g}: {why}; {nearest.fps:,.0f} frames a second can be had "
        f"({units_text(nearest)}{binding_text(nearest)})"
    )


def _too_small(task: Task, goal: Goal) -> OptionError:
    """The kind of which the smallest folding takes too much, and how many units fit."""
    needed = least_excess(task.layers, task.shell, task.limits)
    assert needed is not None, "an operator without a choice"
    kind, share = max(shares(needed, task.limits).items(), key=lambda pair: pair[1])
    takes = f"its smallest folding takes {share:.0%} of the {kind} that"
    beside = "" if share > 1 else " before its FIFOs are made"
    units = task.copies.units
    if units == 1:
        return OptionError(
            f"{task.board.name}: the network does not fit: {takes} a design may take{beside}; give "
            "a larger board, --max-util, or fewer bits"
        )
    slowest = levels(task.layers)[-1]
    fewer = (_sized(task, goal, copies(task.board, n, 0)[0]) for n in range(units - 1, 0, -1))
    most = next(
        (t.copies.units for t in fewer if settled(replace(t, wanted=slowest)) is not None), 0
    )
    return OptionError(
        f"{task.board.name}: {units} compute units do not fit: {takes} each may take{beside}; "
        f"there is room for {most}: give fewer --compute-units, --max-util, or fewer bits"
    )


def units_text(folded: Folded) -> str:
    """How many units, where there are several, and what one of them gives."""
    if folded.units == 1:
        return ""
    return f"{folded.units} compute units of {folded.fps / folded.units:,.0f} each; "


def binding_text(folded: Folded) -> str:
    """What keeps a design from being faster, and what the next faster one would take."""
    step = folded.step
    if step.transfers:
        return f"the {step.transfers} moves no more"
    if step.slowest:
        return f"{step.slowest} cannot be folded for more"
    rate = f"the next step, {folded.rate(step.cycles):,.0f}"
    taken = {kind.upper(): share for kind, share in step.needed.items()}
    if not step.binding:
        most = max(taken, key=lambda kind: taken[kind])
        if step.crowded:
            return (
                f"{rate}, takes {taken[most]:.0%} of the {most} allowed before its FIFOs are made"
            )
        return f"{rate}, fits too and takes {taken[most]:.0%} of the {most} allowed"
    short = ", ".join(f"{share:.0%} of the {kind}" for kind, share in taken.items() if share > 1)
    kinds = " and ".join(kind.upper() for kind in step.binding)
    verb = "binds" if len(step.binding) == 1 else "bind"
    return f"{kinds} {verb}: {rate}, would take {short} allowed"
