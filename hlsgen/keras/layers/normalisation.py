"""Batch normalisation: plain, and QKeras' with quantised parameters."""

from __future__ import annotations

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.call import Array, Builder, LayerCall
from hlsgen.keras.entries import is_list
from hlsgen.keras.network import Value

_PARAMETERS = ("gamma", "beta", "mean", "variance")


def statistics(call: LayerCall, inside: str = "") -> tuple[Array, Array, Array, Array]:
    """gamma, beta, moving mean and variance as float32; 1 and 0 where the layer has none."""
    names = ("gamma",) if call.option("scale", True) else ()
    names += ("beta",) if call.option("center", True) else ()
    names += ("moving_mean", "moving_variance")
    found = call.variables(*names, inside=inside)
    held = {n: np.asarray(a, np.float32) for n, a in zip(names, found, strict=True)}
    mean, variance = held["moving_mean"], held["moving_variance"]
    gamma, beta = np.ones_like(mean), np.zeros_like(mean)
    return held.get("gamma", gamma), held.get("beta", beta), mean, variance


def folding(call: LayerCall, bias: Array | None) -> tuple[Array, Array]:
    """What the kernel of a ...Batchnorm layer is multiplied with, and the bias that remains.

    gamma / sqrt(variance + epsilon) and that times (bias - mean), plus beta: in float32 as QKeras.
    """
    gamma, beta, mean, variance = statistics(call, "batchnorm")
    spread = np.sqrt(variance + np.float32(call.option("epsilon", 1e-3)))
    factor = (np.float32(1) / spread) * gamma
    return factor, factor * ((np.float32(0) if bias is None else bias) - mean) + beta


def check_axis(call: LayerCall) -> None:
    """Refuses every axis but the last."""
    axis = call.option("axis", -1)
    axes = axis if is_list(axis) else [axis]
    last = len(call.x.shape)
    if axes not in ([-1], [last]):
        raise Unsupported(f"normalisation over axis {axis}: only the channels, which are last")


def _batch_norm(call: LayerCall) -> Value:
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta; ONNX' BatchNormalization."""
    check_axis(call)
    net, x = call.net, call.net.first(call.x)
    parameters = dict(zip(_PARAMETERS, statistics(call), strict=True))
    if parameters["mean"].shape != (x.shape[-1],):
        raise ModelError(f"{parameters['mean'].size} means for {x.shape[-1]} channels")
    if call.layer.kind.startswith("Q"):
        parameters = {name: _quantised(call, name, a) for name, a in parameters.items()}
    names = [net.constant(parameters[key], key) for key in ("gamma", "beta", "mean", "variance")]
    made = net.node(
        "BatchNormalization", x.name, *names, epsilon=float(call.option("epsilon", 1e-3))
    )
    return Value(made, x.shape, x.first)


def _quantised(call: LayerCall, name: str, array: Array) -> Array:
    """A parameter after its quantiser, if the layer has the parameter at all."""
    if (name == "gamma" and not call.option("scale", True)) or (
        name == "beta" and not call.option("center", True)
    ):
        return array
    trained = name in ("gamma", "variance")
    return call.quantised(array, call.option(f"{name}_quantizer"), kernel=trained).values


LAYERS: dict[str, Builder] = {
    **dict.fromkeys(("BatchNormalization", "BatchNormalizationV1"), _batch_norm),
    "QBatchNormalization": _batch_norm,
}
