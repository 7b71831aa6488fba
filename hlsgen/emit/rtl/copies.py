"""The copies of a layer's kernels as text: loops where they stand on a grid, else one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.netlist import Copies, Layer
from hlsgen.emit.rtl.places import (
    Loop,
    Vector,
    alike,
    closed,
    joined,
    loops_of,
    opened,
    place,
    repeated,
    runs,
    stretches,
)
from hlsgen.emit.rtl.units import Element, Index, Places, Read
from hlsgen.emit.rtl.views import port_names

if TYPE_CHECKING:
    from hlsgen.emit.rtl.emit import Design


@dataclass(frozen=True, eq=False)
class PortMap:
    """A vector port: copy n is connected to the elements table[n] of a vector.

    `width` is that of the port where it is a single element.
    """

    name: str
    vector: Vector
    table: Index
    width: int


@dataclass(frozen=True, slots=True)
class Wire:
    """A vector of elements from several places, and the lines that connect them."""

    name: str
    bits: int
    lines: tuple[str, ...]


class Placement:
    """Where the copies of a layer's kernels stand.

    `wires` are the vectors gathered for it, ports[k] the connections of kernel k, inputs first.
    """

    def __init__(self, design: Design, index: int, layer: Layer) -> None:
        entry, leave = design.times.entry[index], design.times.exit[index]
        sources = _Sources(design, layer, entry)
        self.design, self.layer, self.modules = design, layer, design.modules[index]
        self.clocked = leave > entry
        self.ports = [
            (*_inputs(copies, sources), *_outputs(design, copies, layer, leave))
            for copies in layer.copies
        ]
        self.wires = sources.wires

    def texts(self) -> list[str]:
        """The instances, loop by loop or one by one."""
        return [
            text
            for module, ports in zip(self.modules, self.ports, strict=False)
            for text in _Text(
                self.design, self.layer.name, module, ports, clocked=self.clocked
            ).all()
        ]


class _Sources:
    """The vectors that a layer reads: buses as they are, or elements gathered for it."""

    def __init__(self, design: Design, layer: Layer, stage: int) -> None:
        self.design, self.layer, self.stage = design, layer, stage
        self.wires: list[Wire] = []
        self._known: dict[int, Vector] = {}

    def vector(self, read: Read) -> tuple[Vector, Index]:
        """The vector, and the table of a read in its places."""
        used = np.unique(read.table)
        names = {e.bus if isinstance(e, Element) else "" for e in read.source[used]}
        if len(names) == 1 and "" not in names:
            places = np.zeros(len(read.source), np.int64)
            places[used] = [e.index for e in read.source[used]]
            return self.design.vector(names.pop(), self.stage), places[read.table]
        if id(read.source) not in self._known:
            self._known[id(read.source)] = self._gathered(read)
        return self._known[id(read.source)], read.table

    def _gathered(self, read: Read) -> Vector:
        """The source itself as a new wire."""
        ends: list[tuple[int, int]] = [
            (self.design.buses[e.bus].type.format.lo, self.design.buses[e.bus].type.format.hi)
            if isinstance(e, Element) else (int(e), int(e)) for e in read.source
        ]  # fmt: skip
        of = IntFormat.of_range(min(e[0] for e in ends), max(e[1] for e in ends))
        name = self.design.namer.take(f"{self.layer.name}_in")
        vector = Vector(name, of.width, len(ends))
        lines = tuple(self._connected(vector, read.source, of))
        self.wires.append(Wire(name, of.width * len(ends), lines))
        return vector

    def _connected(self, vector: Vector, source: Places, of: IntFormat) -> Iterator[str]:
        """Assignments to all elements: those that are alike but for their places are a loop."""
        found: dict[tuple[str | int, int], list[tuple[int, int]]] = {}
        for at, count in stretches(source, self.design.as_wide(of)):
            first = source[at]
            key, place = (first.bus, first.index) if isinstance(first, Element) else (first, 0)
            found.setdefault((key, count), []).append((at, place))
        for (key, count), rows in found.items():
            table = np.array(rows)
            loops = loops_of(table)
            groups = [(table[0], loops)] if loops is not None else [(row, ()) for row in table]
            for (at, place_), lps in groups:
                yield from self._assigned(vector, key, (int(at), int(place_), count), lps, of)

    def _assigned(
        self, vector: Vector, key: str | int, where: tuple[int, int, int],
        loops: Sequence[Loop], of: IntFormat,
    ) -> Iterator[str]:  # fmt: skip
        """One assignment within its loops."""
        at, first, count = where
        names = self.design.variables
        to, come = ([(lp.strides[c], v) for lp, v in zip(loops, names, strict=False)]
                    for c in (0, 1))  # fmt: skip
        if isinstance(key, str):
            value = self.design.run(key, place(first, come), count, of, self.stage)
        else:
            value = repeated(key, of.width, count)
        depth = len(loops)
        yield from opened(
            loops, names, self.design.namer.take(f"{vector.name}_at") if depth else ""
        )
        yield "  " * (depth + 1) + f"assign {vector.slice(place(at, to), count)} = {value};"
        yield from closed(depth)


def _inputs(copies: Copies, sources: _Sources) -> list[PortMap]:
    first = 0
    found: list[PortMap] = []
    names = port_names("x", [r.table for r in copies.reads])
    for name, read in zip(names, copies.reads, strict=True):
        vector, table = sources.vector(read)
        found.append(PortMap(name, vector, table, copies.kernel.format(first).width))
        first += table.shape[1]
    return found


def _outputs(design: Design, copies: Copies, layer: Layer, stage: int) -> list[PortMap]:
    found: list[PortMap] = []
    names = port_names("y", [w.table for w in copies.writes])
    for name, write in zip(names, copies.writes, strict=True):
        vector = design.vector(layer.buses[write.output].name, stage)
        found.append(PortMap(name, vector, write.table, vector.width))
    return found


class _Text:
    """The text of all copies of a kernel."""

    def __init__(
        self, design: Design, layer: str, module: str, ports: Sequence[PortMap], *, clocked: bool
    ) -> None:
        self.design, self.layer, self.module = design, layer, module
        self.clocked, self.ports = clocked, ports

    def all(self) -> list[str]:
        """Loops for those that lie alike, single instances for the others."""
        offsets = np.concatenate([p.table - p.table[:, :1] for p in self.ports], axis=1)
        bases = np.stack([p.table[:, 0] for p in self.ports], axis=1)
        texts: list[str] = []
        for rows in alike(offsets):
            loops = loops_of(bases[rows])
            if loops is None:
                texts += [self._instance(row, (), "  ", self._name()) for row in rows]
            elif not loops:
                texts.append(self._instance(rows[0], (), "  ", self._name()))
            else:
                texts.append(self._looped(rows[0], loops))
        return texts

    def _name(self) -> str:
        return self.design.namer.take(f"u_{self.layer}")

    def _looped(self, row: int, loops: Sequence[Loop]) -> str:
        label = self.design.namer.take(f"{self.layer}_at")
        inner = "  " * (len(loops) + 1)
        lines = [
            *opened(loops, self.design.variables, label),
            self._instance(row, loops, inner, "u"),
            *closed(len(loops)),
        ]
        return "\n".join(lines)

    def _instance(self, row: int, loops: Sequence[Loop], indent: str, name: str) -> str:
        lines: list[str] = []
        for c, port in enumerate(self.ports):
            moves = [
                (lp.strides[c], v) for lp, v in zip(loops, self.design.variables, strict=False)
            ]
            lines.append(f".{port.name}({self._connected(port, row, moves, indent + '    ')})")
        if self.clocked:
            lines.insert(0, ".clk(clk)")
        one = f"{indent}{self.module} {name} ({', '.join(lines)});"
        if len(one) <= 100 and "\n" not in one:
            return one
        text = f",\n{indent}  ".join(lines)
        return f"{indent}{self.module} {name} (\n{indent}  {text}\n{indent});"

    def _connected(
        self, port: PortMap, row: int, moves: Sequence[tuple[int, str]], indent: str
    ) -> str:
        places = port.table[row].tolist()
        if len(places) == 1:
            return port.vector.part(place(places[0], moves), port.width)
        parts = [port.vector.slice(place(at, moves), n) for at, n in runs(places)]
        return joined(parts, indent)
