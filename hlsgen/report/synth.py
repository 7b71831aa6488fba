"""`hlsgen synth`: the measured cost of a network's SystemVerilog."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hlsgen.build.project import Project, project_rtl
from hlsgen.build.synth import Synthesis, synthesise
from hlsgen.emit.arithmetic import Arithmetic


def synthesised(
    project: Project, clock_ns: float | None, liberty: Path | None, max_latency: int | None = None
) -> Synthesis:
    """Emits and synthesises; `clock_ns` None without registers, 0 for the project's clock.

    Yosys may take DSPs if some layer asks for them. Standard cells have no adder of three operands:
    adder graphs of two and of three are both synthesised, and the smaller design counts.
    """
    chosen = project.options.arithmetic.values()
    dsp = bool({Arithmetic.DSP, Arithmetic.DSP_PACKED} & {*chosen})
    both = liberty is not None and Arithmetic.SHIFT_ADD in chosen
    found = [
        synthesise(
            project_rtl(project, clock_ns, max_latency=max_latency, operands=operands),
            liberty,
            dsp=dsp,
        )
        for operands in ((2, 3) if both else (3,))
    ]
    return min(found, key=lambda s: s.asic.area if s.asic else 0.0)


def show(result: Synthesis) -> None:
    """A line for each figure."""
    cost = result.fpga or result.asic
    table = Table(show_header=False, box=None)
    table.add_row("tool", result.tool)
    table.add_row("pipeline stages", str(result.latency))
    table.add_row("delay without registers", f"{result.estimated_delay_ns:.1f} ns (estimated)")
    table.add_row("three-input adders", "yes" if result.three_input_adders else "no")
    if result.fpga is not None:
        table.add_row("LUTs without synthesis", f"{result.estimated_luts:,.0f} (estimated)")
    for name, value in asdict(cost).items() if cost else ():
        table.add_row(name, str(value))
    Console().print(table)
