"""What `hlsgen explore` shows, writes beside the network, and gives to scripts."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from hlsgen.explore.explore import Explored
from hlsgen.explore.hardware import Streamed, Unrolled
from hlsgen.quantise.convert import write
from hlsgen.report.console import console
from hlsgen.report.front import front_of, front_page, front_png, front_svg

_SHOWN = 12  # of the front


def written(result: Explored) -> dict[str, Path]:
    """Writes the page, the drawing, the picture where matplotlib is there, and the options.

    Errors: OptionError where one cannot be written.
    """
    png = front_png(result)
    contents = {
        "page": (".html", front_page(result).encode()),
        "drawing": (".svg", front_svg(result).encode()),
        **({} if png is None else {"picture": (".png", png)}),
        "options": (".toml", _options(result).encode()),
    }
    files: dict[str, Path] = {}
    for what, (suffix, content) in contents.items():
        files[what] = result.output.with_suffix(suffix)
        write(files[what], content)
    return files


def _options(result: Explored) -> str:
    """What `hlsgen build` takes with --config."""
    lines = [f'board = "{result.board.name}"']
    if isinstance(result.hardware, Streamed):
        how = result.hardware
        lines += ['io = "stream"', f"clock-ns = {how.clock_ns}", f"target-fps = {how.target_fps}"]
    if result.arithmetic:
        lines += ["", "[arithmetic]"]
    for key, how in result.arithmetic.items():
        name = (key or "all").replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'"{name}" = "{how}"')
    return "\n".join(lines) + "\n"


def next_command(result: Explored) -> str:
    """The command that makes hardware of it."""
    out = result.output
    # Streams of codes have no SystemVerilog, and the folding may choose them.
    rtl = " --rtl" if isinstance(result.hardware, Unrolled) else ""
    return f"hlsgen build {out} -o {out.with_suffix('')} --config {out.with_suffix('.toml')}{rtl}"


def explored_json(result: Explored, files: dict[str, Path]) -> dict[str, Any]:
    """Fields: `candidates` in the order in which they were evaluated; LUTs are estimates."""
    goal = result.goal
    return {
        "format": 1,
        "output": str(result.output),
        "study": str(result.study),
        "files": {what: str(path) for what, path in files.items()},
        "goal": _finite(asdict(goal)),
        "uniform": _finite(asdict(result.uniform)),
        "chosen": {"key": result.chosen.key, **_finite(asdict(result.outcome))},
        "luts_settled": result.luts,
        "arithmetic": {k or "all": str(v) for k, v in result.arithmetic.items()},
        "candidates": [
            {"key": c.key, **c.to_json(), **_finite({"loss": goal.shortfall(o), **asdict(o)})}
            for c, o in result.candidates.items()
        ],
        "evaluated_now": result.fresh,
        "stopped": result.stopped,
        "wall_s": round(result.wall_s, 2),
        "cpu_s": round(result.cpu_s, 2),
        "next": next_command(result),
    }


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has; null for others."""
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()
    }


def show(result: Explored, files: dict[str, Path]) -> None:
    """The front, the chosen network beside the uniform one, and what to do next."""
    count = len(result.candidates)
    console.print(
        f"[bold]{result.output}[/]: {result.outcome.luts:,.0f} LUTs (estimated), "
        f"{result.outcome.luts / result.uniform.luts:.0%} of uniform 8 bit; {count} candidates, "
        f"{result.fresh} of them evaluated now, in {result.wall_s:.0f} s ({result.cpu_s:.0f} s of "
        "processors)"
    )
    if result.stopped:
        console.print("  stopped by --candidates or --minutes; the same command goes on")
    if result.luts < result.outcome.luts:
        console.print(f"  {result.luts:,.0f} LUTs with an arithmetic for each layer (estimated)")
    console.print(f"  {_board(result)}")
    console.print(_table(result))
    names = ", ".join(path.name for path in files.values())
    missing = "" if "picture" in files else "; no PNG: matplotlib is not installed"
    console.print(f"written beside it: {names}{missing}; study: {result.study}", markup=False)
    console.print(f"next: {next_command(result)}", markup=False)


def _board(result: Explored) -> str:
    """How the design stands on its board."""
    board = result.board
    match result.hardware:
        case Unrolled():
            share = result.luts / board.resources.lut
            late = "" if share <= 1 else ": it does not fit as a parallel design"
            return f"{share:.0%} of the LUTs of {board.name}{late}"
        case Streamed(target_fps=rate):
            return (
                f"folded for {rate:,.0f} frames a second on {board.name}; a DSP or a memory counts "
                "as the LUTs that make as large a share of the board"
            )


def _table(result: Explored) -> Table:
    """A part of the front, the chosen one, and the uniform design."""
    scores = result.goal.reference is not None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("", "LUTs", *(["points lost"] if scores else []), "SQNR dB", "bits"):
        table.add_column(name, justify="left" if name in ("", "bits") else "right", overflow="fold")
    best = front_of(result)
    step = max(1, -(-len(best) // _SHOWN))
    rows = {c: o for k, (c, o) in enumerate(best) if k % step == 0} | {
        result.chosen: result.outcome
    }
    marked = [("chosen" if c == result.chosen else "", c.key, o) for c, o in rows.items()]
    for mark, key, o in (
        *sorted(marked, key=lambda row: row[2].luts), ("uniform", "W8A8", result.uniform)
    ):  # fmt: skip
        lost = [f"{result.goal.shortfall(o):.2f}"] if scores else []
        table.add_row(mark, f"{o.luts:,.0f}", *lost, f"{o.sqnr_db:.1f}", key)
    return table
