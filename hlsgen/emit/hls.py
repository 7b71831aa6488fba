"""An integer graph as a Vivado/Vitis HLS project: C++ text, test bench, build scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.arith.staircase import Realisation
from hlsgen.emit import indexing, numbers
from hlsgen.emit.arithmetic import (
    MULTIPLIED,
    Arithmetic,
    adder_lines,
    arithmetic_of,
    check_arithmetic,
    check_parallel,
)
from hlsgen.emit.choice import settled
from hlsgen.emit.codes import operand_step
from hlsgen.emit.encodings import Encoded, encodings, input_steps, unit_numbers
from hlsgen.emit.folded import stream_numbers
from hlsgen.emit.folding import Folding, default_folding, named_folding, stream_lanes
from hlsgen.emit.jinja import cpp_type, environment, wire_type
from hlsgen.emit.kernel import MemoryKernel, kernel_numbers, memory_kernel
from hlsgen.emit.matrices import constant_matrices
from hlsgen.emit.names import identifier
from hlsgen.emit.products.lines import KernelLines, kernel_of, lookups_of
from hlsgen.emit.products.parts import Parts, parts_of
from hlsgen.emit.reloadable import (
    WEIGHTS_FILE,
    WeightPort,
    packed_weights,
    port_numbers,
    refuse_reloadable,
    weight_ports,
)
from hlsgen.emit.streaming import Way, fields, way
from hlsgen.emit.streams import StreamPlan, port_bits, stream_plan
from hlsgen.emit.sums import Sums, operator_sums
from hlsgen.emit.tables import Tables
from hlsgen.emit.truth_tables import refuse_truth_tables, with_truth_tables
from hlsgen.emit.views import Operator, Value, operators, value_names
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.ops.hw.truth_table import TruthTable


class Io(StrEnum):
    """How the network meets its neighbours."""

    PARALLEL = "parallel"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class HlsOptions:
    """Choices of the HLS back-end; none of them changes a result bit.

    `folding` overrides `default_folding` by a node's first output or ONNX name; `top` names the
    function ("" takes the graph's name); `arithmetic` says by layer how products with constants are
    made, "" standing for all layers not named; `templates` replaces the shipped folder.
    `target_fps` is how many frames a second a streamed design shall take, 0 for the default.
    """

    io: Io = Io.PARALLEL
    part: str = "xczu3eg-sbva484-1-i"
    clock_ns: float = 5.0
    top: str = ""
    flow_target: str = "vivado"
    folding: Mapping[str, Folding] = field(default_factory=dict[str, Folding])
    arithmetic: Mapping[str, Arithmetic] = field(default_factory=dict[str, Arithmetic])
    target_fps: float = 0.0
    templates: Path | None = None


def emit_hls(graph: HwGraph, options: HlsOptions) -> dict[str, str | bytes]:
    """The files of the project below its folder; nothing is written."""
    return design_files(design_of(graph, options), options)


def design_files(design: Design, options: HlsOptions) -> dict[str, str | bytes]:
    """The sources, test bench and scripts of a design."""
    env = environment(options.templates)
    files: dict[str, str | bytes] = {}
    layers: list[str] = []
    for operator in design.operators:
        text, tables = render_operator(operator, design, env)
        path = f"layers/{operator.function}.h"
        files[f"src/{path}"] = text
        files.update((f"src/{name}", content) for name, content in tables.items())
        layers.append(path)
    context: dict[str, Any] = {
        "design": design,
        "layers": layers,
        "port_bits": port_bits,
        "io": options.io.value,
        "options": options,
        "kernel": "",
    }
    kernel = design.kernel
    if kernel is not None:
        context |= kernel_numbers(kernel)
    for template, path in (_FRAME if kernel is None else _FRAME | _KERNEL).items():
        text = env.get_template(template).render(context)
        files[path.format(top=design.top)] = tidy(text) if path.startswith(("src", "tb")) else text
    if design.ports:
        files[WEIGHTS_FILE] = packed_weights(design.ports)
    return files


_FRAME = {
    "hls/integers.h.j2": "src/integers.h",
    "hls/streams.h.j2": "src/streams.h",
    "hls/encodings.h.j2": "src/encodings.h",
    "hls/top.h.j2": "src/{top}.h",
    "hls/top.cpp.j2": "src/{top}.cpp",
    "hls/testbench.cpp.j2": "tb/testbench.cpp",
    "hls/Makefile.j2": "Makefile",
    "hls/hls_config.cfg.j2": "hls_config.cfg",
    "tcl/build.tcl": "build.tcl",
    "tcl/params.tcl.j2": "params.tcl",
}
_KERNEL = {
    "hls/kernel.cpp.j2": "src/{top}_kernel.cpp",
    "hls/kernel.cfg.j2": "kernel.cfg",
}


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that the templates of a whole project need; `graph` as it is emitted."""

    graph: HwGraph
    top: str
    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: tuple[Operator, ...]
    values: tuple[Value, ...]
    names: Mapping[str, str]
    sources: Mapping[str, str]
    sums: Mapping[str, Sums | None]
    io: Io
    plan: StreamPlan
    arithmetic: Mapping[str, Arithmetic]
    steps: Mapping[str, int]
    units: Mapping[str, Encoded]
    ports: Mapping[str, WeightPort]
    codes: Mapping[str, frozenset[int]]

    @property
    def kernel(self) -> MemoryKernel | None:
        """The kernel around a streamed network.

        None for networks that do not stream, and where weights stand behind ports of their own.
        """
        if self.io is not Io.STREAM or self.ports:
            return None
        return memory_kernel(self.top, self.inputs, self.outputs)


def design_of(graph: HwGraph, options: HlsOptions) -> Design:
    """Everything about a design that its options leave open, decided.

    Errors: OptionError for a choice that a layer cannot have and a rate that no folding reaches.
    """
    options = replace(options, folding=named_folding(graph, options.folding))
    check_arithmetic(graph, options.arithmetic)
    options = replace(options, arithmetic=_settled(graph, options))
    if options.io is Io.STREAM:
        refuse_truth_tables(graph, options.arithmetic)
    graph, chosen = with_truth_tables(graph, options.arithmetic)
    options = replace(options, arithmetic=chosen)
    if not options.target_fps:
        return _design(graph, options, None)
    if options.io is not Io.STREAM:
        raise OptionError("--target-fps folds streams: give --io stream")
    wanted = max(1, int(1e9 / (options.clock_ns * options.target_fps)))
    target = wanted
    while True:  # width converters between layers may be slower than both: then faster layers
        design = _design(graph, options, target)
        if design.plan.interval <= wanted:
            return design
        if target == 1:
            raise _too_fast(options, wanted, design.plan)
        target //= 2


def _too_fast(options: HlsOptions, wanted: int, fastest: StreamPlan) -> OptionError:
    busiest = max(fastest.processes, key=lambda p: p.work)
    rate = 1e9 / (options.clock_ns * fastest.interval)
    return OptionError(
        f"--target-fps {options.target_fps:g}: no folding takes a frame in {wanted:,} clocks of "
        f"{options.clock_ns:g} ns; {rate:,.0f} frames a second can be had, because "
        f"{busiest.name} takes {fastest.interval:,} clocks however it is folded"
    )


def _design(graph: HwGraph, options: HlsOptions, target: int | None) -> Design:
    """A design folded for so many clocks a frame."""
    top = identifier(options.top or graph.name, "network")
    names = value_names(graph, top)
    steps = input_steps(graph, options.arithmetic) if options.io is Io.STREAM else {}
    folding = default_folding(graph, steps, target) | dict(options.folding)
    lanes = stream_lanes(graph, folding)
    simd = {name: pair[1] for name, pair in folding.items()}
    units = encodings(graph, options.arithmetic, simd) if options.io is Io.STREAM else {}

    def value(onnx: str, name: str, width: int) -> Value:
        return Value(name, name, onnx, graph.types[onnx], width)

    ports = [
        value(onnx, name, width)
        for onnx, name, width in zip(
            graph.inputs + graph.outputs,
            [*(names.values[v] for v in graph.inputs), *names.outputs],
            lanes.ports,
            strict=True,
        )
    ]
    inputs, outputs = tuple(ports[: len(graph.inputs)]), tuple(ports[len(graph.inputs) :])
    made = tuple(value(v, name, lanes.made[v]) for v, name in names.values.items())
    found = operators(graph, names.values, folding, lanes.taken)
    weights = weight_ports(found, options.arithmetic) if options.io is Io.STREAM else {}
    plan = stream_plan(inputs, outputs, found, made, {f: p.name for f, p in weights.items()})
    return Design(
        graph=graph,
        top=top,
        name=graph.name,
        inputs=inputs,
        outputs=outputs,
        operators=found,
        values=made[len(inputs) :],
        names=names.values,
        sources={v: str(node.loc) for node in graph.nodes for v in node.outputs},
        sums={
            o.function: operator_sums(o, _way(o, options.io), units.get(o.node.output))
            for o in found
        },
        io=options.io,
        plan=plan,
        arithmetic=options.arithmetic,
        steps={o.function: operand_step(graph, o.node) for o in found},
        units=units,
        ports=weights,
        codes=graph.codes,
    )


def _settled(graph: HwGraph, options: HlsOptions) -> Mapping[str, Arithmetic]:
    if options.io is Io.STREAM and Arithmetic.AUTO in options.arithmetic.values():
        raise OptionError(
            "--arithmetic auto compares layers that are unrolled whole: give --io parallel, or "
            "name an arithmetic"
        )
    return settled(graph, options.arithmetic)


def _way(operator: Operator, io: Io) -> Way | None:
    """How an operator streams, if it does."""
    x, y = (tuple(v.type for v in side) for side in (operator.x, operator.y))
    return way(operator.node.op, x, y) if io is Io.STREAM else None


def render_operator(operator: Operator, design: Design, env: Any) -> tuple[str, dict[str, str]]:
    """The text of one operator, and its table files (path below src/ to text)."""
    op = operator.node.op
    types = tuple(v.type for v in operator.x)
    tables = Tables(operator.function)
    context: dict[str, Any] = {
        "node": operator,
        "op": op,
        "x": operator.x,
        "y": operator.y,
        "io": design.io.value,
        "rom": tables.rom,
        "names": indexing.axis_loops,
        "vars": indexing.axis_vars,
        "counted": indexing.counted,
        "indexed": indexing.indexed,
        "walk": indexing.walk,
        "parts": indexing.parts,
        "affine_formats": numbers.affine_formats,
        "code_format": numbers.code_format,
        "table_address": numbers.table_address,
        "estimate_address": numbers.estimate_address,
        "fields": fields(op),
        "streamed": False,
        "whole": (),
    }
    context |= numbers.numbers(op, *types) | _places(operator)
    context |= _sums(design.sums[operator.function])
    context |= _products(operator, design, context)
    if design.io is Io.STREAM:
        unit = design.units.get(operator.node.output)
        context |= stream_numbers(operator, unit)
        port = design.ports.get(operator.function)
        context |= port_numbers(port)
        if port is not None:
            context["arguments"] += f", {port.parameter}"
    text = env.get_template(f"hls/{operator.kind}.cpp.j2").render(context)
    return tidy(text), tables.files


def _sums(found: Sums | None) -> dict[str, Any]:
    """Formats of an operator's sums; None for one that adds nothing up."""
    if found is None:
        return {"acc": None, "tree": None}
    ranges = {"term_t": found.term, "sum_t": found.total, "acc": found.accumulated}
    formats = {name: IntFormat.of_range(*r) for name, r in ranges.items()}
    return formats | {"tree": found.tree}


def _products(operator: Operator, design: Design, formats: Mapping[str, Any]) -> dict[str, Any]:
    """How the products with constant weights are made."""
    op = operator.node.op
    if not isinstance(op, MatMul | Conv):
        return {}
    how = arithmetic_of(design.arithmetic, operator.node)
    if design.io is Io.PARALLEL:
        check_parallel(operator.node, how)
        refuse_reloadable(operator.node)
    multiplied = how in MULTIPLIED
    unit = design.units.get(operator.node.output)
    if design.io is Io.STREAM and not multiplied and unit is None:
        raise OptionError(
            f"{how.value} needs all weights at once, and a stream folds them: "
            "give --io parallel, or another --arithmetic for this layer",
            operator.node.loc,
        )
    of = cpp_type if multiplied or unit is not None else wire_type
    whole = (
        () if multiplied or unit is not None
        else _whole(operator, how, design.steps[operator.function])
    )  # fmt: skip
    return unit_numbers(unit, op.bias, formats["term_t"]) | {
        "arithmetic": how.value,
        "whole": whole,
        "vector_t": of(formats["operand_t"]),
        "sums_t": of(formats["sum_t"]),
    }


def _whole(operator: Operator, how: Arithmetic, step: int) -> tuple[Parts, ...]:
    """All sums of an operator as straight-line C++, matrix by matrix."""
    op, x = operator.node.op, operator.x[0].type
    assert isinstance(op, MatMul | Conv)
    if how is Arithmetic.SHIFT_ADD:
        return tuple(map(parts_of, adder_lines(op, x)))
    try:
        kernels = [kernel_of(m, how, step) for m in constant_matrices(op, x)]
        return tuple(parts_of(KernelLines(kernel, how)) for kernel in kernels)
    except OptionError as error:
        raise error.at(operator.node.loc) from error


def _places(operator: Operator) -> dict[str, Any]:
    """Index arithmetic that belongs to one operator."""
    match operator.node.op:
        case Concat(axis=axis):
            sizes = [v.shape[axis] for v in operator.x]
            return {"starts": [sum(sizes[:k]) for k in range(len(sizes))]}
        case Pad() as pad:
            return {"spread": partial(_spread, pad)}
        case Transpose(perm=perm):
            return {"back": partial(_back, perm)}
        case Reduce() as reduce:
            return _reduction(reduce, operator.x[0].shape)
        case Staircase() as staircase:
            return _rows(staircase)
        case TruthTable() as tables:
            kernel = lookups_of(tables, operator.x[0].type)
            return {"neurons": parts_of(KernelLines(kernel, "truth tables"))}
        case _:
            return {}


def _back(perm: tuple[int, ...], places: list[str]) -> list[str]:
    """Where an element of the transposed tensor comes from."""
    return [places[perm.index(axis)] for axis in range(len(perm))]


def _spread(pad: Pad, places: list[str]) -> list[str]:
    """Where an element lands between the padding."""
    found: list[str] = []
    for place, before, inner in zip(places, pad.before, pad.inner, strict=True):
        scaled = place if inner == 0 else f"{place} * {inner + 1}"
        found.append(str(before) if place == "0" else f"{scaled} + {before}" if before else scaled)
    return found


def _reduction(op: Reduce, shape: tuple[int, ...]) -> dict[str, Any]:
    inner = [a in op.axes for a in range(len(shape))]
    loops = [(f"i{a}", n, inner[a]) for a, n in enumerate(shape) if n != 1]
    variables = indexing.axis_vars("i", shape)

    def pick(values: list[Any], wanted: bool) -> list[Any]:
        return [v for v, i in zip(values, inner, strict=True) if i == wanted]

    return {
        "reduced": int(np.prod([n for n, i in zip(shape, inner, strict=True) if i])),
        "outer_axes": [(v, n) for v, n, i in loops if not i],
        "inner_axes": [(v, n) for v, n, i in loops if i],
        "inner_sizes": pick(list(shape), True),
        "kept_sizes": pick(list(shape), False),
        "inner_vars": pick(variables, True),
        "kept_vars": pick(variables, False),
    }


def _rows(op: Staircase) -> dict[str, Any]:
    """How an element finds its row: at once where rows follow the field's own order."""
    flat = op.row.reshape(-1)
    direct = bool(np.array_equal(flat, np.arange(flat.size)))
    single = len(op.rows) == 1
    return {
        "form": form_name(op.realisation),
        "row_table": not single and not direct,
        "row_index": "0" if single else "at_row" if direct else "(int)row[at_row]",
    }


def form_name(how: Realisation) -> str:
    """The name of a realisation in the templates."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(how).__name__).lower()


def tidy(text: str) -> str:
    """Generated C++ with directives at the margin and no runs of empty lines."""
    text = re.sub(r"(?m)^[ \t]+(?=#)", "", text)
    text = re.sub(r"(?m)[ \t]+$", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
