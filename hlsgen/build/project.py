"""A project folder: written whole or not at all, verified on the spot."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hlsgen.arith.budget import Reloadable
from hlsgen.arith.declared import Declared, parse_format
from hlsgen.boards import Board, load_board
from hlsgen.build.folder import MARKER, check_target, publish, staged, write
from hlsgen.build.gpp import compile_csim, run_csim
from hlsgen.build.headers import ap_include
from hlsgen.emit.arithmetic import Arithmetic, check_arithmetic
from hlsgen.emit.choice import settled
from hlsgen.emit.deploy import INTERFACE
from hlsgen.emit.hls import HlsOptions, Io, design_of, emit_hls
from hlsgen.emit.manifest import FORMAT
from hlsgen.emit.memories import MemoryKind
from hlsgen.emit.project import as_json, emit
from hlsgen.emit.reloadable import WEIGHTS_FILE
from hlsgen.emit.rtl.emit import Rtl, RtlOptions, emit_rtl
from hlsgen.emit.rtl.project import rtl_folder
from hlsgen.emit.rtl.stream.emit import StreamRtl, emit_stream_rtl
from hlsgen.emit.rtl.stream.project import stream_folder
from hlsgen.emit.vectors import vector_files
from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.fold.choose import fold
from hlsgen.fold.copies import placed
from hlsgen.fold.estimate import Estimate, estimate
from hlsgen.fold.goal import Goal
from hlsgen.fold.settle import Folded
from hlsgen.frontends import read_model
from hlsgen.frontends.samples import settle
from hlsgen.ir.hw import HwGraph
from hlsgen.ir.model import Model, Shape
from hlsgen.keras import SUFFIXES, import_keras
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.passes.lowering.inputs import Spread
from hlsgen.sim.arrays import load_arrays
from hlsgen.sim.run import input_codes, match_inputs, run_graph
from hlsgen.sim.vectors import random_feeds
from hlsgen.sim.verify import Engine, Verification, verify

Array = NDArray[Any]
Stage = Callable[[str, float], None]  # what is being done, and which share of it is done
SCALES = "static_scales.npz"
DEFAULT_BOARD = "ultra96v2"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a project is made; only `approximate` changes a result bit.

    `inputs` declares formats of network inputs, `shapes` fixes free dimensions, `static_scales`
    replaces scales and zero points that the file computes at run time; `clock_ns` 0 takes the
    board's; `arithmetic` says by layer how products with weights are made, "" for all others;
    `reloadable` names layers whose weights stand behind ports, "" all of them;
    `samples` is how many test vectors the project carries; `rtl` adds SystemVerilog, `max_latency`
    bounds the clocks that it takes; `approximate` is how many codes a requantisation may be off
    where that saves adders; `goal` is what streams are folded for, `folding` says PE and SIMD by
    layer, `memory` where layers keep their weights; `spare_fifos` searches for FIFOs less deep than
    the closed form; `compute_units` is how many kernels a card has, None for as many as the goal
    needs, one without a goal.
    """

    board: str = DEFAULT_BOARD
    io: Io = Io.PARALLEL
    clock_ns: float = 0.0
    top: str = ""
    inputs: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    static_scales: Mapping[str, Array] = field(default_factory=dict[str, Array])
    arithmetic: Mapping[str, Arithmetic] = field(default_factory=dict[str, Arithmetic])
    reloadable: Mapping[str, Reloadable] = field(default_factory=dict[str, Reloadable])
    samples: int = 8
    seed: int = 0
    csim: bool = True
    rtl: bool = False
    max_latency: int | None = None
    approximate: int = 0
    goal: Goal = field(default_factory=Goal)
    folding: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    memory: Mapping[str, MemoryKind] = field(default_factory=dict[str, MemoryKind])
    spare_fifos: bool = False
    compute_units: int | None = None


