"""Activation functions, written in the elementary ones."""

from __future__ import annotations

import math

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.frontends.call import Call, Operand, Reader
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.shapes import broadcast

_FLOAT_MAX = float(np.finfo(np.float32).max)


def relu(call: Call, x: str) -> str:
    """max(x, 0)."""
    return call.apply(Fn.MAX, x, call.like(x, 0.0, "zero"))


def clip(call: Call, x: str, low: float | None, high: float | None) -> str:
    """min(max(x, low), high); a bound that is None or beyond float32 does nothing."""
    if low is not None and low > -_FLOAT_MAX:
        x = call.apply(Fn.MAX, x, call.like(x, low, "low"))
    if high is not None and high < _FLOAT_MAX:
        x = call.apply(Fn.MIN, x, call.like(x, high, "high"))
    return x


def leaky_relu(call: Call, x: str, slope: Operand) -> str:
    """max(x, 0) + slope * min(x, 0)."""
    zero = call.like(x, 0.0, "zero")
    negative = call.apply(Fn.MUL, call.apply(Fn.MIN, x, zero), slope)
    return call.apply(Fn.ADD, call.apply(Fn.MAX, x, zero), negative)


def _hard_sigmoid(call: Call, x: str, alpha: float, beta: float) -> str:
    line = call.apply(Fn.ADD, call.apply(Fn.MUL, x, alpha), beta)
    return call.apply(Fn.MAX, call.apply(Fn.MIN, line, 1.0), 0.0)


def _exponential(call: Call, x: str, alpha: float, inner: float = 1.0) -> str:
    low = call.apply(Fn.MIN, x, 0.0)
    if inner != 1.0:
        low = call.apply(Fn.DIV, low, inner)
    curve = call.apply(Fn.SUB, call.apply(Fn.EXP, low), 1.0)
    if alpha != 1.0:
        curve = call.apply(Fn.MUL, curve, alpha)
    return call.apply(Fn.ADD, call.apply(Fn.MAX, x, 0.0), curve)


def _half_times_one_plus(call: Call, x: str, curve: str) -> str:
    half = call.apply(Fn.MUL, x, 0.5)
    return call.apply(Fn.MUL, half, call.apply(Fn.ADD, curve, 1.0))


def gelu_erf(call: Call, x: str) -> str:
    """Gelu: x/2 * (1 + erf(x / sqrt(2)))."""
    return _half_times_one_plus(
        call, x, call.apply(Fn.ERF, call.apply(Fn.DIV, x, call.apply(Fn.SQRT, 2.0)))
    )


def gelu_tanh(call: Call, x: str) -> str:
    """Gelu, approximate: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))."""
    cube = call.apply(Fn.MUL, call.apply(Fn.POW, x, 3.0), 0.044715)
    line = call.apply(Fn.MUL, call.apply(Fn.ADD, x, cube), math.sqrt(2 / math.pi))
    return _half_times_one_plus(call, x, call.apply(Fn.TANH, line))


def _swish(call: Call, x: str, alpha: float) -> str:
    inner = x if alpha == 1.0 else call.apply(Fn.MUL, x, alpha)
    return call.apply(Fn.MUL, x, call.apply(Fn.SIGMOID, inner))


def _f32(value: float) -> float:
    return float(np.float32(value))


def read_relu(call: Call) -> None:
    """Relu: max(x, 0)."""
    call.give(relu(call, call.input()))


def read_clip(call: Call) -> None:
    """Bounds are attributes before opset 11, optional inputs since."""
    low: float | None = None
    high: float | None = None
    if call.opset < 11 and len(call.inputs) == 1:
        low = call.number("min", -math.inf, finite=False)
        high = call.number("max", math.inf, finite=False)
    else:
        low = float(call.constant(1, "lower bound").item()) if call.has(1) else None
        high = float(call.constant(2, "upper bound").item()) if call.has(2) else None
    call.give(clip(call, call.input(), low, high))


def read_relu6(call: Call) -> None:
    """Relu6: min(max(x, 0), 6)."""
    call.give(clip(call, call.input(), 0.0, 6.0))


def read_leaky_relu(call: Call) -> None:
    """LeakyRelu: max(x, 0) + alpha * min(x, 0)."""
    call.give(leaky_relu(call, call.input(), call.number("alpha", _f32(0.01))))


def read_prelu(call: Call) -> None:
    """Slopes broadcast as numpy does; a plain vector that cannot is one slope a channel."""
    x, slope = call.input(0), call.input(1)
    shape, rank = call.shape(1), len(call.shape(0))
    per_channel = len(shape) == 1 and rank > 2 and shape[0] == call.shape(0)[1] != 1
    if per_channel and (call.opset < 7 or shape[0] != call.shape(0)[-1]):
        slope = call.along(slope, 1, rank)
    elif broadcast(call.shape(0), shape) != call.shape(0):
        raise ModelError(f"slopes {list(shape)} do not fit an input {list(call.shape(0))}")
    call.give(leaky_relu(call, x, slope))


