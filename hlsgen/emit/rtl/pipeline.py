"""Where registers stand: the fewest stages that meet the clock, then the fewest register bits.

Time runs through the network as if it were combinational; a cell finishes at the latest finish of
its operands plus its delay, or later where that keeps fewer bits alive (`lazy`), and a layer starts
when all that it reads is there. A cut at time t
separates the cells that finish by t from those that finish later, in every layer at once, so that
all ways from input to output cross the same cuts. Among the times at which some cell finishes,
those are chosen that leave no path between two cuts longer than the clock allows.

So a kernel is pipelined once: all its copies start together, when the last operand of the last copy
is there, and every register inside stands for as many as there are copies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.cells import Kernel, Literal, Port, operands
from hlsgen.emit.rtl.delays import DelayModel, delay
from hlsgen.emit.rtl.lazy import ROUND, lazy
from hlsgen.emit.rtl.netlist import Layer, Netlist, buses_read
from hlsgen.emit.rtl.units import Element, Index, Operand
from hlsgen.errors import OptionError

_CANDIDATES = 400  # cut positions that are compared; more cost time and save next to nothing
_AT_ONCE = 1 << 20  # wires times cuts
_NEVER = np.iinfo(np.int64).max


Ticks = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerTiming:
    """Nanoseconds; finish[k][w] is when wire w of kernel k is there, counted from the input ports.

    Until `first`, when the first cell finishes, the operands cross cuts outside of the layer.
    """

    reads: tuple[str, ...]  # buses
    start: float
    first: float
    end: float
    finish: tuple[tuple[float, ...], ...]
    delays: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The stage of everything; a wire that is read n stages later passes n registers.

    stages[l][k][w] is that of wire w in kernel k of layer l; a layer takes its operands at `entry`
    and shows its results at `exit`.
    """

    latency: int
    entry: tuple[int, ...]
    exit: tuple[int, ...]
    stages: tuple[tuple[tuple[int, ...], ...], ...]
    delay_ns: float
    register_bits: int  # across all cuts


def schedule(net: Netlist, clock_ns: float | None, model: DelayModel) -> Schedule:
    """Stages for a clock period; None is combinational: no register at all.

    The last cut is behind the outputs. Errors: OptionError where one cell is slower than the clock.
    """
    timing = _timing(net, model)
    total = max((t.end for t in timing), default=0.0)
    cuts, bits = ([], 0) if clock_ns is None else _cuts(net, timing, total, clock_ns, model)

    def stage(time: float) -> int:
        return bisect_left(cuts, time)

    return Schedule(
        latency=len(cuts),
        entry=tuple(stage(t.first) for t in timing),
        exit=tuple(stage(t.end) for t in timing),
        stages=tuple(
            tuple(tuple(max(stage(f), stage(t.first)) for f in kernel) for kernel in t.finish)
            for t in timing
        ),
        delay_ns=total,
        register_bits=bits,
    )


def _timing(net: Netlist, model: DelayModel) -> list[LayerTiming]:
    ends: dict[str, float] = {bus.name: 0.0 for bus in net.inputs}
    found: list[LayerTiming] = []
    for layer in net.layers:
        reads = buses_read(layer)
        start = max((ends[b] for b in reads), default=0.0)
        delays = tuple(_delays(kernel, model) for kernel in layer.kernels)
        early = _finish(layer.kernels, delays, start)
        end = max(_own(layer, early), default=start)
        finish = tuple(
            tuple(lazy(k, f, d, end)) for k, f, d in zip(layer.kernels, early, delays, strict=True)
        )
        own = _own(layer, finish)
        found.append(LayerTiming(reads, start, min(own, default=start), end, finish, delays))
        ends |= {bus.name: end for bus in layer.buses}
    return found


def _own(layer: Layer, finish: Sequence[Sequence[float]]) -> list[float]:
    """When the layer's own cells finish."""
    return [
        f
        for kernel, times in zip(layer.kernels, finish, strict=True)
        for cell, f in zip(kernel.cells, times, strict=True)
        if not isinstance(cell, Port | Literal)
    ]


@lru_cache(maxsize=256)
def _delays(kernel: Kernel, model: DelayModel) -> tuple[float, ...]:
    return tuple(delay(cell, kernel, model) for cell in kernel.cells)


def _finish(
    kernels: Sequence[Kernel], delays: Sequence[Sequence[float]], start: float
) -> tuple[tuple[float, ...], ...]:
    """When each wire is there; a phase starts when the one before has ended in every kernel."""
    times: list[list[float]] = [[] for _ in kernels]
    floor = start
    for phase in range(1 + max((k.phases[-1] for k in kernels if k.phases), default=0)):
        for kernel, delay_of, done in zip(kernels, delays, times, strict=True):
            for wire in range(len(done), bisect_right(kernel.phases, phase)):
                ready = max((done[w] for w in operands(kernel.cells[wire])), default=floor)
                done.append(round(max(floor, ready) + delay_of[wire], ROUND))
        floor = max((t for done in times for t in done), default=start)
    return tuple(map(tuple, times))


