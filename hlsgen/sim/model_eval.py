"""A model evaluated in float64 (integers in int64), keeping every intermediate value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hlsgen.arith.rounding import round_array
from hlsgen.errors import HlsgenError, OptionError, Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp, ModelType, Shape
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import Elementwise, Fn
from hlsgen.ops.model.linear import Conv, ConvTranspose, MatMul
from hlsgen.ops.model.movement import Concat, Pad, Reshape, Take, Transpose
from hlsgen.ops.model.pool import MaxPool, SumPool
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.reduce import ReduceMax, ReduceMin, ReduceSum
from hlsgen.ops.model.select import ArgMax, ArgMin, TopK
from hlsgen.ops.model.softmax import Softmax
from hlsgen.ops.model.threshold import CountThresholds

Array = NDArray[Any]


def evaluate_model(model: Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """All values of one sample: reals as float64, integers and booleans as int64.

    Sums of products and quotients are float64, so a result may differ from the exact reals in
    its last bit; codes of a tie may differ by one.
    """
    values: dict[str, Array] = {
        name: plain(array, model.types[name]) for name, array in model.constants.items()
    }
    for name in model.inputs:
        if name not in feeds:
            raise OptionError(f"no array for input '{name}'")
        values[name] = plain(np.asarray(feeds[name]), model.types[name])
        if values[name].shape != model.types[name].shape:
            raise OptionError(
                f"input '{name}' has shape {list(model.types[name].shape)}, "
                f"its array {list(values[name].shape)}"
            )
    with np.errstate(all="ignore"):
        for node in model:
            values.update(zip(node.outputs, _evaluate(model, node, values), strict=True))
    return values


def plain(array: Array, item: ModelType) -> Array:
    """The array in the type that this evaluator calculates in."""
    return array.astype(np.int64 if item.is_integer else np.float64)


def _evaluate(model: Model, node: Node[ModelOp], values: Mapping[str, Array]) -> list[Array]:
    inputs = [values[name] for name in node.inputs]
    try:
        results = evaluate(node.op, inputs)
    except HlsgenError as error:
        raise error.at(node.loc) from error
    return [
        plain(np.asarray(result), model.types[name])
        for name, result in zip(node.outputs, results, strict=True)
    ]


def evaluate(op: ModelOp, inputs: list[Array]) -> list[Array]:  # noqa: C901 (a case an operator)
    """What one operator makes of its inputs."""
    x = inputs[0]
    match op:
        case Elementwise(fn):
            return [elementwise(fn, inputs)]
        case Quantize():
            return [_quantize(op, *inputs)]
        case Dequantize():
            return [inputs[1] * (x - inputs[2])]
        case Conv():
            return [_conv(op, x, inputs[1])]
        case ConvTranspose():
            return [_conv_transpose(op, x, inputs[1])]
        case MatMul():
            return [np.matmul(x, inputs[1])]
        case CountThresholds(axis):
            return [_count(x, inputs[1], axis)]
        case Concat(axis):
            return [np.concatenate(inputs, axis)]
        case TopK():
            return _top_k(op, x)
        case _:
            return [_of_one(op, x)]


def _of_one(op: ModelOp, x: Array) -> Array:  # noqa: C901 (a case an operator)
    """The operators that have one input and one output."""
    match op:
        case Transpose(perm):
            return x.transpose(perm)
        case Reshape(shape):
            return x.reshape(shape)
        case Take(axis, indices):
            return x.take(indices, axis)
        case Pad(before, after, value):
            return _padded(x, before, after, value)
        case MaxPool() | SumPool():
            return _pool(op, x)
        case ReduceSum(axes, keepdims):
            return x.sum(axis=axes, keepdims=keepdims)
        case ReduceMax(axes, keepdims):
            return x.max(axis=axes, keepdims=keepdims)
        case ReduceMin(axes, keepdims):
            return x.min(axis=axes, keepdims=keepdims)
        case ArgMax(axis, keepdims, last):
            return _arg(x, axis, keepdims, last)
        case ArgMin(axis, keepdims, last):
            return _arg(-x, axis, keepdims, last)
        case Softmax(axis, log):
            return _softmax(x, axis, log)
        case Cast(dtype):
            return _cast(x, dtype)
        case _:
            raise Unsupported(f"no evaluation of {type(op).__name__}")


def _int_div(a: Array, b: Array) -> Array:
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) ^ (b < 0), -quotient, quotient)


def _where(condition: Array, a: Array, b: Array) -> Array:
    return np.where(condition != 0, a, b)


def _sigmoid(a: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def _softplus(a: Array) -> Array:
    return np.logaddexp(a, 0.0)


_FUNCTIONS: dict[Fn, Callable[..., Array]] = {
    Fn.ADD: np.add,
    Fn.SUB: np.subtract,
    Fn.MUL: np.multiply,
    Fn.DIV: np.true_divide,
    Fn.INT_DIV: _int_div,
    Fn.MOD: np.mod,
    Fn.POW: np.float_power,
    Fn.MAX: np.maximum,
    Fn.MIN: np.minimum,
    Fn.EQUAL: np.equal,
    Fn.LESS: np.less,
    Fn.LESS_EQUAL: np.less_equal,
    Fn.GREATER: np.greater,
    Fn.GREATER_EQUAL: np.greater_equal,
    Fn.AND: np.logical_and,
    Fn.OR: np.logical_or,
    Fn.XOR: np.logical_xor,
    Fn.NOT: np.logical_not,
    Fn.WHERE: _where,
    Fn.NEG: np.negative,
    Fn.ABS: np.abs,
    Fn.SIGN: np.sign,
    Fn.SQRT: np.sqrt,
    Fn.EXP: np.exp,
    Fn.LOG: np.log,
    Fn.ERF: np.vectorize(math.erf, otypes=[np.float64]),
    Fn.SIGMOID: _sigmoid,
    Fn.TANH: np.tanh,
    Fn.SOFTPLUS: _softplus,
    Fn.FLOOR: np.floor,
    Fn.CEIL: np.ceil,
    Fn.ROUND: np.rint,
    Fn.TRUNC: np.trunc,
}


def elementwise(fn: Fn, inputs: list[Array]) -> Array:
    """One elementary function of arrays that broadcast."""
    return _FUNCTIONS[fn](*inputs)


def _quantize(op: Quantize, x: Array, scale: Array, zero: Array) -> Array:
    ratio = x / scale
    if op.zero_point_inside:
        codes = round_array(ratio + zero, op.rounding)
    else:
        codes = round_array(ratio, op.rounding) + zero
    return np.clip(codes, op.qmin, op.qmax)


def _padded(x: Array, before: Shape, after: Shape, value: float) -> Array:
    widths = tuple(zip(before, after, strict=True))
    return np.pad(x, widths, constant_values=np.asarray(value).astype(x.dtype))


def _windows(x: Array, span: Shape, strides: Shape, dilations: Shape) -> Array:
    """Views [N, C, *O, *K] of every window."""
    axes = tuple(range(2, x.ndim))
    views = sliding_window_view(x, span, axis=axes)
    steps = (slice(None),) * 2 + tuple(slice(None, None, s) for s in strides)
    return views[steps + tuple(slice(None, None, d) for d in dilations)]


def _span(kernel: Shape, dilations: Shape) -> Shape:
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))


def _conv(op: Conv, x: Array, w: Array) -> Array:
    rank = len(op.strides)
    x = _padded(x, (0, 0, *op.pads_begin), (0, 0, *op.pads_end), 0)
    views = _windows(x, _span(w.shape[2:], op.dilations), op.strides, op.dilations)
    size = views.shape[2 : 2 + rank]
    inputs, outputs = w.shape[1], w.shape[0] // op.group
    parts: list[Array] = []
    for group in range(op.group):
        part = np.moveaxis(views[:, group * inputs : (group + 1) * inputs], 1, 1 + rank)
        columns = part.reshape(-1, math.prod(w.shape[1:]))
        weights = w[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
        y = (columns @ weights.T).reshape(x.shape[0], *size, outputs)
        parts.append(np.moveaxis(y, -1, 1))
    return np.concatenate(parts, axis=1)


def _conv_transpose(op: ConvTranspose, x: Array, w: Array) -> Array:
    """As the convolution of x, spread out by the stride, with the mirrored weights."""
    rank, group = len(op.strides), op.group
    size = tuple((n - 1) * s + 1 for n, s in zip(x.shape[2:], op.strides, strict=True))
    spread = np.zeros((*x.shape[:2], *size), x.dtype)
    spread[(slice(None),) * 2 + tuple(slice(None, None, s) for s in op.strides)] = x
    reach = tuple(item - 1 for item in _span(w.shape[2:], op.dilations))
    before = tuple(r - b for r, b in zip(reach, op.pads_begin, strict=True))
    after = tuple(
        r - e + extra for r, e, extra in zip(reach, op.pads_end, op.output_padding, strict=True)
    )
    for axis, (low, high) in enumerate(zip(before, after, strict=True), start=2):
        cut = slice(max(-low, 0), spread.shape[axis] - max(-high, 0))
        spread = spread[(slice(None),) * axis + (cut,)]
    ones = (1,) * rank
    parts = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    flipped = np.flip(parts, axis=tuple(range(3, 3 + rank))).swapaxes(1, 2)
    mirrored = flipped.reshape(group * w.shape[1], w.shape[0] // group, *w.shape[2:])
    begin, end = (tuple(max(item, 0) for item in side) for side in (before, after))
    return _conv(Conv(ones, op.dilations, begin, end, group), spread, mirrored)


def _pool(op: MaxPool | SumPool, x: Array) -> Array:
    least = np.iinfo(np.int64).min if x.dtype.kind == "i" else -np.inf
    value = least if isinstance(op, MaxPool) else 0
    widths = tuple(zip((0, 0, *op.pads_begin), (0, 0, *op.pads_end), strict=True))
    x = np.pad(x, widths, constant_values=value)
    views = _windows(x, _span(op.kernel, op.dilations), op.strides, op.dilations)
    axes = tuple(range(-len(op.kernel), 0))
    return views.max(axis=axes) if isinstance(op, MaxPool) else views.sum(axis=axes)


def _arg(x: Array, axis: int, keepdims: bool, last: bool) -> Array:
    if last:
        found = x.shape[axis] - 1 - np.argmax(np.flip(x, axis), axis=axis)
    else:
        found = np.argmax(x, axis=axis)
    return np.expand_dims(found, axis) if keepdims else found


def _top_k(op: TopK, x: Array) -> list[Array]:
    order = np.argsort(-x if op.largest else x, axis=op.axis, kind="stable")
    positions = order.take(range(op.k), axis=op.axis)
    return [np.take_along_axis(x, positions, op.axis), positions]


def _softmax(x: Array, axis: int, log: bool) -> Array:
    shifted = x - x.max(axis=axis, keepdims=True)
    total = np.exp(shifted).sum(axis=axis, keepdims=True)
    return shifted - np.log(total) if log else np.exp(shifted) / total


def _count(x: Array, thresholds: Array, axis: int) -> Array:
    moved = np.moveaxis(x, axis, -1)[..., None]
    return np.moveaxis((moved >= thresholds).sum(axis=-1), -1, axis)


def _cast(x: Array, dtype: str) -> Array:
    if dtype == "bool":
        return x != 0
    if dtype.startswith(("float", "bfloat")):
        return x
    whole = np.trunc(x).astype(np.int64)
    width = int(dtype.lstrip("uint"))
    if width >= 64:
        return whole
    low = whole & (2**width - 1)
    return low if dtype.startswith("u") else low - ((low >> (width - 1)) << width)
