"""An integer graph as a Vivado/Vitis HLS project: C++ text, test bench, build scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hlsgen.emit.arithmetic import (
    Arithmetic,
    check_arithmetic,
)
from hlsgen.emit.choice import settled
from hlsgen.emit.codes import operand_step
from hlsgen.emit.encodings import Encoded, encodings, input_steps
from hlsgen.emit.folding import Folding, default_folding, named_folding, stream_lanes
from hlsgen.emit.graph_layers import digit_bits, graph_foldings, with_joined_groups
from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.kernel import MemoryKernel, kernel_numbers, memory_kernel
from hlsgen.emit.memories import MemoryKind
from hlsgen.emit.names import identifier
from hlsgen.emit.operator_text import render_operator
from hlsgen.emit.packing import Packing, packings
from hlsgen.emit.reloadable import (
    WEIGHTS_FILE,
    WeightPort,
    packed_weights,
    weight_ports,
)
from hlsgen.emit.streaming import Io, Way, way
from hlsgen.emit.streams import StreamPlan, port_bits, stream_plan
from hlsgen.emit.sums import Sums, operator_sums
from hlsgen.emit.truth_tables import refuse_truth_tables, with_truth_tables
from hlsgen.emit.views import Operator, Value, operators, value_names
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph


@dataclass(frozen=True, slots=True)
class HlsOptions:
    """Choices of the HLS back-end; none of them changes a result bit.

    `folding` overrides `default_folding` by a node's first output or ONNX name; `top` names the
    function ("" takes the graph's name); `arithmetic` says by layer how products with constants are
    made, "" standing for all layers not named; `memory` where streamed layers keep their weights,
    by a node's first output, else the tool decides; `spare_fifos` searches for FIFOs less deep than
    the closed form; `templates` replaces the shipped folder.
    """

    io: Io = Io.PARALLEL
    part: str = "xczu3eg-sbva484-1-i"
    clock_ns: float = 5.0
    top: str = ""
    flow_target: str = "vivado"
    folding: Mapping[str, Folding] = field(default_factory=dict[str, Folding])
    arithmetic: Mapping[str, Arithmetic] = field(default_factory=dict[str, Arithmetic])
    memory: Mapping[str, MemoryKind] = field(default_factory=dict[str, MemoryKind])
    spare_fifos: bool = False
    templates: Path | None = None


def emit_hls(graph: HwGraph, options: HlsOptions) -> dict[str, str | bytes]:
    """The files of the project below its folder; nothing is written."""
    return design_files(design_of(graph, options), options)


def design_files(design: Design, options: HlsOptions) -> dict[str, str | bytes]:
    """The sources, test bench and scripts of a design."""
    env = environment(options.templates)
    files: dict[str, str | bytes] = {}
    layers: list[str] = []
    for operator in design.operators:
        text, tables = render_operator(operator, design, env)
        path = f"layers/{operator.function}.h"
        files[f"src/{path}"] = text
        files.update((f"src/{name}", content) for name, content in tables.items())
        layers.append(path)
    context: dict[str, Any] = {
        "design": design,
        "layers": layers,
        "port_bits": port_bits,
        "io": options.io.value,
        "options": options,
        "kernel": "",
    }
    kernel = design.kernel
    if kernel is not None:
        context |= kernel_numbers(kernel)
    frame = _FRAME | ({} if kernel is None else _KERNEL)
    frame |= _SERIAL if any(o.digit for o in design.operators) else {}
    for template, path in frame.items():
        text = env.get_template(template).render(context)
        files[path.format(top=design.top)] = tidy(text) if path.startswith(("src", "tb")) else text
    if design.ports:
        files[WEIGHTS_FILE] = packed_weights(design.ports)
    return files


_FRAME = {
    "hls/integers.h.j2": "src/integers.h",
    "hls/streams.h.j2": "src/streams.h",
    "hls/encodings.h.j2": "src/encodings.h",
    "hls/top.h.j2": "src/{top}.h",
    "hls/top.cpp.j2": "src/{top}.cpp",
    "hls/testbench.cpp.j2": "tb/testbench.cpp",
    "hls/Makefile.j2": "Makefile",
    "hls/hls_config.cfg.j2": "hls_config.cfg",
    "tcl/build.tcl": "build.tcl",
    "tcl/params.tcl.j2": "params.tcl",
}
_SERIAL = {"hls/serial.h.j2": "src/serial.h"}
_KERNEL = {
    "hls/kernel.cpp.j2": "src/{top}_kernel.cpp",
    "hls/kernel.cfg.j2": "kernel.cfg",
}


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that the templates of a whole project need; `graph` as it is emitted."""

    graph: HwGraph
    top: str
    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: tuple[Operator, ...]
    values: tuple[Value, ...]
    names: Mapping[str, str]
    sources: Mapping[str, str]
    sums: Mapping[str, Sums | None]
    io: Io
    plan: StreamPlan
    arithmetic: Mapping[str, Arithmetic]
    steps: Mapping[str, int]
    units: Mapping[str, Encoded]
    packings: Mapping[str, Packing]
    ports: Mapping[str, WeightPort]
    memory: Mapping[str, MemoryKind]
    codes: Mapping[str, frozenset[int]]

    @property
    def kernel(self) -> MemoryKernel | None:
        """The kernel around a streamed network.

        None for networks that do not stream, and where weights stand behind ports of their own.
        """
        if self.io is not Io.STREAM or self.ports:
            return None
        return memory_kernel(self.top, self.inputs, self.outputs)


def design_of(graph: HwGraph, options: HlsOptions) -> Design:
    """Everything about a design that its options leave open, decided.

    Errors: OptionError for a choice that a layer cannot have.
    """
    check_arithmetic(graph, options.arithmetic)
    if options.io is Io.STREAM:
        graph = with_joined_groups(graph, options.arithmetic)
    options = replace(options, folding=named_folding(graph, options.folding))
    options = replace(options, arithmetic=_settled(graph, options))
    if options.io is Io.STREAM:
        refuse_truth_tables(graph, options.arithmetic)
    graph, chosen = with_truth_tables(graph, options.arithmetic)
    options = replace(options, arithmetic=chosen)
    return _design(graph, options)


def _design(graph: HwGraph, options: HlsOptions) -> Design:
    """A design whose arithmetic is settled."""
    top = identifier(options.top or graph.name, "network")
    names = value_names(graph, top)
    streams = options.io is Io.STREAM
    steps = input_steps(graph, options.arithmetic) if streams else {}
    folding = default_folding(graph, steps) | dict(options.folding)
    if streams:
        folding |= graph_foldings(graph, options.arithmetic, options.folding)
    lanes = stream_lanes(graph, folding)
    simd = {name: pair[1] for name, pair in folding.items()}
    units = encodings(graph, options.arithmetic, simd) if streams else {}
    packs = packings(graph, options.arithmetic, simd) if streams else {}

    def value(onnx: str, name: str, width: int) -> Value:
        return Value(name, name, onnx, graph.types[onnx], width)

    ports = [
        value(onnx, name, width)
        for onnx, name, width in zip(
            graph.inputs + graph.outputs,
            [*(names.values[v] for v in graph.inputs), *names.outputs],
            lanes.ports,
            strict=True,
        )
    ]
    inputs, outputs = tuple(ports[: len(graph.inputs)]), tuple(ports[len(graph.inputs) :])
    made = tuple(value(v, name, lanes.made[v]) for v, name in names.values.items())
    digits = digit_bits(graph, options.arithmetic) if streams else {}
    found = operators(graph, names.values, folding, lanes.taken, digits)
    weights = weight_ports(found, options.arithmetic) if streams else {}
    named = {f: p.name for f, p in weights.items()}
    plan = stream_plan(inputs, outputs, found, made, named, spare=options.spare_fifos)
    return Design(
        graph=graph,
        top=top,
        name=graph.name,
        inputs=inputs,
        outputs=outputs,
        operators=found,
        values=made[len(inputs) :],
        names=names.values,
        sources={v: str(node.loc) for node in graph.nodes for v in node.outputs},
        sums={
            o.function: operator_sums(
                o, _way(o, options.io), units.get(o.node.output), _chunk(packs, o)
            )
            for o in found
        },
        io=options.io,
        plan=plan,
        arithmetic=options.arithmetic,
        steps={o.function: operand_step(graph, o.node) for o in found},
        units=units,
        packings=packs,
        ports=weights,
        memory=options.memory,
        codes=graph.codes,
    )


def _settled(graph: HwGraph, options: HlsOptions) -> Mapping[str, Arithmetic]:
    if options.io is Io.STREAM and Arithmetic.AUTO in options.arithmetic.values():
        raise OptionError(
            "--arithmetic auto compares layers that are unrolled whole: give --io parallel, or "
            "name an arithmetic"
        )
    return settled(graph, options.arithmetic)


def _chunk(packs: Mapping[str, Packing], operator: Operator) -> int:
    """Products that are added up before a unit's own sums."""
    found = packs.get(operator.node.output)
    return 1 if found is None else found.chunk


def _way(operator: Operator, io: Io) -> Way | None:
    """How an operator streams, if it does."""
    x, y = (tuple(v.type for v in side) for side in (operator.x, operator.y))
    return way(operator.node.op, x, y) if io is Io.STREAM else None
