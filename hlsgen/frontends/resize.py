"""Resize and Upsample: nearest neighbours as Take, interpolation as a constant matrix."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.load import check_size
from hlsgen.frontends.movements import take
from hlsgen.ops.model.linear import MatMul
from hlsgen.ops.model.shapes import normal_axis

_HALF = Fraction(1, 2)


def source_position(mode: str, index: int, size: int, result: int, scale: Fraction) -> Fraction:
    """Where the `index`-th of `result` elements lies among `size` source elements, exactly."""
    match mode:
        case "half_pixel":
            return (index + _HALF) / scale - _HALF
        case "half_pixel_symmetric":
            adjustment = Fraction(result) / (scale * size)
            centre = Fraction(size, 2)
            return centre * (1 - adjustment) + (index + _HALF) / scale - _HALF
        case "pytorch_half_pixel":
            return (index + _HALF) / scale - _HALF if result > 1 else Fraction(0)
        case "align_corners":
            return Fraction(index * (size - 1), result - 1) if result > 1 else Fraction(0)
        case "asymmetric":
            return index / scale
        case "tf_half_pixel_for_nn":
            return (index + _HALF) / scale
        case _:
            raise Unsupported(f"coordinate_transformation_mode '{mode}'")


def nearest(position: Fraction, mode: str) -> int:
    """The source element nearest to a position, as `nearest_mode` decides ties."""
    match mode:
        case "round_prefer_floor" | "":
            return math.ceil(position - _HALF)
        case "round_prefer_ceil":
            return math.floor(position + _HALF)
        case "floor":
            return math.floor(position)
        case "ceil":
            return math.ceil(position)
        case _:
            raise ModelError(f"nearest_mode '{mode}' does not exist")


def read_resize(call: Call) -> None:
    """Per axis; the axes that keep their size are left alone.

    Interpolated integers lose their fraction, as onnxruntime and onnx's reference do it.
    """
    shape = call.shape()
    old = call.opset < 11
    scales, sizes = _targets(call, len(shape))
    transform = "asymmetric" if old else call.text("coordinate_transformation_mode", "half_pixel")
    rounding = "floor" if old else call.text("nearest_mode", "round_prefer_floor")
    mode = call.text("mode", "nearest")
    if mode not in ("nearest", "linear", "cubic") or call.integer("antialias", 0):
        raise Unsupported(f"mode '{mode}' (with antialias {call.integer('antialias', 0)})")
    value = call.input()
    for axis, size in enumerate(shape):
        scale = scales.get(axis, Fraction(sizes.get(axis, size), size))
        result = sizes.get(axis, math.floor(size * scale))
        if scale == 1 and result == size:
            continue
        if result < 1:
            raise ModelError(f"axis {axis} of size {size} would shrink to {result}")
        check_size((*call.type(value).shape[:axis], result), "the result")
        places = [source_position(transform, i, size, result, scale) for i in range(result)]
        if mode == "nearest":
            found = (nearest(place, rounding) for place in places)
            indices = tuple(min(max(item, 0), size - 1) for item in found)
            value = take(call, value, axis, indices)
        else:
            value = _interpolate(call, value, axis, places)
    call.give(call.cast(value, call.type(call.input()).dtype))


def _targets(call: Call, rank: int) -> tuple[dict[int, Fraction], dict[int, int]]:
    """Scales and sizes by axis, wherever the opset keeps them."""
    if call.has_attribute("scales"):
        given = call.numbers("scales")
        return {axis: _scale(item) for axis, item in enumerate(given)}, {}
    axes = tuple(normal_axis(axis, rank) for axis in call.integers("axes", tuple(range(rank))))
    place = 1 if call.proto.op_type == "Upsample" or call.opset < 11 else 2
    if call.has(3):
        sizes = call.constant_ints(3, "sizes")
        return {}, _sizes(call, dict(zip(axes, sizes, strict=True)))
    scales = call.constant(place, "scales").reshape(-1).tolist()
    return {axis: _scale(item) for axis, item in zip(axes, scales, strict=True)}, {}


def _sizes(call: Call, sizes: dict[int, int]) -> dict[int, int]:
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return sizes
    shape = call.shape()
    ratios = [Fraction(size, shape[axis]) for axis, size in sizes.items()]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return {axis: math.floor(ratio * shape[axis] + _HALF) for axis in sizes}


def _scale(value: float) -> Fraction:
    if not math.isfinite(value) or value <= 0:
        raise ModelError(f"a scale of {value}")
    return Fraction(value)


def _interpolate(call: Call, x: str, axis: int, places: list[Fraction]) -> str:
    """Tensor x along one axis times a matrix that holds the weights of a place in a column."""
    shape = call.type(x).shape
    size, rank = shape[axis], len(shape)
    weights = np.zeros((size, len(places)))
    for column, place in enumerate(places):
        for row, weight in _taps(call, place, size):
            weights[row, column] += float(weight)
    perm = (*(i for i in range(rank) if i != axis), axis)
    back = tuple(perm.index(i) for i in range(rank))
    product = call.add(MatMul(), call.transpose(x, perm), call.const(weights, "weights"))
    return call.transpose(product, back)


def _taps(call: Call, place: Fraction, size: int) -> list[tuple[int, Fraction]]:
    """Which elements count at a place, and how much; the border's stand for those beyond it."""
    if call.text("mode", "nearest") == "linear":
        place = min(max(place, Fraction(0)), Fraction(size - 1))
        low = math.floor(place)
        return [(low, 1 - (place - low)), (min(low + 1, size - 1), place - low)]
    low = math.floor(place)
    a = Fraction(call.number("cubic_coeff_a", -0.75))
    taps = [(low + i, _cubic(abs(place - low - i), a)) for i in (-1, 0, 1, 2)]
    if call.integer("exclude_outside", 0):
        taps = [(index, weight) for index, weight in taps if 0 <= index < size]
        total = sum(weight for _, weight in taps)
        taps = [(index, weight / total) for index, weight in taps]
    return [(min(max(index, 0), size - 1), weight) for index, weight in taps]


def _cubic(t: Fraction, a: Fraction) -> Fraction:
    """The weight of an element at distance t."""
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else Fraction(0)


READERS: dict[str, Reader] = {"Resize": read_resize, "Upsample": read_resize}
