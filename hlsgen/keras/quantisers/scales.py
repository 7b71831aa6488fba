"""Scales that QKeras takes from the weights themselves: alpha 'auto' and 'auto_po2'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hlsgen.errors import ModelError
from hlsgen.keras.quantisers.quantiser import EPSILON, Floats

AUTO = ("auto", "auto_po2")


def check_alpha(alpha: Any) -> str:
    """'auto' or 'auto_po2'.

    Errors: ModelError for another word.
    """
    if alpha not in AUTO:
        raise ModelError(f"alpha '{alpha}' is none of {', '.join(AUTO)}")
    return str(alpha)


def channel_axes(rank: int, scale_axis: Any = None) -> tuple[int, ...]:
    """All axes but the one with a scale of its own: the last unless said otherwise."""
    keep = rank - 1 if scale_axis is None else int(scale_axis)
    return tuple(axis for axis in range(rank) if axis != keep % max(rank, 1))


def power_of_two(scale: Floats) -> Floats:
    """The power of two nearest in the logarithm, as float32 finds it."""
    exponent = np.round(np.log(scale + EPSILON) / np.float32(np.log(2.0)))
    return np.exp2(exponent).astype(np.float32)


def least_squares(x: Floats, codes: Floats, alpha: str, scale_axis: Any = None) -> Floats:
    """The scale that brings codes nearest to x, for each channel; for each element of a vector."""
    xq, qq = x * codes, codes * codes
    if x.ndim > 1:
        axes = channel_axes(x.ndim, scale_axis)
        xq, qq = _mean(xq, axes), _mean(qq, axes)
    scale = (xq / (qq + EPSILON)).astype(np.float32)
    return power_of_two(scale) if alpha == "auto_po2" else scale


def _mean(x: Floats, axes: tuple[int, ...]) -> Floats:
    """Summed in float64: TensorFlow's own order of float32 sums is not fixed."""
    return x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(np.float32)


def settled(
    x: Floats, scale: Floats, codes_of: Callable[[Floats], Floats], alpha: str, rounds: int,
    scale_axis: Any = None,
) -> Floats:  # fmt: skip
    """Codes for the scale, then the least-squares scale for the codes, `rounds` times."""
    for _ in range(rounds):
        scale = least_squares(x, codes_of(scale), alpha, scale_axis)
    return scale
