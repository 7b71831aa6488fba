"""Sliding windows over the spatial axes: index arithmetic shared by convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.ir.model import Shape

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Window:
    """Which elements a sliding window covers, for tensors (N, C, *spatial)."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]

    @property
    def padded(self) -> bool:
        return any(self.pads_begin) or any(self.pads_end)

    def output(self, spatial: Shape) -> Shape:
        """Spatial sizes of the output."""
        return tuple(
            (s + b + e - (k - 1) * d - 1) // t + 1
            for s, k, t, d, b, e in zip(
                spatial, self.kernel, self.strides, self.dilations, self.pads_begin,
                self.pads_end, strict=True,
            )
        )  # fmt: skip

    def pad(self, x: Array, value: Any) -> Array:
        """The tensor with its border filled in; leading axes untouched."""
        if not self.padded:
            return x
        rank = len(self.kernel)
        ends = zip(self.pads_begin, x.shape[x.ndim - rank :], self.pads_end, strict=True)
        shape = (*x.shape[: x.ndim - rank], *(b + n + e for b, n, e in ends))
        y = np.full(shape, value, dtype=x.dtype)  # np.pad would put numpy scalars among objects
        ends = zip(self.pads_begin, x.shape[x.ndim - rank :], strict=True)
        y[(..., *(slice(b, b + n) for b, n in ends))] = x
        return y

    def view(self, padded: Array) -> Array:
        """All windows as a view (..., *output, *kernel) of the padded tensor; nothing is copied."""
        rank = len(self.kernel)
        lead = padded.shape[: padded.ndim - rank]
        sizes = padded.shape[padded.ndim - rank :]
        spatial = tuple(
            (s - (k - 1) * d - 1) // t + 1
            for s, k, t, d in zip(sizes, self.kernel, self.strides, self.dilations, strict=True)
        )
        steps = padded.strides[padded.ndim - rank :]
        strides = (
            padded.strides[: padded.ndim - rank]
            + tuple(b * t for b, t in zip(steps, self.strides, strict=True))
            + tuple(b * d for b, d in zip(steps, self.dilations, strict=True))
        )
        return np.lib.stride_tricks.as_strided(
            padded, lead + spatial + self.kernel, strides, writeable=False
        )
