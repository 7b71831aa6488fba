"""What the command line shows a person: short, aligned, and true."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hlsgen.expr.tree import Leaf, leaves
from hlsgen.fold.choose import binding_text, units_text
from hlsgen.report.inspect import parameters

if TYPE_CHECKING:
    from hlsgen.boards import Board
    from hlsgen.build.project import Built
    from hlsgen.fold.settle import Folded
    from hlsgen.report.inspect import Inspection
    from hlsgen.report.write import Made
    from hlsgen.sim.verify import Verification

WIDE = (
    None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
)  # files and pipes: no folding
console = Console(highlight=False, width=WIDE)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def built_summary(built: Built, board: str) -> None:
    """Where the project is, what its borders are, whether it is proven."""
    network, graph = built.network, built.network.graph
    console.print(
        f"[bold]{built.folder}[/]: {len(graph.nodes)} operators for {board} "
        f"in {built.seconds:.1f} s"
    )
    for port in network.inputs:
        t = graph.types[port.value]
        codes = graph.codes.get(port.value)
        span = f"in [{t.min}, {t.max}]" if codes is None else " or ".join(map(str, sorted(codes)))
        console.print(f"  input  {port.source}: {_shape(t.shape)} {t.format} {span}")
    for out in network.outputs:
        codes = ", ".join(str(graph.types[leaf.name].format) for leaf in leaves(out.epilogue))
        host = "" if isinstance(out.epilogue, Leaf) else ", host epilogue"
        console.print(f"  output {out.name}: {_shape(out.shape)} from {codes}{host}")
    content = json.loads((built.folder / "project.json").read_text(encoding="utf-8"))
    if {*content["arithmetic"].values()} - {"tool"}:
        chosen = ", ".join(f"{name} {how}" for name, how in content["arithmetic"].items())
        console.print(f"  products: {chosen}", markup=False)
    if "schedule" in content:
        plan = content["schedule"]
        console.print(
            f"  schedule: a frame every {plan['interval_cycles']:,} cycles, the first after "
            f"{plan['latency_cycles']:,} (an estimate: the HLS tool has the last word)"
        )
    if built.folded is not None:
        folding_table(built.folded)
    if len(content.get("compute_units", ())) > 1:
        dies = Counter(unit["slr"] for unit in content["compute_units"])
        places = ", ".join(f"{count} on {slr}" for slr, count in dies.items())
        console.print(f"  compute units: {places}")
    verified(built.verification)


def folding_table(folded: Folded) -> None:
    """Each operator's folding and what it takes, all of them beside the limits, and what binds."""
    table = Table("operator", "layer", box=None, pad_edge=False)
    columns = ("PE", "SIMD", "products", "weights", "cycles", "LUT", "FF", "DSP", "BRAM18", "URAM")
    for name in columns:
        table.add_column(name, justify="left" if name in ("products", "weights") else "right")
    for layer in folded.estimate.layers:
        use = [f"{v:,.0f}" for v in layer.use.vector]
        simd = str(layer.simd) if layer.arithmetic else ""
        table.add_row(
            layer.operator, escape(layer.name), str(layer.pe), simd, layer.arithmetic, layer.memory,
            f"{layer.cycles:,}", *use,
        )  # fmt: skip
    rest = folded.shell + folded.estimate.ports.vector
    all_, limit = ("all", "limit") if folded.units == 1 else ("a unit", "limit of each")
    for label, values in (("ports, shell", rest), (all_, folded.whole), (limit, folded.limits)):
        table.add_row(label, *[""] * 6, *(f"{v:,.0f}" for v in values))
    console.print(table)
    console.print(
        f"  {folded.fps:,.0f} frames a second at {folded.options.clock_ns:g} ns; "
        f"{units_text(folded)}{binding_text(folded)} (estimates: no tool was run)"
    )


def verified(result: Verification) -> None:
    """One line an engine: equal, explained, wrong."""
    for name, engine in result.engines.items():
        verdict = "[red]WRONG[/]" if engine.wrong else "[green]verified[/]"
        console.print(
            f"  {name}: {verdict}, {engine.elements} output elements: {engine.equal} equal, "
            f"{engine.explained} explained by float32, "
            + (f"{engine.approximated} approximated, " if engine.approximated else "")
            + f"{engine.wrong} wrong"
        )
        if engine.first_wrong is not None:
            first = engine.first_wrong
            console.print(
                f"    first: output {first.output} at {list(first.index)}: got {first.got}, "
                f"want {first.want}, {first.location}",
                markup=False,
            )


def reported(path: Path, made: Made) -> None:
    """Where the page is, and whether what it shows is proven."""
    folders = " and ".join(r.folder for r in made.reports)
    console.print(f"{path}: report of {folders}", markup=False)
    for r in made.reports:
        v = r.verification
        colour = "green" if v.verdict == "verified" else "red"
        word = "WRONG" if v.verdict == "wrong" else v.verdict
        console.print(f"  {escape(r.folder)}: [{colour}]{word}[/], {escape(v.reason)}")
        changed = (*r.proof.changed_files, *r.proof.differing_layers)
        if changed:
            console.print(f"  [red]changed since the build[/]: {escape(', '.join(changed))}")


def inspection(result: Inspection) -> None:
    """A model as a table of its hardware operators."""
    if result.model is not None:
        model = result.model
        console.print(
            f"[bold]{model.file}[/]: {model.dialect}, {parameters(model)} parameters, "
            f"sha256 {model.sha256[:12]}"
        )
        for name in model.inputs:
            t = model.types[name]
            free = ", free batch" if name in model.batch else ""
            console.print(f"  input  {name}: {_shape(t.shape)} {t.dtype}{free}", markup=False)
        for name in model.outputs:
            t = model.types[name]
            console.print(f"  output {name}: {_shape(t.shape)} {t.dtype}", markup=False)
    if result.refusal is not None:
        console.print("[red]does not convert:[/]")
        console.print(f"  {result.refusal}", markup=False)
        return
    assert result.network is not None
    for note in result.network.notes:
        console.print(f"note: {note}", markup=False)
    console.print(_layers(result))
    console.print(f"{result.multiplies} multiplications an inference")


def _layers(result: Inspection) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (
        ("operator", "left"), ("ONNX node", "left"), ("shape", "left"), ("format", "left"),
        ("range", "left"), ("detail", "left"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # pyright: ignore[reportArgumentType]
    for layer in result.layers:
        low, high = layer.range
        table.add_row(
            layer.operator, layer.node, _shape(layer.shape), layer.format, f"{low} .. {high}",
            layer.detail,
        )  # fmt: skip
    return table


def board_table(boards: tuple[Board, ...]) -> None:
    """All boards, a line each."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("board", "part", "flow", "clock ns", "LUT", "FF", "DSP", "BRAM18", "URAM"):
        table.add_column(
            name,
            justify="right"
            if name in ("clock ns", "LUT", "FF", "DSP", "BRAM18", "URAM")
            else "left",
        )
    for b in boards:
        r = b.resources
        table.add_row(
            b.name, b.part, b.flow.value, f"{b.clock_ns:g}", str(r.lut), str(r.ff), str(r.dsp),
            str(r.bram18), str(r.uram),
        )  # fmt: skip
    console.print(table)


def board_details(board: Board) -> None:
    """One board with the source of every number."""
    from rich.pretty import Pretty

    console.print(Pretty(board, expand_all=True))
