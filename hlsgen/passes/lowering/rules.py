"""What each model operator does to expressions."""

from __future__ import annotations

from hlsgen.errors import Unsupported
from hlsgen.expr import tree
from hlsgen.expr.tree import Expr, Host
from hlsgen.ir.model import ModelOp, ModelType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.reduce import Reduction
from hlsgen.ops.model import cast, elementwise, linear, movement, pool, quantize, reduce, select
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.softmax import Softmax
from hlsgen.ops.model.threshold import CountThresholds
from hlsgen.passes.lowering import convolutions, pooling, products
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.joined import waits
from hlsgen.passes.lowering.layout import concatenate, padded
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.quantisers import cast_to, codes_of, counted, quantized


def lower_node(  # noqa: C901 (one case an operator)
    b: Builder,
    op: ModelOp,
    args: list[Expr],
    outputs: tuple[ModelType, ...],
    names: tuple[str, ...],
) -> tuple[Expr, ...]:
    """The expressions of a node's outputs."""
    if any(_stays_on_host(a) for a in args) and not _selects(op):
        return (_on_host(op, args, outputs[0]),)
    match op:
        case elementwise.Elementwise(fn=fn):
            return (tree.apply(fn, *args),)
        case quantize.Quantize():
            return (quantized(b, op, args, names[0]),)
        case quantize.Dequantize():
            return (tree.mul(tree.apply(Fn.SUB, args[0], args[2]), args[1]),)
        case cast.Cast(dtype=dtype):
            return (cast_to(b, args[0], dtype),)
        case CountThresholds(axis=axis):
            return (counted(args[0], args[1], axis),)
        case Softmax():
            return (Host(op, (args[0],), outputs[0].shape),)
        case select.TopK():
            return pooling.top_k(b, args[0], op)
        case select.ArgMax() | select.ArgMin():
            return (pooling.arg_extreme(b, args[0], op),)
        case _:
            moved = _moved(b, op, args, outputs[0])
            return (_summed(b, op, args) if moved is None else moved,)


def _moved(b: Builder, op: ModelOp, args: list[Expr], output: ModelType) -> Expr | None:
    match op:
        case movement.Transpose() | movement.Reshape() | movement.Take():
            return move(b, args[0], op)
        case movement.Concat(axis=axis):
            return concatenate(b, args, axis, output.shape)
        case movement.Pad():
            return padded(b, args[0], op, output.shape)
        case _:
            return None


def _summed(  # noqa: C901 (one case an operator)
    b: Builder, op: ModelOp, args: list[Expr]
) -> Expr:
    match op:
        case linear.Conv():
            return convolutions.convolution(b, args[0], args[1], op)
        case linear.ConvTranspose():
            return convolutions.transposed(b, args[0], args[1], op)
        case linear.MatMul():
            return products.matmul(b, args[0], args[1])
        case pool.MaxPool():
            return pooling.max_pool(b, args[0], _window(op))
        case pool.SumPool():
            return pooling.sum_pool(b, args[0], _window(op))
        case reduce.ReduceSum(axes=axes, keepdims=keep):
            return pooling.reduce_sum(b, args[0], axes, keep=keep)
        case reduce.ReduceMax(axes=axes, keepdims=keep):
            return pooling.reduce_extreme(b, args[0], Reduction.MAX, axes, keep=keep)
        case reduce.ReduceMin(axes=axes, keepdims=keep):
            return pooling.reduce_extreme(b, args[0], Reduction.MIN, axes, keep=keep)
        case _:
            raise Unsupported(f"{type(op).__name__} has no hardware yet", b.loc)


def _window(op: pool.MaxPool | pool.SumPool) -> Window:
    return Window(op.kernel, op.strides, op.dilations, op.pads_begin, op.pads_end)


def _selects(op: ModelOp) -> bool:
    return isinstance(op, (select.TopK, select.ArgMax, select.ArgMin))


def _stays_on_host(e: Expr) -> bool:
    """Behind a softmax, computed by the host."""
    if not tree.has_host(e) or waits(e):
        return False
    return any(isinstance(n, Host) and not tree.sources(n) for n in tree.nodes(e))


def _on_host(op: ModelOp, args: list[Expr], output: ModelType) -> Expr:
    match op:
        case elementwise.Elementwise(fn=fn):
            return tree.apply(fn, *args)
        case quantize.Quantize():
            return codes_of(op, args)
        case quantize.Dequantize():
            return tree.mul(tree.apply(Fn.SUB, args[0], args[2]), args[1])
        case movement.Transpose() | movement.Reshape() | movement.Take() | movement.Concat():
            return Host(op, tuple(args), output.shape)
        case cast.Cast() | Softmax():
            return Host(op, (args[0],), output.shape)
        case _:
            raise Unsupported(
                f"{type(op).__name__} behind a softmax: a softmax inside the network needs "
                "softmax hardware, which belongs to a later release; it is taken at the end only"
            )
