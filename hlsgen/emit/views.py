"""What templates see of a graph: values, operators, ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hlsgen.emit.folding import Folding
from hlsgen.emit.jinja import comment
from hlsgen.emit.names import Namer, unique_names
from hlsgen.emit.streaming import channels
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.staircase import Staircase


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor: `name` in the top function, `local` inside an operator, `lanes` elements a beat."""

    name: str
    local: str
    onnx: str
    type: IntType
    lanes: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def size(self) -> int:
        return self.type.size

    @property
    def t(self) -> str:
        """The C++ type of an element."""
        return self.type.format.cpp

    @property
    def limbs(self) -> int:
        """64-bit words an element takes in a vector file."""
        return -(-self.type.format.width // 64)

    @property
    def channels(self) -> int:
        """Elements that stand side by side in a stream."""
        return channels(self.type)

    @property
    def batch(self) -> int:
        """Outermost index of the stream order; all of a row-major tensor but its last axis."""
        if len(self.shape) >= 3:
            return self.shape[0]
        return self.size // self.channels if self.channels else 0

    @property
    def pixels(self) -> int:
        """Places between the outermost index and the channels."""
        return self.size // (self.batch * self.channels) if self.size else 0

    @property
    def beats(self) -> int:
        """Beats of a frame; the last one of a place may have lanes that say nothing."""
        return self.batch * self.pixels * -(-self.channels // self.lanes)

    @property
    def beat(self) -> str:
        """The C++ type of what a stream carries."""
        return f"beat<{self.t}, {self.lanes} >"

    @property
    def note(self) -> str:
        """Shape, format and range for people."""
        span = f"{self.type.min} to {self.type.max}"
        return f"{self.onnx}: {_shape(self.shape)} {self.type.format}, {span}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


@dataclass(frozen=True, slots=True)
class Operator:
    """A node with its function and its values.

    `digit`: bits a clock of the adder graph that gives its sums digit by digit, 0 of any other.
    """

    function: str
    title: str
    notes: tuple[str, ...]
    node: Node[HwOp]
    x: tuple[Value, ...]
    y: tuple[Value, ...]
    digit: int = 0

    @property
    def digits(self) -> int:
        """Clocks in which an adder graph gives its sums: digits of the widest one."""
        return -(-self.y[0].type.format.width // self.digit) if self.digit else 1

    @property
    def kind(self) -> str:
        """The name of its template."""
        return type(self.node.op).__module__.rsplit(".", 1)[-1]

    @property
    def parallel_arguments(self) -> str:
        reads = [f"const {v.t} {v.local}[{v.size}]" for v in self.x]
        return ", ".join(reads + [f"{v.t} {v.local}[{v.size}]" for v in self.y])


@dataclass(frozen=True, slots=True)
class Names:
    """Identifiers: of the input ports and all inner values by their name, of the output ports."""

    values: Mapping[str, str]
    outputs: tuple[str, ...]


def value_names(graph: HwGraph, top: str) -> Names:
    """An identifier for each port and value; ports get first choice."""
    namer = Namer(taken=[top])
    values = {name: namer.take(name) for name in graph.inputs}
    outputs = tuple(namer.take(name) for name in graph.outputs)
    inner = {name: namer.take(name) for node in graph.nodes for name in node.outputs}
    return Names(values | inner, outputs)


def operators(
    graph: HwGraph,
    names: Mapping[str, str],
    folding: Mapping[str, Folding],
    taken: Mapping[tuple[int, int], int],
    digit: Mapping[str, int],
) -> tuple[Operator, ...]:
    """All nodes as templates see them; `taken` says how wide each operand arrives.

    `digit` has those of the operators' by their nodes' outputs, where there are any.
    """
    labels = [f"n{i:03}_{node.output}" for i, node in enumerate(graph.nodes)]
    stems = unique_names(labels)
    found: list[Operator] = []
    for i, (node, label) in enumerate(zip(graph.nodes, labels, strict=True)):
        x = tuple(
            Value(names[v], f"x{k}", v, graph.types[v], taken[i, k])
            for k, v in enumerate(node.inputs)
        )
        y = tuple(
            Value(names[v], f"y{k}", v, graph.types[v], folding[node.output][0])
            for k, v in enumerate(node.outputs)
        )
        title = comment(f"{type(node.op).__name__} for {node.loc}")
        notes, bits = _notes(node.op, x, y), digit.get(node.output, 0)
        found.append(Operator(stems[label], title, notes, node, x, y, bits))
    return tuple(found)


def _notes(op: HwOp, x: tuple[Value, ...], y: tuple[Value, ...]) -> tuple[str, ...]:
    lines = [f"{v.local} = {v.note}" for v in x + y]
    if isinstance(op, Staircase):
        lines.append(f"as {op.realisation.text()}")
    return tuple(map(comment, lines))
