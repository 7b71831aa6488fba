"""What a report says of the SystemVerilog of a parallel network: its pipeline and its LUTs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hlsgen.build.project import Project, project_rtl
from hlsgen.emit.rtl.cost import kernel_luts
from hlsgen.emit.rtl.emit import Rtl
from hlsgen.emit.rtl.netlist import Netlist
from hlsgen.errors import HlsgenError
from hlsgen.ir.hw import HwGraph
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.constant import Constant
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.report.facts import FRAMES, Logic, Pipeline, Span, Stage
from hlsgen.report.inspect import multiplies

_MOST_PRODUCTS = 500_000  # laid out within a minute
_WIRES = Concat, Constant, Pad, Reshape, Take, Transpose


@dataclass(frozen=True, eq=False)
class Hardware:
    """The design as SystemVerilog, what each operator takes of it, or the reason why there is none.

    `logic` is by the name of an operator's first output; operators that only move elements are
    wires and are not in it.
    """

    rtl: Rtl | None
    pipeline: Pipeline | None
    logic: Mapping[str, Logic]
    refusal: str = ""


def hardware_of(project: Project) -> Hardware:
    """The SystemVerilog of a parallel project; a small one's also where its folder holds none."""
    emitted = (project.folder / "rtl").is_dir()
    products = _products(project.network.graph)
    if not emitted and products > _MOST_PRODUCTS:
        why = f"{products:,} products side by side are laid out only by a build with --rtl"
        return Hardware(None, None, {}, why)
    try:
        rtl = project_rtl(project)
    except HlsgenError as error:
        return Hardware(None, None, {}, str(error))
    stages = tuple(_stages(rtl, _members(project.network.graph, rtl.net)))
    clock = rtl.clock_ns or 0.0
    pipeline = Pipeline(
        latency=rtl.latency,
        clock_ns=clock,
        frames_per_second=1e9 / clock,
        delay_ns=rtl.delay_ns,
        register_bits=rtl.times.register_bits,
        luts=sum(stage.luts for stage in stages),
        stages=stages,
        emitted=emitted,
    )
    return Hardware(rtl, pipeline, _logic(rtl, stages))


def _products(graph: HwGraph) -> int:
    types = graph.types
    return sum(
        multiplies(n.op, tuple(types[v] for v in n.inputs), types[n.output]) for n in graph.nodes
    )


def _stages(rtl: Rtl, members: Mapping[int, tuple[str, ...]]) -> Iterator[Stage]:
    """Each layer with the clocks in which its first frames, one a clock, stand in it."""
    times = rtl.times
    for k, (layer, entry, leave) in enumerate(
        zip(rtl.net.layers, times.entry, times.exit, strict=True)
    ):
        luts = sum(copies.count * kernel_luts(copies.kernel) for copies in layer.copies)
        spans = tuple(Span(f + entry, f + leave) for f in range(FRAMES))
        yield Stage(layer.name, members.get(k, ()), luts, spans)


def _members(graph: HwGraph, net: Netlist) -> dict[int, tuple[str, ...]]:
    """The operators of each layer: who makes its buses, and who was joined to their maker."""
    made = {bus.onnx: k for k, layer in enumerate(net.layers) for bus in layer.buses}
    place: dict[str, int] = {}
    for node in reversed(graph.nodes):
        readers = [n for v in node.outputs for n in graph.consumers.get(v, ())]
        behind = place.get(readers[0].output) if len(readers) == 1 else None
        found = made.get(node.output, behind)
        if found is not None and not isinstance(node.op, _WIRES):
            place[node.output] = found
    members: dict[int, list[str]] = {}
    for node in graph.nodes:
        if node.output in place:
            members.setdefault(place[node.output], []).append(node.output)
    return {k: tuple(names) for k, names in members.items()}


def _logic(rtl: Rtl, stages: Sequence[Stage]) -> dict[str, Logic]:
    """The layer that each operator stands in."""
    return {
        name: Logic(
            module=f"{rtl.top}_{stage.name}",
            luts=stage.luts,
            copies=sum(c.count for c in rtl.net.layers[k].copies),
            entry=rtl.times.entry[k],
            exit=rtl.times.exit[k],
            with_=stage.operators,
        )
        for k, stage in enumerate(stages)
        for name in stage.operators
    }
