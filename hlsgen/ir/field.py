"""Fields: per-element parameters of a tensor, stored only along the axes on which they vary.

A field of a tensor has the tensor's rank; each of its axes has the tensor's size or 1.
Object arrays hold exact Python ints or Fractions; everything here works on those too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def field_of(value: object, rank: int) -> Array:
    """A number as a field of the given rank; an array keeps its axes, ones put in front."""
    array = np.asarray(value)
    if array.dtype.kind not in "iOf" and array.dtype.kind != "b":
        array = array.astype(np.int64)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)


def compress(field: Array) -> Array:
    """The same field with every axis of equal slices cut to size 1."""
    for axis in range(field.ndim):
        if field.shape[axis] > 1:
            first = field.take([0], axis=axis)
            if bool(np.all(field == first)):
                field = first
    return field


def expand(field: Array, shape: Sequence[int], axes: Sequence[int] | None = None) -> Array:
    """The field with the named axes (all if None) spelled out to the tensor's size (a view)."""
    target = [
        size if axes is None or axis in axes else field.shape[axis]
        for axis, size in enumerate(shape)
    ]
    return np.broadcast_to(field, target)


def reshape(field: Array, old: Sequence[int], new: Sequence[int]) -> Array:
    """The field of the tensor after Reshape from `old` to `new`."""
    if field.size == 1:
        return field.reshape((1,) * len(new))
    squeezed_old = [(n, f) for n, f in zip(old, field.shape, strict=True) if n != 1]
    squeezed_new = [n for n in new if n != 1]
    if [n for n, _ in squeezed_old] == squeezed_new:  # only ones come and go
        sizes = iter(f for _, f in squeezed_old)
        return field.reshape([1 if n == 1 else next(sizes) for n in new])
    return compress(expand(field, old).reshape(new))


def take(field: Array, axis: int, indices: Sequence[int]) -> Array:
    """The field of the tensor after gathering `indices` along `axis`."""
    return field if field.shape[axis] == 1 else compress(field.take(np.asarray(indices), axis=axis))


def concat(fields: Sequence[Array], shapes: Sequence[Sequence[int]], axis: int) -> Array:
    """The field of the concatenated tensor."""
    if all(f.size == 1 for f in fields) and all(f.flat[0] == fields[0].flat[0] for f in fields):
        return fields[0]
    rank = fields[0].ndim
    wide = [
        max(f.shape[a] for f in fields) if a != axis else -1 for a in range(rank)
    ]  # other axes: spelled out where any operand varies
    parts = [
        np.broadcast_to(f, [s[a] if a == axis else wide[a] for a in range(rank)])
        for f, s in zip(fields, shapes, strict=True)
    ]
    return compress(np.concatenate(parts, axis=axis))


def to_int64(values: Array) -> Array:
    """Object integers as int64 where all fit into 62 bits, else unchanged."""
    if values.dtype != object:
        return values.astype(np.int64)
    if all(-(1 << 62) <= int(v) <= (1 << 62) for v in values.flat):
        return values.astype(np.int64)
    return values


def to_object(values: Array) -> Array:
    """Exact Python ints in an object array."""
    if values.dtype == object:
        return values
    out = np.empty(values.shape, dtype=object)
    out.flat[:] = [int(v) for v in values.flat] if values.size else []
    return out


def common_dtype(*values: Array) -> Any:
    """object where any operand is, else int64."""
    return np.dtype(object) if any(v.dtype == object for v in values) else np.dtype(np.int64)
