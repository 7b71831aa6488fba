"""Adder graphs of streams by digits: every node at its clock, and what it keeps for others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hlsgen.arith.adders.serial import SerialGraph, Tap, serial_graph
from hlsgen.emit.graph_layers import stream_graph
from hlsgen.emit.numbers import operand_of
from hlsgen.emit.processes import Pattern
from hlsgen.emit.rtl.stream.unit import Unit, bits_for
from hlsgen.emit.views import Operator
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.schedule.process import Moves


def serial_unit(operator: Operator, name: str, read: str, write: str) -> Unit:
    """The unit of a digit-serial layer, its biases included."""
    op, x = operator.node.op, operator.x[0].type
    assert isinstance(op, MatMul | Conv)
    graph = serial_graph(stream_graph(op, x), op.bias.tolist(), operator.digit)
    placed, digits = Placed(graph), operator.digits
    operand = operand_of(op, x)
    known = {
        "operator": operator, "graph": graph, "operand": operand, "index": bits_for(digits),
        "constants": constant_words(graph, digits), "levels": placed.levels,
        "outputs": [placed.operand(tap, graph.depth) for tap in graph.outputs],
    }  # fmt: skip
    return Unit(
        name, operator.title, name, vectors(operator.y[0].beats, digits), (read,), (write,),
        2 + graph.depth + digits, frame="rtl/stream/serial.sv.j2", numbers=known,
    )  # fmt: skip


def vectors(count: int, digits: int) -> Pattern:
    """A vector, and a place for its sums, is taken at the first of its steps; no other waits."""

    def moves() -> Moves:
        steps = np.arange(count) * digits
        return Moves((steps,), (steps,))

    return Pattern(count * digits, moves)


def constant_words(graph: SerialGraph, digits: int) -> list[str]:
    """The digits of all constants side by side, in hexadecimal, for each number of a digit."""
    bits, mask = graph.digit, (1 << graph.digit) - 1
    return [
        f"{sum((c >> k * bits & mask) << j * bits for j, c in enumerate(graph.constants)):x}"
        for k in range(digits)
    ]


@dataclass(frozen=True, slots=True)
class AdderView:
    """An adder with the names of its operands."""

    name: str
    a: str
    b: str
    subtracts: bool


@dataclass(frozen=True, slots=True)
class Level:
    """What stands at one clock after the inputs; names with what they are made of."""

    clock: int
    inputs: tuple[tuple[str, str], ...]
    adders: tuple[AdderView, ...]
    delays: tuple[tuple[str, str], ...]
    pasts: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, eq=False)
class Placed:
    """Each adder at the clock of its level; operands that are earlier wait in registers."""

    graph: SerialGraph

    def operand(self, tap: Tap, clock: int) -> str:
        """The digit of a node's number times a power of two, at a clock."""
        name = self._name(tap.node, clock)
        if not tap.shift:
            return name
        low = self.graph.reads[tap.node, clock] - tap.shift
        return f"p{name[1:]}[{low + self.graph.digit - 1}:{low}]"

    @property
    def levels(self) -> list[Level]:
        """All of them, clock by clock."""
        graph = self.graph
        return [
            Level(
                k,
                self._inputs() if k == 0 else (),
                self._adders(k),
                self._delays(k),
                self._pasts(k),
            )
            for k in range(graph.depth + 1)
        ]

    def _inputs(self) -> tuple[tuple[str, str], ...]:
        graph, bits = self.graph, self.graph.digit
        read = {node for node, _ in self.graph.reads}
        buses = [("x", k) for k in range(graph.inputs)]
        buses += [("c", k) for k in range(len(graph.constants))]
        return tuple(
            (f"n{node}", f"{bus}[{k * bits} +: {bits}]")
            for node, (bus, k) in enumerate(buses)
            if node in read
        )

    def _adders(self, clock: int) -> tuple[AdderView, ...]:
        graph = self.graph
        return tuple(
            AdderView(
                f"n{graph.first + k}", self.operand(a.a, clock - 1), self.operand(a.b, clock - 1),
                a.subtracts,
            )
            for k, a in enumerate(graph.adders)
            if graph.levels[graph.first + k] == clock
        )  # fmt: skip

    def _delays(self, clock: int) -> tuple[tuple[str, str], ...]:
        """Nodes of earlier clocks that are still read now or later."""
        levels = self.graph.levels
        return tuple(
            (self._name(node, clock), self._name(node, clock - 1))
            for node, last in self.graph.last.items()
            if levels[node] < clock <= last
        )

    def _pasts(self, clock: int) -> tuple[tuple[str, str, int], ...]:
        return tuple(
            (f"p{self._name(node, clock)[1:]}", self._name(node, clock), shift)
            for (node, at), shift in self.graph.reads.items()
            if at == clock and shift
        )

    def _name(self, node: int, clock: int) -> str:
        later = clock - self.graph.levels[node]
        return f"n{node}_d{later}" if later else f"n{node}"
