"""What a report says of each operator, whatever the design is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hlsgen.arith.format import IntFormat
from hlsgen.emit import sums as adders
from hlsgen.emit.arithmetic import arithmetic_of
from hlsgen.emit.hls import Design, Io
from hlsgen.emit.views import Operator
from hlsgen.fold.estimate import Estimate, LayerUse
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase as StaircaseOp
from hlsgen.report.facts import Fabric, Layer, Logic, Staircase, Sums, Tensor, Weights
from hlsgen.report.inspect import detail, multiplies

CHECKED = "at both ends of the range and on both sides of every step"


def layers_of(
    graph: HwGraph, design: Design, logic: Mapping[str, Logic], fabric: Estimate | None
) -> tuple[Layer, ...]:
    """Every operator, in the order of the design; `logic` by the name of its first output."""
    taken = {} if fabric is None else {layer.node: layer for layer in fabric.layers}
    return tuple(
        replace(
            _layer(k, operator, graph, design, logic.get(operator.node.output)),
            fabric=_fabric(taken.get(operator.node.output)),
        )
        for k, operator in enumerate(design.operators)
    )


def tensor(name: str, of: IntType) -> Tensor:
    """The facts of a value."""
    return Tensor(name, of.shape, str(of.format), of.format.width, of.min, of.max)


def _layer(
    index: int, operator: Operator, graph: HwGraph, design: Design, logic: Logic | None
) -> Layer:
    node = operator.node
    types = tuple(graph.types[name] for name in node.inputs)
    made = graph.types[node.output]
    streamed = design.io is Io.STREAM
    matrix = isinstance(node.op, MatMul | Conv)
    works = {p.function: p.work for p in design.plan.processes} if streamed else {}
    return Layer(
        index=index,
        name=node.output,
        operator=type(node.op).__name__,
        node=f"node {node.loc.index} '{node.loc.name}' ({node.loc.op})",
        onnx_name=node.loc.name,
        inputs=node.inputs,
        outputs=tuple(tensor(name, graph.types[name]) for name in node.outputs),
        detail=detail(node.op, types),
        multiplications=multiplies(node.op, types, made),
        weights=_weights(operator, design),
        arithmetic=_arithmetic(operator, design) if matrix else None,
        sums=_sums(design.sums[operator.function]),
        staircase=_staircase(operator),
        pe=operator.y[0].lanes if streamed else None,
        simd=operator.x[0].lanes if streamed and matrix else None,
        cycles=works.get(operator.function),
        logic=logic,
        fabric=None,
    )


def _fabric(found: LayerUse | None) -> Fabric | None:
    return None if found is None else Fabric(found.own.counts, found.between.counts, found.memory)


def _weights(operator: Operator, design: Design) -> Weights | None:
    """The constants of products, as the design holds them."""
    op = operator.node.op
    if not isinstance(op, MatMul | Conv) or not op.weights.size:
        return None
    w = op.weights
    unit = design.units.get(operator.node.output)
    if unit is not None:
        e = unit.encoding
        held = f"codes of {e.bits} bits for {e.group}" if e.group > 1 else f"codes of {e.bits} bits"
        return Weights(w.shape, w.size, held, -(-w.size // e.group) * e.bits)
    fmt = IntFormat.of_range(int(w.min()), int(w.max()))
    return Weights(w.shape, w.size, str(fmt), w.size * fmt.width)


def _arithmetic(operator: Operator, design: Design) -> str:
    how = arithmetic_of(design.arithmetic, operator.node).value
    return f"{how}, reloadable" if operator.function in design.ports else how


def _sums(found: adders.Sums | None) -> Sums | None:
    if found is None:
        return None
    inner = 0 if found.tree is None else found.tree.terms - 1
    return Sums(_span(found.term), _span(found.accumulated), inner + 1)


def _span(of: adders.Range) -> str:
    return f"{of[0]:,} to {of[1]:,}, {IntFormat.of_range(*of)}"


def _staircase(operator: Operator) -> Staircase | None:
    op = operator.node.op
    if not isinstance(op, StaircaseOp):
        return None
    rows = op.rows
    return Staircase(
        op.realisation.text(),
        len(rows),
        sum(len(r.t) for r in rows),
        min(r.lo for r in rows),
        max(r.hi for r in rows),
        CHECKED,
    )