def read_hard_sigmoid(call: Call) -> None:
    """HardSigmoid: max(0, min(1, alpha * x + beta))."""
    alpha, beta = call.number("alpha", _f32(0.2)), call.number("beta", 0.5)
    call.give(_hard_sigmoid(call, call.input(), alpha, beta))


def read_hard_swish(call: Call) -> None:
    """HardSwish: x * max(0, min(1, x/6 + 1/2))."""
    x = call.input()
    line = call.apply(Fn.ADD, call.apply(Fn.DIV, x, 6.0), 0.5)
    gate = call.apply(Fn.MAX, call.apply(Fn.MIN, line, 1.0), 0.0)
    call.give(call.apply(Fn.MUL, x, gate))


def read_elu(call: Call) -> None:
    """Elu: max(x, 0) + alpha * (exp(min(x, 0)) - 1)."""
    call.give(_exponential(call, call.input(), call.number("alpha", 1.0)))


def read_selu(call: Call) -> None:
    """Selu: gamma * (max(x, 0) + alpha * (exp(min(x, 0)) - 1))."""
    alpha = call.number("alpha", _f32(1.67326319217681884765625))
    gamma = call.number("gamma", _f32(1.05070102214813232421875))
    call.give(call.apply(Fn.MUL, _exponential(call, call.input(), alpha), gamma))


def read_celu(call: Call) -> None:
    """Celu: max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)."""
    alpha = call.number("alpha", 1.0)
    if alpha <= 0:
        raise ModelError(f"alpha has to be positive, got {alpha}")
    call.give(_exponential(call, call.input(), alpha, inner=alpha))


def read_thresholded_relu(call: Call) -> None:
    """ThresholdedRelu: x where x > alpha, else 0."""
    x = call.input()
    over = call.apply(Fn.GREATER, x, call.number("alpha", 1.0))
    call.give(call.apply(Fn.WHERE, over, x, 0.0))


def read_softsign(call: Call) -> None:
    """Softsign: x / (1 + |x|)."""
    x = call.input()
    call.give(call.apply(Fn.DIV, x, call.apply(Fn.ADD, call.apply(Fn.ABS, x), 1.0)))


def read_shrink(call: Call) -> None:
    """Shrink: x + bias below -lambd, x - bias above lambd, else 0."""
    x, bias, lambd = call.input(), call.number("bias", 0.0), call.number("lambd", 0.5)
    above = call.apply(Fn.GREATER, x, lambd)
    below = call.apply(Fn.LESS, x, -lambd)
    high = call.apply(Fn.SUB, x, bias) if bias else x
    low = call.apply(Fn.ADD, x, bias) if bias else x
    call.give(call.apply(Fn.WHERE, above, high, call.apply(Fn.WHERE, below, low, 0.0)))


def read_gelu(call: Call) -> None:
    """Gelu, by erf or by tanh."""
    tanh = call.text("approximate", "none") == "tanh"
    call.give((gelu_tanh if tanh else gelu_erf)(call, call.input()))


def _biased(call: Call) -> str:
    return call.apply(Fn.ADD, call.input(0), call.input(1)) if call.has(1) else call.input(0)


def read_fast_gelu(call: Call) -> None:
    """FastGelu: the tanh form of x + bias."""
    call.give(gelu_tanh(call, _biased(call)))


def read_bias_gelu(call: Call) -> None:
    """BiasGelu: the erf form of x + bias."""
    call.give(gelu_erf(call, _biased(call)))


def read_mish(call: Call) -> None:
    """Mish: x * tanh(log(1 + exp(x)))."""
    x = call.input()
    call.give(call.apply(Fn.MUL, x, call.apply(Fn.TANH, call.apply(Fn.SOFTPLUS, x))))


def read_swish(call: Call) -> None:
    """Swish: x * sigmoid(alpha * x)."""
    call.give(_swish(call, call.input(), call.number("alpha", 1.0)))


def read_quick_gelu(call: Call) -> None:
    """QuickGelu: x * sigmoid(1.702 x) unless alpha says otherwise."""
    call.give(_swish(call, call.input(), call.number("alpha", _f32(1.702))))


READERS: dict[str, Reader] = {
    "Relu": read_relu,
    "Relu6": read_relu6,
    "Clip": read_clip,
    "LeakyRelu": read_leaky_relu,
    "PRelu": read_prelu,
    "HardSigmoid": read_hard_sigmoid,
    "HardSwish": read_hard_swish,
    "Elu": read_elu,
    "Selu": read_selu,
    "Celu": read_celu,
    "ThresholdedRelu": read_thresholded_relu,
    "Softsign": read_softsign,
    "Shrink": read_shrink,
    "Gelu": read_gelu,
    "Mish": read_mish,
    "Swish": read_swish,
    "SiLU": read_swish,
}

MICROSOFT: dict[str, Reader] = {
    "Gelu": read_gelu,
    "FastGelu": read_fast_gelu,
    "BiasGelu": read_bias_gelu,
    "QuickGelu": read_quick_gelu,
}
