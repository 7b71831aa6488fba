"""Dense layers: plain, QKeras', and those of BinaryNet and ternary networks."""

from __future__ import annotations

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.keras.call import Array, Builder, LayerCall
from hlsgen.keras.layers.activations import activate
from hlsgen.keras.layers.normalisation import folding
from hlsgen.keras.network import Codes, Quantised, Value
from hlsgen.keras.quantisers.quantiser import on_grid
from hlsgen.keras.quantisers.signs import TERNARY


def _dense(call: LayerCall) -> Value:
    """x @ kernel + bias, over the last axis; QDense quantises both."""
    kernel, bias = kernel_and_bias(call)
    weights = call.quantised(kernel, call.option("kernel_quantizer"))
    return _product(call, weights, bias)


def _folded(call: LayerCall) -> Value:
    """A product whose kernel and bias take the moving statistics in before the quantisers."""
    kernel, bias = kernel_and_bias(call)
    factor, shift = folding(call, bias)
    weights = call.quantised(kernel * factor, call.option("kernel_quantizer"))
    return _product(call, weights, shift)


def kernel_and_bias(call: LayerCall, name: str = "kernel") -> tuple[Array, Array | None]:
    """The variables of a layer with a kernel; its bias is None where it has none."""
    if call.option("use_bias", True):
        kernel, bias = call.variables(name, "bias")
        return kernel, bias
    return call.variables(name)[0], None


def _product(call: LayerCall, weights: Quantised, bias: Array | None) -> Value:
    net, x = call.net, call.net.last(call.x)
    if call.real(weights):
        call.told.unquantised.append(call.layer.name)
    if weights.values.ndim != 2 or weights.values.shape[0] != x.shape[-1]:
        raise ModelError(f"a kernel {list(weights.values.shape)} for {x.shape[-1]} inputs")
    name = net.node("MatMul", x.name, call.held(weights, "kernel"))
    y = Value(name, (*x.shape[:-1], weights.values.shape[1]))
    if bias is not None:
        held = call.quantised(bias, call.option("bias_quantizer"), kernel=False)
        y = Value(net.node("Add", y.name, call.held(held, "bias")), y.shape)
    qkeras = call.layer.kind.startswith("Q")
    return activate(call, y, call.option("activation"), qkeras=qkeras)


# -- BinaryNet and ternary networks -----------------------------------------------------------


def signs(kernel: Array, height: float) -> Quantised:
    """H where w > 0, else -H: the rounding of w / 2H + 1/2 takes 1/2 to 0."""
    values = np.where(kernel > 0, height, -height)
    return on_grid(values, height, Codes(1))


def thirds(kernel: Array, height: float) -> Quantised:
    """H where w / H > 1/2, -H where w / H <= -1/2, else 0."""
    w = np.asarray(kernel, np.float32) / np.float32(height)
    return on_grid(height * np.where(w > 0.5, 1.0, np.where(w <= -0.5, -1.0, 0.0)), height, TERNARY)


def coarse(call: LayerCall, kernel: Array) -> Quantised:
    """The kernel of a Binary... or Ternary... layer; H may be given as Glorot's."""
    height = call.option("H", 1.0)
    if height == "Glorot":
        space = int(np.prod(kernel.shape[:-2]))
        height = float(np.float32(np.sqrt(1.5 / (space * sum(kernel.shape[-2:])))))
    binary = "Binary" in call.layer.kind
    call.count(f"{'binary' if binary else 'ternary'} weights (H={height:g})")
    return (signs if binary else thirds)(kernel, float(height))


def _coarse_dense(call: LayerCall) -> Value:
    kernel, bias = kernel_and_bias(call)
    return _product(call, coarse(call, kernel), bias)


LAYERS: dict[str, Builder] = {
    "Dense": _dense,
    "QDense": _dense,
    "QDenseBatchnorm": _folded,
    "BinaryDense": _coarse_dense,
    "TernaryDense": _coarse_dense,
}
