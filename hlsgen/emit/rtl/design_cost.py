"""LUTs of a design without a synthesis tool: of the part of it that reaches the outputs.

Tools remove the rest. Channels that a staircase maps to one code leave the sums in front of them
without a reader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hlsgen.emit.rtl.cells import Kernel, Literal, Port, operands
from hlsgen.emit.rtl.cost import counts, factors
from hlsgen.emit.rtl.netlist import Copies, Netlist
from hlsgen.emit.rtl.units import Element, Index, Operand, Read


def luts(net: Netlist) -> float:
    """LUTs of a whole design without its registers, estimated."""
    known = factors()
    return sum(known[kind] * count for kind, count in design_counts(net).items())


def design_counts(net: Netlist) -> Counter[str]:
    """`counts` of all kernels, each as often as it stands there and reaches an output."""
    found: Counter[str] = Counter()
    for kernel, copies in _live_kernels(net):
        for kind, count in counts(kernel).items():
            found[kind] += count * copies
    return found


def _live_kernels(net: Netlist) -> Iterator[tuple[Kernel, int]]:
    """Each kernel with what is alive of it, and how many copies are alive in that way."""
    live = {name: np.zeros(bus.type.size, dtype=bool) for name, bus in net.buses.items()}
    for output in net.outputs:
        _mark(live, output.operands)
    for layer in reversed(net.layers):
        for copies in layer.copies:
            buses = [layer.buses[w.output].name for w in copies.writes]
            read = [live[b][w.table] for b, w in zip(buses, copies.writes, strict=True)]
            yield from _alive(copies, np.concatenate(read, axis=1), live)


def _alive(copies: Copies, read: Index, live: dict[str, Index]) -> Iterator[tuple[Kernel, int]]:
    """By which outputs are read (copies, outputs); marks what those copies read in turn."""
    for pattern in np.unique(read, axis=0):
        if not pattern.any():
            continue
        which = (read == pattern).all(axis=1)
        outputs = [y for y, kept in zip(copies.kernel.outputs, pattern, strict=True) if kept]
        wires = _behind(copies.kernel, outputs)
        first = 0
        for port in copies.reads:
            places = port.table.shape[1]
            used = [p for p in range(places) if first + p in wires]
            _mark(live, _sources(port, port.table[which][:, used]))
            first += places
        yield _only(copies.kernel, wires, outputs), int(which.sum())


def _mark(live: dict[str, Index], read: Sequence[Operand]) -> None:
    for element in read:
        if isinstance(element, Element):
            live[element.bus][element.index] = True


def _sources(port: Read, places: Index) -> list[Operand]:
    source: list[Operand] = port.source.reshape(-1).tolist()
    return [source[k] for k in np.unique(places)]


def _behind(kernel: Kernel, outputs: Sequence[int]) -> set[int]:
    """The wires that outputs follow."""
    found = set(outputs)
    for wire in reversed(range(len(kernel.cells))):
        if wire in found:
            found.update(operands(kernel.cells[wire]))
    return found


def _only(kernel: Kernel, wires: set[int], outputs: Sequence[int]) -> Kernel:
    cells = tuple(
        c if k in wires or isinstance(c, Port) else Literal(0) for k, c in enumerate(kernel.cells)
    )
    return replace(kernel, cells=cells, outputs=tuple(outputs))
