"""Weighted sums of tensors: one exact integer tensor, or one that is close enough, provably."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import constant, tree
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ir.hw import IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw.linear import Linear
from hlsgen.passes.lowering.affine import Affine, Irrational, whole
from hlsgen.passes.lowering.approximate import Approximation
from hlsgen.passes.lowering.emission import Builder

Array = NDArray[Any]
_BITS = 200  # of the enclosures that irrational factors are rounded from


def weighted(
    b: Builder, parts: Sequence[tuple[Affine, Expr]], rest: Expr, shape: Shape, margin: int | None
) -> Expr:
    """Sum of weight * part + rest over one leaf.

    Irrational factors are rounded, with `margin` bits to spare; they are refused if it is None.
    """
    factors: dict[str, tuple[Leaf, Expr]] = {}
    for part, weight in parts:
        rest = tree.add(rest, tree.free(tree.mul(weight, part.offset)))
        factor = tree.free(tree.mul(weight, part.scale))
        if part.leaf.name in factors:
            factor = tree.add(factors[part.leaf.name][1], factor)
        factors[part.leaf.name] = (part.leaf, factor)
    if len(factors) == 1:
        ((leaf, factor),) = factors.values()
        return tree.affine(leaf, factor, rest)
    leaves = [b.rank(leaf, len(shape)) for leaf, _ in factors.values()]
    exact = [constant.rationals(factor) for _, factor in factors.values()]
    known = [fields.field_of(v, len(shape)) for v in exact if v is not None]
    if len(known) == len(exact):
        unit = constant.pairwise_gcd(known)
        whole_factors = tuple(whole(v / unit) for v in known)
        return tree.affine(_emit(b, whole_factors, leaves), Param.of(fields.compress(unit)), rest)
    if margin is None:
        raise Irrational(
            "a sum of tensors with irrational factors (batch normalisation's square root) is used "
            "without a quantiser; put one behind the sum"
        )
    return _approximated(b, [f for _, f in factors.values()], leaves, rest, margin)


def _emit(b: Builder, factors: tuple[Array, ...], leaves: Sequence[Leaf]) -> Leaf:
    """The sum as a node; operands are spelled out where only the factors vary."""
    shape = tuple(int(n) for n in np.broadcast_shapes(*(x.shape for x in leaves)))
    wide = tuple(int(n) for n in np.broadcast_shapes(shape, *(f.shape for f in factors)))
    if wide != shape:
        leaves = [b.broadcast(leaves[0], wide), *leaves[1:]]
    return b.emit(Linear(factors, np.zeros((1,) * len(wide), np.int64)), *leaves)


def _approximated(
    b: Builder, factors: Sequence[Expr], leaves: Sequence[Leaf], rest: Expr, margin: int
) -> Expr:
    rank = len(leaves[0].shape)
    bounds = [_enclosures(f, rank) for f in factors]
    middles: list[Array] = [np.asarray((lo + hi) / 2, dtype=object) for lo, hi in bounds]
    types = [b.type_of(x) for x in leaves]
    unit = _unit(middles, types, margin)
    rounded = tuple(whole(_nearest(m * (1 / unit))) for m in middles)
    exact: list[bool] = []
    slack: Array = np.zeros((1,) * rank, dtype=object)
    for (lo, hi), k, x in zip(bounds, rounded, types, strict=True):
        size = np.maximum(np.abs(fields.to_object(x.lo)), np.abs(fields.to_object(x.hi)))
        off = np.maximum(abs(hi / unit - k), abs(k - lo / unit))
        exact.append(not (np.asarray(off) != 0).any())
        slack = slack + off * size
    leaf = _emit(b, rounded, leaves)
    ceilings = np.vectorize(math.ceil, otypes=[object])(slack)
    b.approximate[leaf.name] = Approximation(
        rounded, tuple(exact), fields.compress(ceilings), tuple(types)
    )
    return tree.affine(leaf, Param.of(np.array(unit, dtype=object)), rest)


def _enclosures(e: Expr, rank: int) -> tuple[Array, Array]:
    lo, hi = constant.bounds(e, _BITS)
    return fields.field_of(lo, rank), fields.field_of(hi, rank)


def _nearest(values: Array) -> Array:
    out = np.empty(np.shape(values), dtype=object)
    out.flat[:] = [math.floor(v + Fraction(1, 2)) for v in np.asarray(values).flat]
    return out


def _unit(middles: Sequence[Array], types: Sequence[IntType], margin: int) -> Fraction:
    """A power of two so fine that steps come near a sum by chance only once in 2^margin.

    The sums are `points` many over a range of `reach`, each with an error of about half the sum
    of the operands' sizes, and a quantiser behind them has some 2^8 steps.
    """
    points, sizes, reach = 1, 1, Fraction(0)
    for m, x in zip(middles, types, strict=True):
        size = max(abs(x.min), abs(x.max), 1)
        points *= x.max - x.min + 1
        sizes += size
        reach += max(abs(v) for v in m.flat) * size
    wanted = points * sizes << (8 + margin)
    exponent = math.ceil(math.log2(wanted) - _log2(reach))
    return Fraction(2) ** -exponent


def _log2(v: Fraction) -> float:
    return math.log2(v.numerator) - math.log2(v.denominator) if v else 0.0
