"""project.json, the contract of a project, and proof.json, why its integers cannot overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

import hlsgen
from hlsgen.arith.format import IntFormat
from hlsgen.emit.hls import Design, HlsOptions
from hlsgen.emit.names import identifier
from hlsgen.emit.sums import Range, Sums
from hlsgen.emit.views import value_names
from hlsgen.expr import constant
from hlsgen.expr.affine import peel
from hlsgen.expr.network import Network
from hlsgen.expr.tree import Expr, Leaf
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw.staircase import Staircase

FORMAT = 1  # raised whenever a reader of an older file would misunderstand a newer one


def manifest(network: Network, options: HlsOptions, board: str | None) -> dict[str, Any]:
    """What a driver or another tool has to know of a project.

    Per input and output: name, shape, layout, integer format, and `value = scale * (code -
    zero_point)` where the border is affine.
    """
    model, graph = network.model, network.graph
    top = identifier(options.top or graph.name, "network")
    names = value_names(graph, top)
    return {
        "format": FORMAT,
        "hlsgen": hlsgen.__version__,
        "model": {"file": model.file, "sha256": model.sha256, "dialect": model.dialect},
        "options": {
            "io": options.io.value,
            "board": board,
            "part": options.part,
            "clock_ns": options.clock_ns,
            "top": top,
            "flow_target": options.flow_target,
        },
        "inputs": [
            {
                "name": port.source,
                "shape": list(model.types[port.source].shape),
                "dtype": model.types[port.source].dtype,
                "free_batch": port.source in model.batch,
                "port": names.values[port.value],
                **_port(graph.types[port.value]),
                **_chosen(graph.codes.get(port.value)),
                **_affine_codes(port.prologue),
            }
            for port in network.inputs
        ],
        "outputs": [
            {
                "name": out.name,
                "shape": list(out.shape),
                "dtype": out.dtype,
                "epilogue": not isinstance(out.epilogue, Leaf),
                "ports": [
                    {"port": names.outputs[graph.outputs.index(leaf)], **_port(graph.types[leaf])}
                    for leaf in _leaves(out.epilogue)
                ],
                **_affine_values(out.epilogue),
            }
            for out in network.outputs
        ],
        "notes": list(network.notes),
    }


def _leaves(e: Expr) -> list[str]:
    from hlsgen.expr.tree import leaves

    return [leaf.name for leaf in leaves(e)]


def _port(t: IntType) -> dict[str, Any]:
    return {
        "port_shape": list(t.shape),
        "layout": "row-major",
        "format": str(t.format),
        "cpp": t.format.cpp,
        "range": [t.min, t.max],
    }


def _chosen(codes: frozenset[int] | None) -> dict[str, Any]:
    """The only codes of an input, where its range has more: hardware may rely on it."""
    return {} if codes is None else {"codes": sorted(codes)}


def _numbers(e: Expr) -> list[float] | float | None:
    exact = constant.rationals(e)
    if exact is None:
        return None
    values = [float(v) for v in np.asarray(exact).flat]
    return values[0] if len(values) == 1 else values


def _affine_values(e: Expr) -> dict[str, Any]:
    """value = scale * (code - zero_point), where the epilogue is no more than that."""
    found = peel(e)
    if found is None or not isinstance(found[0], Leaf):
        return {}
    scale, offset = _numbers(found[1]), _numbers(found[2])
    return {"scale": scale, "offset": offset}


def _affine_codes(e: Expr) -> dict[str, Any]:
    """Scale and zero point of an input whose prologue is one plain quantiser."""
    from hlsgen.arith.rounding import Rounding
    from hlsgen.expr.tree import Apply, Param, Source
    from hlsgen.ops.model.elementwise import Fn

    zero: Any = 0
    while isinstance(e, Apply):
        match e:
            case Apply(fn=Fn.MAX | Fn.MIN | Rounding(), args=(inner, *_)):
                e = inner
            case Apply(fn=Fn.ADD, args=(inner, Param() as p)):
                zero, e = _numbers(p), inner
            case Apply(fn=Fn.DIV, args=(Source(), Param() as p)):
                return {"scale": _numbers(p), "zero_point": zero}
            case Apply(fn=Fn.MUL, args=(Source(), Param() as p)):
                factor = _numbers(p)
                return (
                    {"scale": 1 / factor, "zero_point": zero} if isinstance(factor, float) else {}
                )
            case _:
                return {}
    return {"scale": 1.0, "zero_point": 0} if isinstance(e, Source) else {}


def proof(network: Network, design: Design) -> dict[str, Any]:
    """Exact ranges of every value and adder, and how each staircase was checked.

    Together they are the proof that no operation overflows and that no rounding differs from the
    model's: ranges follow from the weights and the real input ranges by integer interval
    arithmetic; a staircase was compared with its exact steps over its whole input range.
    """
    graph = design.graph
    return {
        "format": FORMAT,
        "model_sha256": network.model.sha256,
        "inputs": {n: _range(graph.types[n]) for n in graph.inputs},
        "layers": [
            _layer(operator.node, graph.types, design.sums[operator.function])
            for operator in design.operators
        ],
    }


def _range(t: IntType) -> dict[str, Any]:
    return {"shape": list(t.shape), "range": [t.min, t.max], "format": str(t.format)}


def _layer(node: Node[HwOp], types: Any, sums: Sums | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operator": type(node.op).__name__,
        "for": str(node.loc),
        "inputs": list(node.inputs),
        "outputs": {name: _range(types[name]) for name in node.outputs},
    }
    if sums is not None:
        entry["sums"] = _adders(sums)
    if isinstance(node.op, Staircase):
        entry["staircase"] = {
            "realisation": node.op.realisation.text(),
            "functions": len(node.op.rows),
            "steps": sum(len(r.t) for r in node.op.rows),
            "input_range": [min(r.lo for r in node.op.rows), max(r.hi for r in node.op.rows)],
            "checked": "at both ends of the range and on both sides of every step",
        }
    return entry


def _adders(sums: Sums) -> dict[str, Any]:
    """Terms, adder tree (a node, its left half, its right half) and accumulator."""
    found: dict[str, Any] = {"term": _span(sums.term), "accumulator": _span(sums.accumulated)}
    if sums.tree is not None:
        found["tree"] = {"terms": sums.tree.terms, "nodes": [_span(r) for r in sums.tree.ranges]}
    return found


def _span(of: Range) -> str:
    """A range and the format that holds it, on one line."""
    return f"{of[0]} to {of[1]}, {IntFormat.of_range(*of)}"
