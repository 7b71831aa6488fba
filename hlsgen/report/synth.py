"""`hlsgen synth`: the measured cost of a network's SystemVerilog."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hlsgen.build.project import Project, project_rtl, project_stream_rtl
from hlsgen.build.synth import Synthesis, synthesise
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.streaming import Io
from hlsgen.errors import OptionError, reason_of
from hlsgen.report.facts import Measured

_STORED = "reports/synth.json"  # of the FPGA: what a library's cells take stands in a file apart
_STORED_CELLS = "reports/synth_cells.json"


def synthesised(
    project: Project, clock_ns: float | None, liberty: Path | None, max_latency: int | None = None
) -> Synthesis:
    """Emits and synthesises; `clock_ns` None without registers, 0 for the project's clock.

    A streaming project is folded and has one form: `clock_ns` and `max_latency` must be left alone.

    Yosys may take DSPs if some layer asks for them. Standard cells have no adder of three operands:
    adder graphs of two and of three are both synthesised, and the smaller design counts.
    """
    dsp = takes_dsps(project)
    if project.options.io is Io.STREAM:
        if clock_ns != 0 or max_latency:
            raise OptionError("a streaming network is folded for its clock: build it for another")
        return synthesise(project_stream_rtl(project), liberty, dsp=dsp)
    both = liberty is not None and Arithmetic.SHIFT_ADD in project.options.arithmetic.values()
    found = [
        synthesise(
            project_rtl(project, clock_ns, max_latency=max_latency, operands=operands),
            liberty,
            dsp=dsp,
        )
        for operands in ((2, 3) if both else (3,))
    ]
    return min(found, key=lambda s: s.asic.area if s.asic else 0.0)


def takes_dsps(project: Project) -> bool:
    """Whether some layer was given DSPs."""
    return bool({Arithmetic.DSP, Arithmetic.DSP_PACKED} & {*project.options.arithmetic.values()})


def show(result: Synthesis) -> None:
    """A line for each figure."""
    cost = result.fpga or result.asic
    table = Table(show_header=False, box=None)
    table.add_row("tool", result.tool)
    table.add_row("clocks of a first frame", str(result.latency))
    if result.estimated_delay_ns is not None:
        delay = f"{result.estimated_delay_ns:.1f} ns (estimated)"
        table.add_row("delay without registers", delay)
    table.add_row("three-input adders", "yes" if result.three_input_adders else "no")
    if result.estimated_luts is not None and result.fpga is not None:
        table.add_row("LUTs without synthesis", f"{result.estimated_luts:,.0f} (estimated)")
    for name, value in asdict(cost).items() if cost else ():
        table.add_row(name, str(value))
    Console().print(table)


def store(result: Synthesis, folder: Path, command: str) -> None:
    """Keeps a result in the project that it is of, for `hlsgen report`; building again drops it."""
    path = folder / (_STORED if result.fpga is not None else _STORED_CELLS)
    text = json.dumps({**result.to_json(), "command": command}, indent=2) + "\n"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"cannot write {path}: {reason_of(error)}") from error


def stored(folder: Path) -> Measured | None:
    """What `hlsgen synth` counted of a project for FPGAs, if it was asked.

    Errors: OptionError for a file that is not whole.
    """
    path = folder / _STORED
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        counts = tuple((str(k), int(v)) for k, v in found["fpga"].items())
        return Measured(found["command"], found["tool"], int(found["latency"]), counts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"{path} is not whole: run hlsgen synth {folder} again") from error
