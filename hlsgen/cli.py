"""The command line: `hlsgen build`, `simulate`, `verify`, `inspect`, `boards`.

Exit status: 0 done and verified; 1 verification found wrong elements; 2 the input or the options
are at fault; 3 a needed tool is missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import hlsgen
from hlsgen.errors import HlsgenError, OptionError, ToolMissing

if TYPE_CHECKING:  # heavy modules are imported by the commands that need them
    from hlsgen.build.project import BuildOptions, Project, Stage
    from hlsgen.expr.network import Network

app = App(
    name="hlsgen",
    help="Quantised ONNX models as exact integer hardware, proven on the spot.",
    version=hlsgen.__version__,
    version_flags=["--version"],
)


def _option(text: str, name: str | list[str] | None = None, *, flag: bool = False) -> Parameter:
    """What an option is called and what its help says, once for all commands."""
    return Parameter(name=name, help=text, negative="" if flag else None)


Model = Annotated[Path, _option("The quantised ONNX file, or (but for build) a project folder.")]
Engine = Annotated[
    Literal["python", "native", "csim", "rtl"],
    _option(
        "python: the integer graph in numpy; native: the same as plain C++ by g++, for large "
        "batches; csim: the emitted HLS C++ by g++; rtl: the emitted SystemVerilog by Verilator or "
        "Yosys."
    ),
]
Io = Annotated[
    Literal["parallel", "stream"],
    _option("parallel: all unrolled, one result a clock; stream: dataflow with line buffers."),
]
Formats = Annotated[
    list[str] | None,
    _option("Format of a network input, NAME=uint8 or NAME='fixed<16,6>'.", "--input", flag=True),
]
Inputs = Annotated[
    list[str] | None,
    _option(
        "X.npz with one array per network input, samples first; NAME=FORMAT declares a format.",
        "--input",
        flag=True,
    ),
]
Shapes = Annotated[
    list[str] | None,
    _option("Sizes of an input with free dimensions, NAME=1x3x32x32.", "--shape", flag=True),
]
Scales = Annotated[
    Path | None,
    _option(
        "An npz file with scales and zero points for tensors that the file quantises dynamically.",
        "--static-scales",
    ),
]
Folder = Annotated[
    Path, _option("The project folder; an older project of hlsgen is replaced.", ["-o", "--output"])
]
Target = Annotated[Path, _option("The npz file to write.", ["-o", "--output"])]
Expected = Annotated[
    Path | None, _option("Y.npz with expected outputs; else the public runtimes compute them.")
]
JsonFile = Annotated[
    str | None,
    Parameter(
        name="--json",
        help="Write the result to this file as JSON ('-' prints it).",
        allow_leading_hyphen=True,
    ),
]
BoardName = Annotated[str, _option("A name of `hlsgen boards`, or a TOML file of yours.")]
Clock = Annotated[float, _option("Clock period in ns; the board's by default.")]
Top = Annotated[str, _option("Name of the hardware function; the model's name by default.")]
Samples = Annotated[int, _option("How many seeded random samples (build: test vectors).")]
Csim = Annotated[bool, Parameter(help="Compile the C++ with g++ and compare it with the model.")]
Json = Annotated[bool, _option("Print the result as JSON.", "--json", flag=True)]


@app.command
def build(
    model: Model,
    /,
    *,
    output: Folder,
    board: BoardName = "ultra96v2",
    io: Io = "parallel",
    clock_ns: Clock = 0.0,
    top: Top = "",
    input_: Formats = None,
    shape: Shapes = None,
    static_scales: Scales = None,
    samples: Samples = 8,
    seed: int = 0,
    csim: Csim = True,
    rtl: Annotated[bool, _option("Add SystemVerilog of a parallel network.", flag=True)] = False,
    json_: Json = False,
) -> int:
    """Write the whole HLS project of a model and verify it by C simulation."""
    from hlsgen.build.project import build as run

    options = _options(
        board, io, clock_ns, top, input_, shape, static_scales, samples, seed, csim=csim
    )
    with _progress(show=not json_) as observe:
        built = run(model, output, replace(options, rtl=rtl), observe)
    verification = built.verification
    _notes(built.network, *verification.warnings)
    if json_:
        _print_json(
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
def simulate(
    model: Model,
    /,
    *,
    input_: Inputs = None,
    output: Target,
    engine: Engine = "python",
    io: Io = "parallel",
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: Json = False,
) -> int:
    """Run a model's integers on arrays."""
    from hlsgen.sim.arrays import load_arrays, save_arrays
    from hlsgen.sim.run import feeds_of, input_codes, output_values

    files, formats = _split_inputs(input_)
    if len(files) != 1:
        raise OptionError("simulate needs --input X.npz, one file")
    arrays = load_arrays(files[0])
    project = _open(model, formats, shape, static_scales, io, arrays)
    network = project.network
    feeds = feeds_of(network, arrays)
    codes = _engine(engine, project)(input_codes(network, feeds))
    results = output_values(network, codes)
    save_arrays(output, {name.replace("/", "__"): y for name, y in results.items()})
    _notes(network, *project.notes)
    if json_:
        shapes = {name: list(y.shape) for name, y in results.items()}
        _print_json({"format": 1, "engine": engine, "outputs": shapes})
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

    files, formats = _split_inputs(input_)
    arrays = load_arrays(files[0]) if files else None
    project = _open(model, formats, shape, static_scales, io, arrays)
    network = project.network
    feeds = random_feeds(network, samples, seed) if arrays is None else feeds_of(network, arrays)
    expected = None if expect is None else load_arrays(expect)
    engines = {engine: _engine(engine, project)}
    result = run(network, feeds, expected, engines, reference_file(model, project.options))
    _notes(network, *project.notes, *result.warnings)
    if json_ == "-":
        _print_json(result.to_json())
    else:
        if json_ is not None:
            _write_text(Path(json_), json.dumps(result.to_json(), indent=2) + "\n")
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

    options = _options(
        "ultra96v2", "parallel", 0.0, "", input_, shape, static_scales, 0, 0, csim=False
    )
    result = inspected(model, options)
    if json_:
        _print_json(result.to_json())
    else:
        from hlsgen.report.console import inspection

        inspection(result)
    return 0 if result.refusal is None else 2


