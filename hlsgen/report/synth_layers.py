"""`hlsgen synth --layers`: each operator of a streaming design, estimated and counted by Yosys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hlsgen.build.project import Project, hls_options, project_stream_rtl
from hlsgen.build.synth_parts import layer_uses
from hlsgen.emit.hls import design_of
from hlsgen.emit.streaming import Io
from hlsgen.errors import OptionError
from hlsgen.fold.estimate import estimate
from hlsgen.fold.use import Use, total
from hlsgen.report.gather import RESOURCES
from hlsgen.report.synth import takes_dsps


@dataclass(frozen=True, slots=True)
class LayerCount:
    """An operator with what serves it: by the cost model of HLS C++, by Yosys of SystemVerilog."""

    name: str
    operator: str
    estimated: Use
    measured: Use


def layer_counts(project: Project) -> list[LayerCount]:
    """All operators, then the ports. Yosys may take DSPs if some layer asks for them.

    Errors: OptionError for a parallel network; as of `layer_uses`.
    """
    if project.options.io is not Io.STREAM:
        raise OptionError("--layers counts streaming designs: build it with --io stream")
    design = design_of(project.network.graph, hls_options(project.options))
    functions = {o.function: o.node.output for o in design.operators}
    found = layer_uses(project_stream_rtl(project), functions, dsp=takes_dsps(project))
    guess = estimate(design)
    rows = [
        LayerCount(layer.name, layer.operator, layer.use, found.get(layer.node, Use()))
        for layer in guess.layers
    ]
    return [*rows, LayerCount("ports", "", guess.ports, found.get("", Use()))]


def counted_by_layer(
    project: Project, liberty: Path | None, as_json: Callable[[Any], None] | None
) -> None:
    """Counts and prints, as a table where `as_json` is None. Errors: as of `layer_counts`."""
    if liberty is not None:
        raise OptionError("--layers counts parts of an FPGA: leave --liberty or --layers out")
    counts = layer_counts(project)
    if as_json is None:
        show_layers(counts)
    else:
        as_json(counts_json(counts))


def counts_json(counts: Sequence[LayerCount]) -> dict[str, Any]:
    """As the command line prints it."""
    return {"format": 1, "layers": [asdict(c) for c in counts]}


def show_layers(counts: Sequence[LayerCount]) -> None:
    """A row for each operator, a column for estimate and count of what the design has."""
    whole = LayerCount(
        "all", "", total(c.estimated for c in counts), total(c.measured for c in counts)
    )
    shown = {
        kind: head
        for kind, head in RESOURCES
        if getattr(whole.estimated, kind) or getattr(whole.measured, kind)
    }
    table = Table(box=None, title="estimated (HLS C++) > counted by Yosys (SystemVerilog)")
    table.add_column("operator")
    table.add_column("layer")
    for head in shown.values():
        table.add_column(head, justify="right")
    for c in (*counts, whole):
        pairs = [(getattr(c.estimated, k), getattr(c.measured, k)) for k in shown]
        table.add_row(c.operator, c.name, *(f"{a:,.0f} > {b:,.0f}" for a, b in pairs))
    Console().print(table)
