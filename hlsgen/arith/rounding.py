"""Rounding of a real number to an integer, as ONNX, QONNX and ap_fixed name it."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rounding(StrEnum):
    """How round(v) is chosen when v is no integer; the names say what happens to a tie."""

    HALF_EVEN = "half_even"  # ONNX QuantizeLinear, QONNX ROUND, AP_RND_CONV
    HALF_UP = "half_up"  # toward +inf: PULP RequantShift, AP_RND
    HALF_DOWN = "half_down"  # toward -inf: AP_RND_MIN_INF
    HALF_AWAY = "half_away"  # away from zero: QONNX HALF_UP, AP_RND_INF
    HALF_ZERO = "half_zero"  # toward zero: QONNX HALF_DOWN, AP_RND_ZERO
    FLOOR = "floor"  # AP_TRN
    CEIL = "ceil"
    ZERO = "zero"  # toward zero: QONNX ROUND_TO_ZERO / DOWN, C division, Cast, AP_TRN_ZERO
    AWAY = "away"  # away from zero: QONNX UP


def round_fraction(v: Fraction, mode: Rounding) -> int:
    """round(v) exactly."""
    floor = math.floor(v)
    rest = v - floor
    if mode in _DIRECTED:
        return floor + (rest > 0 and _DIRECTED[mode](v > 0))
    half = Fraction(1, 2)
    return floor + (rest > half or (rest == half and _TIES[mode](v > 0, floor % 2 == 1)))


def round_array(v: NDArray[np.float64], mode: Rounding) -> NDArray[np.float64]:
    """round(v) of float64 values, exact: no operation here loses a bit."""
    if mode in _EXACT_UFUNC:
        return _EXACT_UFUNC[mode](v)
    floor = np.floor(v)
    if mode is Rounding.AWAY:
        return np.where(v > 0, np.ceil(v), floor)
    with np.errstate(invalid="ignore"):  # infinite minus infinite: stays infinite below
        rest = v - floor  # exact: both share v's exponent or are smaller
    return floor + ((rest > 0.5) | ((rest == 0.5) & _TIES[mode](v > 0, False)))


# what a positive or negative non-integer does: up or not
_DIRECTED: dict[Rounding, Callable[[bool], bool]] = {
    Rounding.FLOOR: lambda positive: False,
    Rounding.CEIL: lambda positive: True,
    Rounding.ZERO: lambda positive: not positive,
    Rounding.AWAY: lambda positive: positive,
}
# what a tie does: up or not, by its sign and the parity of the integer below
_TIES: dict[Rounding, Callable[[Any, bool], Any]] = {
    Rounding.HALF_EVEN: lambda positive, odd: odd,
    Rounding.HALF_UP: lambda positive, odd: True,
    Rounding.HALF_DOWN: lambda positive, odd: False,
    Rounding.HALF_AWAY: lambda positive, odd: positive,
    Rounding.HALF_ZERO: lambda positive, odd: ~positive if _is_array(positive) else not positive,
}
_EXACT_UFUNC: dict[Rounding, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Rounding.FLOOR: np.floor,
    Rounding.CEIL: np.ceil,
    Rounding.ZERO: np.trunc,
    Rounding.HALF_EVEN: np.rint,
}


def _is_array(value: object) -> bool:
    return isinstance(value, (np.ndarray, np.bool_))
