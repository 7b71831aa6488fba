"""HGQ's proxy models: plain layers, between them quantisers with a width for each element."""

from __future__ import annotations

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.call import Array, Builder, LayerCall
from hlsgen.keras.network import QONNX, Network, Value

# Rounding modes of ap_fixed as ONNX operators on x / step.
_OFFSETS = {"TRN": ("Floor", 0.0), "RND": ("Floor", 0.5), "RND_MIN_INF": ("Ceil", -0.5)}
_ON_SIZE = {"TRN_ZERO": ("Floor", 0.0), "RND_INF": ("Floor", 0.5), "RND_ZERO": ("Ceil", -0.5)}
_WIDEST = 24  # codes are float32 numbers, in HGQ as in ONNX


def _quantizer(call: LayerCall) -> Value:
    """ap_fixed<bits, integers, RND, SAT>, for each element its own; 0 bits are the value 0."""
    signed, bits, whole = (
        np.asarray(a, np.float64) for a in call.variables("keep_negative", "bits", "integers")
    )
    if bits.min() < 0 or bits.max() > _WIDEST or not np.isin(signed, (0, 1)).all():
        raise ModelError(
            f"widths from {bits.min():g} to {bits.max():g} bits; float32 holds 0 to {_WIDEST}"
        )
    live = bits > 0
    signed, whole = signed * live, whole * live
    step = np.exp2(whole - bits)
    top = np.exp2(bits - signed) - 1
    rounding, overflow = call.option("RND", "TRN"), call.option("SAT", "WRAP")
    call.count(f"FixedPointQuantizer({rounding},{overflow})")
    net = call.net
    y = _rounded(net, net.apply("Mul", call.x, 1 / step), rounding)
    y = _bounded(net, y, -(top + 1) * signed, top, overflow)
    y = net.apply("Mul", y, step * live)
    return _marked(net, y, step, bits, signed) if live.any() else y


def _rounded(net: Network, x: Value, mode: str) -> Value:
    if mode == "RND_CONV":
        return net.apply("Round", x)
    if mode in _OFFSETS:
        op, offset = _OFFSETS[mode]
        return net.apply(op, net.apply("Add", x, offset) if offset else x)
    if mode in _ON_SIZE:
        op, offset = _ON_SIZE[mode]
        size = net.apply("Abs", x)
        size = net.apply(op, net.apply("Add", size, offset) if offset else size)
        return net.apply("Mul", net.apply("Sign", x), size)
    raise Unsupported(f"rounding RND='{mode}'")


def _bounded(net: Network, x: Value, low: Array, top: Array, mode: str) -> Value:
    """Whole codes brought between two bounds as the overflow mode says."""
    match mode:
        case "SAT":
            return net.apply("Min", net.apply("Max", x, low), top)
        case "SAT_SYM":
            return net.apply("Min", net.apply("Max", x, np.where(low < 0, -top, 0)), top)
        case "SAT_ZERO":
            inside = net.where(net.apply("GreaterOrEqual", x, low), x, 0.0)
            return net.where(net.apply("LessOrEqual", x, top), inside, 0.0)
        case "WRAP":
            span = top - low + 1
            turns = net.apply("Div", net.apply("Sub", x, low), span)
            return net.apply("Sub", x, net.apply("Mul", net.apply("Floor", turns), span))
        case other:
            raise Unsupported(f"overflow SAT='{other}'")


def _marked(net: Network, x: Value, step: Array, bits: Array, signed: Array) -> Value:
    """A Quant that changes nothing: it says which grid the values lie on."""
    mixed = bool(signed.any())
    widths = np.maximum(bits + (mixed - signed), 2 if mixed else 1)
    scale, width = (
        net.constant(net.stored(x, a), w) for a, w in ((step, "scale"), (widths, "bits"))
    )
    zero = net.constant(0, "zero_point")
    name = net.node(
        "Quant", x.name, scale, zero, width, domain=QONNX,
        signed=int(mixed), narrow=0, rounding_mode="ROUND",
    )  # fmt: skip
    return Value(name, x.shape, x.first)


LAYERS: dict[str, Builder] = {"FixedPointQuantizer": _quantizer}
