"""A network as layers of kernels in space: what is computed by which copy of what hardware.

Movements (reshape, transpose, take, concatenation, padding) and constants are wiring: they only
rename elements, so they leave no layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from hlsgen.emit.arithmetic import (
    Adders,
    Arithmetic,
    arithmetic_of,
    check_parallel,
)
from hlsgen.emit.codes import operand_step
from hlsgen.emit.jinja import comment
from hlsgen.emit.names import identifier
from hlsgen.emit.reloadable import refuse_reloadable
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Kernel, Range
from hlsgen.emit.rtl.fusion import Bus, Draft, bus_of, fused
from hlsgen.emit.rtl.units import Element, Operand, Places, Read, Weave, Write, units
from hlsgen.emit.views import value_names
from hlsgen.errors import HlsgenError, Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.constant import Constant
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose


@dataclass(frozen=True, eq=False)
class Copies:
    """A kernel and where its copies stand; `output` of a write is the place of a bus in the layer.

    The kernel's ports are the places of the reads, one read after the other; so are its outputs.
    """

    kernel: Kernel
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]

    @property
    def count(self) -> int:
        return len(self.writes[0].table)


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator, or several in a row: its kernels and their copies."""

    name: str
    title: str
    notes: tuple[str, ...]
    copies: tuple[Copies, ...]
    buses: tuple[Bus, ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(c.kernel for c in self.copies)


@dataclass(frozen=True, eq=False)
class Output:
    """An output port and the operands that it shows."""

    name: str
    onnx: str
    type: IntType
    operands: tuple[Operand, ...]


@dataclass(frozen=True, eq=False)
class Netlist:
    """Everything between the ports, without time."""

    top: str
    name: str
    inputs: tuple[Bus, ...]
    outputs: tuple[Output, ...]
    layers: tuple[Layer, ...]
    # as in the graph
    codes: Mapping[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])

    @property
    def buses(self) -> dict[str, Bus]:
        """Inputs and what the layers make, by name."""
        made = (bus for layer in self.layers for bus in layer.buses)
        return {bus.name: bus for bus in (*self.inputs, *made)}


def netlist(
    graph: HwGraph, top: str, arithmetic: Mapping[str, Arithmetic], adders: Adders
) -> Netlist:
    """The layers of a graph; `arithmetic` as in `RtlOptions`.

    Errors: OptionError for an arithmetic of a layer that has none; Unsupported where an operator
    has no parallel form, with its place.
    """
    top = identifier(top or graph.name, "network")
    names = value_names(graph, top)
    tensors: dict[str, Places] = {}
    inputs = tuple(bus_of(names.values[v], v, graph.types[v]) for v in graph.inputs)
    tensors |= {bus.onnx: _elements(bus) for bus in inputs}
    drafts: list[Draft] = []
    for node in graph.nodes:
        moved = wiring(node, [tensors[v] for v in node.inputs])
        if moved is not None:
            tensors[node.output] = moved
            continue
        how = arithmetic_of(arithmetic, node)
        check_parallel(node, how)
        refuse_reloadable(node)
        draft = _draft(graph, node, names.values, tensors, how)
        drafts.append(draft)
        tensors |= {bus.onnx: _elements(bus) for bus in draft.buses}
    outputs = tuple(
        Output(name, v, graph.types[v], tuple(tensors[v].reshape(-1)))
        for name, v in zip(names.outputs, graph.outputs, strict=True)
    )
    kept = {o.bus for out in outputs for o in out.operands if isinstance(o, Element)}
    known = {bus.name: bus for bus in inputs}
    layers: list[Layer] = []
    for draft in fused(drafts, kept, partial(Builder, adders=adders)):
        layers.append(layer_of(draft, known, adders))
        known |= {bus.name: bus for bus in layers[-1].buses}
    return Netlist(top, graph.name, inputs, outputs, tuple(layers), graph.codes)


def buses_read(layer: Layer) -> tuple[str, ...]:
    """The names of the buses that a layer reads."""
    sources = {id(r.source): r.source for c in layer.copies for r in c.reads}
    operands_of = (e.bus for s in sources.values() for e in s if isinstance(e, Element))
    return tuple(dict.fromkeys(operands_of))


def _elements(bus: Bus) -> Places:
    places = np.empty(bus.type.size, dtype=object)
    places[:] = [Element(bus.name, i) for i in range(bus.type.size)]
    return places.reshape(bus.type.shape)


