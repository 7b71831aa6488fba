"""Staircases of expressions: every code of every input, against Fractions and mpmath."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.arith.steps import Steps
from hlsgen.errors import ModelError
from hlsgen.expr import steps, tree
from hlsgen.expr.affine import direction
from hlsgen.expr.exact import exact_integer, exact_rational
from hlsgen.expr.quotients import quotients
from hlsgen.expr.rows import RowValues, folded, rows_of
from hlsgen.expr.tree import Apply, Count, Expr, Leaf, Param
from hlsgen.ir.hw import IntType
from hlsgen.ops.model.elementwise import Fn


def number(value: Any) -> Param:
    return Param.of(value)


def channel(*values: float) -> Param:
    return Param.of(np.array(values).reshape(1, -1))


def quantised(e: Expr, mode: Rounding = Rounding.HALF_EVEN, low: int = -8, high: int = 7) -> Expr:
    limited = tree.apply(Fn.MAX, tree.apply(mode, e), number(low))
    return tree.apply(Fn.MIN, limited, number(high))


def staircases(make: Callable[[Leaf], Expr], lo: int, hi: int, channels: int = 1):
    leaf = Leaf("n", (1, channels))
    x = IntType.of(leaf.shape, lo, hi)
    core = folded(make(leaf))
    rows = rows_of(core, x)
    found = steps.steps_of(core, rows)
    return [found[int(r)] for r in np.broadcast_to(rows.row, leaf.shape).ravel()]


def codes(s: Steps, lo: int, hi: int) -> list[int]:
    return s.evaluate(np.arange(lo, hi + 1)).tolist()


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("slope", [Fraction(1, 4), Fraction(-1, 4), Fraction(3, 7), Fraction(0)])
def test_quantised_lines(mode: Rounding, slope: Fraction) -> None:
    offset = Fraction(1, 8)
    (found,) = staircases(
        lambda n: quantised(tree.affine(n, number(slope), number(offset)), mode), -40, 40
    )
    wanted = [min(max(round_fraction(slope * n + offset, mode), -8), 7) for n in range(-40, 41)]
    assert codes(found, -40, 40) == wanted


def test_a_lower_limit_above_everything() -> None:
    """ReLU of what is always negative."""
    (found,) = staircases(
        lambda n: tree.apply(Fn.MAX, tree.apply(Rounding.HALF_EVEN, n), number(0)), -10, -5
    )
    assert codes(found, -10, -5) == [0] * 6


def reference(function: Callable[[Any], Any], lo: int, hi: int) -> list[int]:
    with mpmath.workprec(300):
        return [
            min(max(int(mpmath.nint(function(mpmath.mpf(n)))), -8), 7) for n in range(lo, hi + 1)
        ]


CURVES: dict[str, tuple[Callable[[Expr], Expr], Callable[[Any], Any]]] = {
    "sigmoid": (
        lambda n: tree.mul(tree.apply(Fn.SIGMOID, tree.mul(n, number(0.01))), number(7.0)),
        lambda n: 7 / (1 + mpmath.exp(-n * mpmath.mpf(0.01))),
    ),
    "falling tanh": (
        lambda n: tree.mul(tree.apply(Fn.TANH, tree.mul(n, number(0.02))), number(-6.5)),
        lambda n: -mpmath.mpf(6.5) * mpmath.tanh(n * mpmath.mpf(0.02)),
    ),
    "silu": (
        lambda n: _silu(tree.mul(n, number(0.05))),
        lambda n: n * mpmath.mpf(0.05) / (1 + mpmath.exp(-n * mpmath.mpf(0.05))),
    ),
    "root": (
        lambda n: tree.apply(Fn.SQRT, tree.apply(Fn.ABS, n)),
        lambda n: mpmath.sqrt(abs(n)),
    ),
    "batch norm and relu": (
        lambda n: tree.apply(
            Fn.MAX, tree.apply(Fn.DIV, n, tree.apply(Fn.SQRT, number(1777.0))), number(0.0)
        ),
        lambda n: max(n / mpmath.sqrt(1777), 0),
    ),
}


def _silu(x: Expr) -> Expr:
    return tree.mul(x, tree.apply(Fn.SIGMOID, x))


@pytest.mark.parametrize("name", CURVES)
def test_curves(name: str) -> None:
    make, function = CURVES[name]
    (found,) = staircases(lambda n: quantised(make(n)), -400, 400)
    assert codes(found, -400, 400) == reference(function, -400, 400)


def _gelu(x: Expr) -> Expr:
    bell = tree.add(tree.apply(Fn.ERF, tree.mul(x, number(0.7071067811865476))), number(1.0))
    return tree.mul(tree.mul(x, number(0.5)), bell)


def _hard_swish(x: Expr) -> Expr:
    gate = tree.add(tree.mul(x, number(0.2)), number(0.5))
    gate = tree.apply(Fn.MIN, tree.apply(Fn.MAX, gate, number(0.0)), number(1.0))
    return tree.mul(x, gate)


def _softsign(x: Expr) -> Expr:
    return tree.apply(Fn.DIV, x, tree.add(number(1.0), tree.apply(Fn.ABS, x)))


def _jump(x: Expr) -> Expr:
    above = tree.apply(Fn.GREATER, x, number(0.3))
    return tree.apply(Fn.WHERE, above, tree.mul(x, number(0.5)), tree.mul(x, number(-0.25)))


def _twice_rounded(x: Expr) -> Expr:
    return tree.mul(tree.apply(Rounding.FLOOR, tree.mul(x, number(3.0))), tree.apply(Fn.TANH, x))


NOT_MONOTONE: dict[str, Callable[[Expr], Expr]] = {
    "gelu": _gelu,
    "silu": _silu,
    "mish": lambda x: tree.mul(x, tree.apply(Fn.TANH, tree.apply(Fn.SOFTPLUS, x))),
    "hard swish": _hard_swish,
    "softsign": _softsign,
    "jump": _jump,
    "twice rounded": _twice_rounded,
    "remainder": lambda x: tree.apply(Fn.MOD, x, number(1.5)),
    "square": lambda x: tree.apply(Fn.POW, x, number(2)),
    "sign": lambda x: tree.mul(tree.apply(Fn.SIGN, x), tree.mul(x, x)),
    "bell": lambda x: tree.apply(Fn.EXP, tree.apply(Fn.NEG, tree.mul(x, x))),
    "root": lambda x: tree.apply(Fn.SQRT, tree.apply(Fn.ABS, x)),
    "power": lambda x: tree.apply(Fn.POW, tree.apply(Fn.ABS, x), number(1.25)),
    "reciprocal": lambda x: tree.apply(
        Fn.DIV, number(1.0), tree.add(tree.mul(x, x), number(0.125))
    ),
    "logarithm": lambda x: tree.apply(Fn.LOG, tree.add(tree.mul(x, x), number(0.01))),
}


@pytest.mark.parametrize("scale", [3.0, 20.0, 900.0])
@pytest.mark.parametrize("name", NOT_MONOTONE)
def test_pieces_find_what_listing_finds(
    name: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few codes: pieces of one code; many: pieces that rise or fall; more: single inputs."""

    def make(n: Leaf) -> Expr:
        x = tree.add(tree.mul(n, channel(2.0**-10, 0.7e-3)), number(0.01))
        return quantised(tree.mul(NOT_MONOTONE[name](x), number(scale)), low=-9999, high=9999)

    monkeypatch.setattr(steps, "DENSE_LIMIT", 1 << 20)
    listed = staircases(make, -9000, 7000, 2)
    monkeypatch.setattr(steps, "DENSE_LIMIT", 0)
    for a, b in zip(listed, staircases(make, -9000, 7000, 2), strict=True):
        assert (a.first, a.t.tolist(), a.jump.tolist()) == (b.first, b.t.tolist(), b.jump.tolist())


