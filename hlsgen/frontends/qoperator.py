"""Operators on integer codes that carry their scales: ONNX QLinear*, *Integer, com.microsoft."""

from __future__ import annotations

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.frontends.activations import leaky_relu
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.matrices import gemm, reduce_mean, softmax
from hlsgen.frontends.qdq import dequantize, hold, quantize
from hlsgen.frontends.qonnx import channels_first, channels_last
from hlsgen.frontends.windows import add_bias, average_pool, conv, global_average
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.linear import MatMul
from hlsgen.ops.model.movement import Concat
from hlsgen.ops.model.quantize import Dequantize
from hlsgen.ops.model.shapes import normal_axis


def real(call: Call, index: int, axis: int = 0) -> str:
    """The real values of input `index`, whose scale and zero point are the two behind it."""
    zero = call.input(index + 2) if call.has(index + 2) else None
    return dequantize(call, call.input(index), call.input(index + 1), zero, axis)


def finish(call: Call, y: str, index: int, default: str, inside: bool = False) -> None:
    """Quantises y by the scale at input `index` and the zero point behind it.

    `inside` where the zero point is added before rounding: QLinearAdd, QLinearMul and
    QLinearAveragePool of onnxruntime, as their ties show; all others add it after.
    """
    zero = call.input(index + 1) if call.has(index + 1) else None
    if zero is None:
        zero = call.const(np.asarray(0, np.int64), "zero_point", default)
    axis = len(call.type(y).shape) - 1
    call.give(quantize(call, y, call.input(index), zero, axis, inside=inside))


def product_scale(call: Call, a: str, b: str, factor: float = 1.0) -> str:
    """Scale a * b * factor, exact in float64 where both are constants."""
    left, right = call.known(a), call.known(b)
    if left is None or right is None:
        return call.apply(Fn.MUL, a, b)
    array = left.astype(np.float64).reshape(-1) * right.astype(np.float64).reshape(-1) * factor
    return call.const(array.reshape(()) if array.size == 1 else array, "bias_scale")


def real_bias(call: Call, bias: str, a: str, b: str, factor: float = 1.0) -> str:
    """int32 biases count in units of the product of the scales `a` and `b`."""
    scale = product_scale(call, a, b, factor)
    shape = call.type(scale).shape
    if len(shape) > 1 or (len(shape) == 1 and shape != call.type(bias).shape[-1:]):
        scale = call.reshape(scale, ())
    zero = call.const(np.asarray(0, np.int64), "zero_point", call.type(bias).dtype)
    return call.add(Dequantize(), bias, scale, zero, what="bias")


def read_qlinear_conv(call: Call) -> None:
    """x, its scale and zero point, w with its, y's, and an int32 bias."""
    last = bool(call.integer("channels_last", 0))
    x, w = real(call, 0), real(call, 3, axis=0)
    x = channels_first(call, x) if last else x
    y = conv(call, x, w, None)
    if call.has(8):
        y = add_bias(call, y, real_bias(call, call.input(8), call.input(1), call.input(4)))
    finish(call, channels_last(call, y) if last else y, 6, call.type(call.input(0)).dtype)


def _matrix(call: Call, index: int, axis: int) -> str:
    """Real values of a matrix whose scale may be a vector along `axis`."""
    rank = len(call.shape(index))
    return real(call, index, axis if rank > 1 else 0)


def read_qlinear_matmul(call: Call) -> None:
    """QLinearMatMul."""
    a, b = _matrix(call, 0, -2), _matrix(call, 3, -1)
    finish(call, call.add(MatMul(), a, b), 6, call.type(call.input(0)).dtype)


def _centred(call: Call, index: int, zero: int, axis: int) -> str:
    """Codes minus their zero point, as int32; the codes themselves where it is 0."""
    codes = call.input(index)
    if not call.type(codes).is_integer:
        raise ModelError(f"codes '{codes}' of type {call.type(codes).dtype}")
    if not call.has(zero):
        return codes
    point = hold(call, call.input(zero))
    known = call.known(point)
    if known is not None and not known.any():
        return codes
    shape, rank = call.type(point).shape, len(call.shape(index))
    if all(size == 1 for size in shape):
        point = call.reshape(point, ())
    elif len(shape) == 1:
        point = call.along(point, normal_axis(axis, rank), rank)
    return call.apply(Fn.SUB, call.cast(codes, "int32"), call.cast(point, "int32"))


def read_matmul_integer(call: Call) -> None:
    """MatMulInteger: (a - zero) @ (b - zero)."""
    call.give(call.add(MatMul(), _centred(call, 0, 2, -2), _centred(call, 1, 3, -1)))


def read_conv_integer(call: Call) -> None:
    """ConvInteger: (x - zero) convolved with (w - zero)."""
    call.give(conv(call, _centred(call, 0, 2, 1), _centred(call, 1, 3, 0), None))


