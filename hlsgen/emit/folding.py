"""How many products or channels each operator of a streamed design handles per clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hlsgen.emit.streaming import Way, Work, channels, work
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType

Folding = tuple[int, int]  # PE outputs (or channels), SIMD inputs per clock

PORT_BITS = 512  # a port's word holds no more
_CYCLES_PER_PIXEL = 16
_LEAST_CYCLES = 1024


def default_folding(
    graph: HwGraph, input_steps: Mapping[str, int] | None = None
) -> dict[str, Folding]:
    """PE and SIMD by the name of a node's first output.

    The target is 16 clocks for each output place (batch x spatial) of the node that has most of
    them, 1024 at least. A node gets the pair of divisors with the fewest products per clock that
    reaches the target in computing, in reading and in writing (the most nearly square one of
    equals), or all it can have where nothing reaches it. `input_steps` says by name what SIMD must
    be a multiple of.
    """
    works = {node.output: work_of(graph, node) for node in graph.nodes}
    steps = input_steps or {}
    places = [y.size // channels(y) for n in graph.nodes for y in types(graph, n.outputs) if y.size]
    target = max(_CYCLES_PER_PIXEL * max(places, default=1), _LEAST_CYCLES)
    return {
        node.output: _smallest(
            works[node.output], _ends(graph, node), target, steps.get(node.output, 1)
        )
        for node in graph.nodes
    }


def types(graph: HwGraph, names: tuple[str, ...]) -> tuple[IntType, ...]:
    """Types of some values."""
    return tuple(graph.types[name] for name in names)


def work_of(graph: HwGraph, node: Node[HwOp]) -> Work:
    """What folding may choose for a node."""
    return work(node.op, types(graph, node.inputs), types(graph, node.outputs))


def _ends(graph: HwGraph, node: Node[HwOp]) -> tuple[int, int]:
    """Elements of the largest input and of the largest output."""
    x, y = types(graph, node.inputs), types(graph, node.outputs)
    return max((v.size for v in x), default=0), max(v.size for v in y)


def _smallest(todo: Work, ends: tuple[int, int], target: int, step: int) -> Folding:
    def cost(pair: Folding) -> tuple[bool, int, int]:
        pe, simd = pair
        taken = simd if todo.way is Way.MATRIX else pe
        cycles = max(todo.cycles // (pe * simd), ends[0] // taken, ends[1] // pe)
        late = cycles > target
        return late, -pe * simd if late else pe * simd, abs(pe - simd)

    pairs = [(pe, simd) for pe in _divisors(todo.outputs) for simd in _divisors(todo.inputs)]
    return min([pair for pair in pairs if pair[1] % step == 0] or pairs, key=cost)


def _divisors(n: int) -> Iterator[int]:
    return (d for d in range(1, n + 1) if n % d == 0)


def check_folding(graph: HwGraph, folding: Mapping[str, Folding]) -> None:
    """Errors: OptionError for a node that does not exist or a PE or SIMD that does not divide."""
    known = {node.output: node for node in graph.nodes}
    for name, (pe, simd) in folding.items():
        if name not in known:
            raise OptionError(f"folding names {name!r}, which no node makes")
        todo = work_of(graph, known[name])
        for label, value, of in (("PE", pe, todo.outputs), ("SIMD", simd, todo.inputs)):
            if value < 1 or of % value:
                raise OptionError(f"{label} must divide {of}, got {value}", known[name].loc)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Elements a beat: of each value as it is made, of each operand as its node takes it.

    `ports` are those of the graph's inputs and outputs, in this order.
    """

    made: Mapping[str, int]
    taken: Mapping[tuple[int, int], int]
    ports: tuple[int, ...]


def stream_lanes(graph: HwGraph, folding: Mapping[str, Folding]) -> Lanes:
    """The widths of all streams under a folding."""
    made: dict[str, int] = {}
    taken: dict[tuple[int, int], int] = {}
    for index, node in enumerate(graph.nodes):
        todo, (pe, simd) = work_of(graph, node), folding[node.output]
        made.update(dict.fromkeys(node.outputs, pe))
        for k, name in enumerate(node.inputs):
            if todo.way is Way.WHOLE:
                want = made.get(name, 0)
            else:
                want = simd if todo.way is Way.MATRIX else pe
            if name in graph.inputs and name not in made:
                made[name] = want or _port_lanes(graph.types[name], channels(graph.types[name]))
            taken[index, k] = want or made[name]
    for name in graph.inputs:
        made.setdefault(name, 1)
    ports = tuple(_port_lanes(graph.types[v], made[v]) for v in graph.inputs + graph.outputs)
    return Lanes(made, taken, ports)


def _port_lanes(of: IntType, lanes: int) -> int:
    """The most lanes, dividing these, that a port's word holds."""
    most = max(1, PORT_BITS // of.format.width)
    return max(d for d in _divisors(math.gcd(lanes, channels(of))) if d <= most)
