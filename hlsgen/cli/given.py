"""What was given on the command line, as the types that the rest of hlsgen speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hlsgen.errors import OptionError, ToolMissing

if TYPE_CHECKING:  # heavy modules are imported by the functions that need them
    from hlsgen.arith.weight_format import WeightFormat
    from hlsgen.build.project import BuildOptions, Project
    from hlsgen.explore.options import Options
    from hlsgen.fold.goal import Goal

Kind = TypeVar("Kind", bound=StrEnum)


def build_options(
    board: str, io: str, clock_ns: float, top: str, inputs: list[str] | None,
    shapes: list[str] | None, scales: Path | None, samples: int, seed: int,
    arithmetic: list[str] | None = None, reloadable: list[str] | None = None, *, csim: bool,
    rtl: bool = False, max_latency: int | None = None, approximate: int = 0,
    target_fps: float = 0.0, folding: list[str] | None = None, maximise: bool = False,
    minimise: str = "", max_util: list[str] | None = None, compute_units: str = "auto",
) -> BuildOptions:  # fmt: skip
    """The options of a build, checked."""
    from hlsgen.build.project import BuildOptions
    from hlsgen.emit.hls import Io

    files, formats = split_inputs(inputs)
    if files:
        raise OptionError(f"--input {files[0]}: here a format is meant, NAME=uint8")
    if samples < 0:
        raise OptionError(f"--samples must not be negative, got {samples}")
    if clock_ns < 0:
        raise OptionError(f"--clock-ns must be positive, got {clock_ns}")
    check_latency(max_latency)
    if folding and io != "stream":
        raise OptionError("--folding is for streams: give --io stream")
    static = _static_scales(scales)
    return BuildOptions(
        board, Io(io), clock_ns, top, formats, _shapes(shapes), static, _arithmetic(arithmetic),
        _reloadable(reloadable), max(samples, 1), seed, csim, rtl, max_latency,
        _allowed(approximate), _goal(target_fps, maximise, minimise, max_util), _folding(folding),
        compute_units=_units(compute_units),
    )  # fmt: skip


def check_latency(clocks: int | None) -> None:
    """Errors: OptionError for less than a clock."""
    if clocks is not None and clocks < 1:
        raise OptionError(f"--max-latency must be 1 or more, got {clocks}")


def _goal(fps: float, maximise: bool, minimise: str, max_util: list[str] | None) -> Goal:
    """What a folding is asked for."""
    from hlsgen.fold.goal import Goal

    if not 0 <= fps < math.inf:
        raise OptionError(f"--target-fps must not be negative, got {fps:g}")
    return Goal(fps, maximise, minimise, _shares(max_util)).checked()


def _shares(values: list[str] | None) -> dict[str, float]:
    """Shares of the board by resource, "" for all others."""
    found: dict[str, float] = {}
    for value in values or []:
        name, _, share = value.rpartition("=")
        try:
            found[name] = float(share)
        except ValueError:
            message = f"--max-util {value}: needed is 0.7, or dsp=0.7"
            raise OptionError(message) from None
    return found


def _folding(values: list[str] | None) -> dict[str, tuple[int, int]]:
    """PE and SIMD by layer."""
    found: dict[str, tuple[int, int]] = {}
    for value in values or []:
        name, _, pair = value.rpartition("=")
        parts = pair.lower().split("x")
        if not name or len(parts) != 2 or not all(p.isdigit() and int(p) for p in parts):
            raise OptionError(f"--folding {value}: needed is LAYER=4x8, outputs by inputs a clock")
        found[name] = (int(parts[0]), int(parts[1]))
    return found


def _units(value: str) -> int | None:
    """How many compute units; None leaves it to the goal."""
    if value == "auto":
        return None
    if not value.isdigit() or not int(value):
        raise OptionError(f"--compute-units {value}: needed is a number of 1 or more, or auto")
    return int(value)


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def split_inputs(values: list[str] | None) -> tuple[list[Path], dict[str, Any]]:
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


def _arithmetic(values: list[str] | None) -> dict[str, Any]:
    """Kinds by layer, "" for all others."""
    from hlsgen.emit.arithmetic import Arithmetic

    found: dict[str, Any] = {}
    for value in values or []:
        name, _, kind = value.rpartition("=")
        if kind not in list(Arithmetic):
            kinds = ", ".join(Arithmetic)
            raise OptionError(f"--arithmetic {value}: needed is {kinds}, or LAYER= in front of one")
        found[name] = Arithmetic(kind)
    return found


def precisions(values: list[str] | None) -> tuple[tuple[str, Any], ...]:
    """What single places have of their own, the last word on each."""
    from hlsgen.quantise.scheme import parse_precision

    found: dict[str, Any] = {}
    for value in values or []:
        name, _, spelled = value.rpartition("=")
        if not name:
            raise OptionError(f"--layer {value}: needed is NAME=W4A6")
        found[name] = parse_precision(spelled)
    return tuple(found.items())


def explore_options(
    board: str, objective: str, max_loss: float, min_sqnr: float, budget: str, weights: str,
    activations: str, scales: str, arithmetic: str, driver: str, sensitivity: str,
    candidates: int | None, minutes: float | None, jobs: int, executor: str, study: Path | None,
    seed: int, io: str, target_fps: float, clock_ns: float,
) -> Options:  # fmt: skip
    """The options of a search, checked."""
    from hlsgen.emit.arithmetic import Arithmetic
    from hlsgen.emit.hls import Io
    from hlsgen.explore.drivers import Driver
    from hlsgen.explore.goal import Objective
    from hlsgen.explore.options import Options
    from hlsgen.explore.sensitivity import Sensitivity
    from hlsgen.quantise.scheme import Scales

    return Options(
        board, Objective(objective), max_loss, min_sqnr, budget,
        tuple(bits_of_weights(part) for part in listed(weights)), _widths(activations),
        tuple(_one_of("--scales", Scales, name) for name in listed(scales)),
        _one_of("--arithmetic", Arithmetic, arithmetic),
        tuple(_one_of("--driver", Driver, name) for name in listed(driver)),
        Sensitivity(sensitivity), candidates, minutes, jobs, executor, study, seed,
        Io(io), target_fps, clock_ns,
    )  # fmt: skip


def bits_of_weights(text: str) -> WeightFormat:
    """The format of weights that one word of --weights names."""
    from hlsgen.arith.weight_format import weight_format

    try:
        return weight_format(text)
    except OptionError as error:
        raise OptionError(f"--weights {text}: {error.message}") from error


def _widths(text: str) -> tuple[int, ...]:
    if not all(part.isdigit() for part in listed(text)):
        raise OptionError(f"--activations {text}: needed are numbers of bits, such as 3,4,6")
    return tuple(map(int, listed(text)))


def _one_of(option: str, kinds: type[Kind], name: str) -> Kind:
    if name not in list(kinds):
        raise OptionError(f"{option} {name}: needed is one of {', '.join(kinds)}")
    return kinds(name)


def _allowed(codes: int) -> int:
    if codes < 0:
        raise OptionError(f"--approximate must not be negative, got {codes}")
    return codes


def _reloadable(values: list[str] | None) -> dict[str, Any]:
    """Formats and accumulators by layer, "" for all others."""
    from hlsgen.arith.budget import Reloadable
    from hlsgen.arith.declared import parse_format

    found: dict[str, Any] = {}
    for value in values or []:
        name, _, asked = value.partition("=")
        spelled, _, bits = asked.partition("/")
        if bits and not 2 <= int(bits if bits.isdigit() else 0) <= 64:
            raise OptionError(f"--reloadable {value}: needed is LAYER=int6/14, 2 to 64 bits")
        fmt = parse_format(spelled) if spelled else None
        if fmt is not None and fmt.frac:
            raise OptionError(f"--reloadable {value}: weights are integers, such as int6")
        key = "" if name == "all" else name
        found[key] = Reloadable(fmt and fmt.codes, int(bits or 0))
    return found


def _shapes(values: list[str] | None) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for value in values or []:
        name, _, sizes = value.rpartition("=")
        parts = sizes.lower().replace(",", "x").split("x")
        if not name or not all(p.isdigit() and int(p) > 0 for p in parts):
            raise OptionError(f"--shape {value}: needed is NAME=1x3x32x32")
        found[name] = tuple(map(int, parts))
    return found


def opened(
    model: Path, formats: dict[str, Any], shapes: list[str] | None, scales: Path | None, io: str,
    arithmetic: list[str] | None, arrays: Mapping[str, Any] | None, approximate: int = 0,
) -> Project:  # fmt: skip
    """A project folder as it was built, or a model file lowered now."""
    from hlsgen.build.project import BuildOptions, Project, load_network, open_project, settled_by
    from hlsgen.emit.hls import Io

    if model.is_dir():
        if formats or shapes or scales or arithmetic or approximate:
            raise OptionError(f"{model} is a project: build fixed its formats and arithmetic")
        return open_project(model)
    static = _static_scales(scales)
    options = BuildOptions(
        io=Io(io),
        inputs=formats,
        shapes=_shapes(shapes),
        static_scales=static,
        arithmetic=_arithmetic(arithmetic),
        approximate=_allowed(approximate),
    )
    options, notes = settled_by(model, options, arrays or {})
    return Project(model, load_network(model, options, arrays=arrays), options, notes)


def engine_of(name: str, project: Project) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Hardware input codes to output codes, by the engine of that name."""
    from hlsgen.build.project import csim_engine
    from hlsgen.sim.native import NativeEngine, unavailable
    from hlsgen.sim.run import run_graph

    graph = project.network.graph
    if name == "csim":
        return csim_engine(project)
    if name == "rtl":
        from hlsgen.build.project import project_rtl, project_stream_rtl
        from hlsgen.build.rtl_sim import rtl_engine
        from hlsgen.build.stream_sim import stream_engine
        from hlsgen.emit.hls import Io

        if project.options.io is Io.STREAM:
            return stream_engine(project_stream_rtl(project), graph)
        return rtl_engine(project_rtl(project), graph)
    if name == "native":
        reason = unavailable(graph)
        if reason is not None:
            raise ToolMissing(f"the native engine cannot run this network: {reason}")
        return NativeEngine(graph).run
    return lambda codes: run_graph(graph, codes)
