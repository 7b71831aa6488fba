"""An integer graph as SystemVerilog: one file a layer, one that joins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment

from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import Adders, Arithmetic, check_arithmetic
from hlsgen.emit.choice import settled
from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.names import Namer
from hlsgen.emit.rtl.cells import Sum
from hlsgen.emit.rtl.copies import Placement
from hlsgen.emit.rtl.delays import DelayModel
from hlsgen.emit.rtl.design_cost import luts
from hlsgen.emit.rtl.fusion import Bus
from hlsgen.emit.rtl.netlist import Layer, Netlist, buses_read, netlist
from hlsgen.emit.rtl.offsets import absorb_offsets
from hlsgen.emit.rtl.pipeline import Schedule, least_clock, schedule
from hlsgen.emit.rtl.places import Vector, joined, repeated, stretches
from hlsgen.emit.rtl.units import Element, Operand
from hlsgen.emit.rtl.views import KernelView, kernel_view, sv_literal, sv_type
from hlsgen.emit.truth_tables import with_truth_tables
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType

ADD3 = "hlsgen_add3.sv"  # the file of the three-input adder, where some layer has one


@dataclass(frozen=True, slots=True)
class RtlOptions:
    """Choices of the SystemVerilog back-end; none of them changes a result bit.

    `clock_ns` None leaves the network combinational; with `relax` a clock that some cell cannot
    meet gives way to the shortest that all can, which `Rtl.clock_ns` states. `max_latency` bounds
    the clocks from input to output; adder graphs of fewer levels are taken for it. `arithmetic`
    says by layer how constant products are made, "" standing for all others; `operands` is how
    many words an adder of an adder graph may take, 2 or 3; `top` names the module ("" takes the
    graph's name); `templates` replaces the shipped folder.
    """

    clock_ns: float | None = 5.0
    relax: bool = False
    arithmetic: Mapping[str, Arithmetic] = field(default_factory=dict[str, Arithmetic])
    max_latency: int | None = None
    operands: int = 3
    delays: DelayModel = field(default_factory=DelayModel)
    top: str = ""
    templates: Path | None = None


@dataclass(frozen=True, eq=False)
class Rtl:
    """The emitted design: file name to text, and what a test bench has to know of it."""

    top: str
    latency: int
    clock_ns: float | None
    delay_ns: float  # of the whole network without registers, estimated
    inputs: tuple[tuple[str, IntType], ...]
    outputs: tuple[tuple[str, IntType], ...]
    files: Mapping[str, str]
    net: Netlist  # what the text says
    times: Schedule


def emit_rtl(graph: HwGraph, options: RtlOptions | None = None) -> Rtl:
    """The SystemVerilog of a graph; nothing is written.

    Errors: Unsupported where an operator has no parallel form; OptionError where a cell is slower
    than the clock.
    """
    options = options or RtlOptions()
    check_arithmetic(graph, options.arithmetic)
    graph, chosen = with_truth_tables(graph, settled(graph, options.arithmetic))
    options = replace(options, arithmetic=chosen)
    net, times, options = _planned(absorb_offsets(graph), options)
    design = Design(net, times, options)
    files: dict[str, str] = {}
    for index, layer in enumerate(net.layers):
        files[f"{design.modules[index][0]}.sv"] = design.layer(index, layer)
    files[f"{net.top}.sv"] = design.whole()
    if adds_three(net):
        files[ADD3] = design.env.get_template("rtl/add3.sv.j2").render()
    return Rtl(
        net.top,
        times.latency,
        options.clock_ns,
        times.delay_ns,
        tuple((b.name, b.type) for b in net.inputs),
        tuple((o.name, o.type) for o in net.outputs),
        files,
        net,
        times,
    )


def _planned(graph: HwGraph, options: RtlOptions) -> tuple[Netlist, Schedule, RtlOptions]:
    """The netlist, its pipeline, and the options with the clock that it keeps.

    A level of adders more than the least takes fewer LUTs, none more takes fewer clocks and
    registers: with a clock both are tried, and the smaller that keeps to the latency is taken.
    Errors: OptionError where none does.
    """
    found: list[tuple[Netlist, Schedule, float | None]] = []
    for slack in (1,) if options.clock_ns is None else (1, 0):
        net = netlist(graph, options.top, options.arithmetic, Adders(options.operands, slack))
        clock = options.clock_ns
        if options.relax and clock is not None:
            clock = max(clock, least_clock(net, options.delays)[0])
        found.append((net, schedule(net, clock, options.delays), clock))
    latency = options.max_latency
    kept = [f for f in found if latency is None or f[1].latency <= latency]
    if not kept:
        raise OptionError(
            f"a latency of {latency} clocks of {options.clock_ns} ns cannot be met, the least "
            f"found is {min(times.latency for _, times, _ in found)}: raise --max-latency or "
            "--clock-ns"
        )
    # A LUT has two registers beside it.
    net, times, clock = min(kept, key=lambda f: luts(f[0]) + f[1].register_bits / 2)
    return net, times, replace(options, clock_ns=clock)


def adds_three(net: Netlist) -> bool:
    """Whether some adder takes three operands."""
    cells = (cell for layer in net.layers for kernel in layer.kernels for cell in kernel.cells)
    return any(isinstance(cell, Sum) and cell.operands == 3 for cell in cells)


def bits_of(of: IntType) -> int:
    """Wires that a tensor takes; one at least."""
    return max(1, of.size * of.format.width)


@dataclass(frozen=True, slots=True)
class _Delayed:
    """A whole bus one clock later."""

    name: str
    source: str
    bits: int


class Design:
    """Names of everything, and the texts."""

    def __init__(self, net: Netlist, times: Schedule, options: RtlOptions) -> None:
        self.net, self.times, self.options = net, times, options
        self.env = _environment(options.templates)
        self.buses = net.buses
        self.namer = Namer([net.top, *self.buses, *(o.name for o in net.outputs), *_PORTS])
        self.modules = self._modules()
        self.variables = tuple(self.namer.take(v) for v in "ijklmn")
        self.stage = {b.name: 0 for b in net.inputs}
        for layer, stage in zip(net.layers, times.exit, strict=True):
            self.stage |= {b.name: stage for b in layer.buses}
        self.later = self._later()
        self.placed = [Placement(self, k, layer) for k, layer in enumerate(net.layers)]

    def _modules(self) -> list[list[str]]:
        """Module names of each layer's kernels: <top>_<layer>, numbered from the second on.

        None is cut: where `top` is a part of a design, other parts' names may begin as it does.
        """
        whole = len(self.net.top) + 1 + max((len(x.name) for x in self.net.layers), default=0)
        namer = Namer([self.net.top], longest=whole)
        return [
            [namer.take(f"{self.net.top}_{layer.name}") for _ in layer.copies or ("",)]
            for layer in self.net.layers
        ]

    def _later(self) -> dict[str, list[str]]:
        """Names of each bus 0, 1, 2, ... stages after it was made."""
        last = dict(self.stage)
        for layer, entry in zip(self.net.layers, self.times.entry, strict=True):
            for bus in buses_read(layer):
                last[bus] = max(last[bus], entry)
        for out in self.net.outputs:
            for e in out.operands:
                if isinstance(e, Element):
                    last[e.bus] = self.times.latency
        return {
            bus: [bus, *(self.namer.take(f"{bus}_r{k + 1}") for k in range(end - self.stage[bus]))]
            for bus, end in last.items()
        }

    def layer(self, index: int, layer: Layer) -> str:
        """The file of a layer: its kernels as modules."""
        views: list[KernelView] = []
        for k, copies in enumerate(layer.copies):
            views.append(
                kernel_view(
                    self.modules[index][k],
                    copies,
                    self.times.stages[index][k],
                    (self.times.entry[index], self.times.exit[index]),
                    [p.vector.width for p in self.placed[index].ports[k][: len(copies.reads)]],
                    [layer.buses[w.output].type.format for w in copies.writes],
                )
            )
        counts = [copies.count for copies in layer.copies]
        template = self.env.get_template("rtl/layer.sv.j2")
        return tidy(template.render(layer=layer, kernels=views, copies=counts))

    def vector(self, bus: str, stage: int) -> Vector:
        """A bus as it is at a stage."""
        of = self.buses[bus].type
        return Vector(self.later[bus][stage - self.stage[bus]], of.format.width, of.size)

    def whole(self, frame: str = "rtl/top.sv.j2") -> str:
        """The file that joins the layers, in a template with the ports."""
        layers: list[dict[str, Any]] = [
            {
                "title": layer.title,
                "notes": [n for n in layer.notes if n.startswith("then ")],
                "buses": layer.buses,
                "wires": self.placed[k].wires,
                "texts": self.placed[k].texts(),
                "registers": [r for b in layer.buses for r in self._registers(b)],
            }
            for k, layer in enumerate(self.net.layers)
        ]
        arrivals = [r for b in self.net.inputs for r in self._registers(b)]
        if arrivals:
            head = {"title": "inputs", "notes": (), "buses": (), "wires": (), "texts": (),
                    "registers": arrivals}  # fmt: skip
            layers.insert(0, head)
        outputs = [
            {"name": o.name, "text": self._output(o.operands, o.type)} for o in self.net.outputs
        ]
        template = self.env.get_template(frame)
        return tidy(
            template.render(
                net=self.net,
                latency=self.times.latency,
                clock_ns=self.options.clock_ns,
                layers=layers,
                outputs=outputs,
                bits=bits_of,
            )
        )

    def _registers(self, bus: Bus) -> list[_Delayed]:
        names = self.later[bus.name]
        return [_Delayed(new, old, bits_of(bus.type)) for old, new in pairwise(names)]

    def _output(self, operands: Sequence[Operand], of: IntType) -> str:
        """The vector of an output port."""
        stage = self.times.latency
        first = operands[0] if operands else 0
        if isinstance(first, Element):
            bus = self.buses[first.bus]
            whole = tuple(Element(bus.name, i) for i in range(bus.type.size))
            if whole == tuple(operands) and bus.type.format == of.format:
                return self.later[bus.name][stage - self.stage[bus.name]]
        return joined(list(self._elements(operands, of.format, stage)) or ["1'b0"], "    ")

    def _elements(self, operands: Sequence[Operand], of: IntFormat, stage: int) -> Iterator[str]:
        """Operands as elements of a vector, neighbours of a bus and equal constants together."""
        for at, count in stretches(operands, self.as_wide(of)):
            first = operands[at]
            if isinstance(first, Element):
                yield self.run(first.bus, str(first.index), count, of, stage)
            else:
                yield repeated(first, of.width, count)

    def as_wide(self, of: IntFormat) -> frozenset[str]:
        """The buses whose elements are as wide as a format."""
        return frozenset(n for n, b in self.buses.items() if b.type.format.width == of.width)

    def run(self, bus: str, first: str, count: int, of: IntFormat, stage: int) -> str:
        """Neighbours on a bus as elements of a vector; more than one if they are as wide."""
        own, vector = self.buses[bus].type.format, self.vector(bus, stage)
        missing = of.width - own.width
        if missing <= 0:
            return vector.slice(first, count) if missing == 0 else vector.part(first, of.width)
        if not own.signed:
            return f"{{{missing}'d0, {vector.slice(first)}}}"
        return f"{{{{{missing}{{{vector.part(first, 1, own.width - 1)}}}}}, {vector.slice(first)}}}"


_PORTS = ("clk", "in_valid", "out_valid", "valid")


@cache
def _environment(folder: Path | None) -> Environment:
    env = environment(folder).overlay()
    env.filters["svt"] = sv_type
    env.filters["vector"] = partial(joined, indent="    ")
    known: dict[str, Any] = {"svl": sv_literal}
    env.globals.update(known)
    return env
