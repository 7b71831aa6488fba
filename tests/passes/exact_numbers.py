"""Exact numbers for the oracle: Fractions, and intervals of 400 bits for what is irrational."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

BITS = 400
iv = mpmath.iv


class Undecided(Exception):
    """Not even 400 bits say how this rounds."""


class NoMeaning(Exception):
    """The model divides by zero or takes a root or logarithm of what has none."""


def number(value: Any) -> Fraction:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        raise NoMeaning(value)
    return Fraction(value)


def wide(x: Any) -> Any:
    if isinstance(x, Fraction):
        return iv.mpf(x.numerator) / iv.mpf(x.denominator)
    return x


def ends(x: Any) -> tuple[Fraction, Fraction]:
    if isinstance(x, Nothing):
        raise NoMeaning
    if isinstance(x, Fraction):
        return x, x
    found = []
    for end in (x.a, x.b):
        sign, man, exp, _ = mpmath.mpf(end.mid)._mpf_
        value = Fraction(int(man)) * Fraction(2) ** int(exp)
        found.append(-value if sign else value)
    return found[0], found[1]


def add(a: Any, b: Any) -> Any:
    both = isinstance(a, Fraction) and isinstance(b, Fraction)
    return a + b if both else wide(a) + wide(b)


def neg(a: Any) -> Any:
    return -a


def mul(a: Any, b: Any) -> Any:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    if (isinstance(a, Fraction) and a == 0) or (isinstance(b, Fraction) and b == 0):
        return Fraction(0)
    return wide(a) * wide(b)


def div(a: Any, b: Any) -> Any:
    if isinstance(a, Nothing):
        raise NoMeaning
    low, high = ends(b)
    if low <= 0 <= high:
        raise NoMeaning("division by zero")
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a / b
    return Fraction(0) if isinstance(a, Fraction) and a == 0 else wide(a) / wide(b)


def compare(a: Any, b: Any) -> int:
    low, high = ends(add(a, neg(b)))
    if low > 0:
        return 1
    if high < 0:
        return -1
    if low == high:
        return 0
    raise Undecided


def greater(a: Any, b: Any) -> Any:
    """max(a, b); of enclosures that overlap, the enclosure of both."""
    (low_a, high_a), (low_b, high_b) = ends(a), ends(b)
    if low_a >= high_b:
        return a
    if low_b >= high_a:
        return b
    return iv.mpf([wide(max(low_a, low_b)).a, wide(max(high_a, high_b)).b])


class Nothing:
    """The value of a function outside of its domain; Where may still leave it out."""


def rounded(x: Any, mode: str) -> Fraction:
    low, high = (Fraction(_round(v, mode)) for v in ends(x))
    if low != high:
        raise Undecided
    return low


def _round(v: Fraction, mode: str) -> int:
    down, up = math.floor(v), math.ceil(v)
    if down == up:
        return down
    toward_zero, from_zero = (down, up) if v > 0 else (up, down)
    plain = {"floor": down, "ceil": up, "zero": toward_zero, "away": from_zero}
    if mode in plain:
        return plain[mode]
    middle = Fraction(down + up, 2)
    if v != middle:
        return down if v < middle else up
    tie = {
        "half_even": down if down % 2 == 0 else up,
        "half_up": up,
        "half_down": down,
        "half_away": from_zero,
        "half_zero": toward_zero,
    }
    return tie[mode]


def root(x: Any) -> Any:
    low, _ = ends(x)
    if low < 0:
        raise NoMeaning("root of a negative number")
    if isinstance(x, Fraction):
        n, d = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if n * n == x.numerator and d * d == x.denominator:
            return Fraction(n, d)
    return iv.sqrt(wide(x))


def logarithm(x: Any) -> Any:
    low, _ = ends(x)
    if low <= 0:
        raise NoMeaning("logarithm of what is not positive")
    return Fraction(0) if x == Fraction(1) else iv.log(wide(x))


def power(a: Any, b: Any) -> Any:
    if isinstance(b, Fraction) and b.denominator == 1:
        y: Any = Fraction(1)
        for _ in range(abs(int(b))):
            y = mul(y, a)
        return y if b >= 0 else div(Fraction(1), y)
    if b == Fraction(1, 2):
        return root(a)
    if b == Fraction(-1, 2):
        return div(Fraction(1), root(a))
    return iv.exp(wide(b) * logarithm(a) if a != Fraction(1) else iv.mpf(0))


def error_function(x: Any) -> Any:
    if x == Fraction(0):
        return x
    with mpmath.workprec(BITS + 30):
        low, high = (mpmath.erf(mpmath.mpf(v.numerator) / v.denominator) for v in ends(x))
        slack = mpmath.mpf(2) ** (20 - BITS)
        return iv.mpf([low - slack, high + slack])


def exponential(x: Any) -> Any:
    return Fraction(1) if x == Fraction(0) else iv.exp(wide(x))


def sigmoid(x: Any) -> Any:
    return Fraction(1, 2) if x == Fraction(0) else 1 / (1 + iv.exp(-wide(x)))


def tangent(x: Any) -> Any:
    return Fraction(0) if x == Fraction(0) else 1 - 2 / (iv.exp(2 * wide(x)) + 1)


def truth(value: bool) -> Fraction:
    return Fraction(int(value))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": lambda a, b: add(a, neg(b)),
    "mul": mul,
    "div": div,
    "int_div": lambda a, b: rounded(div(a, b), "zero"),
    "mod": lambda a, b: add(a, neg(mul(rounded(div(a, b), "floor"), b))),
    "pow": power,
    "max": greater,
    "min": lambda a, b: neg(greater(neg(a), neg(b))),
    "equal": lambda a, b: truth(compare(a, b) == 0),
    "less": lambda a, b: truth(compare(a, b) < 0),
    "less_equal": lambda a, b: truth(compare(a, b) <= 0),
    "greater": lambda a, b: truth(compare(a, b) > 0),
    "greater_equal": lambda a, b: truth(compare(a, b) >= 0),
    "and": lambda a, b: truth(a != 0 and b != 0),
    "or": lambda a, b: truth(a != 0 or b != 0),
    "xor": lambda a, b: truth((a != 0) != (b != 0)),
    "not": lambda a: truth(a == 0),
    "where": lambda c, a, b: a if c != 0 else b,
    "neg": neg,
    "abs": lambda a: greater(a, neg(a)),
    "sign": lambda a: Fraction(compare(a, Fraction(0))),
    "sqrt": root,
    "exp": exponential,
    "log": logarithm,
    "erf": error_function,
    "sigmoid": sigmoid,
    "tanh": tangent,
    "softplus": lambda a: iv.log(1 + iv.exp(wide(a))),
    "floor": lambda a: rounded(a, "floor"),
    "ceil": lambda a: rounded(a, "ceil"),
    "round": lambda a: rounded(a, "half_even"),
    "trunc": lambda a: rounded(a, "zero"),
}


def applied(fn: str, args: Sequence[Any]) -> Any:
    """One function of one element; outside of its domain it is Nothing."""
    if fn == "where":
        return args[1] if args[0] != 0 else args[2]
    if any(isinstance(a, Nothing) for a in args):
        return Nothing()
    try:
        return FUNCTIONS[fn](*args)
    except NoMeaning:
        return Nothing()