def wiring(node: Node[HwOp], x: list[Places]) -> Places | None:
    """The operands of an operator that only moves elements; None for all others."""
    match node.op:
        case Constant(values):
            return np.array(values.astype(object), dtype=object)
        case Reshape(shape):
            return x[0].reshape(shape)
        case Transpose(perm):
            return x[0].transpose(perm)
        case Take(axis, indices):
            return x[0].take(np.asarray(indices, dtype=np.int64), axis=axis)
        case Concat(axis):
            return np.concatenate(x, axis=axis)
        case Pad() as pad:
            y = np.full(pad.shape(x[0].shape), pad.value, dtype=object)
            y[
                tuple(
                    slice(b, b + (n - 1) * (i + 1) + 1, i + 1)
                    for n, b, i in zip(x[0].shape, pad.before, pad.inner, strict=True)
                )
            ] = x[0]
            return y
        case _:
            return None


def _draft(
    graph: HwGraph, node: Node[HwOp], names: Mapping[str, str], tensors: Mapping[str, Places],
    how: Arithmetic,
) -> Draft:  # fmt: skip
    made = [graph.types[v] for v in node.outputs]
    try:
        operands = [tensors[v] for v in node.inputs]
        found = units(node.op, operands, made[0].shape, how, operand_step(graph, node))
    except Unsupported as error:
        raise error.at(node.loc) from error
    return Draft(
        comment(f"{type(node.op).__name__} for {node.loc}"),
        tuple(map(comment, _notes(node, graph, how))),
        tuple(replace(u, weave=_placed(u.weave, node)) for u in found if u.count),
        tuple(bus_of(names[v], v, t) for v, t in zip(node.outputs, made, strict=True)),
    )


def _placed(weave: Weave, node: Node[HwOp]) -> Weave:
    """The same, its errors with their place."""

    def placed(b: Builder, ports: Sequence[int]) -> Sequence[int]:
        try:
            return weave(b, ports)
        except HlsgenError as error:
            raise error.at(node.loc) from error

    return placed


def _notes(node: Node[HwOp], graph: HwGraph, how: Arithmetic) -> list[str]:
    notes = [f"reads {bus_of('', v, graph.types[v]).note}" for v in node.inputs]
    notes += [f"makes {bus_of('', v, graph.types[v]).note}" for v in node.outputs]
    if isinstance(node.op, Staircase):
        notes.append(f"as {node.op.realisation.text()}")
    if node.op.partial_bounds(*(graph.types[v] for v in node.inputs)) is not None:
        notes.append(f"constants: {how.value}")
    return notes


def layer_of(draft: Draft, known: Mapping[str, Bus], adders: Adders) -> Layer:
    """The draft with its kernels, each for the joint bounds of what its copies read."""
    copies: list[Copies] = []
    for unit in draft.units:
        ports = [r for read in unit.reads for r in _ranges(read, known)]
        builder = Builder(ports, adders)
        kernel = builder.kernel(unit.weave(builder, range(len(ports))))
        copies.append(Copies(kernel, unit.reads, unit.writes))
    buses = tuple(_narrowed(bus, y, copies) for y, bus in enumerate(draft.buses))
    return Layer(buses[0].name, draft.title, draft.notes, tuple(copies), buses)


def _ranges(read: Read, known: Mapping[str, Bus]) -> list[Range]:
    """The joint bounds of each place of a vector port over all copies."""
    ends = [
        (known[e.bus].lo[e.index], known[e.bus].hi[e.index]) if isinstance(e, Element) else (e, e)
        for e in read.source
    ]
    lo, hi = (np.array([e[k] for e in ends], dtype=object)[read.table] for k in (0, 1))
    return [(int(a), int(b)) for a, b in zip(lo.min(axis=0), hi.max(axis=0), strict=True)]


def _narrowed(bus: Bus, output: int, copies: Sequence[Copies]) -> Bus:
    """The bus with the bounds that its kernels promise, where those are closer."""
    lo, hi = bus.lo.copy(), bus.hi.copy()
    for c in copies:
        wires = iter(c.kernel.outputs)
        for write in c.writes:
            for places in write.table.T:
                low, high = c.kernel.ranges[next(wires)]
                if write.output == output:
                    lo[places] = np.maximum(lo[places], low)
                    hi[places] = np.minimum(hi[places], high)
    return replace(bus, lo=lo, hi=hi)
