"""What the SystemVerilog templates see of a kernel: cells with named operands, stage by stage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.cells import (
    Cell,
    Kernel,
    Literal,
    Lookup,
    Lut,
    Port,
    operands,
    truth_tables,
)
from hlsgen.emit.rtl.netlist import Copies
from hlsgen.emit.rtl.places import Vector
from hlsgen.emit.rtl.units import Index


def sv_type(of: IntFormat) -> str:
    """Signedness and bounds of a vector, `signed [3:0] `; nothing for a bit."""
    bounds = f"[{of.width - 1}:0] " if of.width > 1 or of.signed else ""
    return f"{'signed ' if of.signed else ''}{bounds}"


def sv_literal(value: int, of: IntFormat | None = None, *, signed: bool = False) -> str:
    """A sized constant: 4'd3 where unsigned, -4'sd3 where signed."""
    of = of or IntFormat.of_range(value, value)
    if of.signed or signed:
        width = of.width + (not of.signed)
        width += value < 0 and -value == 1 << (width - 1)  # else its magnitude has the sign bit set
        return f"{'-' if value < 0 else ''}{width}'sd{abs(value)}"
    return f"{of.width}'d{value}"


@dataclass(frozen=True, slots=True)
class Wire:
    """A value as an operand of an expression."""

    name: str
    format: IntFormat
    lo: int
    hi: int
    value: int | None  # of a constant

    @property
    def signed(self) -> str:
        """An expression of the same value that counts as signed."""
        if self.value is not None:
            return sv_literal(self.value, signed=True)
        return self.name if self.format.signed else f"$signed({{1'b0, {self.name}}})"

    @property
    def width(self) -> int:
        return self.format.width

    def bits(self, high: int, low: int) -> str:
        """Some bits of it."""
        if self.width == 1:
            return self.name
        return f"{self.name}[{high}]" if high == low else f"{self.name}[{high}:{low}]"

    @property
    def sign(self) -> str:
        return self.bits(self.width - 1, self.width - 1)


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell with the wires that it reads and the one that it drives."""

    kind: str
    cell: Cell
    y: Wire
    x: tuple[Wire, ...]

    @property
    def signed(self) -> bool:
        """Whether some operand or the result can be negative."""
        return self.y.format.signed or any(w.format.signed for w in self.x)

    def operand(self, k: int) -> str:
        """Operand k, signed where the cell is."""
        return self.x[k].signed if self.signed else self.x[k].name

    @property
    def tables(self) -> list[str]:
        """The truth table of each bit of a Lut, the lowest first, in hexadecimal."""
        values = self.cell.values if isinstance(self.cell, Lut) else ()
        return truth_tables(values, self.y.width)

    @property
    def column(self) -> list[str]:
        """A Lookup of one bit as a constant: 64 places a row, place 0 last; x where none reads."""
        assert isinstance(self.cell, Lookup)
        places = ["x"] * (1 << self.x[0].width)
        for k, value in enumerate(self.cell.values, self.cell.first):
            places[k % len(places)] = str(value & 1)
        text = "".join(reversed(places))
        return [text[k : k + 64] for k in range(0, len(text), 64)]

    @property
    def note(self) -> str:
        return f"{self.y.lo} .. {self.y.hi}"


@dataclass(frozen=True, slots=True)
class Register:
    """A wire one clock later."""

    name: str
    source: str
    format: IntFormat


@dataclass(frozen=True, slots=True)
class StageView:
    """What is computed between two clock edges, and what the second edge keeps."""

    number: int
    cells: tuple[CellView, ...]
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True)
class PortView:
    """A vector port with its elements, the first in the lowest bits, or a single element.

    `inner` declares the elements by name where the port is not one of them.
    """

    name: str
    type: str
    note: str
    elements: tuple[str, ...]
    inner: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KernelView:
    """A module: its ports and the stages between them."""

    name: str
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]
    stages: tuple[StageView, ...]

    @property
    def latency(self) -> int:
        return len(self.stages) - 1


def port_names(letter: str, tables: Sequence[Index]) -> list[str]:
    """The names of vector ports; one of a single element is called as the element is."""
    sizes = [t.shape[1] for t in tables]
    vectors = sum(size != 1 for size in sizes)
    return [
        f"{letter}{sum(sizes[:k])}" if size == 1 else letter if vectors == 1 else f"{letter}_{k}"
        for k, size in enumerate(sizes)
    ]


