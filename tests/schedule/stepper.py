"""An oracle of schedules: processes and bounded FIFOs, cycle by cycle, with counters alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hlsgen.schedule.process import Moves, Process


@dataclass
class Trace:
    """When each frame's last step was taken, per process; and the most that each FIFO held.

    `moved` has the cycles of each frame in which a process moved a token.
    """

    ends: dict[str, list[int]]
    moved: dict[str, dict[int, list[int]]]
    peaks: Counter[str]
    stuck: bool


def delayed(process: Process, stages: int) -> Process:
    """The process as a pipeline that stalls whole: it writes `stages` steps after it reads."""
    moves = process.moves()
    late = Moves(moves.reads, tuple(w + stages for w in moves.writes))
    return replace(process, work=process.work + stages, moves=lambda: late)


def run(processes: Sequence[Process], depths: Mapping[str, int], frames: int) -> Trace:
    """Everything as early as it can be; stuck where a cycle passes in which nothing moves."""
    plans = [_plan(p) for p in processes]
    written, taken, peaks = Counter[str](), Counter[str](), Counter[str]()
    at = [0] * len(processes)
    names = [p.name for p in processes]
    trace = Trace({n: [] for n in names}, {n: {} for n in names}, peaks, False)
    cycle = 0
    while any(at[k] < frames * p.work for k, p in enumerate(processes)):
        seen, freed = written.copy(), taken.copy()
        moved = False
        for k, process in enumerate(processes):
            if at[k] == frames * process.work:
                continue
            reads, writes = plans[k].get(at[k] % process.work, ((), ()))
            dry = any(taken[c] >= seen[c] for c in reads)
            if dry or any(written[c] - freed[c] >= depths[c] for c in writes):
                continue
            moved = True
            taken.update(reads)
            written.update(writes)
            frame = trace.moved[process.name].setdefault(at[k] // process.work, [])
            frame += [cycle] * bool(reads or writes)
            at[k] += 1
            if at[k] % process.work == 0:
                trace.ends[process.name].append(cycle)
            peaks.update({c: max(0, written[c] - freed[c] - peaks[c]) for c in writes})
        if not moved:
            trace.stuck = True
            return trace
        cycle += 1
    return trace


def _plan(process: Process) -> dict[int, tuple[list[str], list[str]]]:
    moves = process.moves()
    plan: dict[int, tuple[list[str], list[str]]] = {}
    for side, (names, steps) in enumerate(
        ((process.reads, moves.reads), (process.writes, moves.writes))
    ):
        for name, array in zip(names, steps, strict=True):
            for step in array.tolist():
                plan.setdefault(step, ([], []))[side].append(name)
    return plan
