"""Enclosures of irrational numbers: certified on both sides, as narrow as they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from hlsgen.expr import tree
from hlsgen.expr.exact import exact_bounds, exact_integer
from hlsgen.expr.tree import Expr, Param
from hlsgen.ops.model.elementwise import Fn

FUNCTIONS: list[tuple[Fn, Callable[[Any], Any]]] = [
    (Fn.SQRT, mpmath.sqrt),
    (Fn.EXP, mpmath.exp),
    (Fn.LOG, mpmath.log),
    (Fn.TANH, mpmath.tanh),
    (Fn.ERF, mpmath.erf),
    (Fn.SIGMOID, lambda v: 1 / (1 + mpmath.exp(-v))),
    (Fn.SOFTPLUS, lambda v: mpmath.log(1 + mpmath.exp(v))),
]


def values(e: Expr) -> Any:
    assert isinstance(e, Param)
    return e.values.item()


@pytest.mark.parametrize("bits", [80, 240])
@pytest.mark.parametrize(
    ("fn", "function"), FUNCTIONS, ids=lambda f: f.value if isinstance(f, Fn) else ""
)
def test_enclosures(fn: Fn, function: Callable[[Any], Any], bits: int) -> None:
    low, high = exact_bounds(tree.apply(fn, Param.of(0.3)), values, bits)
    with mpmath.workprec(800):
        true = function(mpmath.mpf(0.3))
        assert mpmath.mpf(low.numerator) / low.denominator < true
        assert true < mpmath.mpf(high.numerator) / high.denominator
    assert high - low < Fraction(1, 1 << (bits - 12))


@pytest.mark.parametrize("side", [-1, 1])
def test_a_difference_that_float64_does_not_see(side: int) -> None:
    """floor(sqrt(2) - c) for c next to sqrt(2) by 2^-150."""
    with mpmath.workprec(800):
        near = int(mpmath.floor(mpmath.sqrt(2) * 2**150)) + (side > 0)
    c = Param.of(np.array(Fraction(near, 1 << 150), dtype=object))
    e = tree.apply(Fn.FLOOR, tree.apply(Fn.SUB, tree.apply(Fn.SQRT, Param.of(2.0)), c))
    assert exact_integer(e, values) == (-1 if side > 0 else 0)


def test_powers_of_squares_are_exact() -> None:
    """floor(x ** 1.5) where it is whole, and one over it."""
    for x, exponent, wanted in ((4.0, 1.5, 8), (2.25, 2.5, 7), (0.25, -1.5, 8), (9.0, -0.5, 0)):
        e = tree.apply(Fn.FLOOR, tree.apply(Fn.POW, Param.of(x), Param.of(exponent)))
        assert exact_integer(e, values) == wanted