def kernel_view(
    name: str, copies: Copies, stages: Sequence[int], span: tuple[int, int], widths: Sequence[int],
    formats: Sequence[IntFormat],
) -> KernelView:  # fmt: skip
    """The module of a kernel between stages span[0] and span[1].

    `widths` are the bits of an element of each read, `formats` those of the elements written.
    """
    kernel, (entry, leave) = copies.kernel, span
    last = _last_stages(kernel, stages, leave)

    def at(wire: int, stage: int) -> Wire:
        return _wire(kernel, wire, stage - stages[wire])

    cells: list[list[CellView]] = [[] for _ in range(entry, leave + 1)]
    registers: list[list[Register]] = [[] for _ in range(entry, leave + 1)]
    for wire, cell in enumerate(kernel.cells):
        if isinstance(cell, Literal):
            continue
        here = stages[wire]
        if not isinstance(cell, Port):
            x = tuple(at(w, here) for w in operands(cell))
            cells[here - entry].append(CellView(_kind(cell), cell, at(wire, here), x))
        for stage in range(here, last[wire]):
            kept = Register(at(wire, stage + 1).name, at(wire, stage).name, kernel.format(wire))
            registers[stage - entry].append(kept)
    found = (
        StageView(entry + k, tuple(c), tuple(r))
        for k, (c, r) in enumerate(zip(cells, registers, strict=True))
    )
    outputs = [at(w, leave) for w in kernel.outputs]
    return KernelView(
        name, _inputs(copies, widths), _outputs(copies, outputs, formats), tuple(found)
    )


def _inputs(copies: Copies, widths: Sequence[int]) -> tuple[PortView, ...]:
    """Ports of reads; an element that the kernel knows to be narrower loses its upper bits."""
    found: list[PortView] = []
    first = 0
    names = port_names("x", [r.table for r in copies.reads])
    for name, read, width in zip(names, copies.reads, widths, strict=True):
        size = read.table.shape[1]
        wires = [_wire(copies.kernel, w, 0) for w in range(first, first + size)]
        first += size
        if size == 1:
            (wire,) = wires
            note = f"{wire.lo} .. {wire.hi}"
            found.append(PortView(name, sv_type(wire.format), note, (name,), ()))
            continue
        inner = _declared(
            (sv_type(w.format), f"{w.name} = {Vector(name, width, size).part(str(k), w.width)}")
            for k, w in enumerate(wires)
        )
        lo, hi = min(w.lo for w in wires), max(w.hi for w in wires)
        note = f"{size} elements, each {lo} .. {hi}"
        kind = f"[{width}*{size}-1:0] "
        found.append(PortView(name, kind, note, tuple(w.name for w in wires), tuple(inner)))
    return tuple(found)


def _outputs(
    copies: Copies, wires: Sequence[Wire], formats: Sequence[IntFormat]
) -> tuple[PortView, ...]:
    """Ports of writes; a wire of another format is extended to that of its vector."""
    found: list[PortView] = []
    left = iter(wires)
    number = 0
    names = port_names("y", [w.table for w in copies.writes])
    for name, write, of in zip(names, copies.writes, formats, strict=True):
        size = write.table.shape[1]
        elements: list[str] = []
        inner: list[tuple[str, str]] = []
        low = high = 0
        for wire in (next(left) for _ in range(size)):
            low, high = min(low, wire.lo), max(high, wire.hi)
            same = wire.value is None and wire.format == of
            text = wire.name if wire.value is None else sv_literal(wire.value, of)
            elements.append(text if same or size == 1 else f"y{number}")
            if not same and size > 1:
                inner.append((sv_type(of), f"y{number} = {text}"))
            number += 1
        kind = sv_type(of) if size == 1 else f"[{of.width}*{size}-1:0] "
        note = f"{low} .. {high}" if size == 1 else f"{size} elements, {of}"
        found.append(PortView(name, kind, note, tuple(elements), tuple(_declared(inner))))
    return tuple(found)


def listed(head: str, parts: Sequence[str], tail: str) -> Iterator[str]:
    """Lines of `head` and as many parts as fit."""
    few: list[str] = []
    for part in parts:
        if few and len(head) + sum(len(p) + 2 for p in few) + len(part) > 96:
            yield f"{head}{', '.join(few)}{tail}"
            few = []
        few.append(part)
    yield f"{head}{', '.join(few)}{tail}"


def _declared(wires: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Declarations of (type, name = expression), neighbours of one type together."""
    for kind, group in groupby(wires, key=lambda pair: pair[0]):
        yield from listed(f"wire {kind}", [expression for _, expression in group], ";")


def _last_stages(kernel: Kernel, stages: Sequence[int], leave: int) -> list[int]:
    """The last stage in which each wire is read."""
    last = list(stages)
    for wire, cell in enumerate(kernel.cells):
        for operand in operands(cell):
            last[operand] = max(last[operand], stages[wire])
    for wire in kernel.outputs:
        last[wire] = leave
    return last


def _wire(kernel: Kernel, wire: int, later: int) -> Wire:
    """A wire some clocks after it was made."""
    cell, (lo, hi) = kernel.cells[wire], kernel.ranges[wire]
    if isinstance(cell, Literal):
        return Wire(sv_literal(cell.value), kernel.format(wire), lo, hi, cell.value)
    base = f"x{cell.index}" if isinstance(cell, Port) else f"s{wire}"
    name = f"{base}_r{later}" if later else base
    return Wire(name, kernel.format(wire), lo, hi, None)


def _kind(cell: Cell) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(cell).__name__).lower()