@pytest.mark.parametrize("name", NOT_MONOTONE)
def test_quotients_hold(name: str) -> None:
    """Whatever two inputs of an interval one takes, the quotient lies within the bounds."""
    leaf = Leaf("n", (1,))
    e = folded(NOT_MONOTONE[name](tree.mul(leaf, number(2.0**-6))))
    rows = rows_of(e, IntType.of((1,), -400, 400))
    values = RowValues(e, rows)
    rng = np.random.default_rng(3)
    ends = np.sort(rng.integers(-400, 400, (300, 2)), axis=1)
    ends[:, 1] += 1
    ends[100:, 1] = ends[100:, 0] + rng.integers(1, 9, 200)
    r, x, y = np.zeros(300, np.int64), *ends.T
    bounds = quotients(e, values.parts(r, x, y))
    low, high = (np.broadcast_to(v, r.shape) for v in (bounds.lo, bounds.hi))
    one, two = np.sort(rng.integers(x, y + 1, (20, 300)), axis=0)[[4, 15]]
    f, g = (values.interval(r, n, n)[0] for n in (one, two))
    apart = two > one
    with np.errstate(all="ignore"):
        quotient = ((g.lo - f.lo) / (two - one))[apart]
    assert apart.sum() > 100
    assert (quotient >= low[apart] - 1e-9).all()
    assert (quotient <= high[apart] + 1e-9).all()


def test_no_piece_hides_a_value_outside_of_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "DENSE_LIMIT", 0)
    with pytest.raises(ModelError, match="square root"):
        staircases(lambda n: quantised(tree.mul(n, tree.apply(Fn.SQRT, n))), -2, 3000)


def test_pieces_of_wide_inputs() -> None:
    (found,) = staircases(
        lambda n: quantised(_silu(tree.mul(n, number(2.0**-70)))), -(1 << 73), 1 << 73
    )
    assert found.codes.tolist() == list(range(8))
    with mpmath.workprec(300):
        for code, t in enumerate(found.t.tolist(), 1):
            x, y = (mpmath.mpf(n) / 2**70 for n in (t - 1, t))
            assert x / (1 + mpmath.exp(-x)) < code - 0.5 <= y / (1 + mpmath.exp(-y))