@app.command
def synth(
    model: Model,
    /,
    *,
    tool: Annotated[Literal["yosys"], _option("The synthesis tool.")] = "yosys",
    liberty: Annotated[
        Path | None, _option("Standard cells: area and delay of an ASIC instead of an FPGA's.")
    ] = None,
    clock_ns: Clock = 0.0,
    combinational: Annotated[bool, _option("No registers: LUTs alone.", flag=True)] = False,
    arithmetic: Annotated[str, _option("Of constant products: csd or multiply.")] = "csd",
    dsp: Annotated[bool, _option("Let the tool take DSPs.", flag=True)] = False,
    input_: Formats = None,
    shape: Shapes = None,
    static_scales: Scales = None,
    json_: Json = False,
) -> int:
    """Synthesise the SystemVerilog of a parallel network and count what it takes."""
    from hlsgen.report.synth import synthesised

    if clock_ns < 0:
        raise OptionError(f"--clock-ns must be positive, got {clock_ns}")
    _, formats = _split_inputs(input_)
    project = _open(model, formats, shape, static_scales, "parallel", None)
    period = None if combinational else clock_ns
    result = synthesised(project, period, arithmetic, liberty, dsp=dsp)
    if json_:
        _print_json(result.to_json())
    else:
        from hlsgen.report.synth import show

        show(result)
    return 0


@app.command
def boards(name: str = "", /, *, json_: Json = False) -> int:
    """Show the boards that projects can be made for."""
    from dataclasses import asdict

    from hlsgen.boards import all_boards, load_board

    found = (load_board(name),) if name else all_boards()
    if json_:
        _print_json({"format": 1, "boards": [asdict(b) for b in found]})
        return 0
    from hlsgen.report.console import board_details, board_table

    if name:
        board_details(found[0])
    else:
        board_table(found)
    return 0


# -- options and files ------------------------------------------------------------------------


