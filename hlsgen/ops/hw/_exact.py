"""Exact integer sums of products at BLAS speed where the bounds allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