@dataclass(frozen=True, eq=False)
class Built:
    """What `build` made, and what verification found.

    `estimate` is of streamed designs; `folded` where their folding was searched for.
    """

    folder: Path
    network: Network
    verification: Verification
    seconds: float
    estimate: Estimate | None = None
    folded: Folded | None = None


def quiet(stage: str, share: float) -> None:
    """No progress shown."""


def load_network(
    model: Path,
    options: BuildOptions,
    observe: Stage = quiet,
    arrays: Mapping[str, Array] | None = None,
) -> Network:
    """Read and lower a model file; `arrays` are the inputs at hand, if any.

    An input that nobody declared takes a default format, wide enough for the arrays.
    """
    observe("reading", 0.0)
    read = read_model(model, shapes=options.shapes, overrides=options.static_scales)
    observe("lowering", 0.0)
    return lower(
        read,
        LowerOptions(
            options.inputs,
            _spreads(read, arrays or {}),
            options.reloadable,
            options.approximate,
        ),
        lambda done, count: observe("lowering", done / max(count, 1)),
    )


def settled_by(
    model: Path, options: BuildOptions, arrays: Mapping[str, Array]
) -> tuple[BuildOptions, tuple[str, ...]]:
    """Options with what the samples settle: free sizes, scales that are inputs; notes of it."""
    if not arrays:
        return options, ()
    found = settle(model, arrays)
    shapes = {**found.shapes, **options.shapes}
    scales = {**found.constants, **options.static_scales}
    return replace(options, shapes=shapes, static_scales=scales), found.notes


def _spreads(model: Model, arrays: Mapping[str, Array]) -> dict[str, Spread]:
    """What values are at hand for each network input."""
    found = match_inputs(model, arrays) if arrays else {}
    return {
        name: Spread(float(x.min()), float(x.max()), bool((x == np.floor(x)).all()))
        for name, x in found.items()
        if x.size and x.dtype.kind in "fiu"
    }


def build(
    model: Path, folder: Path, options: BuildOptions | None = None, observe: Stage = quiet
) -> Built:
    """The whole project of a model in `folder`, its C++ compiled and compared with the model.

    Errors: OptionError where `folder` exists and is not a project of hlsgen; ToolMissing without
    g++ or headers. If some element is wrong the files stay for a look, marked in project.json.
    """
    options = options or BuildOptions()
    started = time.perf_counter()
    check_target(folder)
    board = load_board(options.board)
    network = load_network(model, options, observe)
    if options.io is Io.PARALLEL:  # decided once: the project does not change with the prices
        check_arithmetic(network.graph, options.arithmetic)
        options = replace(options, arithmetic=settled(network.graph, options.arithmetic))
    folded = _folded(network, options, board, observe)
    if folded is not None:
        chosen = folded.options
        options = replace(
            options, folding=chosen.folding, arithmetic=chosen.arithmetic, memory=chosen.memory,
            spare_fifos=chosen.spare_fifos, compute_units=folded.units,
        )  # fmt: skip
    hls = hls_options(options, board)
    observe("writing", 0.0)
    design = design_of(network.graph, hls) if folded is None else folded.design
    found = estimate(design) if options.io is Io.STREAM else None
    slrs = placed(design, found, options.compute_units or 1, options.goal, board)
    files = emit(network, hls, board, design, slrs)
    feeds = random_feeds(network, options.samples, options.seed)
    codes = input_codes(network, feeds)
    made = run_graph(network.graph, codes)
    files |= (vectors := vector_files(network.graph, codes, made))
    if INTERFACE in files:
        files |= {f"deploy/{Path(name).name}": data for name, data in vectors.items()}
    if options.rtl:
        project = Project(model, network, options)
        if options.io is Io.STREAM:
            files |= stream_folder(project_stream_rtl(project), network.graph, codes, made)
        else:
            files |= rtl_folder(project_rtl(project), network.graph, codes, made)
    files["model.onnx"] = _self_contained(model)
    if options.static_scales:
        files[SCALES] = _archive(options.static_scales)
    with staged(folder) as stage:
        write(stage, files)
        engines: dict[str, Engine] = {"python": partial(run_graph, network.graph)}
        if options.csim:
            observe("compiling", 0.0)
            write(stage, {"local.mk": f"AP_FOUND := {ap_include()}\n"})
            engines["csim"] = _csim(compile_csim(stage), network.graph, files.get(WEIGHTS_FILE))
        observe("verifying", 0.0)
        verification = verify(network, feeds, None, engines, reference_file(model, options))
        _finish(stage, verification, options, found)
        publish(stage, folder)
    seconds = time.perf_counter() - started
    return Built(folder, network, verification, seconds, found, folded)


