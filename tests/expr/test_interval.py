"""Certified intervals hold the exact result, for points and intervals of every sign."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from hlsgen.arith import interval as iv
from hlsgen.arith.interval import Interval

ENDS = [-3.7, -1.0, -0.1, 0.0, 1e-300, 0.3, 2.0, 1e200, 7.25]
PAIRS = [(a, b) for a, b in itertools.product(ENDS, ENDS) if a <= b]
OPERATIONS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "maximum": max,
    "minimum": min,
}


def holds(y: Interval, i: int, value: Fraction) -> bool:
    low, high = float(y.lo[i]), float(y.hi[i])
    below = low == -np.inf or (np.isfinite(low) and Fraction(low) <= value)
    return bool(below and (high == np.inf or (np.isfinite(high) and value <= Fraction(high))))


@pytest.mark.parametrize("name", OPERATIONS)
def test_results_lie_within(name: str) -> None:
    exact, cases = OPERATIONS[name], list(itertools.product(PAIRS, PAIRS))
    a = Interval(*(np.array([p[k] for p, _ in cases]) for k in (0, 1)))
    b = Interval(*(np.array([q[k] for _, q in cases]) for k in (0, 1)))
    mixed = getattr(iv, name)(a, b)
    for i, (p, q) in enumerate(cases):
        for x, y in itertools.product(p, q):
            if name != "div" or (y != 0 and not q[0] <= 0 <= q[1]):
                assert holds(mixed, i, exact(Fraction(x), Fraction(y))), (p, q)


@pytest.mark.parametrize("name", OPERATIONS)
def test_parts_of_one_sign_take_the_same_values(name: str) -> None:
    """Where no interval holds zero, the short way gives what the four corners give."""
    pairs = [p for p in PAIRS if p[0] > 0 or p[1] < 0]
    cases = list(itertools.product(PAIRS, pairs))
    a = Interval(*(np.array([p[k] for p, _ in cases]) for k in (0, 1)))
    b = Interval(*(np.array([q[k] for _, q in cases]) for k in (0, 1)))
    y = getattr(iv, name)(a, b)
    for i, (p, q) in enumerate(cases):
        ends = [OPERATIONS[name](Fraction(x), Fraction(z)) for x in p for z in q]
        assert holds(y, i, min(ends))
        assert holds(y, i, max(ends))
        for end, value in ((y.lo[i], min(ends)), (y.hi[i], max(ends))):
            if 1e-280 < abs(value) < 1e280:
                assert abs(Fraction(float(end)) - value) <= abs(value) * Fraction(2) ** -51


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sigmoid", "softplus", "sqrt"])
def test_functions_hold_the_true_value(name: str) -> None:
    true: dict[str, Any] = {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    }
    x = np.concatenate([np.linspace(-30, 30, 201), np.array([1e-9, -1e-9, 700.0, 1e-300])])
    x = x[x > 0] if name in ("log", "sqrt") else x
    y = getattr(iv, name)(Interval.point(x))
    with mpmath.workprec(200):
        for i, v in enumerate(x):
            value = true.get(name, getattr(mpmath, name, None))(mpmath.mpf(float(v)))
            assert mpmath.mpf(float(y.lo[i])) <= value <= mpmath.mpf(float(y.hi[i]))


def test_outside_of_the_domain_nothing_is_known() -> None:
    x = Interval(np.array([-1.0, -2.0]), np.array([1.0, -1.0]))
    for y in (iv.sqrt(x), iv.log(x)):
        assert np.all(y.lo == -np.inf)
        assert np.all(y.hi == np.inf)
    zero = iv.div(Interval.point(np.ones(2)), Interval.point(np.array([0.0, 2.0])))
    assert zero.lo[0] == -np.inf
    assert zero.hi[0] == np.inf
    assert zero.lo[1] == zero.hi[1] == 0.5


def test_dyadic_results_stay_points() -> None:
    a, b = Interval.point(np.array([0.75, -3.0])), Interval.point(np.array([0.125, 2.0]))
    for name in ("add", "sub", "mul", "div"):
        assert getattr(iv, name)(a, b).is_point
