"""Binary-coded weights: rows of reals as a few planes of signs, each with a scale of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError

Array = NDArray[Any]
_ROUNDS = 15
_MOST_PLANES = 8


@dataclass(frozen=True, eq=False)
class BinaryCoded:
    """w[r, k] = sum over i of scales[r, i] * signs[r, i, k].

    Shapes: scales (rows, planes), none negative, the greatest first; signs (rows, planes, n).
    Formats: scales float64, dyadic where they were made of powers of two; signs -1 or 1.
    """

    scales: Array
    signs: Array

    @property
    def values(self) -> Array:
        """The weights that it stands for, (rows, n)."""
        return np.einsum("ri,rik->rk", self.scales, self.signs)


def bcq(weights: Array, planes: int, terms: int | None = None) -> BinaryCoded:
    """Weights near the given ones, least squares of scales and nearest signs in turn, 15 times.

    Each scale is rounded to `terms` signed powers of two ("APoT"): 1 makes it a shift, which
    `--arithmetic bcq` builds without any multiplication; None leaves it a real. Scales are those of
    a row: give a row for each group that is to have its own. Equal weights give equal results.
    Shapes: weights (rows, n). Errors: OptionError for counts or weights without a meaning.
    Source: ShiftAddLLM (`bcq_shift.py`); of two equally near sums the greater is taken, so that 0
    has the sign +1.
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 2 or not w.size or not np.isfinite(w).all():
        raise OptionError(f"bcq needs finite weights as rows, got an array of shape {w.shape}")
    if not 1 <= planes <= _MOST_PLANES or (terms is not None and terms < 1):
        raise OptionError(
            f"bcq needs 1 to {_MOST_PLANES} planes and 1 power of two a scale or more, "
            f"got {planes} and {terms}"
        )
    found = _greedy(w, planes)
    for _ in range(_ROUNDS):
        scales = _rounded(_fitted(w, found), terms)
        found = BinaryCoded(scales, _nearest(w, scales))
    return found


def _greedy(w: Array, planes: int) -> BinaryCoded:
    """The signs of what is left, times its mean magnitude, plane by plane."""
    left = w
    scales: list[Array] = []
    signs: list[Array] = []
    for _ in range(planes):
        signs.append(np.where(left >= 0, 1.0, -1.0))
        scales.append(np.abs(left).mean(axis=1))
        left = left - scales[-1][:, None] * signs[-1]
    return BinaryCoded(np.stack(scales, axis=1), np.stack(signs, axis=1))


def _fitted(w: Array, coded: BinaryCoded) -> Array:
    """Scales of least squares for these signs, the greatest first; equal planes share one."""
    gram = coded.signs @ coded.signs.transpose(0, 2, 1)
    gram += 1e-6 * np.eye(gram.shape[1])  # two planes may be the same, or opposite
    right = coded.signs @ w[:, :, None]
    scales: Array = np.abs(np.linalg.solve(gram, right)[..., 0])
    return -np.sort(-scales, axis=1)


def _rounded(scales: Array, terms: int | None) -> Array:
    """The greedy sum of so many signed powers of two, each the nearest in logarithm."""
    if terms is None:
        return scales
    made = np.zeros_like(scales)
    for _ in range(terms):
        left = scales - made
        power = np.exp2(np.round(np.log2(np.where(left == 0, 1.0, np.abs(left)))))
        made = made + np.sign(left) * power
    return made


def _nearest(w: Array, scales: Array) -> Array:
    """For each weight the signs of the sum nearest to it."""
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=scales.shape[1]))).T
    distance = np.abs(w[:, :, None] - (scales @ signs)[:, None, :])
    return signs[:, distance.argmin(axis=2)].transpose(1, 0, 2)
