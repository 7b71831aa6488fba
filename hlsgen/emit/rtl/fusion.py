"""Joins operators that follow each other place by place: a convolution and its staircases.

A unit's copies stand side by side; an operator behind it that looks at one copy's results at a
time, and at every copy in the same way, can move into the kernel. So a convolution position becomes
one module from its window to its codes, the wide sums never leave it, and what is in it is worked
out once. It stays outside where that would write one function many times over: a single staircase
for all channels is a module of its own, and so is whatever follows a matrix of one copy only.

For the pipeline the operators of a kernel stay apart, as phases: those of the next one start
together when the last result of the one before is there. Were each to start when its own operands
are, multipliers would start at all times, and cuts that no multiplier may straddle become more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Range
from hlsgen.emit.rtl.units import Element, Index, Unit, Write
from hlsgen.ir.hw import IntArray, IntType

_SMALL = 8  # cells of a function that may be written for each output anew


@dataclass(frozen=True, eq=False)
class Bus:
    """A tensor on wires, element after element, the first in the lowest bits.

    lo and hi bound each element.
    """

    name: str
    onnx: str
    type: IntType
    lo: IntArray
    hi: IntArray

    @property
    def note(self) -> str:
        """Shape, format and range for people."""
        shape = "x".join(map(str, self.type.shape)) or "scalar"
        return f"{self.onnx}: {shape} {self.type.format}, {self.type.min} to {self.type.max}"


def bus_of(name: str, onnx: str, of: IntType) -> Bus:
    """A bus with the bounds of its type."""
    lo, hi = (np.broadcast_to(f, of.shape).reshape(-1) for f in (of.lo, of.hi))
    return Bus(name, onnx, of, lo, hi)


@dataclass(frozen=True, eq=False)
class Draft:
    """A layer whose kernels are not made yet; the outputs of its units are its buses."""

    title: str
    notes: tuple[str, ...]
    units: tuple[Unit, ...]
    buses: tuple[Bus, ...]


def fused(
    drafts: Sequence[Draft], kept: Collection[str], builder: Callable[[Sequence[Range]], Builder]
) -> list[Draft]:
    """The drafts with each one that can be moved into its predecessor; `kept` buses stay.

    1. A draft moves if all it reads is one bus that nobody else reads.
    2. Each of its copies reads results of one copy of one unit.
    3. All copies of a unit are read in the same way.
    4. Units of one copy stay as they are, and so do large functions that stand for many outputs;
       `builder` makes a kernel of given ports, to see how large.
    """
    reads = [_buses_read(draft) for draft in drafts]
    readers = {bus: sum(bus in r for r in reads) for r in reads for bus in r}
    found: list[Draft] = []
    maker: dict[str, int] = {}
    for draft, sources in zip(drafts, reads, strict=True):
        first = next(iter(sources), "")
        at = maker.get(first, -1)
        alone = len(sources) == 1 and at >= 0 and readers[first] == 1 and first not in kept
        joined = _joined(found[at], draft, builder) if alone else None
        if joined is None:
            at = len(found)
            found.append(draft)
        else:
            found[at] = joined
        maker |= {bus.name: at for bus in draft.buses}
    return found


def _buses_read(draft: Draft) -> set[str]:
    """The buses that a draft reads; "" stands for constants."""
    sources = {id(r.source): r.source for u in draft.units for r in u.reads}
    return {e.bus if isinstance(e, Element) else "" for s in sources.values() for e in s}


@dataclass(frozen=True, eq=False)
class _Use:
    """How `unit` reads each copy of another: q times, results[q, p]; its copies are order[n, q]."""

    unit: Unit
    results: Index
    order: Index


def _joined(
    before: Draft, after: Draft, builder: Callable[[Sequence[Range]], Builder]
) -> Draft | None:
    """Both as one; None where rules 2 to 4 do not hold."""
    (bus, *others) = before.buses
    if others:
        return None
    units: list[Unit] = []
    for k, unit in enumerate(before.units):
        uses = _uses(before, k, after)
        if uses is None or unit.count == 1 or not _worth(uses, bus, builder):
            return None
        units.append(_with(unit, uses, bus))
    if sum(w.table.size for u in units for w in u.writes) != sum(
        made.type.size for made in after.buses
    ):
        return None
    notes = (*before.notes, f"then {after.title}", *after.notes)
    return Draft(before.title, notes, tuple(units), after.buses)


def _uses(before: Draft, number: int, after: Draft) -> list[_Use] | None:
    """What reads the copies of a unit, and how; None where a copy is read unlike the others."""
    size = before.buses[0].type.size
    owner, copy, result = (np.full(size, -1) for _ in range(3))
    for k, unit in enumerate(before.units):
        (write,) = unit.writes
        owner[write.table] = k
        copy[write.table] = np.arange(unit.count)[:, None]
        result[write.table] = np.arange(write.table.shape[1])
    found: list[_Use] = []
    for unit in after.units:
        if len(unit.reads) != 1:
            return None
        (read,) = unit.reads
        places = np.array([e.index for e in read.source])[read.table]
        mine = np.flatnonzero((owner[places] == number).any(axis=1))
        if not len(mine):
            continue
        use = _regular(unit, mine, copy[places[mine]], result[places[mine]],
                       before.units[number].count)  # fmt: skip
        if use is None or (owner[places[mine]] != number).any():
            return None
        found.append(use)
    return found


def _regular(unit: Unit, mine: Index, copy: Index, result: Index, count: int) -> _Use | None:
    """The use of `count` copies by the copies `mine` of a unit, if all are used alike."""
    if len(mine) % count or (copy != copy[:, :1]).any():
        return None
    order = np.lexsort((*result.T[::-1], copy[:, 0]))
    each = len(mine) // count
    copies = copy[order, 0].reshape(count, each)
    results = result[order].reshape(count, each, -1)
    if (copies != np.arange(count)[:, None]).any() or (results != results[0]).any():
        return None
    return _Use(unit, results[0], mine[order].reshape(count, each))


def _worth(uses: Sequence[_Use], bus: Bus, builder: Callable[[Sequence[Range]], Builder]) -> bool:
    """Whether no large function would be written more than once."""
    for use in uses:
        if len(use.results) == 1:
            continue
        ports = range(use.results.shape[1])
        b = builder([(bus.type.min, bus.type.max) for _ in ports])
        if len(b.kernel(use.unit.weave(b, ports)).cells) > _SMALL:
            return False
    return True


def _with(unit: Unit, uses: Sequence[_Use], bus: Bus) -> Unit:
    """The unit with what reads its results behind it."""
    table = unit.writes[0].table
    bounds = [(int(bus.lo[at].min()), int(bus.hi[at].max())) for at in table.T]

    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        made = [b.bounded(w, *r) for w, r in zip(unit.weave(b, ports), bounds, strict=True)]
        b.phase += 1
        return [
            wire
            for y in outputs
            for use in uses
            for results in use.results
            for wire in _of_output(use.unit, y, use.unit.weave(b, [made[int(r)] for r in results]))
        ]

    outputs = sorted({w.output for use in uses for w in use.unit.writes})
    writes = tuple(
        Write(y, np.concatenate([t for use in uses for t in _made(use, y)], axis=1))
        for y in outputs
    )
    return replace(unit, weave=weave, writes=writes)


def _of_output(unit: Unit, output: int, wires: Sequence[int]) -> list[int]:
    """Those wires of a unit's results that belong to an output."""
    owner = [w.output for w in unit.writes for _ in range(w.table.shape[1])]
    return [wire for wire, y in zip(wires, owner, strict=True) if y == output]


def _made(use: _Use, output: int) -> list[Index]:
    """The places of an output that the copies of a unit make, a row for each copy of the other."""
    tables = (w.table for w in use.unit.writes if w.output == output)
    return [table[use.order].reshape(len(use.order), -1) for table in tables]
