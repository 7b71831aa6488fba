"""Where the layers of a model end, and which nodes lie between known values and wanted ones."""

from __future__ import annotations

from collections.abc import Container, Iterable

from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import TO_BOOL, Elementwise, Fn
from hlsgen.ops.model.quantize import Quantize
from hlsgen.ops.model.select import ArgMax, ArgMin
from hlsgen.ops.model.threshold import CountThresholds

STEPS = frozenset({Fn.SIGN, Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC})


def ends_layer(model: Model, node: Node[ModelOp]) -> bool:
    """Does the node turn reals into codes?"""
    match node.op:
        case Quantize() | CountThresholds() | ArgMax() | ArgMin():
            return True
        case Elementwise(fn=fn):
            return fn in TO_BOOL or fn in STEPS
        case Cast():
            real = not model.types[node.inputs[0]].is_integer
            return real and model.types[node.output].is_integer
        case _:
            return False


def part_of(
    model: Model, targets: Iterable[str], known: Container[str]
) -> tuple[tuple[Node[ModelOp], ...], frozenset[str]]:
    """The nodes that make `targets` from known values, in order, and which of those they read."""
    wanted = set(targets)
    kept: list[Node[ModelOp]] = []
    for node in reversed(model.nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.difference_update(node.outputs)
            wanted.update(name for name in node.inputs if name not in known)
    made = {name for node in kept for name in node.outputs}
    read = {name for node in kept for name in node.inputs}
    return tuple(kept[::-1]), frozenset(read - made - model.constants.keys())


def variable(model: Model) -> frozenset[str]:
    """The values that depend on an input."""
    found = set(model.inputs)
    for node in model.nodes:
        if found.intersection(node.inputs):
            found.update(node.outputs)
    return frozenset(found)


def last_layers(model: Model) -> frozenset[str]:
    """The layers behind which no other layer ends."""
    leads: set[str] = set()
    last: set[str] = set()
    for node in reversed(model.nodes):
        reaches = any(name in leads for name in node.outputs)
        ends = ends_layer(model, node)
        if ends and not reaches:
            last.add(node.output)
        if ends or reaches:
            leads.update(node.inputs)
    return frozenset(last)
