"""What a unit computes of its tokens, as a pipelined module: one netlist of cells a function."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.emit.arithmetic import Adders
from hlsgen.emit.jinja import environment
from hlsgen.emit.rtl.delays import DelayModel
from hlsgen.emit.rtl.emit import ADD3, Design, RtlOptions, adds_three
from hlsgen.emit.rtl.fusion import Draft, bus_of
from hlsgen.emit.rtl.netlist import Netlist, Output, layer_of
from hlsgen.emit.rtl.pipeline import least_clock, schedule
from hlsgen.emit.rtl.units import Element, Places, Read, Unit, Weave, Write
from hlsgen.ir.hw import IntType

_ADDERS = Adders(3, 1)


@dataclass(frozen=True, eq=False)
class Part:
    """Some elements of the result: `weave` makes them of the operands' elements.

    `reads` has, for each operand, the places that are read; parts of one `key` are copies of the
    first one's kernel.
    """

    key: Hashable
    reads: tuple[Sequence[int], ...]
    writes: Sequence[int]
    weave: Weave


@dataclass(frozen=True, eq=False)
class Function:
    """A module from operands to `y`, both tokens, `latency` clocks later; its port `clk` if any."""

    name: str
    operands: tuple[str, ...]
    latency: int
    text: str
    extra: Mapping[str, str]  # files of modules that all functions share


def function(
    name: str, note: str, operands: Mapping[str, IntType], result: IntType, parts: Sequence[Part],
    clock_ns: float,
) -> Function:  # fmt: skip
    """The module of some parts, pipelined for a clock or the shortest that its cells meet.

    Shapes: operands and result are vectors: the elements of a token.
    """
    inputs = tuple(bus_of(n, n, t) for n, t in operands.items())
    units = tuple(_unit(inputs_of(operands), group) for group in _alike(parts))
    draft = Draft(note, (), units, (bus_of("result", "result", result),))
    layer = layer_of(draft, {bus.name: bus for bus in inputs}, _ADDERS)
    made = tuple(Element("result", k) for k in range(result.size))
    net = Netlist(name, note, inputs, (Output("y", "y", result, made),), (layer,))
    model = DelayModel()
    times = schedule(net, max(clock_ns, least_clock(net, model)[0]), model)
    design = Design(net, times, RtlOptions(clock_ns=clock_ns))
    text = design.layer(0, layer) + "\n" + design.whole("rtl/stream/function.sv.j2")
    extra = {ADD3: environment().get_template("rtl/add3.sv.j2").render()} if adds_three(net) else {}
    return Function(name, tuple(operands), times.latency, text, extra)


def inputs_of(operands: Mapping[str, IntType]) -> list[Places]:
    """The elements of each operand."""
    found: list[Places] = []
    for name, of in operands.items():
        places = np.empty(of.size, dtype=object)
        places[:] = [Element(name, k) for k in range(of.size)]
        found.append(places)
    return found


def _alike(parts: Sequence[Part]) -> list[list[Part]]:
    found: dict[Hashable, list[Part]] = {}
    for part in parts:
        found.setdefault(part.key, []).append(part)
    return list(found.values())


def _unit(operands: Sequence[Places], copies: Sequence[Part]) -> Unit:
    reads = tuple(
        Read(places, np.array([list(p.reads[k]) for p in copies], dtype=np.int64))
        for k, places in enumerate(operands)
        if len(copies[0].reads[k])
    )
    return Unit(copies[0].weave, reads, (Write(0, np.array([list(p.writes) for p in copies])),))
