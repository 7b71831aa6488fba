"""Tensors side by side of which one has no integers yet: a Concat that waits for its quantiser.

Element-wise operators commute with Concat, and every movement of data does too, so the parts stay
apart until something asks for the integers of what they have become.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import prod

from hlsgen.errors import Unsupported
from hlsgen.expr import tree
from hlsgen.expr.tree import Expr, Host
from hlsgen.ir.model import Shape
from hlsgen.ops.model.movement import Concat, Reshape, Take, Transpose

Move = Callable[[Expr, Transpose | Reshape | Take], Expr]


def joined(parts: Sequence[Expr], axis: int) -> Expr:
    """The parts side by side."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].shape
    shape = (*first[:axis], sum(p.shape[axis] for p in parts), *first[axis + 1 :])
    return Host(Concat(axis), tuple(parts), shape)


def is_joined(e: Expr) -> bool:
    """Whether `e` is such a Concat: of hardware values, nothing in it that only the host does."""
    return isinstance(e, Host) and _is_concat(e) and waits(e)


def waits(e: Expr) -> bool:
    """Whether some Concat of `e` waits for its quantiser, and nothing is left to the host."""
    if not tree.has_host(e) or tree.sources(e):
        return False
    return all(_is_concat(n) for n in tree.nodes(e) if isinstance(n, Host))


def _is_concat(e: Host) -> bool:
    return isinstance(e.op, Concat)


def outermost(e: Expr) -> tuple[int, tuple[int, ...]]:
    """(axis of e, sizes along it) of the last Concat of an expression that waits."""
    found = [n for n in tree.nodes(e) if isinstance(n, Host)][-1]
    assert isinstance(found.op, Concat)
    axis = found.op.axis
    return axis + len(e.shape) - len(found.shape), tuple(p.shape[axis] for p in found.args)


def move_joined(e: Host, op: Transpose | Reshape | Take, move: Move) -> Expr:
    """The Concat after Transpose, Reshape or Take: that of the moved parts."""
    assert isinstance(e.op, Concat)
    axis = e.op.axis
    match op:
        case Transpose(perm=perm):
            return joined([move(p, op) for p in e.args], perm.index(axis))
        case Reshape(shape=shape):
            return _reshaped(e, axis, shape, move)
        case Take(axis=along) if along != axis:
            return joined([move(p, op) for p in e.args], axis)
        case Take(indices=indices):
            return _taken(e, axis, indices, move)


def _taken(e: Host, axis: int, indices: Sequence[int], move: Move) -> Expr:
    """Elements along the axis of the Concat: runs of elements of one part."""
    places = [(i, n) for i, p in enumerate(e.args) for n in range(p.shape[axis])]
    runs = groupby((places[n] for n in indices), key=lambda place: place[0])
    parts: list[Expr] = []
    for i, run in runs:
        chosen = tuple(n for _, n in run)
        part = e.args[i]
        same = chosen == tuple(range(part.shape[axis]))
        parts.append(part if same else move(part, Take(axis, chosen)))
    return joined(parts, axis)


def _reshaped(e: Host, axis: int, shape: Shape, move: Move) -> Expr:
    """Parts stay side by side if the axes in front of theirs hold the same elements as before."""
    outer, inner = prod(e.shape[:axis]), prod(e.shape[axis + 1 :])
    sizes = [p.shape[axis] * inner for p in e.args]
    for new in range(len(shape)):
        step = prod(shape[new + 1 :])
        if prod(shape[:new]) == outer and all(n % step == 0 for n in sizes):
            shapes = [(*shape[:new], n // step, *shape[new + 1 :]) for n in sizes]
            parts = [move(p, Reshape(s)) for p, s in zip(e.args, shapes, strict=True)]
            return joined(parts, new)
    raise Unsupported(
        f"a Reshape from {list(e.shape)} to {list(shape)} mixes the parts of a Concat that has no "
        "integers, as one of them has no quantiser; put one behind the Concat"
    )