# -- the choice of cuts -----------------------------------------------------------------------


def _cuts(
    net: Netlist, timing: Sequence[LayerTiming], total: float, clock_ns: float, model: DelayModel
) -> tuple[list[float], int]:
    """Ascending cut times, the last one `total`, and the bits across: fewest cuts, then bits."""
    budget = clock_ns - model.register
    _check_clock(net, model, clock_ns)
    times, bits, reach = _places(net, timing, total, budget)
    best: list[tuple[int, int, int]] = [(0, 0, -1)]  # stages, bits, and the cut before
    for j in range(len(times)):
        options = ((best[i][0] + 1, best[i][1] + bits[j], i) for i in range(j + 1) if reach[i] >= j)
        best.append(min(options))
    chosen: list[float] = []
    at = len(times)
    while at > 0:
        chosen.append(times[at - 1])
        at = best[at][2]
    return chosen[::-1], best[-1][1]


def least_clock(net: Netlist, model: DelayModel) -> tuple[float, str]:
    """The shortest period that every single cell meets, and the layer that sets it."""
    cells = (
        (max(_delays(kernel, model), default=0.0) + model.register, layer.title)
        for layer in net.layers
        for kernel in layer.kernels
    )
    return max(cells, default=(model.register, ""))


def _check_clock(net: Netlist, model: DelayModel, clock_ns: float) -> None:
    slowest, where = least_clock(net, model)
    if slowest > clock_ns:
        raise OptionError(
            f"a clock of {clock_ns:g} ns cannot be met: {where} holds a cell of {slowest:.2f} ns "
            f"with its register; give --clock-ns {slowest + 0.005:.2f} or more, or another "
            "arithmetic"
        )


def _places(
    net: Netlist, timing: Sequence[LayerTiming], total: float, budget: float
) -> tuple[list[float], list[int], list[int]]:
    """Times at which a cut may stand, the bits across it, and how far each reaches.

    In deep layers a few hundred of all times may be too far from each other: then more are taken.
    """
    most = _CANDIDATES
    while True:
        times, bits = _candidates(net, timing, total, most)
        reach = _reach(net, timing, budget, times)
        if all(last >= k for k, last in enumerate(reach[:-1])):
            return times, bits, reach
        most *= 2


def _candidates(
    net: Netlist, timing: Sequence[LayerTiming], total: float, most: int
) -> tuple[list[float], list[int]]:
    """At most about so many times, and the bits that live across each."""
    spans = _spans(net, timing, total)
    times = sorted({f for t in timing for kernel in t.finish for f in kernel if f >= 0} | {total})
    steps = [0] * (len(times) + 1)
    for start, stop, bits in spans:  # alive across every cut t with start <= t < stop
        low, high = bisect_left(times, start), bisect_left(times, stop)
        if low < high:
            steps[low] += bits
            steps[high] -= bits
    live: list[int] = []
    for step in steps[:-1]:
        live.append(step + (live[-1] if live else 0))
    keep = _thinned(live, most)
    return [times[k] for k in keep], [live[k] for k in keep]


