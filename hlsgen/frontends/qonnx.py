"""QONNX (brevitas, qonnx, older FINN): quantisers on real values, channels-last operators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding, round_array
from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.matrices import batch_normalization
from hlsgen.frontends.qdq import check_scale, hold
from hlsgen.frontends.windows import average_pool, conv, max_pool
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.pool import SumPool
from hlsgen.ops.model.quantize import Dequantize, Quantize, code_dtype
from hlsgen.ops.model.shapes import broadcast

Bounds = NDArray[np.float64]

_ROUNDING: dict[str, Rounding] = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.AWAY,
    "DOWN": Rounding.ZERO,
    "ROUND_TO_ZERO": Rounding.ZERO,
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_ZERO,
}


def rounding_mode(call: Call, default: str = "ROUND") -> Rounding:
    """The node's rounding; qonnx's HALF_UP and HALF_DOWN work on the magnitude."""
    name = call.text("rounding_mode", default).upper()
    if name not in _ROUNDING:
        raise ModelError(f"rounding_mode '{name}' is none of {', '.join(_ROUNDING)}")
    return _ROUNDING[name]


def bit_widths(call: Call, index: int) -> NDArray[np.generic]:
    """A constant bit width (scalar or tensor), checked."""
    widths = call.constant(index, "bit width")
    numbers = widths.astype(np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        raise ModelError("the bit width has to be a number")
    if numbers.min() <= 0 or numbers.max() > 64:
        bad = numbers.min() if numbers.min() <= 0 else numbers.max()
        raise ModelError(f"a bit width of {bad:g}; it has to lie above 0 and at most at 64")
    if (numbers == numbers.flat[0]).all():
        return widths.reshape(-1)[0].reshape(())
    return widths


def limits(width: NDArray[np.generic], signed: bool, narrow: bool) -> tuple[float, float]:
    """Smallest and largest value before rounding, of one width (which may be a fraction)."""
    bits = width.item()
    if bits == int(bits):
        power = 2 ** int(bits) if not signed else 2 ** (int(bits) - 1) if bits >= 1 else 0.5
    else:  # in the file's own type, as qonnx does it
        exponent = np.subtract(width, 1 if signed else 0, dtype=width.dtype)
        power = float(np.exp2(exponent, dtype=width.dtype))
    if signed:
        return -power + 1 if narrow else -power, power - 1
    return 0, power - 2 if narrow else power - 1


def _code(value: float, mode: Rounding) -> int:
    return (
        value if isinstance(value, int) else int(round_array(np.asarray(value, np.float64), mode))
    )


def code_bounds(
    width: NDArray[np.generic], signed: bool, narrow: bool, mode: Rounding
) -> tuple[int, int]:
    """Smallest and largest code: rounding is monotonic, so clamping may follow it."""
    low, high = limits(width, signed, narrow)
    if low > high:
        raise ModelError(f"{width.item():g} bits hold no code")
    return _code(low, mode), _code(high, mode)


def _parameter(call: Call, index: int, shape: tuple[int, ...], what: str) -> str:
    """A scale or zero point that broadcasts to the input's shape."""
    name = hold(call, call.input(index))
    have = call.type(name).shape
    if all(size == 1 for size in have):
        return call.reshape(name, ())
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    if broadcast(have, shape) != shape:
        raise ModelError(f"a {what} of shape {list(have)} does not fit an input {list(shape)}")
    return call.reshape(name, have)


def _check_zero(call: Call, zero: str, low: int, high: int) -> None:
    value = call.known(zero)
    if value is None:
        return
    numbers = value.astype(np.float64)
    if not np.isfinite(numbers).all() or numbers.min() < low or numbers.max() > high:
        bad = numbers[~((numbers >= low) & (numbers <= high))].flat[0]
        raise ModelError(f"zero point {bad:g} lies outside of the codes {low} .. {high}")


def _zero(call: Call, index: int, shape: tuple[int, ...]) -> str:
    if not call.has(index):
        return call.const(np.asarray(0, np.float32), "zero_point")
    return _parameter(call, index, shape, "zero point")


def _is_zero(call: Call, name: str) -> bool:
    value = call.known(name)
    return value is not None and not value.any()


def sign_of(call: Call, x: str) -> str:
    """1 where x >= 0, else -1."""
    positive = call.apply(Fn.GREATER_EQUAL, x, call.like(x, 0.0, "zero"))
    one, minus = (np.asarray(value, np.int64) for value in (1, -1))
    return call.apply(
        Fn.WHERE,
        positive,
        call.const(one, "one", "int2"),
        call.const(minus, "minus_one", "int2"),
        what="codes",
    )


