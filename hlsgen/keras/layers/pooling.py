"""Pools, plain and with QKeras' quantised factor."""

from __future__ import annotations

from math import prod

import numpy as np

from hlsgen.keras.call import Builder, LayerCall
from hlsgen.keras.layers.activations import activate
from hlsgen.keras.layers.convolutions import Window, rank_of
from hlsgen.keras.network import Value


def _pool(call: LayerCall) -> Value:
    """The largest, or the mean of what lies inside."""
    call.check_layout()
    rank = rank_of(call)
    size = call.sizes("pool_size", rank, 2)
    strides = call.sizes("strides", rank, list(size))
    place = Window(size, strides, (1,) * rank, call.option("padding", "valid"))
    net, x = call.net, call.net.first(call.x)
    spatial = x.shape[:-1]
    op = "MaxPool" if "Max" in call.layer.kind else "AveragePool"
    made = net.node(
        op, x.name, kernel_shape=list(size), strides=list(strides), pads=place.pads(spatial)
    )
    y = Value(made, (*place.result(spatial), x.shape[-1]), first=True)
    return _scaled(call, y, prod(size))


def _global(call: LayerCall) -> Value:
    call.check_layout()
    net, x = call.net, call.net.first(call.x)
    op = "GlobalMaxPool" if "Max" in call.layer.kind else "GlobalAveragePool"
    made = net.node(op, x.name)
    y = Value(made, (*(1 for _ in x.shape[:-1]), x.shape[-1]), first=True)
    y = _scaled(call, y, prod(x.shape[:-1]))
    return y if call.option("keepdims", False) else net.reshape(y, (x.shape[-1],))


def _scaled(call: LayerCall, y: Value, area: int) -> Value:
    """QKeras: the sum times the quantised 1 / area instead of the mean."""
    said = call.option("average_quantizer")
    if said is not None:
        factor = call.quantised(np.asarray(1.0 / area), said, kernel=False).values
        y = call.net.apply("Mul", call.net.apply("Mul", y, float(area)), factor)
    return activate(call, y, call.option("activation"), qkeras=True)


_SIZES = ("1D", "2D", "3D")
LAYERS: dict[str, Builder] = {
    **dict.fromkeys((f"{kind}Pooling{n}" for kind in ("Max", "Average") for n in _SIZES), _pool),
    "QAveragePooling2D": _pool,
    **dict.fromkeys(
        (f"Global{kind}Pooling{n}" for kind in ("Max", "Average") for n in _SIZES), _global
    ),
    "QGlobalAveragePooling2D": _global,
}
