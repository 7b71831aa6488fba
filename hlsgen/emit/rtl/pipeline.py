"""Where registers stand: the fewest stages that meet the clock, then the fewest register bits.

Time runs through the network as if it were combinational; a cell finishes at the latest finish of
its operands plus its delay, or later where that keeps fewer bits alive (`lazy`), and a layer starts
when all that it reads is there. A cut at time t
separates the cells that finish by t from those that finish later, in every layer at once, so that
all ways from input to output cross the same cuts. Among the times at which some cell finishes,
those are chosen that leave no path between two cuts longer than the clock allows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.cells import Kernel, Literal, Port, operands
from hlsgen.emit.rtl.delays import DelayModel, delay
from hlsgen.emit.rtl.lazy import ROUND, lazy
from hlsgen.emit.rtl.netlist import Element, Layer, Netlist
from hlsgen.errors import OptionError

_CANDIDATES = 400  # cut positions that are compared; more cost time and save next to nothing


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
        reads = _reads(layer)
        start = max((ends[b] for b in reads), default=0.0)
        delays = tuple(tuple(delay(c, k, model) for c in k.cells) for k in layer.kernels)
        early = [_finish(k, d, start) for k, d in zip(layer.kernels, delays, strict=True)]
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


def _reads(layer: Layer) -> tuple[str, ...]:
    """The buses that a layer reads."""
    operands_of = (e.bus for i in layer.instances for e in i.inputs if isinstance(e, Element))
    return tuple(dict.fromkeys(operands_of))


def _finish(kernel: Kernel, delays: Sequence[float], start: float) -> list[float]:
    times: list[float] = []
    for cell, own in zip(kernel.cells, delays, strict=True):
        ready = max((times[w] for w in operands(cell)), default=start)
        times.append(round(ready + own, ROUND))
    return times


# -- the choice of cuts -----------------------------------------------------------------------


def _cuts(
    net: Netlist, timing: Sequence[LayerTiming], total: float, clock_ns: float, model: DelayModel
) -> tuple[list[float], int]:
    """Ascending cut times, the last one `total`, and the bits across: fewest cuts, then bits."""
    budget = clock_ns - model.register
    _check_clock(net, model, clock_ns)
    times, bits = _candidates(net, timing, total)
    reach = [_reach(net, timing, t, budget, times) for t in (-1.0, *times)]
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
        (delay(cell, kernel, model) + model.register, layer.title)
        for layer in net.layers
        for kernel in layer.kernels
        for cell in kernel.cells
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


def _candidates(
    net: Netlist, timing: Sequence[LayerTiming], total: float
) -> tuple[list[float], list[int]]:
    """Times at which a cut may stand, and the bits that live across it."""
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
    keep = _thinned(live)
    return [times[k] for k in keep], [live[k] for k in keep]


def _thinned(live: Sequence[int]) -> list[int]:
    """At most about _CANDIDATES places: of each run of neighbours the one with the fewest bits."""
    run = -(-len(live) // _CANDIDATES)
    places = [
        min(range(k, min(k + run, len(live))), key=lambda i: (live[i], i))
        for k in range(0, len(live), run)
    ]
    return sorted({*places, len(live) - 1})


def _spans(
    net: Netlist, timing: Sequence[LayerTiming], total: float
) -> list[tuple[float, float, int]]:
    """When bits are alive: (made, last read, bits). What leaves the network lives past `total`."""
    spans: list[tuple[float, float, int]] = []
    last: dict[Element, float] = {}
    for layer, t in zip(net.layers, timing, strict=True):
        for instance in layer.instances:
            for element in instance.inputs:
                if isinstance(element, Element):
                    last[element] = max(last.get(element, 0.0), t.first)
        for k, kernel in enumerate(layer.kernels):
            copies = sum(i.kernel == k for i in layer.instances)
            reads = _last_reads(kernel, t.finish[k], t.end)
            spans += [
                (max(made, t.first), stop, copies * kernel.format(w).width)
                for w, (made, stop) in enumerate(zip(t.finish[k], reads, strict=True))
                if not isinstance(kernel.cells[w], Literal)
            ]
    after = total + 1.0
    buses = net.buses
    for output in net.outputs:
        last |= {e: after for e in output.operands if isinstance(e, Element)}
    ends = {b.name: t.end for n, t in zip(net.layers, timing, strict=True) for b in n.buses}
    for element, stop in last.items():
        bits = IntFormat.of_range(*buses[element.bus].ranges[element.index]).width
        spans.append((ends.get(element.bus, 0.0), stop, bits))
    return spans


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
    net: Netlist, timing: Sequence[LayerTiming], cut: float, budget: float, times: Sequence[float]
) -> int:
    """The last of `times` at which the next cut may stand: no path from `cut` exceeds `budget`."""
    limit = math.inf  # the earliest finish of a cell that comes too late
    ready: dict[str, float] = {bus.name: 0.0 for bus in net.inputs}
    for layer, t in zip(net.layers, timing, strict=True):
        start = max((ready[b] for b in t.reads), default=0.0)
        end = 0.0
        if t.end > cut and t.start < limit:
            for kernel, finish, delays in zip(layer.kernels, t.finish, t.delays, strict=True):
                segment = _segment(kernel, finish, delays, start if t.start > cut else 0.0, cut)
                end = max(end, max(segment, default=0.0))
                late = (f for f, s in zip(finish, segment, strict=True) if s > budget)
                limit = min(limit, min(late, default=math.inf))
        ready |= {bus.name: end for bus in layer.buses}
    return len(times) - 1 if limit == math.inf else bisect_left(times, limit) - 1


def _segment(
    kernel: Kernel, finish: Sequence[float], delays: Sequence[float], start: float, cut: float
) -> list[float]:
    """When each wire is there, counted from the cut; 0 for those in front of it."""
    since: list[float] = []
    for cell, time, own in zip(kernel.cells, finish, delays, strict=True):
        ready = max((since[w] for w in operands(cell)), default=start)
        since.append(0.0 if time <= cut else round(ready + own, ROUND))
    return since
