"""Rounding of a real number to an integer, as ONNX, QONNX and ap_fixed name it."""

from __future__ import annotations

import math
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

import numpy as np
from numpy.typing import NDArray


class Rounding(StrEnum):
    """How round(v) is chosen when v is no integer; the names say what happens to a tie."""

    HALF_EVEN = "half_even"  # ONNX QuantizeLinear, QONNX ROUND, AP_RND_CONV
    HALF_UP = "half_up"  # toward +inf: QONNX HALF_UP as brevitas floor(x+0.5), AP_RND
    HALF_DOWN = "half_down"  # toward -inf: AP_RND_MIN_INF
    HALF_AWAY = "half_away"  # away from zero: AP_RND_INF
    HALF_ZERO = "half_zero"  # toward zero: AP_RND_ZERO
    FLOOR = "floor"  # AP_TRN
    CEIL = "ceil"
    ZERO = "zero"  # toward zero: QONNX ROUND_TO_ZERO / DOWN, C division, Cast, AP_TRN_ZERO
    AWAY = "away"  # away from zero: QONNX UP


def round_fraction(v: Fraction, mode: Rounding) -> int:
    """round(v) exactly."""
    floor = math.floor(v)
    rest = v - floor
    if rest == 0:
        return floor
    half = Fraction(1, 2)
    match mode:
        case Rounding.FLOOR:
            up = False
        case Rounding.CEIL:
            up = True
        case Rounding.ZERO:
            up = v < 0
        case Rounding.AWAY:
            up = v > 0
        case Rounding.HALF_EVEN:
            up = rest > half or (rest == half and floor % 2 == 1)
        case Rounding.HALF_UP:
            up = rest >= half
        case Rounding.HALF_DOWN:
            up = rest > half
        case Rounding.HALF_AWAY:
            up = rest > half or (rest == half and v > 0)
        case Rounding.HALF_ZERO:
            up = rest > half or (rest == half and v < 0)
        case _:
            assert_never(mode)
    return floor + up


def round_array(v: NDArray[np.float64], mode: Rounding) -> NDArray[np.float64]:
    """round(v) of float64 values, exact: no operation here loses a bit."""
    floor = np.floor(v)
    with np.errstate(invalid="ignore"):  # infinite minus infinite: stays infinite below
        rest = v - floor  # exact: both share v's exponent or are smaller
    match mode:
        case Rounding.FLOOR:
            return floor
        case Rounding.CEIL:
            return np.ceil(v)
        case Rounding.ZERO:
            return np.trunc(v)
        case Rounding.AWAY:
            return np.where(v > 0, np.ceil(v), floor)
        case Rounding.HALF_EVEN:
            return np.rint(v)
        case Rounding.HALF_UP:
            return floor + (rest >= 0.5)
        case Rounding.HALF_DOWN:
            return floor + (rest > 0.5)
        case Rounding.HALF_AWAY:
            return floor + ((rest > 0.5) | ((rest == 0.5) & (v > 0)))
        case Rounding.HALF_ZERO:
            return floor + ((rest > 0.5) | ((rest == 0.5) & (v < 0)))
        case _:
            assert_never(mode)
