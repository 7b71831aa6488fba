"""Certified float64 intervals over arrays: every real result lies within [lo, hi].

Bounds are widened only where an operation really rounded (error-free transformations tell), so
dyadic parameters stay points and ties at a rounding boundary are seen as ties.
Functions of numpy and scipy are allowed 2**-48 relative error: 16 units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf as _erf  # pyright: ignore[reportMissingTypeStubs]
from scipy.special import expit as _expit

from hlsgen.arith.rounding import Rounding, round_array

Array = NDArray[np.float64]
SLACK = 2.0**-48
TINY = 1e-290  # below this, products lose bits silently: always widened
_SPLIT = 134217729.0  # 2**27 + 1
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Interval:
    """Real numbers between `lo` and `hi`, element by element; `hi is lo` marks exact points."""

    lo: Array
    hi: Array

    @classmethod
    def point(cls, values: Array) -> Interval:
        return cls(values, values)

    @property
    def is_point(self) -> bool:
        return self.hi is self.lo


def _down(x: Array, inexact: NDArray[np.bool_]) -> Array:
    return np.where(inexact, np.nextafter(x, -np.inf), x)


def _up(x: Array, inexact: NDArray[np.bool_]) -> Array:
    return np.where(inexact, np.nextafter(x, np.inf), x)


def _directed(value: Array, error: Array) -> Interval:
    """The interval of value + error, where `error` has the sign of what rounding dropped."""
    if not np.any(error):  # NaN counts as an error
        return Interval.point(value)
    return Interval(*_low_high(value, error))


def _low_high(value: Array, error: Array) -> tuple[Array, Array]:
    """Lower and upper bounds; an error that is NaN is unknown."""
    unknown = np.isnan(error)
    return _down(value, (error < 0) | unknown), _up(value, (error > 0) | unknown)


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    with np.errstate(invalid="ignore", over="ignore"):  # infinities have no error term
        s = a + b
        t = s - a
        error = (a - (s - t)) + (b - t)
        if np.isfinite(s).all():
            return s, error
        finite = np.isfinite(a) & np.isfinite(b)
        return s, np.where(np.isfinite(s), error, np.where(finite, np.nan, 0.0))


def _halves(a: Array) -> tuple[Array, Array]:
    c = _SPLIT * a
    high = c - (c - a)
    return high, a - high


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    p = a * b
    ah, al = _halves(a)
    bh, bl = _halves(b)
    error = ((ah * bh - p) + ah * bl + al * bh) + al * bl
    lost = (np.abs(p) < TINY) & (a != 0) & (b != 0)
    endless = np.isinf(a) | np.isinf(b)  # an infinite product of those is exact
    return p, np.where(endless, 0.0, np.where(lost | ~np.isfinite(error), np.nan, error))


def _quotient(a: Array, b: Array) -> tuple[Array, Array]:
    """a / b and a number with the sign of what was dropped."""
    q = a / b
    p, e = _product(q, b)
    rest = ((a - p) - e) * np.sign(b)
    return q, np.where(np.isfinite(q), rest, np.nan)


def _corners(
    a: Interval, b: Interval, op: Callable[[Array, Array], tuple[Array, Array]]
) -> Interval:
    if a.is_point and b.is_point:
        return _directed(*op(a.lo, b.lo))
    pairs = [(x, y) for x in _ends(a) for y in _ends(b)]
    lows, highs = zip(*(_low_high(*op(x, y)) for x, y in pairs), strict=True)
    return Interval(np.minimum.reduce(lows), np.maximum.reduce(highs))


def _ends(a: Interval) -> tuple[Array, ...]:
    return (a.lo,) if a.is_point else (a.lo, a.hi)


def add(a: Interval, b: Interval) -> Interval:
    """a + b."""
    if a.is_point and b.is_point:
        return _directed(*_sum(a.lo, b.lo))
    return Interval(_low_high(*_sum(a.lo, b.lo))[0], _low_high(*_sum(a.hi, b.hi))[1])


def neg(a: Interval) -> Interval:
    """-a."""
    return Interval.point(-a.lo) if a.is_point else Interval(-a.hi, -a.lo)


def sub(a: Interval, b: Interval) -> Interval:
    """a - b."""
    return add(a, neg(b))


def mul(a: Interval, b: Interval) -> Interval:
    """a * b; 0 * infinity may be anything."""
    with np.errstate(all="ignore"):
        if _signed(b):
            y = _by_signed(a, b, _product, divide=False)
        elif _signed(a):
            y = _by_signed(b, a, _product, divide=False)
        else:
            y = _corners(a, b, _product)
    if y.is_point:
        return y
    bad = np.isnan(y.lo) | np.isnan(y.hi)
    return _unknown(y, bad) if bad.any() else y


def div(a: Interval, b: Interval) -> Interval:
    """a / b; anything where b may be zero."""
    with np.errstate(all="ignore"):
        if _signed(b):
            return _by_signed(a, b, _quotient, divide=True)
        y = _corners(a, b, _quotient)
    through_zero = (b.lo <= 0) & (b.hi >= 0)
    return _unknown(y, through_zero | np.isnan(y.lo) | np.isnan(y.hi))


def _signed(b: Interval) -> bool:
    """Whether nowhere zero or an infinity lies within."""
    finite = np.isfinite(b.lo) & np.isfinite(b.hi)
    return bool(np.all(((b.lo > 0) | (b.hi < 0)) & finite))


def _by_signed(
    a: Interval,
    b: Interval,
    op: Callable[[Array, Array], tuple[Array, Array]],
    *,
    divide: bool,
) -> Interval:
    """op(a, b) for b without zero: each end of `a` meets one end of `b`."""
    if a.is_point and b.is_point:
        return _directed(*op(a.lo, b.lo))
    if bool(np.any(b.lo < 0)):
        turned = b.lo < 0
        a = Interval(np.where(turned, -a.hi, a.lo), np.where(turned, -a.lo, a.hi))
        b = Interval(np.where(turned, -b.hi, b.lo), np.where(turned, -b.lo, b.hi))
    if b.is_point:
        least, most = b.lo, b.lo
    else:
        near, far = (b.hi, b.lo) if divide else (b.lo, b.hi)
        least = np.where(a.lo >= 0, near, far)
        most = np.where(a.hi >= 0, far, near)
    return Interval(_low_high(*op(a.lo, least))[0], _low_high(*op(a.hi, most))[1])


def maximum(a: Interval, b: Interval) -> Interval:
    """max(a, b)."""
    if a.is_point and b.is_point:
        return Interval.point(np.maximum(a.lo, b.lo))
    return Interval(np.maximum(a.lo, b.lo), np.maximum(a.hi, b.hi))


def minimum(a: Interval, b: Interval) -> Interval:
    """min(a, b)."""
    return neg(maximum(neg(a), neg(b)))


def absolute(a: Interval) -> Interval:
    """|a|."""
    either = maximum(a, neg(a))
    return either if a.is_point else maximum(either, Interval.point(np.zeros(())))


def rounded(a: Interval, mode: Rounding) -> Interval:
    """The integers that rounding may give."""
    if a.is_point:
        return Interval.point(round_array(a.lo, mode))
    return Interval(round_array(a.lo, mode), round_array(a.hi, mode))


def sign(a: Interval) -> Interval:
    """-1, 0 or 1."""
    low = np.sign(a.lo)
    return Interval.point(low) if a.is_point else Interval(low, np.sign(a.hi))


def greater_equal(a: Interval, b: Interval) -> Interval:
    """1 where a >= b, 0 where a < b, [0, 1] where undecided."""
    return _truth(a.lo >= b.hi, a.hi >= b.lo)


def greater(a: Interval, b: Interval) -> Interval:
    """1 where a > b, 0 where a <= b, [0, 1] where undecided."""
    return _truth(a.lo > b.hi, a.hi > b.lo)


def equal(a: Interval, b: Interval) -> Interval:
    """1 where a = b, 0 where a and b differ, [0, 1] where undecided."""
    same_points = (a.lo == a.hi) & (b.lo == b.hi) & (a.lo == b.lo)
    return _truth(same_points, (a.lo <= b.hi) & (b.lo <= a.hi))


def _truth(certain: NDArray[np.bool_], possible: NDArray[np.bool_]) -> Interval:
    if bool(np.all(certain == possible)):
        return Interval.point(certain.astype(np.float64))
    return Interval(certain.astype(np.float64), possible.astype(np.float64))


def where(condition: Interval, a: Interval, b: Interval) -> Interval:
    """a where the condition is 1, b where it is 0, their hull where it is [0, 1]."""
    yes, no = condition.lo >= 1, condition.hi <= 0
    if a.is_point and b.is_point and bool(np.all(yes | no)):
        return Interval.point(np.where(yes, a.lo, b.lo))
    lo = np.where(yes, a.lo, np.where(no, b.lo, np.minimum(a.lo, b.lo)))
    hi = np.where(yes, a.hi, np.where(no, b.hi, np.maximum(a.hi, b.hi)))
    return Interval(lo, hi)


def _monotone(
    f: Callable[[Array], Array], exact: dict[float, float], floor: float, ceiling: float
) -> Callable[[Interval], Interval]:
    """A rising library function as an interval function; `exact` lists arguments without error."""

    def bounds(x: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            y = f(x)
            slack = np.abs(y) * SLACK + 1e-300
            low = np.where(np.isposinf(y), _LARGEST, y - slack)
            high = np.where(np.isneginf(y), -_LARGEST, y + slack)
        lo, hi = np.maximum(low, floor), np.minimum(high, ceiling)
        for argument, value in exact.items():
            hit = x == argument
            lo, hi = np.where(hit, value, lo), np.where(hit, value, hi)
        return lo, hi

    def interval(a: Interval) -> Interval:
        lo, hi = bounds(a.lo)
        if a.is_point:
            return Interval(lo, hi)
        return Interval(lo, bounds(a.hi)[1])

    return interval


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, x)


exp = _monotone(np.exp, {0.0: 1.0}, 0.0, np.inf)
_log = _monotone(np.log, {1.0: 0.0}, -np.inf, np.inf)
tanh = _monotone(np.tanh, {0.0: 0.0}, -1.0, 1.0)
erf = _monotone(_erf, {0.0: 0.0}, -1.0, 1.0)
sigmoid = _monotone(_expit, {0.0: 0.5}, 0.0, 1.0)
softplus = _monotone(_softplus, {}, 0.0, np.inf)


def log(a: Interval) -> Interval:
    """Anything where the argument may not be positive."""
    y = _log(a)
    bad = a.lo <= 0
    return _unknown(y, bad) if bad.any() else y


def sqrt(a: Interval) -> Interval:
    """Anything where the argument may be negative."""
    bad = a.lo < 0
    y = _sqrt(a)
    return _unknown(y, bad) if bad.any() else y


def _unknown(y: Interval, bad: NDArray[np.bool_]) -> Interval:
    return Interval(np.where(bad, -np.inf, y.lo), np.where(bad, np.inf, y.hi))


def _sqrt(a: Interval) -> Interval:
    with np.errstate(invalid="ignore"):
        value, error = _root(a.lo)
        if a.is_point and not np.any(error):
            return Interval.point(value)
        lo, hi = _low_high(value, error)
        return Interval(lo, hi if a.is_point else _low_high(*_root(a.hi))[1])


def _root(x: Array) -> tuple[Array, Array]:
    """The root of x and a number with the sign of what was dropped."""
    y = np.sqrt(x)
    p, e = _product(y, y)
    return y, (x - p) - e
