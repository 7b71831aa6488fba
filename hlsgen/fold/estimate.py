"""What a streamed design takes, operator by operator: an estimate, for no tool was run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from hlsgen.emit.arithmetic import GRAPHS, Arithmetic, arithmetic_of
from hlsgen.emit.hls import Design
from hlsgen.emit.memories import MemoryKind
from hlsgen.emit.serving import served
from hlsgen.emit.streaming import Way, way
from hlsgen.emit.streams import beat_bits
from hlsgen.emit.views import Operator
from hlsgen.fold.between import fifo_use, helper_use
from hlsgen.fold.operators import matrix_facts, operator_use
from hlsgen.fold.use import Use, total
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


@dataclass(frozen=True, slots=True)
class LayerUse:
    """An operator: `own` is its function, `between` its windows, converters, forks and FIFOs.

    `cycles` of the slowest of these; arithmetic is "" where it has no weights, memory where it
    stores none.
    """

    node: str
    name: str
    operator: str
    pe: int
    simd: int
    arithmetic: str
    memory: str
    cycles: int
    own: Use
    between: Use

    @property
    def use(self) -> Use:
        return self.own + self.between


@dataclass(frozen=True, slots=True)
class Estimate:
    """All operators, and the processes and FIFOs at the ports; `interval` in cycles a frame."""

    layers: tuple[LayerUse, ...]
    ports: Use
    interval: int

    @property
    def use(self) -> Use:
        """The whole kernel, without the shell around it."""
        return total(layer.use for layer in self.layers) + self.ports

    def to_json(self) -> dict[str, Any]:
        """The documented form: names of the fields as here."""
        return asdict(self) | {"total": asdict(self.use)}


def estimate(design: Design) -> Estimate:
    """The resources of a streamed design by the cost model of folded units."""
    serves = served(design)
    plan = design.plan
    works: defaultdict[str, int] = defaultdict(int)
    between: defaultdict[str, Use] = defaultdict(Use)
    for process, helper in zip(plan.processes, plan.helpers, strict=True):
        name = serves[process.name]
        works[name] = max(works[name], process.work)
        if helper is not None:
            between[name] += helper_use(helper)
    reader = {name: p.name for p in plan.processes for name in p.reads}
    for s in plan.streams:
        between[serves[reader[s.name]]] += fifo_use(s.depth, beat_bits(s.beat))
    layers = tuple(
        _layer(o, design, works[o.node.output], between[o.node.output]) for o in design.operators
    )
    return Estimate(layers, between[""], plan.interval)


def _layer(o: Operator, design: Design, cycles: int, between: Use) -> LayerUse:
    node = o.node
    weighted = isinstance(node.op, MatMul | Conv)
    how = arithmetic_of(design.arithmetic, node)
    unit, memory = design.units.get(node.output), design.memory.get(node.output)
    packed = design.packings.get(node.output)
    own = operator_use(o, design.sums[o.function], how, unit, memory, packed)
    matrix = way(node.op, *_types(o)) is Way.MATRIX
    return LayerUse(
        node.output,
        node.loc.name or node.output,
        type(node.op).__name__,
        o.y[0].lanes,
        o.x[0].lanes if matrix else 1,
        how.value if weighted else "",
        _memory(o, design, memory) if weighted else "",
        cycles,
        own,
        between,
    )


def _memory(o: Operator, design: Design, chosen: MemoryKind | None) -> str:
    """Where the weights stand, or what the estimate takes the tool to choose."""
    if arithmetic_of(design.arithmetic, o.node) in GRAPHS:
        return ""
    if o.function in design.ports:
        return "port"
    if chosen is not None:
        return chosen.value
    if way(o.node.op, *_types(o)) is not Way.MATRIX:
        return "tool"
    sums = design.sums[o.function]
    assert sums is not None
    node = o.node.output
    facts = matrix_facts(o, sums, design.units.get(node), design.packings.get(node))
    return facts.unit(o.y[0].lanes, Arithmetic.TOOL, None).memory.value


def _types(o: Operator) -> Any:
    return tuple(tuple(v.type for v in side) for side in (o.x, o.y))
