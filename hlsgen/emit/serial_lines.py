"""A digit-serial adder graph as straight-line C++ over the state `v` that digits leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hlsgen.arith.adders.serial import SerialAdder, SerialGraph, Tap
from hlsgen.emit.arithmetic import Wire
from hlsgen.ir.hw import IntArray


@dataclass(frozen=True, eq=False)
class SerialLines:
    """One digit of all sums: `v.x` and `v.c` are those of inputs and constants.

    t<k> is the digit of node k, t<k>_at the same with the bits before it that shifts reach back to.
    """

    graph: SerialGraph

    @cached_property
    def past(self) -> dict[int, int]:
        """Bits that each shifted node keeps, the most that a shift of it asks for."""
        found: dict[int, int] = {}
        adders = self.graph.adders
        for tap in [t for a in adders for t in (a.a, a.b)] + list(self.graph.outputs):
            if tap.shift:
                found[tap.node] = max(found.get(tap.node, 0), tap.shift)
        return dict(sorted(found.items()))

    @property
    def wires(self) -> list[Wire]:
        """Lines of inputs and constants, then adder by adder, its own line behind it."""
        graph = self.graph
        found = [self._line(node) for node in self.past if node < graph.first]
        for k, adder in enumerate(graph.adders):
            node = graph.first + k
            found.append(Wire(f"t{node}", f"wire<{graph.digit}>::u", self._sum(k, adder)))
            if node in self.past:
                found.append(self._line(node))
        return found

    @property
    def outputs(self) -> list[str]:
        """The digit of each sum."""
        return [self._tap(tap) for tap in self.graph.outputs]

    @property
    def note(self) -> str:
        """What it consists of, for people."""
        g = self.graph
        return (
            f"{len(g.adders)} adders of {g.digit} bit{'s' if g.digit > 1 else ''} on {g.depth} "
            f"levels, {sum(self.past.values())} bits kept for shifts"
        )

    def constants(self, digits: int) -> IntArray:
        """The digits of the constants, (digits, constants)."""
        bits, values = self.graph.digit, self.graph.constants
        rows = [[c >> k * bits & (1 << bits) - 1 for c in values] for k in range(digits)]
        return np.array(rows, np.int64).reshape(digits, len(values))

    def _sum(self, place: int, adder: SerialAdder) -> str:
        verb = "subtract" if adder.subtracts else "add"
        ends = f"{self._tap(adder.a)}, {self._tap(adder.b)}"
        return f"serial<{self.graph.digit}>::{verb}({ends}, v.carry[{place}], v.first)"

    def _line(self, node: int) -> Wire:
        bits, kept = self.graph.digit, self.past[node]
        text = f"serial<{bits}>::line<{kept}>({self._name(node)}, v.past{node}, v.first)"
        return Wire(f"t{node}_at", f"wire<{bits + kept}>::u", text)

    def _tap(self, tap: Tap) -> str:
        if not tap.shift:
            return self._name(tap.node)
        below = self.past[tap.node] - tap.shift
        return f"serial<{self.graph.digit}>::tap<{below}>(t{tap.node}_at)"

    def _name(self, node: int) -> str:
        inputs = self.graph.inputs
        if node < inputs:
            return f"v.x[{node}]"
        return f"v.c[{node - inputs}]" if node < self.graph.first else f"t{node}"