def test_one_row_for_equal_channels_and_their_own_for_others() -> None:
    found = staircases(
        lambda n: quantised(tree.apply(Fn.DIV, n, tree.apply(Fn.SQRT, channel(2.0, 3.0, 2.0)))),
        -50, 50, 3,
    )  # fmt: skip
    assert found[0] is found[2]
    assert codes(found[1], -50, 50) == reference(lambda n: n / mpmath.sqrt(3), -50, 50)


def test_a_choice_by_a_constant_keeps_every_channel_its_function() -> None:
    mask = Param.of(np.array([[1, 0]]))
    found = staircases(
        lambda n: quantised(
            Apply(Fn.WHERE, (mask, tree.mul(n, number(0.25)), number(3.0)), n.shape)
        ),
        -20, 20, 2,
    )  # fmt: skip
    assert codes(found[0], -20, 20) == [
        min(max(round_fraction(Fraction(n, 4), Rounding.HALF_EVEN), -8), 7) for n in range(-20, 21)
    ]
    assert set(codes(found[1], -20, 20)) == {3}


def test_thresholds() -> None:
    table = np.array([[[-3.5, 0.0, 4.25]]])
    (found,) = staircases(lambda n: Count(tree.mul(n, number(0.5)), table, n.shape), -20, 20)
    wanted = [sum(n * 0.5 >= t for t in (-3.5, 0.0, 4.25)) for n in range(-20, 21)]
    assert codes(found, -20, 20) == wanted


def test_wide_inputs() -> None:
    (found,) = staircases(lambda n: quantised(tree.mul(n, number(2.0**-70))), -(1 << 73), 1 << 73)
    assert found.evaluate(np.array([-(1 << 73), 0, 1 << 70, 3 << 69], dtype=object)).tolist() == [
        -8, 0, 1, 2,
    ]  # fmt: skip


def test_directions() -> None:
    n = Leaf("n", (1, 2))
    up = direction(tree.apply(Fn.SIGMOID, tree.mul(n, channel(0.5, -2.0))))
    assert up is not None
    assert np.broadcast_to(up, (1, 2)).tolist() == [[1, -1]]
    assert direction(tree.apply(Fn.ABS, n)) is None
    assert direction(tree.mul(n, n)) is None
    assert direction(tree.apply(Fn.SUB, n, tree.apply(Fn.NEG, n))) is not None
    difference = tree.apply(Fn.SUB, number(1), n)
    assert np.all(np.asarray(direction(difference)) == -1)


def test_ties_of_irrational_numbers_are_no_ties() -> None:
    root = tree.apply(Fn.SQRT, number(2.0))
    assert exact_integer(tree.apply(Rounding.FLOOR, root), lambda p: p.values.item()) == 1
    assert exact_rational(root, lambda p: p.values.item()) is None
    assert exact_rational(tree.apply(Fn.SQRT, number(2.25)), lambda p: p.values.item()) == 1.5


def test_a_value_outside_of_the_domain_is_an_error_only_if_it_matters() -> None:
    log = tree.apply(Fn.LOG, number(-1.0))
    lookup = lambda p: p.values.item()  # noqa: E731
    chosen = tree.apply(Fn.WHERE, number(0), log, number(2.0))
    assert exact_integer(tree.apply(Rounding.FLOOR, chosen), lookup) == 2
    with pytest.raises(ModelError, match="logarithm"):
        exact_integer(tree.apply(Rounding.FLOOR, log), lookup)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_wide_sum_with_an_irrational_offset(sign: int) -> None:
    """What rounded joins leave: a step lies between two integers that float64 cannot tell apart."""
    span, unit = 1 << 66, Fraction(sign, 1 << 60)
    offset = tree.apply(Fn.SQRT, number(2.0))
    scale = number(0.3)

    def make(n: Leaf) -> Expr:
        return quantised(tree.apply(Fn.DIV, tree.affine(n, number(unit), offset), scale))

    (found,) = staircases(make, -span, span)
    assert len(found.t) == 15
    leaf = Leaf("n", (1, 1))
    core = make(leaf)
    for t in found.t.tolist():
        for n in (t - 1, t):
            wanted = exact_integer(core, lambda e, n=n: n if e is leaf else e.values.item())
            assert found.evaluate(np.array([n], dtype=object))[0] == wanted


@pytest.mark.parametrize("span", [40, 5000, 1 << 40])
def test_functions_that_rise_and_fall_over_short_and_long_ranges(span: int) -> None:
    """SiLU, the range being one short piece, some, or more than could be listed."""
    (found,) = staircases(lambda n: quantised(CURVES["silu"][0](n)), -span, span)
    for n in [-span, *range(-40, 41), span]:
        with mpmath.workprec(300):
            value = n * mpmath.mpf(0.05) / (1 + mpmath.exp(-n * mpmath.mpf(0.05)))
            assert found.evaluate(np.array([n]))[0] == min(max(int(mpmath.nint(value)), -8), 7)
