"""Elements picked by constant positions over several axes at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.load import check_size
from hlsgen.frontends.movements import take
from hlsgen.ops.model.shapes import normal_axis

Indices = NDArray[np.int64]


def _indices(call: Call) -> Indices:
    return call.constant(1, "indices").astype(np.int64)


def _inside(indices: Indices, size: int, axis: int) -> Indices:
    """The positions on an axis; a negative one counts from its end."""
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise ModelError(f"an index lies outside of axis {axis} of size {size}")
    return indices + size * (indices < 0)


def _flat(places: Sequence[Indices], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The positions of elements once the axes are one."""
    flat = np.zeros_like(places[0])
    for place, size in zip(places, shape, strict=True):
        flat = flat * size + place
    return tuple(int(item) for item in flat.reshape(-1))


def read_gather_elements(call: Call) -> None:
    """GatherElements: y[i,j,k] = x[i, indices[i,j,k], k] for axis 1."""
    shape, indices = call.shape(), _indices(call)
    axis = normal_axis(call.integer("axis", 0), len(shape))
    fits = indices.ndim == len(shape) and all(
        n <= size for i, (n, size) in enumerate(zip(indices.shape, shape, strict=True)) if i != axis
    )
    if not fits:
        raise ModelError(f"indices {list(indices.shape)} do not fit an input {list(shape)}")
    check_size(indices.shape, "the result")
    grid = np.indices(indices.shape, np.int64)
    places: list[Indices] = [grid[i : i + 1].reshape(indices.shape) for i in range(len(shape))]
    places[axis] = _inside(indices, shape[axis], axis)
    x = call.reshape(call.input(), (prod(shape),))
    call.give(call.reshape(take(call, x, 0, _flat(places, shape)), indices.shape))


def read_gather_nd(call: Call) -> None:
    """GatherND: the last axis of `indices` names an element of the leading axes of x."""
    if call.integer("batch_dims", 0):
        raise Unsupported("batch_dims; GatherElements or Gather takes the same elements")
    shape, indices = call.shape(), _indices(call)
    depth = indices.shape[-1]
    if not 1 <= depth <= len(shape):
        raise ModelError(f"indices {list(indices.shape)} do not fit an input {list(shape)}")
    parts = [_inside(indices[..., axis], shape[axis], axis) for axis in range(depth)]
    x = call.reshape(call.input(), (prod(shape[:depth]), *shape[depth:]))
    value = take(call, x, 0, _flat(parts, shape[:depth]))
    call.give(call.reshape(value, (*indices.shape[:-1], *shape[depth:])))


READERS: dict[str, Reader] = {
    "GatherElements": read_gather_elements,
    "GatherND": read_gather_nd,
}
