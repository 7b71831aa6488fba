"""The C++ of one operator: everything that its template needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.arith.staircase import Realisation
from hlsgen.emit import indexing, numbers
from hlsgen.emit.arithmetic import (
    GRAPHS,
    MULTIPLIED,
    Arithmetic,
    adder_lines,
    arithmetic_of,
    check_parallel,
)
from hlsgen.emit.encodings import unit_numbers
from hlsgen.emit.folded import stream_numbers
from hlsgen.emit.graph_text import graph_numbers
from hlsgen.emit.jinja import cpp_type, tidy, wire_type
from hlsgen.emit.matrices import constant_matrices
from hlsgen.emit.products.lines import KernelLines, kernel_of, lookups_of
from hlsgen.emit.products.parts import Parts, parts_of
from hlsgen.emit.reloadable import (
    port_numbers,
    refuse_reloadable,
)
from hlsgen.emit.streaming import Io, fields
from hlsgen.emit.sums import Sums
from hlsgen.emit.tables import Tables
from hlsgen.emit.views import Operator
from hlsgen.errors import OptionError
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.ops.hw.truth_table import TruthTable

if TYPE_CHECKING:
    from hlsgen.emit.hls import Design


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
        context["memory"] = design.memory.get(operator.node.output, "")
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
    elif how in GRAPHS:
        return graph_numbers(operator, how, formats["sum_t"])
    unit = design.units.get(operator.node.output)
    packed = design.packings.get(operator.node.output)
    multiplied = how in MULTIPLIED or packed is not None
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
        "packed": packed,
        "graph": False,
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
