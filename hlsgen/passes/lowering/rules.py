"""What each model operator does to expressions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.tree import Apply, Count, Expr, Host, Param
from hlsgen.ir.model import Model, ModelOp, ModelType, Shape
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.reduce import Reduction
from hlsgen.ops.model import cast, elementwise, linear, movement, pool, quantize, reduce, select
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.softmax import Softmax
from hlsgen.ops.model.threshold import CountThresholds
from hlsgen.passes.lowering import pooling, products
from hlsgen.passes.lowering.builder import Builder, NeedsRawInput, Origin
from hlsgen.passes.lowering.movement import concatenate, move, padded


def lower_node(
    b: Builder, op: ModelOp, args: list[Expr], outputs: tuple[ModelType, ...], names: tuple[str, ...]
) -> tuple[Expr, ...]:
    """The expressions of a node's outputs."""
    shape = outputs[0].shape
    if any(_stays_on_host(a) for a in args) and not _selects(op):
        return (_on_host(op, args, shape),)
    match op:
        case elementwise.Elementwise(fn=fn):
            return (tree.apply(fn, *args),)
        case quantize.Quantize():
            return (quantized(b, op, args, names[0]),)
        case quantize.Dequantize():
            x, scale, zero = args
            return (tree.mul(tree.apply(Fn.SUB, x, zero), scale),)
        case cast.Cast(dtype=dtype):
            return (cast_to(b, args[0], dtype),)
        case CountThresholds(axis=axis):
            return (counted(args[0], args[1], axis),)
        case movement.Transpose() | movement.Reshape() | movement.Take():
            return (move(b, args[0], op),)
        case movement.Concat(axis=axis):
            return (concatenate(b, args, axis, shape),)
        case movement.Pad():
            return (padded(b, args[0], op, shape),)
        case Softmax():
            return (Host(op, (args[0],), shape),)
        case select.TopK():
            return pooling.top_k(b, args[0], op)
        case select.ArgMax() | select.ArgMin():
            return (pooling.arg_extreme(b, args[0], op),)
        case _:
            return (_sums(b, op, args),)


def _sums(b: Builder, op: ModelOp, args: list[Expr]) -> Expr:
    match op:
        case linear.Conv():
            return products.convolution(b, args[0], args[1], op)
        case linear.ConvTranspose():
            return products.transposed(b, args[0], args[1], op)
        case linear.MatMul():
            return products.product(b, args[0], args[1])
        case pool.MaxPool():
            return pooling.max_pool(b, args[0], _window(op))
        case pool.SumPool():
            return pooling.sum_pool(b, args[0], _window(op))
        case reduce.ReduceSum(axes=axes, keepdims=keep):
            return pooling.reduce_sum(b, args[0], axes, keep)
        case reduce.ReduceMax(axes=axes, keepdims=keep):
            return pooling.reduce_extreme(b, args[0], Reduction.MAX, axes, keep)
        case reduce.ReduceMin(axes=axes, keepdims=keep):
            return pooling.reduce_extreme(b, args[0], Reduction.MIN, axes, keep)
        case _:
            raise Unsupported(f"{type(op).__name__} has no hardware yet", b.loc)


def _window(op: pool.MaxPool | pool.SumPool) -> Window:
    return Window(op.kernel, op.strides, op.dilations, op.pads_begin, op.pads_end)


def _selects(op: ModelOp) -> bool:
    return isinstance(op, (select.TopK, select.ArgMax, select.ArgMin))


def _stays_on_host(e: Expr) -> bool:
    """Behind a softmax, computed by the host."""
    return any(isinstance(n, Host) and not tree.sources(n) for n in tree.nodes(e))


_ELEMENTWISE = (elementwise.Elementwise, quantize.Quantize, quantize.Dequantize, cast.Cast)
_MOVES = (movement.Transpose, movement.Reshape, movement.Take, movement.Concat, Softmax)


