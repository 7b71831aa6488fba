"""Matrix products, normalisation by constants, softmax, reductions, selection."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.ir.model import ModelOp, Shape
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.linear import MatMul
from hlsgen.ops.model.reduce import ReduceMax, ReduceMin, ReduceSum
from hlsgen.ops.model.select import ArgMax, ArgMin, TopK
from hlsgen.ops.model.shapes import broadcast, normal_axis
from hlsgen.ops.model.softmax import Softmax


def read_matmul(call: Call) -> None:
    """MatMul."""
    call.emit(MatMul(), call.input(0), call.input(1))


def gemm(call: Call, a: str, b: str, c: str | None) -> str:
    """Gemm: alpha * A' B' + beta * C."""
    for value in (a, b):
        if len(call.type(value).shape) != 2:
            raise ModelError(f"needs matrices, got shape {list(call.type(value).shape)}")
    a = call.transpose(a, (1, 0)) if call.integer("transA", 0) else a
    b = call.transpose(b, (1, 0)) if call.integer("transB", 0) else b
    y = call.add(MatMul(), a, b)
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    y = y if alpha == 1.0 else call.apply(Fn.MUL, y, alpha)
    if c is None or beta == 0.0:
        return y
    c = c if beta == 1.0 else call.apply(Fn.MUL, c, beta)
    shape = call.type(y).shape
    if broadcast(shape, call.type(c).shape) != shape:
        raise ModelError(f"C {list(call.type(c).shape)} does not fit a product {list(shape)}")
    return call.apply(Fn.ADD, y, c)


def read_gemm(call: Call) -> None:
    """Gemm."""
    call.give(gemm(call, call.input(0), call.input(1), call.input(2) if call.has(2) else None))


def batch_normalization(call: Call, x: str) -> str:
    """(x - mean) / sqrt(var + eps) * gamma + beta, per channel (axis 1)."""
    rank = len(call.type(x).shape)
    if rank < 2:
        raise ModelError(f"needs an input with a channel axis, got shape {list(call.shape())}")
    if call.integer("training_mode", 0) or not call.integer("spatial", 1):
        raise Unsupported("only inference with one mean and variance a channel is read")
    channels = call.type(x).shape[1]
    names = ("scale", "B", "mean", "var")
    for index, what in enumerate(names, start=1):
        if call.shape(index) != (channels,):
            raise ModelError(f"{what} of shape {list(call.shape(index))} for {channels} channels")
    gamma, beta, mean, var = (call.along(call.input(i), 1, rank) for i in range(1, 5))
    eps = call.number("epsilon", float(np.float32(1e-5)))
    deviation = call.apply(Fn.SQRT, call.apply(Fn.ADD, var, eps))
    y = call.apply(Fn.DIV, call.apply(Fn.SUB, x, mean), deviation)
    return call.apply(Fn.ADD, call.apply(Fn.MUL, y, gamma), beta)


def read_batch_normalization(call: Call) -> None:
    """BatchNormalization with constant statistics."""
    call.give(batch_normalization(call, call.input()))


def softmax(call: Call, x: str, log: bool, opset: int) -> str:
    """Along one axis since opset 13; over all axes from `axis` on before."""
    shape = call.type(x).shape
    axis = normal_axis(call.integer("axis", -1 if opset >= 13 else 1), len(shape))
    if opset >= 13 or axis == len(shape) - 1:
        return call.add(Softmax(axis, log), x)
    flat = call.reshape(x, (prod(shape[:axis]), prod(shape[axis:])))
    return call.reshape(call.add(Softmax(1, log), flat), shape)


def _softmax(log: bool) -> Reader:
    def read(call: Call) -> None:
        call.give(softmax(call, call.input(), log, call.opset))

    return read


def reduction_axes(call: Call) -> Shape | None:
    """The axes from the attribute or the second input; all if none; None for a no-op."""
    rank = len(call.shape())
    axes: tuple[int, ...] = ()
    if call.has(1):
        axes = call.constant_ints(1, "axes")
    elif call.has_attribute("axes"):
        axes = call.integers("axes")
    elif call.integer("noop_with_empty_axes", 0):
        return None
    if not axes and call.integer("noop_with_empty_axes", 0):
        return None
    return tuple(sorted({normal_axis(axis, rank) for axis in axes})) or tuple(range(rank))


def _reduction(make: Callable[[Shape, bool], ModelOp]) -> Reader:
    def read(call: Call) -> None:
        axes = reduction_axes(call)
        keep = bool(call.integer("keepdims", 1))
        call.give(call.input() if axes is None else call.add(make(axes, keep), call.input()))

    return read


def reduce_mean(call: Call, x: str, axes: Shape) -> str:
    """The sum over `axes` divided by how many elements it has; C division for integers."""
    total = call.add(ReduceSum(axes, bool(call.integer("keepdims", 1))), x)
    count = float(prod(call.type(x).shape[axis] for axis in axes))
    fn = Fn.INT_DIV if call.type(x).is_integer else Fn.DIV
    return call.apply(fn, total, call.like(x, count, "count"))


def read_reduce_mean(call: Call) -> None:
    """ReduceMean."""
    axes = reduction_axes(call)
    call.give(call.input() if axes is None else reduce_mean(call, call.input(), axes))


def read_reduce_l1(call: Call) -> None:
    """ReduceL1: the sum of |x|."""
    axes = reduction_axes(call) or ()
    keep = bool(call.integer("keepdims", 1))
    call.give(call.add(ReduceSum(axes, keep), call.apply(Fn.ABS, call.input())))


def _square_sum(root: bool) -> Reader:
    def read(call: Call) -> None:
        x, axes = call.input(), reduction_axes(call) or ()
        keep = bool(call.integer("keepdims", 1))
        total = call.add(ReduceSum(axes, keep), call.apply(Fn.MUL, x, x))
        call.give(call.apply(Fn.SQRT, total) if root else total)

    return read


def _selection(make: Callable[[int, bool, bool], ModelOp]) -> Reader:
    def read(call: Call) -> None:
        axis = normal_axis(call.integer("axis", 0), len(call.shape()))
        keep = bool(call.integer("keepdims", 1))
        last = bool(call.integer("select_last_index", 0))
        call.give(call.add(make(axis, keep, last), call.input()))

    return read


def read_top_k(call: Call) -> None:
    """TopK; k is an attribute before opset 10."""
    k = call.constant_ints(1, "k")[0] if call.has(1) else call.integer("k")
    axis = normal_axis(call.integer("axis", -1), len(call.shape()))
    largest = bool(call.integer("largest", 1))
    values, positions = call.fresh("values"), call.fresh("positions")
    call.builder.emit(TopK(k, axis, largest), (call.input(),), (values, positions), call.loc)
    call.give(values, 0)
    call.give(positions, 1)


READERS: dict[str, Reader] = {
    "MatMul": read_matmul,
    "Gemm": read_gemm,
    "BatchNormalization": read_batch_normalization,
    "Softmax": _softmax(False),
    "LogSoftmax": _softmax(True),
    "ReduceSum": _reduction(ReduceSum),
    "ReduceMax": _reduction(ReduceMax),
    "ReduceMin": _reduction(ReduceMin),
    "ReduceMean": read_reduce_mean,
    "ReduceL1": read_reduce_l1,
    "ReduceL2": _square_sum(True),
    "ReduceSumSquare": _square_sum(False),
    "ArgMax": _selection(ArgMax),
    "ArgMin": _selection(ArgMin),
    "TopK": read_top_k,
}
