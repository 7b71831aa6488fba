"""How many products or channels each operator of a streamed design handles per clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hlsgen.emit.streaming import Way, Work, channels, work
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool

Folding = tuple[int, int]  # PE outputs (or channels), SIMD inputs per clock

PORT_BITS = 512  # a port's word holds no more
_CYCLES_PER_PIXEL = 16
_LEAST_CYCLES = 1024


def default_folding(
    graph: HwGraph, input_steps: Mapping[str, int] | None = None
) -> dict[str, Folding]:
    """PE and SIMD by the name of a node's first output.

    A node gets the pair of divisors with the fewest products per clock that reaches a target in
    computing, in reading, in writing and in making windows (the most nearly square one of equals),
    or the fastest where none does. The target is 16 clocks for each output place (batch x spatial)
    of the node that has most of them, 1024 at least. `input_steps` says by name what SIMD must be a
    multiple of.
    """
    steps = input_steps or {}
    places = [y.size // channels(y) for n in graph.nodes for y in types(graph, n.outputs) if y.size]
    target = max(_CYCLES_PER_PIXEL * max(places, default=1), _LEAST_CYCLES)
    return {
        node.output: _smallest(graph, node, target, steps.get(node.output, 1))
        for node in graph.nodes
    }


def types(graph: HwGraph, names: tuple[str, ...]) -> tuple[IntType, ...]:
    """Types of some values."""
    return tuple(graph.types[name] for name in names)


def work_of(graph: HwGraph, node: Node[HwOp]) -> Work:
    """What folding may choose for a node."""
    return work(node.op, types(graph, node.inputs), types(graph, node.outputs))


def _smallest(graph: HwGraph, node: Node[HwOp], target: int, step: int) -> Folding:
    todo = work_of(graph, node)

    def cost(pair: Folding) -> tuple[int, int, int]:
        pe, simd = pair
        return max(_cycles(graph, node, todo, pair), target), pe * simd, abs(pe - simd)

    pairs = [(pe, simd) for pe in _divisors(todo.outputs) for simd in _divisors(todo.inputs)]
    return min([pair for pair in pairs if pair[1] % step == 0] or pairs, key=cost)


def _cycles(graph: HwGraph, node: Node[HwOp], todo: Work, pair: Folding) -> int:
    """Clocks a frame of the slowest of a node's processes; where it holds whole tensors, of it."""
    pe, simd = pair
    x, y = types(graph, node.inputs), types(graph, node.outputs)
    taken = simd if todo.way is Way.MATRIX else pe
    computing = todo.cycles // (pe * simd)
    reading = max((v.size for v in x), default=0) // taken
    writing = max(v.size for v in y) // pe
    return max(computing, reading, writing, _sliding(node.op, todo.way, x, y) // taken)


def _sliding(op: HwOp, way: Way, x: tuple[IntType, ...], y: tuple[IntType, ...]) -> int:
    """Clocks of reading rows and making windows, an element each, both at once."""
    match op:
        case Conv() | MaxPool() | SumPool() if way is not Way.WHOLE:
            places = y[0].size // channels(y[0])
            return max(x[0].size, places * math.prod(op.window.kernel) * channels(x[0]))
        case _:
            return 0


def _divisors(n: int) -> Iterator[int]:
    return (d for d in range(1, n + 1) if n % d == 0)


def named_folding(graph: HwGraph, folding: Mapping[str, Folding]) -> dict[str, Folding]:
    """The foldings by their nodes' first outputs; given names may be those of ONNX nodes, too.

    Errors: OptionError for a node that does not exist or a PE or SIMD that it cannot have.
    """
    known = {n.loc.name: n for n in graph.nodes} | {n.output: n for n in graph.nodes}
    for name, (pe, simd) in folding.items():
        if name not in known:
            raise OptionError(f"folding names {name!r}, which no node makes")
        todo = work_of(graph, known[name])
        if todo.pads and not 1 <= pe <= todo.outputs:
            raise OptionError(f"PE must be 1 to {todo.outputs}, got {pe}", known[name].loc)
        divisors = [] if todo.pads else [("PE", pe, todo.outputs)]
        for label, value, of in (*divisors, ("SIMD", simd, todo.inputs)):
            if value in todo.taps and label == "SIMD":
                continue
            if value < 1 or of % value:
                raise OptionError(f"{label} must divide {of}, got {value}", known[name].loc)
    return {known[name].output: pair for name, pair in folding.items()}


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
                want = math.gcd(made.get(name, 0), channels(graph.types[name]))
            else:
                want = simd if todo.way is Way.MATRIX else pe
            if name in graph.inputs and name not in made:
                made[name] = min(want, channels(graph.types[name])) or _port_lanes(
                    graph.types[name], channels(graph.types[name])
                )
            taken[index, k] = want or made[name]
    for name in graph.inputs:
        made.setdefault(name, 1)
    ports = tuple(_port_lanes(graph.types[v], made[v]) for v in graph.inputs + graph.outputs)
    return Lanes(made, taken, ports)


def _port_lanes(of: IntType, lanes: int) -> int:
    """The most lanes, dividing these, that a port's word holds."""
    most = max(1, PORT_BITS // of.format.width)
    return max(d for d in _divisors(math.gcd(lanes, channels(of))) if d <= most)
