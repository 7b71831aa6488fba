"""Layers that move elements, and layers that join several inputs."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.call import Builder, LayerCall
from hlsgen.keras.network import Value


def _flatten(call: LayerCall) -> Value:
    call.check_layout()
    return call.net.reshape(call.x, (prod(call.x.shape),))


def _reshape(call: LayerCall) -> Value:
    total = prod(call.x.shape)
    target = [int(n) for n in call.option("target_shape", [])]
    known = prod(n for n in target if n != -1)
    sizes = tuple(total // max(known, 1) if n == -1 else n for n in target)
    if prod(sizes) != total:
        raise ModelError(f"{list(call.x.shape)} cannot have the shape {target}")
    return call.net.reshape(call.x, sizes)


def _permute(call: LayerCall) -> Value:
    x, order = call.net.last(call.x), [int(n) for n in call.option("dims", [])]
    if sorted(order) != list(range(1, len(x.shape) + 1)):
        raise ModelError(f"dims {order} for {len(x.shape)} axes")
    name = call.net.node("Transpose", x.name, perm=[0, *order])
    return Value(name, tuple(x.shape[n - 1] for n in order))


def _ends(value: Any, rank: int) -> list[tuple[int, int]]:
    """What a layer adds or takes before and after each axis: one number, one an axis, or pairs."""
    if isinstance(value, int):
        return [(value, value)] * rank
    items = list(value)
    if rank == 1 and all(isinstance(n, int) for n in items):
        items = [items]
    return [(n, n) if isinstance(n, int) else (int(n[0]), int(n[1])) for n in items]


def _zero_padding(call: LayerCall) -> Value:
    call.check_layout()
    net, x = call.net, call.x
    ends = _ends(call.option("padding", 1), len(x.shape) - 1)
    before, after = (_spatial(x, [n[i] for n in ends]) for i in (0, 1))
    pads = net.constant([*before, *after], "pads", np.int64)
    sizes = (n + a + b for n, (a, b) in zip(x.shape[:-1], ends, strict=True))
    return Value(net.node("Pad", x.name, pads), (*sizes, x.shape[-1]), x.first)


def _spatial(x: Value, numbers: list[int]) -> list[int]:
    """Numbers of the spatial axes between zeros for batch and channels, as `x` stores them."""
    return [0, 0, *numbers] if x.first else [0, *numbers, 0]


def _cropping(call: LayerCall) -> Value:
    call.check_layout()
    net, x = call.net, call.x
    ends = _ends(call.option("cropping", 1), len(x.shape) - 1)
    starts = [a for a, _ in ends]
    stops = [n - b for n, (_, b) in zip(x.shape[:-1], ends, strict=True)]
    if any(a >= b for a, b in zip(starts, stops, strict=True)):
        raise ModelError(f"cropping {ends} leaves nothing of {list(x.shape)}")
    axes = [axis + (2 if x.first else 1) for axis in range(len(ends))]
    bounds = ((starts, "starts"), (stops, "ends"), (axes, "axes"))
    names = [net.constant(values, what, np.int64) for values, what in bounds]
    sizes = (b - a for a, b in zip(starts, stops, strict=True))
    return Value(net.node("Slice", x.name, *names), (*sizes, x.shape[-1]), x.first)


def _up_sampling(call: LayerCall) -> Value:
    """Each element repeated."""
    call.check_layout()
    if call.option("interpolation", "nearest") != "nearest":
        raise Unsupported("UpSampling by interpolation: only nearest")
    net, x = call.net, call.net.first(call.x)
    rank = len(x.shape) - 1
    factors = call.sizes("size", rank, 2)
    scales = net.constant([1, 1, *factors], "scales")
    made = net.node(
        "Resize", x.name, "", scales, mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    sizes = (n * f for n, f in zip(x.shape[:-1], factors, strict=True))
    return Value(made, (*sizes, x.shape[-1]), first=True)


# -- several inputs ---------------------------------------------------------------------------


def _joined(op: str) -> Builder:
    def build(call: LayerCall) -> Value:
        if len(call.inputs) < 2:
            raise ModelError(f"{len(call.inputs)} inputs; it takes two or more")
        head, *rest = call.inputs
        for other in rest:
            if other.shape != head.shape:
                raise Unsupported(f"inputs of shapes {list(head.shape)} and {list(other.shape)}")
            head = call.net.apply(op, head, other)
        return head

    return build


def _average(call: LayerCall) -> Value:
    return call.net.apply("Mul", _joined("Add")(call), 1.0 / len(call.inputs))


def _concatenate(call: LayerCall) -> Value:
    head = call.inputs[0]
    rank = len(head.shape)
    axis = int(call.option("axis", -1))
    axis = axis if axis > 0 else axis + rank + 1  # Keras counts the batch as well
    if not 1 <= axis <= rank:
        raise ModelError(f"concatenation along axis {axis} of {rank + 1}")
    net = call.net
    items = [net.first(x) if head.first else net.last(x) for x in call.inputs]
    stored = (1 if axis == rank else axis + 1) if head.first else axis
    made = net.node("Concat", *(x.name for x in items), axis=stored)
    total = sum(x.shape[axis - 1] for x in items)
    return Value(made, (*head.shape[: axis - 1], total, *head.shape[axis:]), head.first)


LAYERS: dict[str, Builder] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"), _zero_padding),
    **dict.fromkeys(("Cropping1D", "Cropping2D", "Cropping3D"), _cropping),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _up_sampling),
    "Add": _joined("Add"),
    "Subtract": _joined("Sub"),
    "Multiply": _joined("Mul"),
    "Maximum": _joined("Max"),
    "Minimum": _joined("Min"),
    "Average": _average,
    "Concatenate": _concatenate,
}
