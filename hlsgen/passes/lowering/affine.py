"""Tensors as scale * integers + offset, and questions about such scales and offsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.tree import Apply, Expr, Leaf, Param
from hlsgen.ir import field as fields

Array = NDArray[Any]


class Irrational(Unsupported):
    """A factor without exact integers stands where integers are needed."""


@dataclass(frozen=True, eq=False)
class Affine:
    """scale * leaf + offset; scale and offset are constant expressions."""

    leaf: Leaf
    scale: Expr
    offset: Expr

    @property
    def expr(self) -> Expr:
        """The real numbers."""
        return tree.affine(self.leaf, self.scale, self.offset)

    @property
    def rank(self) -> int:
        """Axes of the tensor."""
        return len(self.leaf.shape)

    @classmethod
    def compact(cls, leaf: Leaf, scale: Expr, offset: Expr) -> Affine:
        """Scale and offset varying only along axes where they really do."""
        rank = len(leaf.shape)
        return cls(leaf, _compact(scale, rank), _compact(offset, rank))


def _compact(e: Expr, rank: int) -> Expr:
    e = tree.free(e)
    if isinstance(e, Param):
        return Param.of(fields.compress(fields.field_of(e.values, max(rank, e.values.ndim))))
    return e


def field_shape(e: Expr, rank: int) -> tuple[int, ...]:
    """Along which axes a constant expression varies (sizes > 1), aligned to `rank`."""
    shapes = [n.values.shape for n in tree.nodes(e) if isinstance(n, Param)]
    shape = np.broadcast_shapes((), *shapes)
    return (1,) * (rank - len(shape)) + tuple(int(n) for n in shape)


def varies(e: Expr, rank: int, axes: Sequence[int]) -> bool:
    """Whether a constant expression varies along any of the axes."""
    shape = field_shape(e, rank)
    return any(shape[a] > 1 for a in axes)


def map_fields(e: Expr, rank: int, change: Callable[[Array], Array]) -> Expr:
    """A constant expression with the field of every parameter moved in the same way."""

    def visit(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Param(values=values):
                return Param.of(change(fields.field_of(values, rank)))
            case Apply(fn=fn):
                return tree.apply(fn, *args)
            case _:
                return node

    return tree.rewrite(e, visit)


def rational(e: Expr, where: str, rank: int | None = None) -> Array:
    """A constant expression as Fractions, as a field of `rank` axes."""
    values = constant.rationals(e)
    if values is None:
        raise Irrational(
            f"an irrational factor (such as a batch normalisation's 1 / sqrt(variance)) reaches "
            f"{where} without a quantiser between, so no integers hold it exactly; put a "
            "quantiser behind it, or fold it into the weights"
        )
    return values if rank is None else fields.field_of(values, rank)


def zero_code(a: Affine) -> int | None:
    """The integer that stands for real zero everywhere, if there is one."""
    if tree.is_number(a.offset, 0):
        return 0
    scale, offset = constant.rationals(a.scale), constant.rationals(a.offset)
    if scale is None or offset is None or (scale == 0).any():
        return None
    codes = np.asarray(-offset / scale, dtype=object)
    first = codes.flat[0]
    if first.denominator != 1 or any(c != first for c in codes.flat):
        return None
    return int(first)


def whole(values: Array) -> Array:
    """Fractions that are whole numbers, as int64 where they fit."""
    values = np.asarray(values, dtype=object)  # a division of scalars leaves no array
    out = np.empty(values.shape, dtype=object)
    out.flat[:] = [int(v) for v in values.flat]
    return fields.compress(fields.to_int64(out))