def _options(
    board: str, io: str, clock_ns: float, top: str, inputs: list[str] | None,
    shapes: list[str] | None, scales: Path | None, samples: int, seed: int, *, csim: bool,
) -> BuildOptions:  # fmt: skip
    from hlsgen.build.project import BuildOptions
    from hlsgen.emit.hls import Io

    files, formats = _split_inputs(inputs)
    if files:
        raise OptionError(f"--input {files[0]}: here a format is meant, NAME=uint8")
    if samples < 0:
        raise OptionError(f"--samples must not be negative, got {samples}")
    if clock_ns < 0:
        raise OptionError(f"--clock-ns must be positive, got {clock_ns}")
    static = _static_scales(scales)
    return BuildOptions(
        board, Io(io), clock_ns, top, formats, _shapes(shapes), static, max(samples, 1), seed, csim
    )


def _split_inputs(values: list[str] | None) -> tuple[list[Path], dict[str, Any]]:
    """Array files, and formats declared as NAME=FORMAT."""
    from hlsgen.arith.declared import parse_format

    files: list[Path] = []
    formats: dict[str, Any] = {}
    for value in values or []:
        name, equals, spelled = value.rpartition("=")
        if equals and not Path(value).exists():
            formats[name] = parse_format(spelled)
        else:
            files.append(Path(value))
    return files, formats


def _static_scales(path: Path | None) -> dict[str, Any]:
    from hlsgen.sim.arrays import load_arrays

    return {} if path is None else load_arrays(path)


def _shapes(values: list[str] | None) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for value in values or []:
        name, _, sizes = value.rpartition("=")
        parts = sizes.lower().replace(",", "x").split("x")
        if not name or not all(p.isdigit() and int(p) > 0 for p in parts):
            raise OptionError(f"--shape {value}: needed is NAME=1x3x32x32")
        found[name] = tuple(map(int, parts))
    return found


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from error


def _open(
    model: Path, formats: dict[str, Any], shapes: list[str] | None, scales: Path | None, io: str,
    arrays: Mapping[str, Any] | None,
) -> Project:  # fmt: skip
    """A project folder as it was built, or a model file lowered now."""
    from hlsgen.build.project import BuildOptions, Project, load_network, open_project, settled_by
    from hlsgen.emit.hls import Io

    if model.is_dir():
        if formats or shapes or scales:
            raise OptionError(f"{model} is a project: its formats and shapes were fixed by build")
        return open_project(model)
    static = _static_scales(scales)
    options = BuildOptions(io=Io(io), inputs=formats, shapes=_shapes(shapes), static_scales=static)
    options, notes = settled_by(model, options, arrays or {})
    return Project(model, load_network(model, options, arrays=arrays), options, notes)


def _engine(name: str, project: Project) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    from hlsgen.build.project import csim_engine
    from hlsgen.sim.native import NativeEngine, unavailable
    from hlsgen.sim.run import run_graph

    graph = project.network.graph
    if name == "csim":
        return csim_engine(project)
    if name == "rtl":
        from hlsgen.build.project import project_rtl
        from hlsgen.build.rtl_sim import rtl_engine

        return rtl_engine(project_rtl(project), graph)
    if name == "native":
        reason = unavailable(graph)
        if reason is not None:
            raise ToolMissing(f"the native engine cannot run this network: {reason}")
        return NativeEngine(graph).run
    return lambda codes: run_graph(graph, codes)


# -- output -----------------------------------------------------------------------------------


def _notes(network: Network, *warnings: str) -> None:
    for note in (*network.notes, *warnings):
        print(f"warning: {note}", file=sys.stderr)  # noqa: T201 - the command line speaks here


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))  # noqa: T201


@contextmanager  # pyright: ignore[reportDeprecated]
def _progress(*, show: bool) -> Iterator[Stage]:
    """A progress line on a terminal; silence elsewhere."""
    if not show or not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def observe(stage: str, share: float) -> None:
            bars.update(task, description=stage, completed=share, total=1 if share else None)

        yield observe


def main(arguments: list[str] | None = None) -> None:
    """Entry point: one line for what a user can mend, a traceback only for a bug (or --debug)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    given = [a for a in given if a != "--debug"]
    try:
        status = app(given, exit_on_error=False, print_error=False)
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


if __name__ == "__main__":
    main()
