"""ONNX operators that only move elements, with every index resolved."""

from __future__ import annotations

from math import prod

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.load import check_size
from hlsgen.ir.model import Shape
from hlsgen.ops.model.movement import Concat, Pad, Take
from hlsgen.ops.model.shapes import broadcast, normal_axis


def take(call: Call, x: str, axis: int, indices: tuple[int, ...]) -> str:
    """`x` at these positions of an axis (itself where nothing changes)."""
    if indices == tuple(range(call.type(x).shape[axis])):
        return x
    return call.add(Take(axis, indices), x)


def read_transpose(call: Call) -> None:
    """Transpose; without perm the axes are reversed."""
    rank = len(call.shape())
    perm = call.integers("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        raise ModelError(f"perm {list(perm)} is no order of {rank} axes")
    call.give(call.transpose(call.input(), perm))


def resolve_shape(have: Shape, wanted: Shape, allow_zero: bool) -> Shape:
    """ONNX Reshape's target: 0 copies a size, -1 takes what is left."""
    sizes = list(wanted)
    for axis, size in enumerate(sizes):
        if size == 0 and not allow_zero:
            if axis >= len(have):
                raise ModelError(f"shape {list(wanted)} copies axis {axis} of {list(have)}")
            sizes[axis] = have[axis]
    if sizes.count(-1) == 1:
        rest = prod(size for size in sizes if size != -1)
        if rest == 0 or prod(have) % rest:
            raise ModelError(f"cannot reshape {list(have)} to {list(wanted)}")
        sizes[sizes.index(-1)] = prod(have) // rest
    if min(sizes, default=1) < 1 or prod(sizes) != prod(have):
        raise ModelError(f"cannot reshape {list(have)} to {list(wanted)}")
    return tuple(sizes)


def read_reshape(call: Call) -> None:
    """The shape is an attribute before opset 5."""
    wanted = (
        call.constant_ints(1, "shape")
        if call.has(1)
        else call.integers("shape", None if call.opset < 5 else ())
    )
    allow_zero = bool(call.integer("allowzero", 0))
    call.give(call.reshape(call.input(), resolve_shape(call.shape(), wanted, allow_zero)))


def read_flatten(call: Call) -> None:
    """Flatten to a matrix at `axis`."""
    shape = call.shape()
    axis = call.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if not 0 <= axis <= len(shape):
        raise ModelError(f"axis {axis} does not exist in shape {list(shape)}")
    call.give(call.reshape(call.input(), (prod(shape[:axis]), prod(shape[axis:]))))


def _axes(call: Call) -> tuple[int, ...]:
    if call.has(1):
        return call.constant_ints(1, "axes")
    return call.integers("axes", ())


def read_squeeze(call: Call) -> None:
    """Squeeze; axes are an input since opset 13."""
    shape = call.shape()
    axes = {normal_axis(axis, len(shape)) for axis in _axes(call)}
    axes = axes or {axis for axis, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in axes):
        raise ModelError(f"axes {sorted(axes)} of shape {list(shape)} are not all of size 1")
    rest = tuple(size for axis, size in enumerate(shape) if axis not in axes)
    call.give(call.reshape(call.input(), rest))


def read_unsqueeze(call: Call) -> None:
    """Unsqueeze; axes are an input since opset 13."""
    shape, axes = call.shape(), _axes(call)
    rank = len(shape) + len(axes)
    wanted = {normal_axis(axis, rank) for axis in axes}
    if len(wanted) != len(axes):
        raise ModelError(f"axes {list(axes)} name one axis twice")
    rest = iter(shape)
    call.give(
        call.reshape(
            call.input(), tuple(1 if axis in wanted else next(rest) for axis in range(rank))
        )
    )


def read_concat(call: Call) -> None:
    """Concat."""
    axis = normal_axis(call.integer("axis", 1), len(call.shape()))
    names = tuple(call.input(index) for index in range(len(call.inputs)))
    call.give(names[0] if len(names) == 1 else call.add(Concat(axis), *names))


def read_gather(call: Call) -> None:
    """Constant indices only; their shape replaces the axis."""
    shape = call.shape()
    axis = normal_axis(call.integer("axis", 0), len(shape))
    indices = call.constant(1, "indices")
    flat = tuple(int(item) for item in indices.reshape(-1))
    if any(not -shape[axis] <= item < shape[axis] for item in flat):
        raise ModelError(f"an index of {list(flat)[:8]} lies outside of axis size {shape[axis]}")
    flat = tuple(item + shape[axis] if item < 0 else item for item in flat)
    value = take(call, call.input(), axis, flat)
    call.give(call.reshape(value, (*shape[:axis], *indices.shape, *shape[axis + 1 :])))


def slice_indices(size: int, start: int, end: int, step: int) -> tuple[int, ...]:
    """The positions that ONNX Slice takes of an axis."""
    if step == 0:
        raise ModelError("a slice with step 0")
    start += size if start < 0 else 0
    end += size if end < 0 else 0
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start = min(max(start, max(low, 0)), high)
    end = min(max(end, low), high)
    return tuple(range(start, end, step))


def read_slice(call: Call) -> None:
    """Starts, ends, axes, steps are inputs since opset 10."""
    shape = call.shape()
    if len(call.inputs) > 1:
        starts, ends = call.constant_ints(1, "starts"), call.constant_ints(2, "ends")
        axes = call.constant_ints(3, "axes") if call.has(3) else tuple(range(len(starts)))
        steps = call.constant_ints(4, "steps") if call.has(4) else (1,) * len(starts)
    else:
        starts, ends = call.integers("starts"), call.integers("ends")
        axes = call.integers("axes", tuple(range(len(starts))))
        steps = (1,) * len(starts)
    value = call.input()
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = normal_axis(axis, len(shape))
        indices = slice_indices(shape[axis], start, end, step)
        if not indices:
            raise ModelError(f"the slice [{start}:{end}:{step}] of axis {axis} is empty")
        value = take(call, value, axis, indices)
    call.give(value)


def read_split(call: Call) -> None:
    """Sizes from the attribute, the second input, or equal parts (the last one smaller)."""
    shape = call.shape()
    axis = normal_axis(call.integer("axis", 0), len(shape))
    count = len(call.outputs)
    if call.has(1):
        sizes = call.constant_ints(1, "split")
    elif call.has_attribute("split"):
        sizes = call.integers("split")
    else:
        part = -(-shape[axis] // count)
        sizes = (*(part,) * (count - 1), shape[axis] - part * (count - 1))
    if sum(sizes) != shape[axis] or len(sizes) != count or min(sizes) < 1:
        raise ModelError(f"axis size {shape[axis]} split into {list(sizes)}")
    start = 0
    for output, size in enumerate(sizes):
        if call.outputs[output]:
            indices = tuple(range(start, start + size))
            call.give(take(call, call.input(), axis, indices), output)
        start += size


def expand(call: Call, x: str, shape: Shape) -> str:
    """Tensor `x` broadcast against `shape`."""
    have = call.type(x).shape
    wanted = broadcast(have, shape)
    check_size(wanted, "the result")
    value = call.reshape(x, (*(1,) * (len(wanted) - len(have)), *have))
    for axis, size in enumerate(wanted):
        if call.type(value).shape[axis] != size:
            value = take(call, value, axis, (0,) * size)
    return value


def read_expand(call: Call) -> None:
    """Expand to a constant shape."""
    call.give(expand(call, call.input(), call.constant_ints(1, "shape")))


def read_tile(call: Call) -> None:
    """Tile by constant repeats."""
    repeats, value = call.constant_ints(1, "repeats"), call.input()
    if min(repeats, default=1) < 1:
        raise ModelError(f"repeats {list(repeats)}")
    sizes = zip(call.shape(), repeats, strict=True)
    check_size(tuple(size * times for size, times in sizes), "the result")
    for axis, (size, times) in enumerate(zip(call.shape(), repeats, strict=True)):
        value = take(call, value, axis, tuple(range(size)) * times)
    call.give(value)


def _pads(call: Call) -> tuple[list[int], list[int]]:
    rank = len(call.shape())
    if call.has(1):
        pads = call.constant_ints(1, "pads")
    else:
        pads = call.integers("pads" if call.has_attribute("pads") else "paddings")
    axes = call.constant_ints(3, "axes") if call.has(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes):
        raise ModelError(f"{len(pads)} pads for {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for index, axis in enumerate(axes):
        axis = normal_axis(axis, rank)
        before[axis], after[axis] = pads[index], pads[index + len(axes)]
    padded = zip(call.shape(), before, after, strict=True)
    check_size(tuple(max(b + n + a, 0) for n, b, a in padded), "the result")
    return before, after


def _mirror(size: int, before: int, after: int, mode: str) -> tuple[int, ...]:
    positions = np.arange(-before, size + after)
    if mode == "edge":
        return tuple(np.clip(positions, 0, size - 1).tolist())
    if mode == "wrap":
        return tuple((positions % size).tolist())
    period = max(2 * (size - 1), 1)
    folded = positions % period
    return tuple(np.minimum(folded, period - folded if size > 1 else folded).tolist())


def read_pad(call: Call) -> None:
    """Constants around x, or its own elements; a negative pad cuts off."""
    before, after = _pads(call)
    mode = call.text("mode", "constant")
    value = call.input()
    for axis, size in enumerate(call.shape()):
        low, high = max(-before[axis], 0), size - max(-after[axis], 0)
        value = take(call, value, axis, tuple(range(low, high)))
    begin = tuple(max(item, 0) for item in before)
    end = tuple(max(item, 0) for item in after)
    if mode == "constant":
        number = _pad_value(call)
        call.give(call.add(Pad(begin, end, number), value) if any((*begin, *end)) else value)
        return
    if mode not in ("edge", "reflect", "wrap"):
        raise ModelError(f"mode '{mode}' is none of constant, edge, reflect, wrap")
    for axis, size in enumerate(call.type(value).shape):
        value = take(call, value, axis, _mirror(size, begin[axis], end[axis], mode))
    call.give(value)


def _pad_value(call: Call) -> float:
    if call.has(2):
        value = call.constant(2, "pad value")
        if value.size != 1:
            raise ModelError(f"the pad value has shape {list(value.shape)}")
        return float(value.item())
    return call.number("value", 0.0)


def read_depth_to_space(call: Call) -> None:
    """DepthToSpace, both orders."""
    n, c, h, w = call.shape()
    b = call.integer("blocksize")
    if b < 1 or c % (b * b):
        raise ModelError(f"{c} channels do not divide by blocksize {b} squared")
    if call.text("mode", "DCR") == "DCR":
        parts, perm = (n, b, b, c // (b * b), h, w), (0, 3, 4, 1, 5, 2)
    else:
        parts, perm = (n, c // (b * b), b, b, h, w), (0, 1, 4, 2, 5, 3)
    value = call.transpose(call.reshape(call.input(), parts), perm)
    call.give(call.reshape(value, (n, c // (b * b), h * b, w * b)))


def read_space_to_depth(call: Call) -> None:
    """SpaceToDepth."""
    n, c, h, w = call.shape()
    b = call.integer("blocksize")
    if b < 1 or h % b or w % b:
        raise ModelError(f"{h} x {w} does not divide by blocksize {b}")
    value = call.reshape(call.input(), (n, c, h // b, b, w // b, b))
    value = call.transpose(value, (0, 3, 5, 1, 2, 4))
    call.give(call.reshape(value, (n, c * b * b, h // b, w // b)))


def read_constant_of_shape(call: Call) -> None:
    """ConstantOfShape of a constant shape."""
    shape = call.constant_ints(0, "shape")
    if min(shape, default=1) < 0:
        raise ModelError(f"shape {list(shape)}")
    array, dtype = (
        call.tensor("value")
        if call.has_attribute("value")
        else (np.zeros(1, np.float32), "float32")
    )
    if prod(shape) > 2**20:
        raise Unsupported(f"a constant of {prod(shape)} equal elements")
    call.give(call.const(np.broadcast_to(array.reshape(-1)[0], shape), "filled", dtype))


READERS: dict[str, Reader] = {
    "Transpose": read_transpose,
    "Reshape": read_reshape,
    "Flatten": read_flatten,
    "Squeeze": read_squeeze,
    "Unsqueeze": read_unsqueeze,
    "Concat": read_concat,
    "Gather": read_gather,
    "Slice": read_slice,
    "Split": read_split,
    "Expand": read_expand,
    "Tile": read_tile,
    "Pad": read_pad,
    "DepthToSpace": read_depth_to_space,
    "SpaceToDepth": read_space_to_depth,
    "ConstantOfShape": read_constant_of_shape,
}
