"""Cells that wait: when a cell had better be late, because its operands are kept anyway."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from hlsgen.emit.rtl.cells import Kernel, Literal, Port, operands

ROUND = 9  # digits of a nanosecond: sums of delays in another order are the same time
_PASSES = 2  # a cell that waits may let its operands wait; a third pass moved next to nothing


def lazy(
    kernel: Kernel, finish: Sequence[float], delays: Sequence[float], end: float
) -> list[float]:
    """Finish times with fewer bits alive, no cell earlier, all by `end`.

    A wire is alive from its own finish to the last finish of a reader, an output to `end`. A cell
    that waits shortens its result's life and may lengthen its operands': it goes to the time, not
    after its readers need it, at which bits times nanoseconds are least. It finishes together with
    some other cell: more times would mean more places for cuts, and less freedom at each.
    """
    times = list(finish)
    grid = sorted(set(finish))
    readers: list[list[int]] = [[] for _ in times]
    for wire, cell in enumerate(kernel.cells):
        for operand in dict.fromkeys(operands(cell)):
            readers[operand].append(wire)
    kept = set(kernel.outputs)
    bits = [
        0 if isinstance(c, Literal) else kernel.format(w).width for w, c in enumerate(kernel.cells)
    ]
    for _ in range(_PASSES):
        for wire in reversed(range(len(times))):
            cell = kernel.cells[wire]
            if isinstance(cell, Port | Literal):
                continue
            latest = min((round(times[r] - delays[r], ROUND) for r in readers[wire]), default=end)
            others = {
                o: max((times[r] for r in readers[o] if r != wire), default=times[o])
                for o in operands(cell)
                if o not in kept
            }
            ends = [(bits[o], until) for o, until in others.items()]
            times[wire] = _best(grid, (times[wire], latest), bits[wire], ends)
    return times


def _best(
    grid: Sequence[float], span: tuple[float, float], own: int, others: Sequence[tuple[int, float]]
) -> float:
    """Where bits times time are least: at an end, or where an operand starts to be kept longer."""

    def cost(time: float) -> float:
        return sum(bits * max(0.0, time - until) for bits, until in others) - own * time

    now, latest = span
    wanted = (latest, *(until for _, until in others if now < until < latest))
    places = [now, *(grid[bisect_right(grid, time) - 1] for time in wanted)]
    return min((p for p in places if p >= now), key=cost)
