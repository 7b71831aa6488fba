"""The commands about hardware: what it takes, what it is like, its bitstream, its boards."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from hlsgen.cli.given import check_latency, listed, opened, split_inputs
from hlsgen.cli.output import print_json, say, write_text
from hlsgen.cli.parameters import (
    Approximate,
    Arithmetic,
    ByLayer,
    Clock,
    Combinational,
    Dies,
    Force,
    Formats,
    Io,
    Json,
    Liberty,
    MaxLatency,
    Model,
    OpenPage,
    Page,
    Projects,
    Scales,
    Shapes,
    Steps,
    SynthesisTool,
    Units,
)
from hlsgen.errors import OptionError


def synth(
    model: Model,
    /,
    *,
    tool: SynthesisTool = "yosys",
    io: Io = "parallel",
    liberty: Liberty = None,
    clock_ns: Clock = 0.0,
    combinational: Combinational = False,
    max_latency: MaxLatency = None,
    layers: ByLayer = False,
    arithmetic: Arithmetic = None,
    approximate: Approximate = 0,
    input_: Formats = None,
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: Json = False,
) -> int:
    """Synthesise the SystemVerilog of a network and count what it takes."""
    from hlsgen.report.synth import synthesised

    if clock_ns < 0:
        raise OptionError(f"--clock-ns must be positive, got {clock_ns}")
    check_latency(max_latency)
    _, formats = split_inputs(input_)
    project = opened(model, formats, shape, static_scales, io, arithmetic, None, approximate)
    if layers:
        from hlsgen.report.synth_layers import counted_by_layer

        counted_by_layer(project, liberty, print_json if json_ else None)
        return 0
    clock = None if combinational else clock_ns
    result = synthesised(project, clock, liberty, max_latency)
    if model.is_dir():
        from hlsgen.report.synth import store

        store(result, model, _synth_command(model, clock, liberty, max_latency))
    if json_:
        print_json(result.to_json())
    else:
        from hlsgen.report.synth import show

        show(result)
    return 0


def report(
    *projects: Projects, output: Page = None, open_: OpenPage = False, json_: Json = False
) -> int:
    """Write one HTML page that shows all of a project, or what differs between two."""
    from hlsgen.report.console import reported
    from hlsgen.report.write import made_report

    if not 1 <= len(projects) <= 2:
        raise OptionError(
            f"report needs one project folder, or two to compare: got {len(projects)}"
        )
    made = made_report(projects)
    if json_:
        print_json(made.facts.to_json())
    if output is not None or open_ or not json_:
        path = output or made.path
        write_text(path, made.html())
        if not json_:
            reported(path, made)
        if open_:
            webbrowser.open(path.resolve().as_uri())
    return 1 if made.wrong else 0


def bitstream(
    project: Path,
    /,
    *,
    steps: Steps = "",
    force: Force = False,
    units: Units = None,
    slr: Dies = "",
    json_: Json = False,
) -> int:
    """Run the vendor tools on a streamed project: kernel, bitstream, and driver in deploy/."""
    from dataclasses import asdict

    from hlsgen.build.bitstream import BitstreamOptions, make_bitstream

    options = BitstreamOptions(listed(steps), force, units, listed(slr))
    done = make_bitstream(project, options, say)
    if json_:
        print_json({"format": 1, "folder": str(project), "steps": [asdict(ran) for ran in done]})
    return 0


def boards(name: str = "", /, *, json_: Json = False) -> int:
    """Show the boards that projects can be made for."""
    from dataclasses import asdict

    from hlsgen.boards import all_boards, load_board

    found = (load_board(name),) if name else all_boards()
    if json_:
        print_json({"format": 1, "boards": [asdict(b) for b in found]})
        return 0
    from hlsgen.report.console import board_details, board_table

    if name:
        board_details(found[0])
    else:
        board_table(found)
    return 0


def _synth_command(
    model: Path, clock_ns: float | None, liberty: Path | None, max_latency: int | None
) -> str:
    """What to type for the same synthesis again."""
    options = {"--liberty": liberty, "--max-latency": max_latency, "--clock-ns": clock_ns or None}
    given = [f"{name} {value}" for name, value in options.items() if value is not None]
    return " ".join(
        ["hlsgen synth", str(model), *given, *(["--combinational"] if clock_ns is None else [])]
    )