def _on_host(op: ModelOp, args: list[Expr], shape: Shape) -> Expr:
    match op:
        case elementwise.Elementwise(fn=fn):
            return tree.apply(fn, *args)
        case quantize.Quantize():
            return _codes_of(op, args)
        case quantize.Dequantize():
            return tree.mul(tree.apply(Fn.SUB, args[0], args[2]), args[1])
        case cast.Cast():
            return Host(op, (args[0],), shape)
        case movement.Transpose() | movement.Reshape() | movement.Take() | movement.Concat():
            return Host(op, tuple(args), shape)
        case Softmax():
            return Host(op, (args[0],), shape)
        case _:
            raise Unsupported(
                f"{type(op).__name__} behind a softmax: a softmax inside the network needs "
                "softmax hardware, which belongs to a later release"
            )


def quantized(b: Builder, op: quantize.Quantize, args: list[Expr], name: str) -> Expr:
    """Codes as an integer tensor of its own: every quantiser of the file stays visible."""
    core = _codes_of(op, args)
    if tree.is_constant(core):
        full = np.broadcast_to(constant.integers(core), core.shape)
        return Param(np.array(full), core.shape)
    a = b.integer(core)
    b.origins.append(Origin(a.leaf.name, name, a.scale, a.offset, b.loc))
    return a.expr


def _codes_of(op: quantize.Quantize, args: list[Expr]) -> Expr:
    x, scale, zero = args
    v = tree.apply(Fn.DIV, x, scale)
    if op.zero_point_inside:
        v = tree.apply(op.rounding, tree.add(v, zero) if not tree.is_number(zero, 0) else v)
    else:
        v = tree.apply(op.rounding, v)
        v = v if tree.is_number(zero, 0) else tree.add(v, zero)
    low, high = Param.of(np.int64(op.qmin)), Param.of(np.int64(op.qmax))
    return tree.apply(Fn.MIN, tree.apply(Fn.MAX, v, low), high)


def counted(x: Expr, thresholds: Expr, axis: int) -> Expr:
    """Thresholds (C or 1, K) as a field of x with K as one more axis."""
    if not isinstance(thresholds, Param):
        raise Unsupported("thresholds that are computed")
    table = np.broadcast_to(thresholds.values, thresholds.shape)
    lead = [1] * len(x.shape)
    lead[axis] = table.shape[0]
    return Count(x, table.reshape(*lead, table.shape[1]), x.shape)


_RANGE = {
    **{f"int{w}": (-(1 << (w - 1)), (1 << (w - 1)) - 1) for w in range(1, 65)},
    **{f"uint{w}": (0, (1 << w) - 1) for w in range(1, 65)},
}


def cast_to(b: Builder, e: Expr, dtype: str) -> Expr:
    """The value in another type; integers that may not fit are refused rather than wrapped."""
    if dtype == "bool":
        return tree.apply(Fn.NOT, tree.apply(Fn.EQUAL, e, Param.of(np.int64(0))))
    if dtype not in _RANGE:
        return e
    whole = e if _is_whole(e) else tree.apply(Rounding.ZERO, e)
    if tree.is_constant(whole):
        return whole
    if not tree.sources(whole):
        bounds = b.bounds(b.single(whole))
        low, high = float(np.min(bounds.lo)), float(np.max(bounds.hi))
        lo, hi = _RANGE[dtype]
        if low < lo or high > hi:
            raise Unsupported(
                f"values from {low:.0f} to {high:.0f} may not fit the {dtype} they are cast to; "
                "clip them before the Cast"
            )
    return whole


def _is_whole(e: Expr) -> bool:
    return tree.is_integer(e)


def source_constant(values: np.ndarray) -> Param:
    """A constant of the file, exact."""
    return Param.of(values)


__all__ = ["Apply", "Fraction", "Model", "NeedsRawInput", "lower_node", "source_constant"]
