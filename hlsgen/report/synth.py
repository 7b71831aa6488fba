"""`hlsgen synth`: the measured cost of a network's SystemVerilog."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hlsgen.build.project import Project, project_rtl
from hlsgen.build.synth import Synthesis, synthesise
from hlsgen.emit.arithmetic import Arithmetic


def synthesised(project: Project, clock_ns: float | None, liberty: Path | None) -> Synthesis:
    """Emits and synthesises; `clock_ns` None without registers, 0 for the project's clock.

    Yosys may take DSPs if some layer asks for them.
    """
    rtl = project_rtl(project, clock_ns)
    dsp = bool({Arithmetic.DSP, Arithmetic.DSP_PACKED} & {*project.options.arithmetic.values()})
    return synthesise(rtl, liberty, dsp=dsp)


def show(result: Synthesis) -> None:
    """A line for each figure."""
    cost = result.fpga or result.asic
    table = Table(show_header=False, box=None)
    table.add_row("tool", result.tool)
    table.add_row("pipeline stages", str(result.latency))
    table.add_row("delay without registers", f"{result.estimated_delay_ns:.1f} ns (estimated)")
    for name, value in asdict(cost).items() if cost else ():
        table.add_row(name, str(value))
    Console().print(table)