def read_quant(call: Call) -> None:
    """Inputs x, scale, zero point, bit width: clip(round(x/scale + zp)), then back to reals."""
    x, shape = call.input(0), call.shape(0)
    mode = rounding_mode(call)
    signed, narrow = bool(call.integer("signed", 1)), bool(call.integer("narrow", 1))
    widths = bit_widths(call, 3)
    check_scale(call, call.input(1))
    scale = _parameter(call, 1, shape, "scale")
    zero = _zero(call, 2, shape)
    if signed and widths.ndim == 0 and widths.item() == 1:
        codes = _one_bit(call, x, scale, zero)
    elif widths.ndim == 0:
        low, high = code_bounds(widths, signed, narrow, mode)
        _check_zero(call, zero, low, high)
        codes = call.add(Quantize(low, high, mode, True), x, scale, zero, what="codes")
    else:
        codes = _mixed_widths(call, x, scale, zero, widths, mode)
    call.give(call.add(Dequantize(), codes, scale, zero, what="value"))


def _one_bit(call: Call, x: str, scale: str, zero: str) -> str:
    """As qonnx does: it takes signed 1-bit codes for -1 and +1."""
    if _is_zero(call, zero):
        return sign_of(call, x)
    return sign_of(call, call.apply(Fn.ADD, call.apply(Fn.DIV, x, scale), zero))


def _mixed_widths(
    call: Call, x: str, scale: str, zero: str, widths: NDArray[np.generic], mode: Rounding
) -> str:
    """One bit width a channel: codes of the widest, cut to each one's bounds."""
    signed, narrow = bool(call.integer("signed", 1)), bool(call.integer("narrow", 1))
    if signed and (widths == 1).any():
        raise Unsupported("signed 1-bit codes among wider ones")
    pairs = [code_bounds(item, signed, narrow, mode) for item in _items(widths)]
    lows = np.asarray([pair[0] for pair in pairs], np.int64).reshape(widths.shape)
    highs = np.asarray([pair[1] for pair in pairs], np.int64).reshape(widths.shape)
    shape = call.type(x).shape
    if broadcast(widths.shape, shape) != shape:
        raise ModelError(f"bit widths {list(widths.shape)} do not fit an input {list(shape)}")
    low, high = int(lows.min()), int(highs.max())
    _check_zero(call, zero, low, high)
    dtype = code_dtype(low, high)
    codes = call.add(Quantize(low, high, mode, True), x, scale, zero, what="wide_codes")
    codes = call.apply(Fn.MAX, codes, call.const(lows, "low", dtype))
    return call.apply(Fn.MIN, codes, call.const(highs, "high", dtype), what="codes")


