"""Activation functions and layers that are nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.architecture import class_name
from hlsgen.keras.call import Builder, LayerCall
from hlsgen.keras.entries import is_list, is_object
from hlsgen.keras.network import Network, Value
from hlsgen.keras.quantisers.curves import FUNCTIONS, above_zero
from hlsgen.keras.quantisers.signs import TERNARY
from hlsgen.keras.quantisers.spelling import QUANTISERS, quantiser, spelled

Draw = Callable[[Network, Value], Value]


def activate(call: LayerCall, x: Value, said: Any, *, qkeras: bool) -> Value:
    """An activation as a configuration says it; names mean QKeras' own functions first there.

    Errors: Unsupported for a function that is not known.
    """
    if is_object(said) and class_name(said.get("class_name", "")) == "function":
        said = said.get("config")
    if said is None or said == "linear":
        return x
    name, given, options = spelled(said)
    name = class_name(name)
    if name in QUANTISERS:
        chosen = quantiser(said)
        call.count(chosen)
        return chosen.of_activations(call.net, x)
    if given or options:
        raise Unsupported(f"unknown quantiser or activation {name}")
    table = {**_functions(call.major), **(FUNCTIONS if qkeras else {})}
    if name not in table:
        raise Unsupported(f"unknown activation '{name}' (hlsgen.keras.register takes layers)")
    return table[name](call.net, x)


# -- functions --------------------------------------------------------------------------------


def _plain(op: str, **attributes: Any) -> Draw:
    return lambda net, x: net.apply(op, x, **attributes)


def softmax(net: Network, x: Value, op: str = "Softmax", axis: int = -1) -> Value:
    """Over the channels, which are last."""
    return net.apply(op, net.last(x), axis=axis)


def _relu_up_to(top: float) -> Draw:
    return lambda net, x: net.apply("Clip", x, 0.0, top)


def _swish(net: Network, x: Value) -> Value:
    return net.apply("Mul", x, net.apply("Sigmoid", x))


def _hard_swish(net: Network, x: Value) -> Value:
    gate = net.apply("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    return net.apply("Mul", x, gate)


def _gelu(net: Network, x: Value) -> Value:
    curve = net.apply("Erf", net.apply("Mul", x, math.sqrt(0.5)))
    return net.apply("Mul", net.apply("Mul", x, 0.5), net.apply("Add", curve, 1.0))


def _mish(net: Network, x: Value) -> Value:
    return net.apply("Mul", x, net.apply("Tanh", net.apply("Softplus", x)))


def _ternary_tanh(net: Network, x: Value) -> Value:
    """1 where x > 1/2, -1 where x <= -1/2, else 0: x - 1/2 rounded up, of three codes."""
    return net.quant(net.apply("Sub", x, 0.5), 1.0, TERNARY, "CEIL")


def _functions(major: int) -> dict[str, Draw]:
    """Keras' own by name, and those of BinaryNet and ternary networks."""
    slope = 1 / 6 if major >= 3 else 0.2
    return {
        "relu": _plain("Relu"),
        "relu1": _relu_up_to(1.0),  # of hls4ml's training repository
        "relu6": _relu_up_to(6.0),
        "sigmoid": _plain("Sigmoid"),
        "tanh": _plain("Tanh"),
        "softplus": _plain("Softplus"),
        "softsign": _plain("Softsign"),
        "elu": _plain("Elu"),
        "selu": _plain("Selu"),
        "exponential": _plain("Exp"),
        "hard_sigmoid": _plain("HardSigmoid", alpha=slope, beta=0.5),
        "leaky_relu": _plain("LeakyRelu", alpha=0.2),
        "softmax": softmax,
        "log_softmax": lambda net, x: softmax(net, x, "LogSoftmax"),
        **dict.fromkeys(("swish", "silu"), _swish),
        **dict.fromkeys(("hard_swish", "hard_silu"), _hard_swish),
        "gelu": _gelu,
        "mish": _mish,
        "binary_tanh": above_zero,
        "ternary_tanh": _ternary_tanh,
    }


# -- layers -----------------------------------------------------------------------------------


def _activation(call: LayerCall) -> Value:
    return activate(call, call.x, call.option("activation"), qkeras=False)


def _quantised_activation(call: LayerCall) -> Value:
    return activate(call, call.x, call.option("activation"), qkeras=True)


def _relu(call: LayerCall) -> Value:
    """x from max_value on, negative_slope * (x - threshold) below threshold."""
    slope, top = float(call.option("negative_slope", 0.0)), call.option("max_value")
    threshold = float(call.option("threshold", 0.0))
    x = call.x
    if threshold:
        if slope:
            raise Unsupported("a threshold with a negative slope")
        y = call.net.where(call.net.apply("Greater", x, threshold), x, 0.0)
    else:
        y = call.net.apply("LeakyRelu", x, alpha=slope) if slope else call.net.apply("Relu", x)
    return y if top is None else call.net.apply("Min", y, float(top))


def _leaky_relu(call: LayerCall) -> Value:
    slope = float(call.option("negative_slope", call.option("alpha", 0.3)))
    return call.net.apply("LeakyRelu", call.x, alpha=slope)


def _prelu(call: LayerCall) -> Value:
    (slope,) = call.variables("alpha")
    return call.net.apply("PRelu", call.x, np.asarray(slope, np.float32)[None])


def _elu(call: LayerCall) -> Value:
    return call.net.apply("Elu", call.x, alpha=float(call.option("alpha", 1.0)))


def _thresholded(call: LayerCall) -> Value:
    above = call.net.apply("Greater", call.x, float(call.option("theta", 1.0)))
    return call.net.where(above, call.x, 0.0)


def _softmax(call: LayerCall) -> Value:
    axis = call.option("axis", -1)
    if is_list(axis) or (axis != -1 and axis != len(call.x.shape)):
        raise Unsupported(f"softmax over axis {axis}: only the last")
    return softmax(call.net, call.x)


def _rescaling(call: LayerCall) -> Value:
    scale, offset = float(call.option("scale", 1.0)), float(call.option("offset", 0.0))
    y = call.net.apply("Mul", call.x, scale)
    return call.net.apply("Add", y, offset) if offset else y


def _nothing(call: LayerCall) -> Value:
    """Layers that only do something in training."""
    return call.x


def _normalization(call: LayerCall) -> Value:
    """(x - mean) / max(sqrt(variance), epsilon), adapted to data."""
    if call.option("invert", False) or call.option("axis", -1) not in (-1, [-1]):
        raise Unsupported("Normalization over other axes than the last, or inverted")
    mean, variance = call.variables("mean", "variance")
    if mean.size != call.x.shape[-1]:
        raise ModelError(f"means of {mean.size} channels, not {call.x.shape[-1]}")
    spread = np.maximum(np.sqrt(variance.astype(np.float32)), np.float32(1e-7))
    return call.net.apply("Div", call.net.apply("Sub", call.x, mean.ravel()), spread.ravel())


LAYERS: dict[str, Builder] = {
    "Activation": _activation,
    "QActivation": _quantised_activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "ThresholdedReLU": _thresholded,
    "Softmax": _softmax,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    **dict.fromkeys(
        (
            *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "Identity"),
            *("GaussianDropout", "AlphaDropout", "ActivityRegularization"),
            *("DropoutNoScale", "DropoutNoScaleForBinary", "DropoutNoScaleForTernary"),
        ),
        _nothing,
    ),
}
