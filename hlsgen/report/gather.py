"""All facts of a project folder, as `hlsgen report` shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hlsgen.boards import Board, load_board
from hlsgen.build.project import Project, hls_options, open_project
from hlsgen.emit.hls import Design, Io, design_files, design_of
from hlsgen.errors import OptionError
from hlsgen.expr.tree import Leaf, leaves
from hlsgen.fold.estimate import estimate
from hlsgen.fold.goal import SHELL
from hlsgen.fold.use import KINDS, Use
from hlsgen.report.checks import digests, proven, read_json, verified
from hlsgen.report.facts import (
    BoardFacts,
    Border,
    Layer,
    Measured,
    Memory,
    Pipeline,
    Report,
    Resource,
    Share,
    Streaming,
    Unit,
)
from hlsgen.report.layers import layers_of, tensor
from hlsgen.report.logic import Hardware, hardware_of
from hlsgen.report.streams import streaming_of
from hlsgen.report.synth import stored

_BRAM18_BITS = 18 * 1024
_URAM_BITS = 288 * 1024


def report_of(folder: Path) -> Report:
    """Reads a project back, lowers its model again and computes what the page shows.

    Errors: OptionError where the folder is no project, or not a whole one.
    """
    project = open_project(folder)
    content = _whole(folder / "project.json")
    board = load_board(project.options.board)
    options = hls_options(project.options, board)
    graph = project.network.graph
    design = design_of(graph, options)
    streamed = design.io is Io.STREAM
    hardware = Hardware(None, None, {}) if streamed else hardware_of(project)
    shell = SHELL[board.flow]
    units = tuple(Unit(u["name"], u["slr"]) for u in content.get("compute_units", ()))
    streaming = streaming_of(design, options.clock_ns, shell, len(units) or 1) if streamed else None
    fabric = estimate(design) if streamed else None
    taken = None if fabric is None else fabric.use + shell
    layers = layers_of(graph, design, hardware.logic, fabric)
    sources = dict(design_files(design, options))
    if hardware.rtl is not None and hardware.pipeline is not None and hardware.pipeline.emitted:
        sources |= {f"rtl/{name}": text for name, text in hardware.rtl.files.items()}
    measured = stored(folder)
    return Report(
        folder=str(folder),
        hlsgen=content["hlsgen"],
        model=content["model"]["file"],
        dialect=content["model"]["dialect"],
        model_sha256=content["model"]["sha256"],
        operators=len(layers),
        multiplications=sum(layer.multiplications for layer in layers),
        options=_options(content),
        notes=tuple(content.get("notes", ())),
        verification=verified(content, folder),
        proof=proven(project, design, layers, sources),
        inputs=_inputs(project, content),
        outputs=_outputs(project, content),
        layers=layers,
        streaming=streaming,
        pipeline=hardware.pipeline,
        no_pipeline=hardware.refusal,
        measured=measured,
        board=_board(board, hardware.pipeline, taken, measured, units),
        memory=_memory(board, design, layers, streaming),
        digests=digests(folder),
    )


def _whole(path: Path) -> dict[str, Any]:
    """The manifest of a build. Errors: OptionError where something of it is missing."""
    content = read_json(path)
    missing = [key for key in _NEEDED if key not in content]
    if missing:
        raise OptionError(f"{path} is not whole ({missing[0]!r} is missing): build again")
    return content


_NEEDED = ("hlsgen", "model", "options", "inputs", "outputs")


def _options(content: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The recorded options as text, those that say nothing left out."""
    return tuple(
        (name, _text(value))
        for name, value in content["options"].items()
        if value not in ("", None, {}, [])
    )


def _text(value: Any) -> str:
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return ", ".join(f"{key or 'all'}={_text(v)}" for key, v in entries.items())
    if isinstance(value, list):
        return "x".join(map(str, cast("list[int]", value)))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _inputs(project: Project, content: Mapping[str, Any]) -> tuple[Border, ...]:
    graph = project.network.graph
    return tuple(
        Border(
            port.source,
            entry["dtype"],
            tuple(entry["shape"]),
            (tensor(port.value, graph.types[port.value]),),
            _affine(entry, "zero_point"),
            False,
        )
        for port, entry in zip(project.network.inputs, content["inputs"], strict=True)
    )


def _outputs(project: Project, content: Mapping[str, Any]) -> tuple[Border, ...]:
    graph = project.network.graph
    return tuple(
        Border(
            out.name,
            out.dtype,
            out.shape,
            tuple(tensor(leaf.name, graph.types[leaf.name]) for leaf in leaves(out.epilogue)),
            _affine(entry, "offset"),
            not isinstance(out.epilogue, Leaf),
        )
        for out, entry in zip(project.network.outputs, content["outputs"], strict=True)
    )


def _affine(entry: Mapping[str, Any], other: str) -> str:
    """value = scale * (code - zero_point) or scale * code + offset, where it is no more."""
    scale, offset = entry.get("scale"), entry.get(other)
    if scale is None or offset is None:
        return ""
    texts = [_numbers(scale), _numbers(offset)]
    if other == "zero_point":
        return f"value = {texts[0]} * (code - {texts[1]})"
    return f"value = {texts[0]} * code + {texts[1]}"


def _numbers(value: float | list[float]) -> str:
    return f"[{len(value)} numbers]" if isinstance(value, list) else f"{value:g}"


def _board(
    board: Board,
    pipeline: Pipeline | None,
    fabric: Use | None,
    measured: Measured | None,
    units: Sequence[Unit],
) -> BoardFacts:
    """What there is of each resource, and what the design takes where that is known."""
    estimates: dict[str, float] = {}
    if pipeline is not None:
        estimates = {"lut": pipeline.luts, "ff": pipeline.register_bits}
    if fabric is not None:
        estimates = dict(zip(KINDS, fabric.counts, strict=True))
    counts = {} if measured is None else dict(measured.counts)
    return BoardFacts(
        board.name,
        board.title,
        board.part,
        board.budget.source,
        tuple(
            _resource(board, key, name, estimates.get(key), counts.get(key), units)
            for key, name in RESOURCES
        ),
        tuple(units),
    )


def _resource(
    board: Board, key: str, name: str, of_unit: float | None, counted: int | None,
    units: Sequence[Unit],
) -> Resource:  # fmt: skip
    placed = of_unit is not None and any(unit.slr for unit in units)
    return Resource(
        name,
        getattr(board.budget, key),
        tuple(
            Share(
                s.name,
                getattr(s.usable or s.resources, key),
                sum((of_unit or 0.0) * (u.slr == s.name) for u in units) if placed else None,
            )
            for s in board.slrs
        ),
        None if of_unit is None else of_unit * max(len(units), 1),
        counted,
    )


RESOURCES = (("lut", "LUT"), ("ff", "FF"), ("dsp", "DSP"), ("bram18", "BRAM18"), ("uram", "URAM"))


def _memory(
    board: Board, design: Design, layers: Sequence[Layer], streaming: Streaming | None
) -> Memory:
    """Bits of weights and FIFOs, and of the block memories that the board has."""
    fifos = () if streaming is None else streaming.fifos
    return Memory(
        weight_bits=sum(layer.weights.bits for layer in layers if layer.weights is not None),
        fifo_bits=sum(f.bits * f.depth for f in fifos),
        bram_bits=board.budget.bram18 * _BRAM18_BITS,
        uram_bits=board.budget.uram * _URAM_BITS,
    )
