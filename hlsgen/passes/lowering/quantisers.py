"""Quantisers, thresholds and changes of type."""

from __future__ import annotations

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.network import Origin
from hlsgen.expr.tree import Count, Expr, Param
from hlsgen.ops.model import quantize
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.integers import full, integer
from hlsgen.passes.lowering.staircases import bounds


def quantized(b: Builder, op: quantize.Quantize, args: list[Expr], name: str) -> Expr:
    """Codes as an integer tensor of its own: every quantiser of the file stays visible."""
    core = codes_of(op, args)
    if tree.is_constant(core):
        return Param(np.array(np.broadcast_to(constant.integers(core), core.shape)), core.shape)
    a = full(b, core)
    b.origins.append(Origin(a.leaf.name, name, a.scale, a.offset, b.loc))
    return a.expr


def codes_of(op: quantize.Quantize, args: list[Expr]) -> Expr:
    """clip(round(x / scale + zero point)), or with the zero point added behind the rounding."""
    x, scale, zero = args
    v = tree.apply(Fn.DIV, x, scale)
    shifts = not tree.is_number(zero, 0)
    if shifts and op.zero_point_inside:
        v = tree.add(v, zero)
    v = tree.apply(op.rounding, v)
    if shifts and not op.zero_point_inside:
        v = tree.add(v, zero)
    low, high = Param.of(np.int64(op.qmin)), Param.of(np.int64(op.qmax))
    return tree.apply(Fn.MIN, tree.apply(Fn.MAX, v, low), high)


def counted(x: Expr, thresholds: Expr, axis: int) -> Expr:
    """Thresholds (C or 1, K) as a field of x with K as one more axis."""
    if not isinstance(thresholds, Param):
        raise Unsupported("thresholds that are computed; make them constants of the file")
    table = np.broadcast_to(thresholds.values, thresholds.shape)
    lead = [1] * len(x.shape)
    lead[axis] = table.shape[0]
    return Count(x, table.reshape(*lead, table.shape[1]), x.shape)


def _range(dtype: str) -> tuple[int, int] | None:
    """Smallest and largest number of an integer type."""
    width = dtype.lstrip("uint")
    if not width.isdigit() or not dtype.endswith(f"int{width}"):
        return None
    bits = int(width)
    return (0, (1 << bits) - 1) if dtype[0] == "u" else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def cast_to(b: Builder, e: Expr, dtype: str) -> Expr:
    """The value in another type: x != 0 as bool; cut toward zero, integers to their low bits."""
    if dtype == "bool":
        return tree.apply(Fn.NOT, tree.apply(Fn.EQUAL, e, Param.of(np.int64(0))))
    span = _range(dtype)
    if span is None:
        return e
    whole = e if tree.is_integer(e) else tree.apply(Rounding.ZERO, e)
    if tree.is_constant(whole) or tree.sources(whole) or _fits(b, whole, span):
        return whole
    if not tree.is_integer(e):
        raise Unsupported(
            f"real values beyond {span[0]} .. {span[1]} may reach a Cast to {dtype}, where what "
            "becomes of them is not defined; clip them before the Cast"
        )
    size = Param.of(np.array(span[1] - span[0] + 1, dtype=object))
    low = Param.of(np.array(span[0], dtype=object))
    return tree.add(tree.apply(Fn.MOD, tree.apply(Fn.SUB, whole, low), size), low)


def _fits(b: Builder, e: Expr, span: tuple[int, int]) -> bool:
    """Whether every value that can occur lies within the span."""
    reach = bounds(b, e)
    if np.all(reach.lo >= span[0]) and np.all(reach.hi <= span[1]):
        return True
    a = integer(b, e)
    scale, offset = constant.rationals(a.scale), constant.rationals(a.offset)
    if scale is None or offset is None:
        return False
    x = b.type_of(a.leaf)
    ends = [scale * v + offset for v in (x.lo, x.hi)]
    return all(bool(np.all((v >= span[0]) & (v <= span[1]))) for v in ends)
