"""QuantizeLinear and DequantizeLinear of every opset, and of com.microsoft."""

from __future__ import annotations

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.load import dtype_name
from hlsgen.frontends.movements import take
from hlsgen.ir.model import Shape
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.shapes import normal_axis


def bounds(dtype: str) -> tuple[int, int]:
    """Smallest and largest code of int<W> or uint<W>."""
    if dtype.startswith("uint"):
        return 0, 2 ** int(dtype[4:]) - 1
    if dtype.startswith("int"):
        return -(2 ** (int(dtype[3:]) - 1)), 2 ** (int(dtype[3:]) - 1) - 1
    raise ModelError(f"codes of type {dtype}; an integer type is needed")


def check_scale(call: Call, scale: str) -> None:
    """A scale known now has to be positive and finite."""
    value = call.known(scale)
    if value is None:
        return
    numbers = value.astype(np.float64)
    bad = numbers[~(np.isfinite(numbers) & (numbers > 0))]
    if bad.size:
        raise ModelError(f"scale '{scale}' has to be positive and finite, got {bad.flat[0]:g}")


def hold(call: Call, name: str) -> str:
    """A parameter that only constants lead to, as a constant."""
    if name in call.builder.constants:
        return name
    value = call.known(name)
    return name if value is None else call.const(value, "parameter")


def parameter(call: Call, name: str, x: Shape, axis: int, block: int = 0) -> str:
    """A scale or zero point shaped so that it broadcasts against a tensor of shape `x`."""
    name = hold(call, name)
    shape = call.type(name).shape
    if all(size == 1 for size in shape) and not (block and len(shape) == len(x)):
        return call.reshape(name, ())
    if len(shape) == 1:
        axis = normal_axis(axis, len(x))
        if shape[0] != x[axis]:
            raise ModelError(
                f"'{name}' holds {shape[0]} numbers for {x[axis]} elements on axis {axis}"
            )
        return call.along(name, axis, len(x))
    if block and len(shape) == len(x):
        axis = normal_axis(axis, len(x))
        indices = tuple(index // block for index in range(x[axis]))
        return take(call, name, axis, indices)
    raise ModelError(f"'{name}' of shape {list(shape)} fits no tensor of shape {list(x)}")


def zero_of(call: Call, dtype: str) -> str:
    """The zero point that was left out."""
    return call.const(np.asarray(0, np.int64), "zero_point", dtype)


def _at_run_time(*values: str) -> Unsupported:
    arrays = " and ".join(f"'{name}'" for name in values)
    return Unsupported(
        f"scale '{values[0]}' is computed at run time; give --static-scales calibration.npz "
        f"with array{'s' * (len(values) > 1)} {arrays} to replace it by a constant"
    )


def quantize(
    call: Call,
    x: str,
    scale: str,
    zero: str | None,
    axis: int,
    block: int = 0,
    inside: bool = False,
) -> str:
    """ONNX QuantizeLinear: round(x / scale) + zero point, saturated to the zero point's type.

    `inside` adds the zero point before rounding.
    """
    shape = call.type(x).shape
    if call.known(scale) is None:
        raise _at_run_time(scale)
    check_scale(call, scale)
    zero = zero or zero_of(call, "uint8")
    low, high = bounds(call.type(zero).dtype)
    parameters = (parameter(call, name, shape, axis, block) for name in (scale, zero))
    return call.add(Quantize(low, high, Rounding.HALF_EVEN, inside), x, *parameters)


def dequantize(call: Call, q: str, scale: str, zero: str | None, axis: int, block: int = 0) -> str:
    """ONNX DequantizeLinear: scale * (q - zero point)."""
    item = call.type(q)
    if not item.is_integer:
        raise ModelError(f"codes '{q}' of type {item.dtype}; an integer type is needed")
    check_scale(call, scale)
    zero = zero or zero_of(call, item.dtype)
    have = call.type(zero).dtype
    if have != item.dtype:
        raise ModelError(f"the zero point is {have} and the codes are {item.dtype}")
    parameters = (parameter(call, name, item.shape, axis, block) for name in (scale, zero))
    return call.add(Dequantize(), q, *parameters)


def read_quantize_linear(call: Call) -> None:
    """Without a zero point the type is `output_dtype`, or uint8."""
    zero = call.input(2) if call.has(2) else None
    wanted = call.integer("output_dtype", 0)
    if wanted:
        dtype = dtype_name(wanted, "output_dtype")
        if zero is None:
            zero = zero_of(call, dtype)
        elif call.type(zero).dtype != dtype:
            raise ModelError(f"the zero point is {call.type(zero).dtype}, output_dtype {dtype}")
    axis, block = call.integer("axis", 1), call.integer("block_size", 0)
    call.give(quantize(call, call.input(0), call.input(1), zero, axis, block))


def read_dequantize_linear(call: Call) -> None:
    """DequantizeLinear."""
    zero = call.input(2) if call.has(2) else None
    axis, block = call.integer("axis", 1), call.integer("block_size", 0)
    call.give(dequantize(call, call.input(0), call.input(1), zero, axis, block))


def read_dynamic_quantize_linear(call: Call) -> None:
    """Scale and zero point have to be replaced by constants (`overrides`)."""
    scale, zero = call.proto.output[1], call.proto.output[2]
    if not (call.builder.is_known(scale) and call.builder.is_known(zero)):
        raise _at_run_time(scale, zero)
    call.give(quantize(call, call.input(), scale, zero, 0))


READERS: dict[str, Reader] = {
    "QuantizeLinear": read_quantize_linear,
    "DequantizeLinear": read_dequantize_linear,
    "DynamicQuantizeLinear": read_dynamic_quantize_linear,
}
MICROSOFT: dict[str, Reader] = {
    "QuantizeLinear": read_quantize_linear,
    "DequantizeLinear": read_dequantize_linear,
}
