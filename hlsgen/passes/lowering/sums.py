"""Weighted sums of tensors: one exact integer tensor, or one that is close enough, provably."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.ir import field as fields
from hlsgen.ir.model import Shape
from hlsgen.ops.hw.linear import Linear
from hlsgen.passes.lowering.affine import Affine, Irrational, whole
from hlsgen.passes.lowering.approximate import Approximation, Piece
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.lines import Enclosed, Line, emit_line, inside

Array = NDArray[Any]
Summand = tuple[Affine | Line, Expr]


def weighted(
    b: Builder, parts: Sequence[Summand], rest: Expr, shape: Shape, margin: int | None
) -> Expr:
    """Sum of weight * part + rest over one leaf.

    Irrational factors are rounded, with `margin` bits to spare; they are refused if it is None.
    """
    factors: dict[str, tuple[Leaf, Expr]] = {}
    lines: list[Line] = []
    for part, weight in parts:
        if isinstance(part, Line):
            lines.append(_weighted_line(part, weight, len(shape)))
            continue
        rest = tree.add(rest, tree.free(tree.mul(weight, part.offset)))
        factor = tree.free(tree.mul(weight, part.scale))
        if part.leaf.name in factors:
            factor = tree.add(factors[part.leaf.name][1], factor)
        factors[part.leaf.name] = (part.leaf, factor)
    if len(factors) == 1 and not lines:
        ((leaf, factor),) = factors.values()
        return tree.affine(leaf, factor, rest)
    leaves = [b.rank(leaf, len(shape)) for leaf, _ in factors.values()]
    exact = [constant.rationals(factor) for _, factor in factors.values()]
    known = [fields.field_of(v, len(shape)) for v in exact if v is not None]
    if len(known) == len(exact) and not lines:
        unit = constant.pairwise_gcd(known)
        whole_factors = tuple(whole(v / unit) for v in known)
        return tree.affine(_emit(b, whole_factors, leaves), Param.of(fields.compress(unit)), rest)
    if margin is None:
        raise Irrational(
            "a sum of tensors with irrational factors (batch normalisation's square root) is used "
            "without a quantiser; put one behind the sum"
        )
    lines = [replace(x, leaf=b.rank(x.leaf, len(shape))) for x in lines]
    for leaf, (_, factor) in zip(leaves, factors.values(), strict=True):
        lines.append(Line.of(Affine(leaf, factor, ZERO), len(shape)))
    return _approximated(b, lines, rest, margin)


def _weighted_line(line: Line, weight: Expr, rank: int) -> Line:
    found = line.scaled(Enclosed.of(weight, rank))
    if found is None:
        raise Irrational(
            "a clipped tensor with irrational factors counts positive in some channels of a sum "
            "and negative in others, so no integers hold it; put a quantiser behind the clip"
        )
    return found


def _emit(b: Builder, factors: tuple[Array, ...], leaves: Sequence[Leaf]) -> Leaf:
    """The sum as a node; operands are spelled out where only the factors vary."""
    shape = tuple(int(n) for n in np.broadcast_shapes(*(x.shape for x in leaves)))
    wide = tuple(int(n) for n in np.broadcast_shapes(shape, *(f.shape for f in factors)))
    if wide != shape:
        leaves = [b.broadcast(leaves[0], wide), *leaves[1:]]
    return b.emit(Linear(factors, np.zeros((1,) * len(wide), np.int64)), *leaves)


def _approximated(b: Builder, lines: Sequence[Line], rest: Expr, margin: int) -> Expr:
    """The sum in a unit so fine that steps come near it by chance only once in 2^margin."""
    unit = _unit(b, lines, margin)
    rank = len(lines[0].leaf.shape)
    slack: Array = np.zeros((1,) * rank, dtype=object)
    leaves: list[Leaf] = []
    factors: list[Array] = []
    summands: list[tuple[Piece, ...]] = []
    for line in lines:
        if line.low is None and line.high is None:
            leaf, pieces, off = _factor(b, line, unit)
            factors.append(pieces[0].factor)
        else:
            leaf, pieces, off = emit_line(b, line, unit)
            factors.append(np.ones((1,) * rank, np.int64))
        leaves.append(leaf)
        summands.append(pieces)
        slack = slack + off
    leaf = _emit(b, tuple(factors), leaves)
    ceilings = np.vectorize(math.ceil, otypes=[object])(slack)
    b.approximate[leaf.name] = Approximation(tuple(summands), fields.compress(ceilings))
    return tree.affine(leaf, Param.of(np.array(unit, dtype=object)), rest)


def _factor(b: Builder, line: Line, unit: Fraction) -> tuple[Leaf, tuple[Piece, ...], Array]:
    """A summand without limits: its factor is rounded, its offset stays with the sum's."""
    x = b.type_of(line.leaf)
    k, off = line.slope.rounded(unit)
    size = np.maximum(np.abs(fields.to_object(x.lo)), np.abs(fields.to_object(x.hi)))
    none = np.zeros((1,) * k.ndim, np.int64)
    piece = Piece(x.lo, x.hi, k, none, not (off != 0).any(), True)
    return line.leaf, (piece,), np.asarray(off * size, dtype=object)


def _unit(b: Builder, lines: Sequence[Line], margin: int) -> Fraction:
    """A power of two for a sum of integers of these sizes, with a quantiser of 2^8 steps behind.

    The sums are `points` many over a range of `reach`, each with an error of about half the sum
    of the operands' sizes.
    """
    points, sizes, reach = 1, 1, Fraction(0)
    for line in lines:
        x = b.type_of(line.leaf)
        size = max(abs(x.min), abs(x.max), 1)
        first, last = inside(line, x)
        points *= int((last - first).max()) + 1
        sizes += size
        reach += max(abs(v) for v in line.slope.middle.flat) * size
    wanted = points * sizes << (8 + margin)
    exponent = math.ceil(math.log2(wanted) - _log2(reach))
    return Fraction(2) ** -exponent


def _log2(v: Fraction) -> float:
    return math.log2(v.numerator) - math.log2(v.denominator) if v else 0.0