def _items(array: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    flat = array.reshape(-1)
    return [flat[index : index + 1].reshape(()) for index in range(flat.size)]


def read_bipolar_quant(call: Call) -> None:
    """BipolarQuant: scale where x >= 0, else -scale."""
    check_scale(call, call.input(1))
    scale = _parameter(call, 1, call.shape(0), "scale")
    call.give(call.apply(Fn.MUL, sign_of(call, call.input(0)), scale))


def read_trunc(call: Call) -> None:
    """Version 1 drops low bits and keeps the scale; version 2 names the new scale."""
    check_scale(call, call.input(1))
    version_2 = len(call.inputs) >= 6
    if version_2:
        _trunc_2(call)
    else:
        _trunc_1(call)


def _whole(call: Call) -> str:
    """round(x / scale + zero point), half to even."""
    y = call.apply(Fn.DIV, call.input(0), call.input(1))
    if not _is_zero(call, call.input(2)):
        y = call.apply(Fn.ADD, y, call.input(2))
    return call.apply(Fn.ROUND, y)


def _shifted(call: Call, y: str, factor: NDArray[np.float64]) -> str:
    return y if (factor == 1).all() else call.apply(Fn.DIV, y, factor)


def _rounded(call: Call, y: str, mode: Rounding, low: int | None, high: int | None) -> str:
    """The value y rounded; `low` and `high` bound it where given."""
    if low is not None and high is not None:
        one = call.const(np.asarray(1.0, np.float32), "unit")
        zero = call.const(np.asarray(0.0, np.float32), "zero")
        return call.add(Quantize(low, high, mode, True), y, one, zero, what="codes")
    plain = {
        Rounding.FLOOR: Fn.FLOOR,
        Rounding.CEIL: Fn.CEIL,
        Rounding.HALF_EVEN: Fn.ROUND,
        Rounding.ZERO: Fn.TRUNC,
    }
    if mode in plain:
        return call.apply(plain[mode], y)
    size = call.apply(Fn.ABS, y)
    match mode:
        case Rounding.AWAY:
            size = call.apply(Fn.CEIL, size)
        case Rounding.HALF_AWAY:
            size = call.apply(Fn.FLOOR, call.apply(Fn.ADD, size, 0.5))
        case _:
            size = call.apply(Fn.CEIL, call.apply(Fn.SUB, size, 0.5))
    return call.apply(Fn.MUL, call.apply(Fn.SIGN, y), size)


def _back(call: Call, y: str, zero: NDArray[np.float64], scale: str) -> None:
    if zero.any():
        y = call.apply(Fn.SUB, y, zero)
    call.give(call.apply(Fn.MUL, y, scale))


def _trunc_1(call: Call) -> None:
    """(round_mode(round(x/scale + zp) / 2^(bits in - bits out)) - zp) * scale."""
    widths = [bit_widths(call, index).astype(np.float64) for index in (3, 4)]
    mode = rounding_mode(call, "FLOOR")
    zero = call.constant(2, "zero point").astype(np.float64)
    y = _shifted(call, _whole(call), np.exp2(widths[0] - widths[1]))
    _back(call, _rounded(call, y, mode, None, None), zero, call.input(1))


def _trunc_2(call: Call) -> None:
    """The quotient of the scales is taken for the nearest power of two, then clamped."""
    scale = call.constant(1, "scale").astype(np.float64)
    out = call.constant(4, "output scale").astype(np.float64)
    check_scale(call, call.input(4))
    factor = np.exp2(np.round(np.log2(out / scale)))
    zero = call.constant(2, "zero point").astype(np.float64)
    mode = rounding_mode(call, "FLOOR")
    signed, narrow = bool(call.integer("signed", 1)), bool(call.integer("narrow", 0))
    width = bit_widths(call, 5)
    if width.ndim:
        raise Unsupported("a Trunc with several output bit widths")
    low, high = code_bounds(width, signed, narrow, mode)
    y = _rounded(call, _shifted(call, _whole(call), factor), mode, low, high)
    _back(call, y, zero / factor, call.input(4))


def read_float_quant(call: Call) -> None:
    """FloatQuant."""
    raise Unsupported("minifloat quantisation belongs to the number-formats release")


def read_quant_avg_pool(call: Call) -> None:
    """floor(sum of each window / 2^shift), shift from the bits in, the window and the bits out."""
    k, stride = call.integer("kernel"), call.integer("stride")
    ibits, obits = call.integer("ibits"), call.integer("obits")
    if min(k, stride, ibits, obits) < 1 or ibits > 64:
        raise ModelError(f"kernel {k}, stride {stride}, ibits {ibits}, obits {obits}")
    x = call.input()
    last = call.text("data_layout", "NCHW") == "NHWC"
    x = channels_first(call, x) if last else x
    total = call.add(SumPool((k, k), (stride, stride), (1, 1), (0, 0), (0, 0)), x)
    shift = max(((2**ibits - 1) * k * k).bit_length() - obits, 0)
    y = call.apply(Fn.FLOOR, call.apply(Fn.DIV, total, float(2**shift))) if shift else total
    call.give(channels_last(call, y) if last else y)


def channels_first(call: Call, x: str) -> str:
    """NHWC to NCHW, any number of spatial axes."""
    rank = len(call.type(x).shape)
    return call.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def channels_last(call: Call, x: str) -> str:
    """NCHW to NHWC, any number of spatial axes."""
    rank = len(call.type(x).shape)
    return call.transpose(x, (0, *range(2, rank), 1))


def read_conv_last(call: Call) -> None:
    """Conv on NHWC data, weights [M, *K, C]."""
    x, w = channels_first(call, call.input(0)), channels_first(call, call.input(1))
    bias = call.input(2) if call.has(2) else None
    call.give(channels_last(call, conv(call, x, w, bias)))


def read_max_pool_last(call: Call) -> None:
    """MaxPool on NHWC data."""
    call.give(channels_last(call, max_pool(call, channels_first(call, call.input()))))


def read_average_pool_last(call: Call) -> None:
    """AveragePool on NHWC data."""
    call.give(channels_last(call, average_pool(call, channels_first(call, call.input()))))


def read_batch_normalization_last(call: Call) -> None:
    """BatchNormalization on NHWC data."""
    call.give(channels_last(call, batch_normalization(call, channels_first(call, call.input()))))


READERS: dict[str, Reader] = {
    "Quant": read_quant,
    "IntQuant": read_quant,
    "BipolarQuant": read_bipolar_quant,
    "Trunc": read_trunc,
    "FloatQuant": read_float_quant,
    "QuantAvgPool2d": read_quant_avg_pool,
    "MaxPoolNHWC": read_max_pool_last,
}
CHANNELS_LAST: dict[str, Reader] = {
    "Conv": read_conv_last,
    "MaxPool": read_max_pool_last,
    "AveragePool": read_average_pool_last,
    "BatchNormalization": read_batch_normalization_last,
}
