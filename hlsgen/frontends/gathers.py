"""Elements picked by constant positions over several axes at once."""

from __future__ import annotations

from math import prod

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Array, Call, Reader
from hlsgen.frontends.load import check_size
from hlsgen.frontends.movements import take
from hlsgen.ops.model.shapes import normal_axis


def _inside(indices: Array, size: int, axis: int) -> Array:
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise ModelError(f"an index lies outside of axis {axis} of size {size}")
    return np.where(indices < 0, indices + size, indices)


def read_gather_elements(call: Call) -> None:
    """GatherElements: y[i,j,k] = x[i, indices[i,j,k], k] for axis 1."""
    shape, indices = call.shape(), call.constant(1, "indices")
    axis = normal_axis(call.integer("axis", 0), len(shape))
    fits = indices.ndim == len(shape) and all(
        n <= size for i, (n, size) in enumerate(zip(indices.shape, shape, strict=True)) if i != axis
    )
    if not fits:
        raise ModelError(f"indices {list(indices.shape)} do not fit an input {list(shape)}")
    check_size(indices.shape, "the result")
    places = list(np.indices(indices.shape))
    places[axis] = _inside(indices, shape[axis], axis)
    flat = np.ravel_multi_index(tuple(places), shape).reshape(-1)
    x = call.reshape(call.input(), (prod(shape),))
    call.give(call.reshape(take(call, x, 0, tuple(flat.tolist())), indices.shape))


def read_gather_nd(call: Call) -> None:
    """GatherND: the last axis of `indices` names an element of the leading axes of x."""
    if call.integer("batch_dims", 0):
        raise Unsupported("batch_dims; GatherElements or Gather takes the same elements")
    shape, indices = call.shape(), call.constant(1, "indices")
    depth = indices.shape[-1]
    if not 1 <= depth <= len(shape):
        raise ModelError(f"indices {list(indices.shape)} do not fit an input {list(shape)}")
    parts = [_inside(indices[..., axis], shape[axis], axis) for axis in range(depth)]
    flat = np.ravel_multi_index(tuple(parts), shape[:depth]).reshape(-1)
    x = call.reshape(call.input(), (prod(shape[:depth]), *shape[depth:]))
    value = take(call, x, 0, tuple(flat.tolist()))
    call.give(call.reshape(value, (*indices.shape[:-1], *shape[depth:])))


READERS: dict[str, Reader] = {
    "GatherElements": read_gather_elements,
    "GatherND": read_gather_nd,
}
