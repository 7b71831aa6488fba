"""The command line, a function for each verb.

Exit status: 0 done and verified; 1 verification found wrong elements, or a tool failed; 2 the input
or the options are at fault; 3 a needed tool is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

import hlsgen
from hlsgen.cli.config import with_config
from hlsgen.cli.given import build_options, engine_of, opened, split_inputs
from hlsgen.cli.hardware import bitstream, boards, report, synth
from hlsgen.cli.models import explore, import_, quantize
from hlsgen.cli.output import notes, print_json, write_bytes, write_text
from hlsgen.cli.parameters import (
    Approximate,
    Arithmetic,
    BoardName,
    Clock,
    ComputeUnits,
    Csim,
    Engine,
    Expected,
    Folder,
    Folding,
    Formats,
    Inputs,
    Io,
    Json,
    JsonFile,
    Maximise,
    MaxLatency,
    MaxUtil,
    Minimise,
    Model,
    Reloadable,
    Samples,
    Scales,
    Shapes,
    Target,
    TargetFps,
    Top,
    Weights,
    WithRtl,
)
from hlsgen.cli.progress import progress
from hlsgen.errors import HlsgenError, OptionError

if TYPE_CHECKING:  # heavy modules are imported by the commands that need them
    pass

app = App(
    name="hlsgen",
    help="Quantised ONNX models as exact integer hardware, proven on the spot.",
    help_epilogue="Every command takes --config FILE.toml, whose keys are its options.",
    version=hlsgen.__version__,
    version_flags=["--version"],
)


app.command(quantize)
app.command(explore)
app.command(import_, name="import")
for command in (synth, report, bitstream, boards):
    app.command(command)


@app.command
def build(
    model: Model,
    /,
    *,
    output: Folder,
    board: BoardName = "ultra96v2",
    io: Io = "parallel",
    arithmetic: Arithmetic = None,
    approximate: Approximate = 0,
    clock_ns: Clock = 0.0,
    top: Top = "",
    input_: Formats = None,
    shape: Shapes = None,
    static_scales: Scales = None,
    samples: Samples = 8,
    seed: int = 0,
    reloadable: Reloadable = None,
    csim: Csim = True,
    rtl: WithRtl = False,
    max_latency: MaxLatency = None,
    target_fps: TargetFps = 0.0,
    maximise: Maximise = "",
    minimise: Minimise = "",
    max_util: MaxUtil = None,
    folding: Folding = None,
    compute_units: ComputeUnits = "auto",
    json_: Json = False,
) -> int:
    """Write the whole HLS project of a model and verify it by C simulation."""
    from hlsgen.build.project import build as run

    options = build_options(
        board, io, clock_ns, top, input_, shape, static_scales, samples, seed, arithmetic,
        reloadable, csim=csim, rtl=rtl, max_latency=max_latency, approximate=approximate,
        target_fps=target_fps, folding=folding, maximise=maximise == "fps",
        minimise=minimise, max_util=max_util, compute_units=compute_units,
    )  # fmt: skip
    with progress(show=not json_) as observe:
        built = run(model, output, options, observe)
    verification = built.verification
    notes(built.network, *verification.warnings)
    if json_:
        print_json(
            {
                "format": 1,
                "folder": str(output),
                "seconds": round(built.seconds, 3),
                "verification": verification.to_json(),
            }
        )
    else:
        from hlsgen.report.console import built_summary

        built_summary(built, board)
    return 1 if verification.wrong else 0


@app.command
def reload(project: Path, model: Model, /, *, output: Weights) -> int:
    """Write the weights of a model as words for the weight ports of a project."""
    from hlsgen.reload import load_weights

    made = load_weights(project, model)
    write_bytes(output, made.weights)
    write_bytes(output.with_suffix(".npz"), made.parameters)
    return 0


@app.command
def simulate(
    model: Model,
    /,
    *,
    input_: Inputs = None,
    output: Target,
    engine: Engine = "python",
    io: Io = "parallel",
    arithmetic: Arithmetic = None,
    approximate: Approximate = 0,
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: Json = False,
) -> int:
    """Run a model's integers on arrays."""
    from hlsgen.sim.arrays import load_arrays, save_arrays
    from hlsgen.sim.run import feeds_of, input_codes, output_values

    files, formats = split_inputs(input_)
    if len(files) != 1:
        raise OptionError("simulate needs --input X.npz, one file")
    arrays = load_arrays(files[0])
    project = opened(model, formats, shape, static_scales, io, arithmetic, arrays, approximate)
    network = project.network
    feeds = feeds_of(network, arrays)
    codes = engine_of(engine, project)(input_codes(network, feeds))
    results = output_values(network, codes)
    save_arrays(output, {name.replace("/", "__"): y for name, y in results.items()})
    notes(network, *project.notes)
    if json_:
        shapes = {name: list(y.shape) for name, y in results.items()}
        print_json({"format": 1, "engine": engine, "outputs": shapes})
    return 0


@app.command
def verify(
    model: Model,
    /,
    *,
    input_: Inputs = None,
    expect: Expected = None,
    samples: Samples = 16,
    seed: int = 0,
    engine: Engine = "python",
    io: Io = "parallel",
    arithmetic: Arithmetic = None,
    approximate: Approximate = 0,
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: JsonFile = None,
) -> int:
    """Compare an engine with the model's reference, element by element."""
    from hlsgen.build.project import reference_file
    from hlsgen.sim.arrays import load_arrays
    from hlsgen.sim.run import feeds_of
    from hlsgen.sim.vectors import random_feeds
    from hlsgen.sim.verify import verify as run

    files, formats = split_inputs(input_)
    arrays = load_arrays(files[0]) if files else None
    project = opened(model, formats, shape, static_scales, io, arithmetic, arrays, approximate)
    network = project.network
    feeds = random_feeds(network, samples, seed) if arrays is None else feeds_of(network, arrays)
    expected = None if expect is None else load_arrays(expect)
    engines = {engine: engine_of(engine, project)}
    result = run(network, feeds, expected, engines, reference_file(model, project.options))
    notes(network, *project.notes, *result.warnings)
    if json_ == "-":
        print_json(result.to_json())
    else:
        if json_ is not None:
            write_text(Path(json_), json.dumps(result.to_json(), indent=2) + "\n")
        from hlsgen.report.console import verified

        verified(result)
    return 1 if result.wrong else 0


@app.command
def inspect(
    model: Model,
    /,
    *,
    input_: Formats = None,
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: Json = False,
) -> int:
    """Show what a model is: dialect, layers, formats, ranges; what would not convert and why."""
    from hlsgen.report.inspect import inspected

    options = build_options(
        "ultra96v2", "parallel", 0.0, "", input_, shape, static_scales, 0, 0, csim=False
    )
    result = inspected(model, options)
    if json_:
        print_json(result.to_json())
    else:
        from hlsgen.report.console import inspection

        inspection(result)
    return 0 if result.refusal is None else 2


def main(arguments: list[str] | None = None) -> None:
    """Entry point: one line for what a user can mend, a traceback only for a bug (or --debug)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    given = [a for a in given if a != "--debug"]
    try:
        status = app(with_config(given), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        text = " ".join(str(error).split())
        print(f"hlsgen: error: {text} (hlsgen --help shows the commands)", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except HlsgenError as error:
        if debug:
            raise
        print(f"hlsgen: error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_status)
    except (MemoryError, RecursionError) as error:
        if debug:
            raise
        reason = type(error).__name__
        print(f"hlsgen: error: the model is too large for this machine ({reason})", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except KeyboardInterrupt:
        print("hlsgen: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
