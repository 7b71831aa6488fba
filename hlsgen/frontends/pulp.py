"""Integer graphs of the PULP tools (NEMO, QuantLib, Deeploy): RequantShift and its family."""

from __future__ import annotations

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.quantize import Quantize
from hlsgen.ops.model.shapes import broadcast


def _levels(call: Call) -> tuple[int, int]:
    """Smallest and largest output: n_levels of them, around 0 where signed."""
    name = "n_levels_out" if call.has_attribute("n_levels_out") else "n_levels"
    levels = call.integer(name)
    if not 2 <= levels <= 2**32:
        raise ModelError(f"attribute '{name}' is {levels}; it has to lie in 2 .. 2^32")
    if call.integer("signed"):
        return -(levels // 2), levels - levels // 2 - 1
    return 0, levels - 1


def _per_channel(call: Call, name: str, x: tuple[int, ...]) -> str:
    """A factor or addend that broadcasts; [C,1,1] beside an input [N,C,L] is one a channel."""
    shape = call.type(name).shape
    if all(size == 1 for size in shape):
        return call.reshape(name, ())
    rank = len(x)
    if len(x) > 2 and sum(size != 1 for size in shape) == 1 and max(shape) == x[1]:
        fits = len(shape) <= rank and broadcast(shape, x) == x
        if not fits or shape[0] == x[1]:
            return call.reshape(name, (1, x[1], *(1,) * (rank - 2)))
    return name


def requantise(call: Call, x: str, mul: str, add: str) -> str:
    """clip(floor((x * mul + add) / div + 1/2)).

    Half up, as Deeploy's kernels do it: the reference data of all its RequantShift tests agree.
    """
    low, high = _levels(call)
    div = call.integer("div")
    if div < 1:
        raise ModelError(f"attribute 'div' is {div}; it has to be positive")
    shape = call.type(x).shape
    y = call.apply(Fn.MUL, x, _per_channel(call, mul, shape))
    y = call.apply(Fn.ADD, y, _per_channel(call, add, shape))
    scale = call.const(float(div), "div")
    zero = call.const(0.0, "zero")
    return call.add(Quantize(low, high, Rounding.HALF_UP, True), y, scale, zero)


def read_requant_shift(call: Call) -> None:
    """RequantShift."""
    call.give(requantise(call, call.input(0), call.input(1), call.input(2)))


def read_integer_div(call: Call) -> None:
    """Quotient of integers, rounded toward zero."""
    call.give(call.apply(Fn.TRUNC, call.apply(Fn.DIV, call.input(0), call.input(1))))


def refuse(call: Call) -> None:
    """Layers that need more than integer sums and shifts."""
    raise Unsupported(
        f"{call.proto.op_type} needs a root, an exponential or a norm computed at run time; "
        "it belongs to a later release"
    )


READERS: dict[str, Reader] = {
    "RequantShift": read_requant_shift,
    "IntegerDiv": read_integer_div,
    **dict.fromkeys(
        (
            *("iRMSNorm", "iLayerNorm", "iSoftmax", "iGELU", "iGeLU", "iNoNorm", "ITAMax"),
            *("ITAPartialMax", "RequantizediGELU", "iHardswish", "RequantizediHardswish"),
        ),
        refuse,
    ),
}