def read_matmul_integer_to_float(call: Call) -> None:
    """com.microsoft: a, b, their scales, their zero points, a real bias."""
    zeros = [call.input(index) if call.has(index) else None for index in (4, 5)]
    a = dequantize(call, call.input(0), call.input(2), zeros[0], -2)
    b = dequantize(call, call.input(1), call.input(3), zeros[1], -1)
    y = call.add(MatMul(), a, b)
    call.give(call.apply(Fn.ADD, y, call.input(6)) if call.has(6) else y)


def read_qgemm(call: Call) -> None:
    """QGemm: alpha * A' B' + C, where C counts in units of alpha * scale of a * scale of b."""
    a = real(call, 0)
    b = real(call, 3, axis=0 if call.integer("transB", 0) else 1)
    y = gemm(call, a, b, None)
    if call.has(6):
        alpha = call.number("alpha", 1.0)
        bias = real_bias(call, call.input(6), call.input(1), call.input(4), alpha)
        y = call.apply(Fn.ADD, y, bias)
    if call.has(7):
        finish(call, y, 7, call.type(call.input(0)).dtype)
    else:
        call.give(y)


def _binary(fn: Fn) -> Reader:
    def read(call: Call) -> None:
        y = call.apply(fn, real(call, 0), real(call, 3))
        finish(call, y, 6, call.type(call.input(0)).dtype, inside=True)

    return read


def _unary(call: Call, y: str, inside: bool = False) -> None:
    finish(call, y, 3, call.type(call.input(0)).dtype, inside)


def _laid_out(call: Call) -> tuple[str, bool]:
    """Real values of input 0 with channels first, and whether they have to go back."""
    last = bool(call.integer("channels_last", 0))
    x = real(call, 0)
    return (channels_first(call, x) if last else x), last


def read_qlinear_average_pool(call: Call) -> None:
    """QLinearAveragePool."""
    x, last = _laid_out(call)
    y = average_pool(call, x)
    _unary(call, channels_last(call, y) if last else y, inside=True)


def read_qlinear_global_average_pool(call: Call) -> None:
    """QLinearGlobalAveragePool."""
    x, last = _laid_out(call)
    y = global_average(call, x)
    _unary(call, channels_last(call, y) if last else y)


def read_qlinear_sigmoid(call: Call) -> None:
    """QLinearSigmoid."""
    _unary(call, call.apply(Fn.SIGMOID, real(call, 0)))


def read_qlinear_leaky_relu(call: Call) -> None:
    """QLinearLeakyRelu."""
    slope = call.number("alpha", float(np.float32(0.01)))
    _unary(call, leaky_relu(call, real(call, 0), slope))


def read_qlinear_softmax(call: Call) -> None:
    """`opset` says which ONNX Softmax is meant."""
    _unary(call, softmax(call, real(call, 0), False, call.integer("opset", 13)))


def read_qlinear_reduce_mean(call: Call) -> None:
    """QLinearReduceMean."""
    x = real(call, 0)
    if call.has_attribute("axes"):
        rank = len(call.shape())
        axes = tuple(sorted({normal_axis(axis, rank) for axis in call.integers("axes")}))
    else:
        axes = tuple(range(len(call.shape())))
    _unary(call, reduce_mean(call, x, axes))


def read_qlinear_concat(call: Call) -> None:
    """The output's scale and zero point come first, then triples."""
    parts = [real(call, index) for index in range(2, len(call.inputs), 3)]
    axis = normal_axis(call.integer("axis"), len(call.type(parts[0]).shape))
    y = parts[0] if len(parts) == 1 else call.add(Concat(axis), *parts)
    finish(call, y, 0, call.type(call.input(2)).dtype)


def read_qlinear_where(call: Call) -> None:
    """QLinearWhere: the condition, two quantised tensors, the scale of the result."""
    y = call.apply(Fn.WHERE, call.input(0), real(call, 1), real(call, 4))
    finish(call, y, 7, call.type(call.input(1)).dtype)


READERS: dict[str, Reader] = {
    "QLinearConv": read_qlinear_conv,
    "QLinearMatMul": read_qlinear_matmul,
    "MatMulInteger": read_matmul_integer,
    "ConvInteger": read_conv_integer,
}
MICROSOFT: dict[str, Reader] = {
    **READERS,
    "MatMulIntegerToFloat": read_matmul_integer_to_float,
    "QGemm": read_qgemm,
    "QLinearAdd": _binary(Fn.ADD),
    "QLinearMul": _binary(Fn.MUL),
    "QLinearAveragePool": read_qlinear_average_pool,
    "QLinearGlobalAveragePool": read_qlinear_global_average_pool,
    "QLinearSigmoid": read_qlinear_sigmoid,
    "QLinearLeakyRelu": read_qlinear_leaky_relu,
    "QLinearSoftmax": read_qlinear_softmax,
    "QLinearReduceMean": read_qlinear_reduce_mean,
    "QLinearConcat": read_qlinear_concat,
    "QLinearWhere": read_qlinear_where,
}