def _folded(network: Network, options: BuildOptions, board: Board, observe: Stage) -> Folded | None:
    """The folding that was asked for, searched once: it is recorded and not searched again."""
    if not options.goal.asked:
        return None
    if options.io is not Io.STREAM:
        raise OptionError(
            "--target-fps, --maximise, --minimise and --max-util fold streams: give --io stream"
        )
    observe("folding", 0.0)
    alone = bool(options.reloadable)  # ports of weights have no place in the kernel: no units of it
    units = options.compute_units or (1 if alone else None)
    return fold(network.graph, hls_options(options, board), board, options.goal, units)


def _self_contained(model: Path) -> bytes:
    """The model as one ONNX file: weights that lie in files beside it are taken in."""
    if model.suffix.lower() in SUFFIXES:
        return import_keras(model).model.SerializeToString()
    proto = onnx.load(model, load_external_data=False)
    if all(t.data_location != onnx.TensorProto.EXTERNAL for t in proto.graph.initializer):
        return model.read_bytes()
    return onnx.load(model).SerializeToString()


def _archive(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def hls_options(options: BuildOptions, board: Board | None = None) -> HlsOptions:
    """What the HLS back-end is told; the board is the options' own unless given."""
    board = board or load_board(options.board)
    return HlsOptions(
        io=options.io,
        part=board.part,
        clock_ns=options.clock_ns or board.clock_ns,
        top=options.top,
        flow_target=board.flow.value,
        arithmetic=options.arithmetic,
        folding=options.folding,
        memory=options.memory,
        spare_fifos=options.spare_fifos,
    )


def reference_file(model: Path, options: BuildOptions) -> Path | None:
    """The file that onnxruntime can run as the reference, if it means the same network."""
    if options.static_scales:  # the file itself computes its scales anew for every input
        return None
    return model / "model.onnx" if model.is_dir() else model


def _finish(
    folder: Path, verification: Verification, options: BuildOptions, found: Estimate | None
) -> None:
    """Record in project.json what was verified and what reproduces this build."""
    path = folder / MARKER
    content = json.loads(path.read_text(encoding="utf-8"))
    content["verification"] = verification.to_json()
    content["verified"] = verification.wrong == 0 and options.csim
    content["options"] |= {
        "inputs": {name: str(how) for name, how in options.inputs.items()},
        "shapes": {name: list(shape) for name, shape in options.shapes.items()},
        "arithmetic": {name: how.value for name, how in options.arithmetic.items()},
        "max_latency": options.max_latency,
        "approximate": options.approximate,
        "goal": asdict(options.goal) if options.goal.asked else {},
        "folding": dict(options.folding),
        "memory": {name: kind.value for name, kind in options.memory.items()},
        "spare_fifos": options.spare_fifos,
        "compute_units": options.compute_units,
    }
    if found is not None:
        content["estimate"] = found.to_json()
    write(folder, {MARKER: as_json(content)})


@dataclass(frozen=True, eq=False)
class Project:
    """A project folder and the network that it was made from."""

    folder: Path
    network: Network
    options: BuildOptions
    notes: tuple[str, ...] = ()


def open_project(folder: Path) -> Project:
    """Read a project back: its own copy of the model, lowered with the recorded options."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        version = content["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{folder} is not a project that hlsgen wrote") from error
    if version > FORMAT:
        raise OptionError(f"{folder} was written by a newer hlsgen ({content.get('hlsgen')})")
    try:
        options = _recorded(content, _scales(folder / SCALES))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"{folder / MARKER} is not whole ({type(error).__name__}: {error}): build again"
        raise OptionError(message) from error
    return Project(folder, load_network(folder / "model.onnx", options), options)


def _recorded(content: Mapping[str, Any], scales: Mapping[str, Array]) -> BuildOptions:
    """The options that project.json holds."""
    recorded = content["options"]
    return BuildOptions(
        board=recorded["board"],
        io=Io(recorded["io"]),
        clock_ns=recorded["clock_ns"],
        top=recorded["top"],
        inputs={n: parse_format(f) for n, f in recorded.get("inputs", {}).items()},
        shapes={n: tuple(s) for n, s in recorded.get("shapes", {}).items()},
        static_scales=scales,
        arithmetic={n: Arithmetic(a) for n, a in recorded.get("arithmetic", {}).items()},
        reloadable={
            port["layer"]: Reloadable(
                parse_format(port["format"]).codes,
                port["accumulator_bits"],
                tuple(map(Fraction, port["units"])),
            )
            for port in content.get("reloadable", ())
        },
        max_latency=recorded.get("max_latency"),
        approximate=recorded.get("approximate", 0),
        goal=Goal(**recorded.get("goal", {})),
        folding={n: (pe, simd) for n, (pe, simd) in recorded.get("folding", {}).items()},
        memory={n: MemoryKind(kind) for n, kind in recorded.get("memory", {}).items()},
        spare_fifos=recorded.get("spare_fifos", False),
        compute_units=recorded.get("compute_units"),
    )


def _scales(path: Path) -> dict[str, Array]:
    return load_arrays(path) if path.is_file() else {}


def csim_engine(project: Project) -> Engine:
    """Hardware output codes for input codes through the C++, of the folder or emitted now."""
    graph = project.network.graph
    if project.folder.is_dir():
        executable = compile_csim(project.folder)
        path = project.folder / WEIGHTS_FILE
        weights = path.read_bytes() if path.is_file() else None
    else:
        hls = hls_options(project.options)
        with tempfile.TemporaryDirectory(prefix="hlsgen-csim-") as name:
            files = emit_hls(graph, hls)
            write(Path(name), files)
            executable = compile_csim(Path(name))
            weights = files.get(WEIGHTS_FILE)
    return _csim(executable, graph, weights)


def _csim(executable: Path, graph: HwGraph, weights: str | bytes | None) -> Engine:
    """The compiled project as an engine."""
    assert not isinstance(weights, str)
    run = partial(run_csim, executable, graph)
    return run if weights is None else partial(run, weights=weights)


def project_rtl(
    project: Project, clock_ns: float | None = 0.0, *, max_latency: int | None = None,
    operands: int = 3,
) -> Rtl:  # fmt: skip
    """The SystemVerilog of a project; `clock_ns` 0 takes the project's, or what its cells can meet.

    None leaves out all registers. `max_latency` None takes the project's; `operands` as in
    `RtlOptions`.

    Errors: OptionError for a streaming project.
    """
    if project.options.io is not Io.PARALLEL:
        raise OptionError("this is laid out for parallel networks only: give --io parallel")
    board = load_board(project.options.board)
    own = project.options.clock_ns or board.clock_ns
    options = RtlOptions(
        clock_ns=own if clock_ns == 0 else clock_ns,
        relax=clock_ns == 0,
        arithmetic=project.options.arithmetic,
        max_latency=max_latency or project.options.max_latency,
        operands=operands,
        top=project.options.top,
    )
    return emit_rtl(project.network.graph, options)


def project_stream_rtl(project: Project) -> StreamRtl:
    """The SystemVerilog of a streaming project, folded as its HLS C++ is."""
    return emit_stream_rtl(project.network.graph, hls_options(project.options))