def _thinned(live: Sequence[int], most: int) -> list[int]:
    """At most about so many places: of each run of neighbours the one with the fewest bits."""
    run = -(-len(live) // most)
    places = [
        min(range(k, min(k + run, len(live))), key=lambda i: (live[i], i))
        for k in range(0, len(live), run)
    ]
    return sorted({*places, len(live) - 1})


def _spans(
    net: Netlist, timing: Sequence[LayerTiming], total: float
) -> list[tuple[float, float, int]]:
    """When bits are alive: (made, last read, bits). What leaves the network lives past `total`."""
    return [
        *(span for layer, t in zip(net.layers, timing, strict=True) for span in _inside(layer, t)),
        *_between(net, timing, total),
    ]


def _inside(layer: Layer, t: LayerTiming) -> Iterator[tuple[float, float, int]]:
    """The wires of a layer's kernels, all copies together."""
    for k, copies in enumerate(layer.copies):
        kernel = copies.kernel
        reads = _last_reads(kernel, t.finish[k], t.end)
        for w, (made, stop) in enumerate(zip(t.finish[k], reads, strict=True)):
            if not isinstance(kernel.cells[w], Literal):
                yield max(made, t.first), stop, copies.count * kernel.format(w).width


def _between(
    net: Netlist, timing: Sequence[LayerTiming], total: float
) -> Iterator[tuple[float, float, int]]:
    """The elements of buses."""
    last: dict[str, NDArray[np.float64]] = {
        name: np.full(bus.type.size, -1.0) for name, bus in net.buses.items()
    }
    for layer, t in zip(net.layers, timing, strict=True):
        for read in (r for copies in layer.copies for r in copies.reads):
            _read_at(read.source[np.unique(read.table)], t.first, last)
    for output in net.outputs:
        _read_at(output.operands, total + 1.0, last)
    ends = {b.name: t.end for n, t in zip(net.layers, timing, strict=True) for b in n.buses}
    for name, bus in net.buses.items():
        for lo, hi, stop in zip(bus.lo, bus.hi, last[name].tolist(), strict=True):
            if stop >= 0:
                yield ends.get(name, 0.0), stop, IntFormat.of_range(int(lo), int(hi)).width


def _read_at(
    operands_of: Iterable[Operand], time: float, last: Mapping[str, NDArray[np.float64]]
) -> None:
    """Notes that these are read then."""
    for e in operands_of:
        if isinstance(e, Element):
            last[e.bus][e.index] = max(last[e.bus][e.index], time)


def _last_reads(kernel: Kernel, finish: Sequence[float], end: float) -> list[float]:
    """When each wire is read last; outputs are kept until the layer ends."""
    reads = [0.0] * len(kernel.cells)
    for cell, time in zip(kernel.cells, finish, strict=True):
        for wire in operands(cell):
            reads[wire] = max(reads[wire], time)
    for wire in kernel.outputs:
        reads[wire] = end
    return reads


def _reach(
    net: Netlist, timing: Sequence[LayerTiming], budget: float, times: Sequence[float]
) -> list[int]:
    """For a cut at the inputs and at each of `times`: the last of `times` at which the next may be.

    No path between the two exceeds `budget`. All cuts are looked at together, a column each.
    """
    cuts = np.array([-1, *map(_ticks, times)])
    limit = np.full(len(cuts), _NEVER)  # the earliest finish of a cell that comes too late
    ready = {bus.name: np.zeros(len(cuts), np.int64) for bus in net.inputs}
    for layer, t in zip(net.layers, timing, strict=True):
        start = np.zeros(len(cuts), np.int64)
        for bus in t.reads:
            start = np.maximum(start, ready[bus])
        start = np.where(cuts < _ticks(t.start), start, 0)
        end = np.zeros(len(cuts), np.int64)
        for kernel, finish, delays in zip(layer.kernels, t.finish, t.delays, strict=True):
            last, late = _segments(kernel, finish, delays, start, cuts, _ticks(budget))
            end, limit = np.maximum(end, last), np.minimum(limit, late)
        ready |= {bus.name: end for bus in layer.buses}
    return (np.searchsorted(cuts[1:], limit) - 1).tolist()


def _segments(
    kernel: Kernel, finish: Sequence[float], delays: Sequence[float], start: Ticks, cuts: Ticks,
    budget: int,
) -> tuple[Ticks, Ticks]:  # fmt: skip
    """For each cut the latest wire, and the earliest finish of one that exceeds the budget.

    Wires count from the cut; those in front of it are there at 0.
    """
    time = np.array([_ticks(f) for f in finish])
    own = np.array([_ticks(d) for d in delays])
    end, late = np.zeros_like(cuts), np.full_like(cuts, _NEVER)
    levels = _levels(kernel)
    step = max(1, _AT_ONCE // len(time))
    for k in range(0, len(cuts), step):
        some = slice(k, k + step)
        since = np.zeros((len(time) + 1, len(cuts[some])), np.int64)
        since[-1] = start[some]
        for wires, reads in levels:
            after = since[reads].max(axis=1) + own[wires, None]
            since[wires] = np.where(time[wires, None] <= cuts[some], 0, after)
        too_late = np.where(since[:-1] > budget, time[:, None], _NEVER)
        end[some], late[some] = since[:-1].max(axis=0), too_late.min(axis=0)
    return end, late


def _levels(kernel: Kernel) -> list[tuple[Index, Index]]:
    """Wires level by level, with those that they read; -1 is the start of the kernel."""
    level: list[int] = []
    groups: dict[tuple[int, int], list[int]] = {}
    for wire, cell in enumerate(kernel.cells):
        reads = operands(cell)
        level.append(max((level[w] + 1 for w in reads), default=0))
        groups.setdefault((level[wire], max(1, len(reads))), []).append(wire)
    return [
        (np.array(wires), np.array([operands(kernel.cells[w]) or (-1,) for w in wires]))
        for _, wires in sorted(groups.items())
    ]


def _ticks(time: float) -> int:
    """Nanoseconds as a whole number: sums in any order are equal."""
    return round(time * 10**ROUND)
