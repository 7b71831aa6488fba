"""A network as layers of kernels in space: what is computed by which copy of what hardware.

Movements (reshape, transpose, take, concatenation, padding) and constants are wiring: they only
rename elements, so they leave no layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hlsgen.emit.arithmetic import (
    Arithmetic,
    arithmetic_of,
    check_arithmetic,
    check_parallel,
)
from hlsgen.emit.jinja import comment
from hlsgen.emit.names import identifier
from hlsgen.emit.reloadable import refuse_reloadable
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Kernel, Range
from hlsgen.emit.rtl.units import Unit, units
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


@dataclass(frozen=True, slots=True)
class Element:
    """One integer of a bus."""

    bus: str
    index: int


Operand: TypeAlias = Element | int  # an int stands for itself
Places: TypeAlias = NDArray[Any]  # of operands, in the shape of a tensor


@dataclass(frozen=True, eq=False)
class Bus:
    """A tensor on wires, element after element, the first in the lowest bits."""

    name: str
    onnx: str
    type: IntType
    ranges: tuple[Range, ...]

    @property
    def note(self) -> str:
        """Shape, format and range for people."""
        shape = "x".join(map(str, self.type.shape)) or "scalar"
        return f"{self.onnx}: {shape} {self.type.format}, {self.type.min} to {self.type.max}"


@dataclass(frozen=True, slots=True)
class Instance:
    """A copy of kernel `kernel` on elements of its own."""

    kernel: int
    inputs: tuple[Operand, ...]
    outputs: tuple[Element, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator: its kernels and their copies."""

    name: str
    title: str
    notes: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    instances: tuple[Instance, ...]
    buses: tuple[Bus, ...]


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

    @property
    def buses(self) -> dict[str, Bus]:
        """Inputs and what the layers make, by name."""
        made = (bus for layer in self.layers for bus in layer.buses)
        return {bus.name: bus for bus in (*self.inputs, *made)}


def netlist(graph: HwGraph, top: str, arithmetic: Mapping[str, Arithmetic]) -> Netlist:
    """The layers of a graph; `arithmetic` as in `RtlOptions`.

    Errors: OptionError for an arithmetic of a layer that has none; Unsupported where an operator
    has no parallel form, with its place.
    """
    check_arithmetic(graph, arithmetic)
    top = identifier(top or graph.name, "network")
    names = value_names(graph, top)
    tensors: dict[str, Places] = {}
    inputs = tuple(_bus(names.values[v], v, graph.types[v]) for v in graph.inputs)
    known = {bus.name: bus for bus in inputs}
    for bus in inputs:
        tensors[bus.onnx] = _elements(bus)
    layers: list[Layer] = []
    for node in graph.nodes:
        moved = _wiring(node, [tensors[v] for v in node.inputs])
        if moved is not None:
            tensors[node.output] = moved
            continue
        how = arithmetic_of(arithmetic, node)
        check_parallel(node, how)
        refuse_reloadable(node)
        layer = _layer(graph, node, names.values, tensors, known, how)
        layers.append(layer)
        for bus in layer.buses:
            known[bus.name] = bus
            tensors[bus.onnx] = _elements(bus)
    outputs = tuple(
        Output(name, v, graph.types[v], tuple(tensors[v].reshape(-1)))
        for name, v in zip(names.outputs, graph.outputs, strict=True)
    )
    return Netlist(top, graph.name, inputs, outputs, tuple(layers))


def _bus(name: str, onnx: str, of: IntType) -> Bus:
    lo, hi = (np.broadcast_to(f, of.shape).reshape(-1).tolist() for f in (of.lo, of.hi))
    return Bus(name, onnx, of, tuple(zip(lo, hi, strict=True)))


def _elements(bus: Bus) -> Places:
    places = np.empty(bus.type.size, dtype=object)
    places[:] = [Element(bus.name, i) for i in range(bus.type.size)]
    return places.reshape(bus.type.shape)


def _wiring(node: Node[HwOp], x: list[Places]) -> Places | None:
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


def _layer(
    graph: HwGraph, node: Node[HwOp], names: Mapping[str, str], tensors: Mapping[str, Places],
    known: Mapping[str, Bus], how: Arithmetic,
) -> Layer:  # fmt: skip
    made = [graph.types[v] for v in node.outputs]
    try:
        found = units(node.op, [tensors[v] for v in node.inputs], made[0].shape, how)
    except Unsupported as error:
        raise error.at(node.loc) from error
    kernels, of_unit = _kernels(found, known, node)
    buses = [_bus(names[v], v, t) for v, t in zip(node.outputs, made, strict=True)]
    instances = tuple(
        Instance(k, u.inputs, tuple(Element(buses[y].name, i) for y, i in u.outputs))
        for k, u in zip(of_unit, found, strict=True)
    )
    return Layer(
        buses[0].name,
        comment(f"{type(node.op).__name__} for {node.loc}"),
        tuple(map(comment, _notes(node, tensors, graph, how))),
        kernels,
        instances,
        tuple(_narrowed(bus, kernels, instances) for bus in buses),
    )


def _notes(
    node: Node[HwOp], tensors: Mapping[str, Places], graph: HwGraph, how: Arithmetic
) -> list[str]:
    notes = [f"reads {Bus('', v, graph.types[v], ()).note}" for v in node.inputs]
    notes += [f"makes {Bus('', v, graph.types[v], ()).note}" for v in node.outputs]
    if isinstance(node.op, Staircase):
        notes.append(f"as {node.op.realisation.text()}")
    if node.op.partial_bounds(*(graph.types[v] for v in node.inputs)) is not None:
        notes.append(f"constants: {how.value}")
    return notes


def _kernels(
    found: Sequence[Unit], known: Mapping[str, Bus], node: Node[HwOp]
) -> tuple[tuple[Kernel, ...], list[int]]:
    """One kernel for each different key, and which one every unit is a copy of."""
    order = {key: k for k, key in enumerate(dict.fromkeys((u.key, len(u.inputs)) for u in found))}
    of_unit = [order[u.key, len(u.inputs)] for u in found]
    bounds: list[list[Range]] = [[] for _ in order]
    weave = [found[of_unit.index(k)].weave for k in range(len(order))]
    for k, unit in zip(of_unit, found, strict=True):
        ranges = [_range(e, known) for e in unit.inputs]
        bounds[k] = [_union(a, b) for a, b in zip(bounds[k] or ranges, ranges, strict=True)]
    kernels: list[Kernel] = []
    for recipe, ports in zip(weave, bounds, strict=True):
        builder = Builder(ports)
        try:
            kernels.append(builder.kernel(recipe(builder, range(len(ports)))))
        except HlsgenError as error:
            raise error.at(node.loc) from error
    return tuple(kernels), of_unit


def _range(operand: Operand, known: Mapping[str, Bus]) -> Range:
    if isinstance(operand, Element):
        return known[operand.bus].ranges[operand.index]
    return int(operand), int(operand)


def _union(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def _narrowed(bus: Bus, kernels: Sequence[Kernel], instances: Sequence[Instance]) -> Bus:
    """The bus with the bounds that its kernels promise, where those are closer."""
    ranges = list(bus.ranges)
    for instance in instances:
        kernel = kernels[instance.kernel]
        for element, wire in zip(instance.outputs, kernel.outputs, strict=True):
            if element.bus == bus.name:
                (lo, hi), (low, high) = ranges[element.index], kernel.ranges[wire]
                ranges[element.index] = max(lo, low), min(hi, high)
    return Bus(bus.name, bus.onnx, bus.type, tuple(ranges))
