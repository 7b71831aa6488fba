"""Integer tensors side by side: each brings its own scale and offset along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hlsgen.expr import constant, tree
from hlsgen.expr.tree import Expr, Param
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw import concat
from hlsgen.ops.model import movement as model
from hlsgen.passes.lowering.affine import Affine, map_fields
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.movement import grown


def side_by_side(b: Builder, parts: Sequence[Affine], axis: int) -> Affine:
    """The tensors, spelled out to their whole shapes, as one."""
    leaf = b.emit(concat.Concat(axis), *(p.leaf for p in parts))
    shapes = [p.leaf.shape for p in parts]
    scale = _fields([p.scale for p in parts], shapes, axis)
    return Affine(leaf, scale, _fields([p.offset for p in parts], shapes, axis))


def _fields(parts: Sequence[Expr], shapes: Sequence[Shape], axis: int) -> Expr:
    """Constant fields along `axis`; irrational ones as a sum of masked parts."""
    rank = len(shapes[0])
    exact = [constant.rationals(v) for v in parts]
    known = [fields.field_of(v, rank) for v in exact if v is not None]
    if len(known) == len(parts):
        return Param.of(fields.concat(known, list(shapes), axis))
    y: Expr | None = None
    for i, part in enumerate(parts):
        mask, border = place(shapes, axis, i)
        inside = map_fields(part, rank, lambda v, op=border: grown(v, op))
        masked = tree.mul(mask, inside)
        y = masked if y is None else tree.add(y, masked)
    assert y is not None
    return y


def place(shapes: Sequence[Shape], axis: int, index: int) -> tuple[Param, model.Pad]:
    """1 where part `index` lies in the joined tensor, and the border around it."""
    sizes = [s[axis] for s in shapes]
    before, after = sum(sizes[:index]), sum(sizes[index + 1 :])
    rank = len(shapes[0])
    mask = np.zeros(sum(sizes), np.int64)
    mask[before : before + sizes[index]] = 1
    field = mask.reshape([-1 if a == axis else 1 for a in range(rank)])
    sides = [tuple(n if a == axis else 0 for a in range(rank)) for n in (before, after)]
    return Param.of(field), model.Pad(sides[0], sides[1], 0.0)
