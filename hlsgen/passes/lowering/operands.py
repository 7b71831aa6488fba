"""The operand of a sum of products: a unit outside of the sum, integers inside of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hlsgen.expr import constant
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.passes.lowering.affine import Affine, rational, varies, whole

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Operand:
    """unit * factor * leaf + offset, with the unit uniform along the summed axes.

    `factor` (integers along one axis) goes into the weights.
    """

    leaf: Leaf
    unit: Expr
    factor: Array | None
    offset: Expr


def operand(a: Affine, axes: tuple[int, ...]) -> Operand:
    """Split a scale that varies along `axes` into a common unit and integers."""
    if not varies(a.scale, a.rank, axes):
        return Operand(a.leaf, a.scale, None, a.offset)
    exact = rational(a.scale, "a sum over the channels that it differs between", a.rank)
    unit = constant.gcd(exact, axes)
    return Operand(a.leaf, Param.of(unit), whole(exact / unit), a.offset)
