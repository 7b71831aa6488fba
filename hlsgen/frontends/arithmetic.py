"""ONNX operators of one element: arithmetic, comparison, logic, rounding, casts."""

from __future__ import annotations

import math

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.load import check_size, dtype_name
from hlsgen.ops.model.elementwise import Elementwise, Fn

_PLAIN: dict[str, Fn] = {
    "Add": Fn.ADD,
    "Sub": Fn.SUB,
    "Mul": Fn.MUL,
    "Equal": Fn.EQUAL,
    "Less": Fn.LESS,
    "LessOrEqual": Fn.LESS_EQUAL,
    "Greater": Fn.GREATER,
    "GreaterOrEqual": Fn.GREATER_EQUAL,
    "And": Fn.AND,
    "Or": Fn.OR,
    "Xor": Fn.XOR,
    "Not": Fn.NOT,
    "Where": Fn.WHERE,
    "Neg": Fn.NEG,
    "Abs": Fn.ABS,
    "Sign": Fn.SIGN,
    "Sqrt": Fn.SQRT,
    "Exp": Fn.EXP,
    "Log": Fn.LOG,
    "Erf": Fn.ERF,
    "Sigmoid": Fn.SIGMOID,
    "Tanh": Fn.TANH,
    "Softplus": Fn.SOFTPLUS,
    "Floor": Fn.FLOOR,
    "Ceil": Fn.CEIL,
    "Round": Fn.ROUND,
}
_ROUNDERS = (Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC)


def operands(call: Call) -> tuple[str, ...]:
    """The two inputs of a binary operator; before opset 7 an `axis` says where b starts."""
    if len(call.inputs) == 2 and call.opset < 7 and call.has_attribute("axis"):
        a, b = call.input(0), call.input(1)
        rank, axis = len(call.shape(0)), call.integer("axis")
        axis += rank if axis < 0 else 0
        shape = call.shape(1)
        return a, call.reshape(b, (*shape, *(1,) * (rank - axis - len(shape))))
    return tuple(call.input(index) for index in range(len(call.inputs)))


def _plain(fn: Fn) -> Reader:
    def read(call: Call) -> None:
        inputs = operands(call)
        if fn in _ROUNDERS and call.type(inputs[0]).is_integer:
            call.give(inputs[0])
        else:
            call.emit(Elementwise(fn), *inputs)

    return read


def read_div(call: Call) -> None:
    """Div: a / b; integers are divided as C does it."""
    a, b = operands(call)
    integer = call.type(a).is_integer and call.type(b).is_integer
    call.emit(Elementwise(Fn.INT_DIV if integer else Fn.DIV), a, b)


def read_mod(call: Call) -> None:
    """Mod: a - floor(a/b)*b, or with fmod = 1 a - trunc(a/b)*b."""
    a, b = call.input(0), call.input(1)
    if not call.integer("fmod", 0):
        call.emit(Elementwise(Fn.MOD), a, b)
        return
    if call.type(a).is_integer:
        whole = call.apply(Fn.INT_DIV, a, b)
    else:
        whole = call.apply(Fn.TRUNC, call.apply(Fn.DIV, a, b))
    call.give(call.apply(Fn.SUB, a, call.apply(Fn.MUL, whole, b)))


def read_pow(call: Call) -> None:
    """Pow: a ** b; a constant exponent is the number that the file's own type makes of it.

    A 2 that went through a quantiser is 2 again in float32, but 255 * float32(2/255) is not, and
    no negative number has a power that is not whole.
    """
    a, b = operands(call)
    exponent = call.known(b)
    if exponent is not None and not call.type(b).is_integer:
        b = call.const(exponent, "exponent")
    call.emit(Elementwise(Fn.POW), a, b)


def read_reciprocal(call: Call) -> None:
    """1 / x."""
    call.give(call.apply(Fn.DIV, 1.0, call.input()))


def _fold(call: Call, fn: Fn) -> str:
    if not call.inputs:
        raise ModelError("needs at least one input")
    value = call.input(0)
    for index in range(1, len(call.inputs)):
        value = call.apply(fn, value, call.input(index))
    return value


