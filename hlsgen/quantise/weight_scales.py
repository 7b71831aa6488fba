"""The scale of each output's weights."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.khot_scale import khot_scale
from hlsgen.arith.weight_format import WeightFormat
from hlsgen.quantise.scheme import Scales, short

Array = NDArray[Any]

_DIGITS = 2  # one adder a requantisation
_SHRINK = np.linspace(0.4, 1.0, 61)
_ALIKE = 1e-3  # of the mean weight of an input, for inputs that never change


def khot_scales(rows: Array, codes: WeightFormat, ratio: Fraction) -> Array:
    """For each row the best scale whose requantisation is a sum of two signed powers of two.

    Units: `ratio` is input scale over output scale, both powers of two, so that float32 holds all.
    """
    return np.array([float(khot_scale(row, codes, _DIGITS, ratio).scale) for row in rows])


def weight_scales(rows: Array, codes: WeightFormat, importance: Array, scales: Scales) -> Array:
    """For each row the scale of the least squared error of its nearest codes.

    Free scales are tried from 0.4 to 1 times the one that clips nothing and have 12 bits; powers of
    two are tried two below and one above. Rows of zeros have scale 1.
    Shapes: rows (outputs, inputs), importance (inputs,) what an input's error counts.
    """
    count = importance + _ALIKE * float(importance.mean()) + np.finfo(float).tiny
    whole = np.abs(rows).max(axis=1) / codes.most
    whole[whole == 0] = 1.0
    if scales is Scales.FREE:
        tried = np.array([[short(f * s) for s in whole] for f in _SHRINK])
    else:
        tried = 2.0 ** (np.ceil(np.log2(whole)) + np.arange(-2, 1)[:, None])
    errors = np.stack([_error(rows, s, codes, count) for s in tried])
    best: Array = np.take_along_axis(tried, errors.argmin(axis=0)[None], axis=0)[0]
    return best


def _error(rows: Array, scales: Array, codes: WeightFormat, count: Array) -> Array:
    s = scales[:, None]
    found: Array = ((codes.nearest(rows / s) * s - rows) ** 2) @ count
    return found
