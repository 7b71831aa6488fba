"""Exact integer sums of products at BLAS speed where the bounds allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.ir import field

Array = NDArray[Any]


def accumulator_dtype(magnitude: int) -> Any:
    """The fastest numpy type in which sums whose absolute terms add up to `magnitude` are exact."""
    if magnitude < 1 << 24:
        return np.dtype(np.float32)
    if magnitude < 1 << 53:
        return np.dtype(np.float64)
    return np.dtype(np.int64) if magnitude < 1 << 62 else np.dtype(object)


def integers(values: Array) -> Array:
    """Exact results of a float product back as int64 (int64 and object pass through)."""
    return values.astype(np.int64) if values.dtype.kind == "f" else values


def total(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Exact sum of integers."""
    if values.dtype != object and _top(values) * values.size < 1 << 62:
        return np.asarray(values.sum(axis=axis))
    return field.to_int64(np.asarray(field.to_object(values).sum(axis=axis), dtype=object))


def product(a: Array, b: Array) -> Array:
    """Exact product of integers that broadcast."""
    if a.dtype != object and b.dtype != object and _top(a) * _top(b) < 1 << 62:
        return np.asarray(a * b)
    return field.to_int64(np.asarray(field.to_object(a) * field.to_object(b), dtype=object))


def held(values: Array, dtype: Any) -> Array:
    """Integers as int64, or as Python ints where `dtype` says so."""
    return field.to_object(values) if np.dtype(dtype).kind == "O" else values


def _top(values: Array) -> int:
    """The largest magnitude."""
    if not values.size:
        return 0
    return max(abs(int(values.min())), abs(int(values.max())))