def _variadic(fn: Fn) -> Reader:
    def read(call: Call) -> None:
        call.give(_fold(call, fn))

    return read


def read_mean(call: Call) -> None:
    """The sum of the inputs over their number."""
    call.give(call.apply(Fn.DIV, _fold(call, Fn.ADD), float(len(call.inputs))))


def read_cast(call: Call) -> None:
    """Another element type; `to` is a number since opset 6 and a name before."""
    if call.opset < 6:
        names = {"FLOAT": "float32", "DOUBLE": "float64"}
        dtype = call.text("to").upper()
        dtype = names.get(dtype, dtype.lower())
    else:
        dtype = dtype_name(call.integer("to"), "the cast's result")
    call.give(call.cast(call.input(), dtype))


def read_cast_like(call: Call) -> None:
    """The element type of another value."""
    call.give(call.cast(call.input(), call.type(call.input(1)).dtype))


def read_constant(call: Call) -> None:
    """A tensor, or a number, or a list of numbers, as an attribute."""
    dtype: str | None = None
    if call.has_attribute("value"):
        array, dtype = call.tensor("value")
    elif call.has_attribute("value_float"):
        array = np.asarray(call.number("value_float", finite=False), np.float32)
    elif call.has_attribute("value_floats"):
        array = np.asarray(call.numbers("value_floats"), np.float32)
    elif call.has_attribute("value_int"):
        array = np.asarray(call.integer("value_int"), np.int64)
    elif call.has_attribute("value_ints"):
        array = np.asarray(call.integers("value_ints"), np.int64)
    elif call.has_attribute("sparse_value"):
        raise Unsupported("a sparse constant: store it dense")
    else:
        raise Unsupported("a constant that is neither a number nor a tensor of numbers")
    call.give(call.const(array, "value", dtype))


def read_identity(call: Call) -> None:
    """The input under another name."""
    call.give(call.input())


def read_dropout(call: Call) -> None:
    """Nothing, outside of training."""
    if call.has(2) and bool(call.constant(2, "training_mode").any()):
        raise Unsupported("training mode; export the model for inference")
    call.give(call.input())
    if len(call.outputs) > 1 and call.outputs[1]:
        call.give(call.const(np.ones(call.shape(), np.bool_), "mask"), 1)


def read_shape(call: Call) -> None:
    """The sizes, of which a free batch counts 1."""
    shape = call.shape()
    start, end = call.integer("start", 0), call.integer("end", len(shape))
    call.give(call.const(np.asarray(shape[slice(start, end)], np.int64), "shape"))


def read_size(call: Call) -> None:
    """The number of elements."""
    call.give(call.const(np.asarray(np.prod(call.shape(), dtype=np.int64)), "size"))


def read_range(call: Call) -> None:
    """Range of constants."""
    start, limit, delta = (call.constant(index, "bound").item() for index in range(3))
    if delta == 0 or not all(np.isfinite((start, limit, delta))):
        raise ModelError(f"a range from {start} to {limit} by {delta}")
    check_size((max(math.ceil((limit - start) / delta), 0),), "the result")
    dtype = call.constant(0, "bound").dtype
    numbers = np.asarray(np.arange(start, limit, delta), dtype)
    call.give(call.const(numbers, "range"))


READERS: dict[str, Reader] = {
    **{name: _plain(fn) for name, fn in _PLAIN.items()},
    "Div": read_div,
    "Mod": read_mod,
    "Pow": read_pow,
    "Reciprocal": read_reciprocal,
    "Sum": _variadic(Fn.ADD),
    "Max": _variadic(Fn.MAX),
    "Min": _variadic(Fn.MIN),
    "Mean": read_mean,
    "Cast": read_cast,
    "CastLike": read_cast_like,
    "Constant": read_constant,
    "Identity": read_identity,
    "Dropout": read_dropout,
    "Shape": read_shape,
    "Size": read_size,
    "Range": read_range,
}
