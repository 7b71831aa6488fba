"""FIFOs between forks and joins as shallow as throughput and freedom from deadlock allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hlsgen.schedule.bounded import Bounded
from hlsgen.schedule.certificate import violations
from hlsgen.schedule.cycles import on_cycles
from hlsgen.schedule.process import Process


def descend(
    processes: Sequence[Process],
    depths: Mapping[str, int],
    interval: int,
    hold: int,
    tokens: int,
) -> dict[str, int] | None:
    """Depths no greater, under which there still is a schedule of this interval.

    Channels between forks and joins are made less deep, the deepest first, each by bisection given
    the others; `tokens` bounds how many are retimed in all, so the result is the same everywhere.
    What comes out is certified; None where not even the given depths could be.
    """
    inner = on_cycles(processes)
    found = dict(depths)
    # Pipelines that stall matter between forks and joins alone (size_fifos), the pace everywhere.
    runs = [(Bounded(processes, interval, 0), frozenset(depths))]
    if hold:
        runs.append((Bounded(processes, interval, hold), inner))
    if not all(run.settle(_of(found, bounded)) for run, bounded in runs):
        return None
    sound = [run.timings() for run, _ in runs]
    for name in sorted(inner, key=lambda n: (-found[n], n)):
        low, high = 0, found[name]  # high can be had, low cannot
        probe = high - 1
        while low < probe and sum(run.visited for run, _ in runs) < tokens:
            trial = found | {name: probe}
            writer = runs[0][0].ends[name][0][0]
            if all(run.settle(_of(trial, bounded), [writer]) for run, bounded in runs):
                found, high, sound = trial, probe, [run.timings() for run, _ in runs]
            else:
                for (run, _), timings in zip(runs, sound, strict=True):
                    run.reset(timings)
                if probe == high - 1:
                    break
                low = probe
            probe = (low + high) // 2
    broken = [
        violations(processes, timings, _of(found, bounded), interval)
        for (_, bounded), timings in zip(runs, sound, strict=True)
    ]
    return None if any(broken) else found


def _of(depths: Mapping[str, int], names: frozenset[str]) -> dict[str, int]:
    return {name: depth for name, depth in depths.items() if name in names}
