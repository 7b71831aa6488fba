"""Adder graphs digit by digit: some bits of every number a clock, the lowest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from hlsgen.arith.adders.graph import AdderGraph, Term


@dataclass(frozen=True, slots=True)
class Tap:
    """A node's number times 2^shift."""

    node: int
    shift: int = 0


@dataclass(frozen=True, slots=True)
class SerialAdder:
    """a + b, or a - b: an adder as wide as a digit whose carry waits for the next digit."""

    a: Tap
    b: Tap
    subtracts: bool = False


@dataclass(frozen=True, eq=False)
class SerialGraph:
    """y = x @ W + constants, of numbers that come and go in digits of `digit` bits.

    A shift keeps bits back for later digits; so every node is exact modulo 2 to the bits that it is
    run for, whatever its own range, and sums need as many digits as the widest of them has.
    Nodes: inputs, then constants, then adders, which refer to earlier nodes only.
    """

    inputs: int
    constants: tuple[int, ...]
    adders: tuple[SerialAdder, ...]
    outputs: tuple[Tap, ...]
    digit: int

    @property
    def first(self) -> int:
        """The node of the first adder."""
        return self.inputs + len(self.constants)

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Adders on the longest way to each node, which is the clock of its lowest digit."""
        found = [0] * self.first
        for adder in self.adders:
            found.append(1 + max(found[adder.a.node], found[adder.b.node]))
        return tuple(found)

    @property
    def depth(self) -> int:
        """The level at which the last output is there."""
        return max((self.levels[t.node] for t in self.outputs), default=0)

    @cached_property
    def reads(self) -> dict[tuple[int, int], int]:
        """The greatest shift of each node at each clock at which it is read, clocks ascending.

        An adder reads both operands a clock before its level, outputs are read at the last level.
        """
        found: dict[tuple[int, int], int] = {}
        for tap, clock in self._taps():
            place = tap.node, clock
            found[place] = max(found.get(place, 0), tap.shift)
        return dict(sorted(found.items()))

    def _taps(self) -> Iterator[tuple[Tap, int]]:
        for k, adder in enumerate(self.adders):
            clock = self.levels[self.first + k] - 1
            yield adder.a, clock
            yield adder.b, clock
        yield from ((tap, self.depth) for tap in self.outputs)

    @cached_property
    def last(self) -> dict[int, int]:
        """The last clock at which each node is read."""
        return dict(self.reads.keys())

    @property
    def waiting(self) -> int:
        """Digits that wait for later levels, those of all nodes together."""
        return sum(clock - self.levels[node] for node, clock in self.last.items())

    @property
    def kept(self) -> int:
        """Bits that shifts keep back for later digits."""
        return sum(self.reads.values())


def serial_graph(graph: AdderGraph, constants: Sequence[int], digit: int) -> SerialGraph:
    """The graph with a constant added to each output; equal constants are one node.

    A negative output is subtracted from its constant, 0 if there is none.
    Errors: ValueError for a graph with adders of three terms.
    """
    inputs = len(graph.inputs)
    shown = [_needed(t, c) for t, c in zip(graph.outputs, constants, strict=True)]
    values = tuple(sorted({c for c in shown if c is not None}))
    place = {c: inputs + k for k, c in enumerate(values)}
    moved = [*range(inputs), *range(inputs + len(values), inputs + len(values) + len(graph.adders))]
    adders = [_adder(a, moved) for a in graph.adders]
    outputs: list[Tap] = []
    for term, constant in zip(graph.outputs, shown, strict=True):
        if term is None or constant is None:
            outputs.append(_tap(term, moved) if term else Tap(place[constant or 0]))
            continue
        value, start = _tap(term, moved), Tap(place[constant])
        ends = (start, value, True) if term.negative else (value, start, False)
        outputs.append(Tap(inputs + len(values) + len(adders)))
        adders.append(SerialAdder(*ends))
    return SerialGraph(inputs, values, tuple(adders), tuple(outputs), digit)


def _needed(term: Term | None, constant: int) -> int | None:
    """The constant that an output takes, None for one that is a shifted node already."""
    return None if term is not None and not term.negative and not constant else constant


def _tap(term: Term, moved: Sequence[int]) -> Tap:
    return Tap(moved[term.node], term.shift)


def _adder(terms: Sequence[Term], moved: Sequence[int]) -> SerialAdder:
    a, b = sorted(terms, key=lambda t: t.negative)
    return SerialAdder(_tap(a, moved), _tap(b, moved), b.negative)
