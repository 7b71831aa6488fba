"""The least constants of a multiply-add-shift, against exhaustive search."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.signed_digit import csd_digits, csd_weight, least_weight
from hlsgen.arith.slope import (
    Window,
    fit_affine,
    least_shift,
    multiplier_range,
    offset_intervals,
    points,
    slope_intervals,
)
from hlsgen.arith.staircase import Affine
from hlsgen.arith.steps import Stack, Steps


def exact(unit: Affine, rows: list[Steps]) -> bool:
    """Whether the unit equals every row everywhere."""
    for r, row in enumerate(rows):
        n = np.arange(row.lo, row.hi + 1)
        if (unit.evaluate(np.full_like(n, r), n) != row.evaluate(n)).any():
            return False
    return True


def lightest(m: int) -> int:
    """Signed-digit weight by the recursion on the last bit."""
    if m < 0:
        return lightest(-m)
    if m < 2:
        return m
    return lightest(m >> 1) if m % 2 == 0 else 1 + min(lightest(m - 1 >> 1), lightest(m + 1 >> 1))


def test_signed_digits():
    for m in range(-600, 601):
        digits = csd_digits(m)
        assert sum(sign << e for sign, e in digits) == m
        assert len(digits) == csd_weight(m) == lightest(m)
        places = [e for _, e in digits]
        assert all(b - a > 1 for a, b in pairwise(places))


def test_least_weight_is_least_in_every_interval():
    weights = {m: csd_weight(m) for m in range(-200, 201)}
    for lo in range(-200, 201):
        best = 99
        for hi in range(lo, 201):
            best = min(best, weights[hi])
            got = least_weight(lo, hi)
            assert lo <= got <= hi
            assert weights[got] == best
    assert least_weight(5, None) == 8
    assert least_weight(-5, None) == 0
    with pytest.raises(ValueError, match="no integer"):
        least_weight(3, 2)


small = st.lists(st.sampled_from([0, 0, 0, 1, 1, 2]), min_size=1, max_size=11)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(small, st.integers(-9, 3), st.booleans(), st.booleans())
def test_theorem_by_exhaustion(rises, lo, open_low, open_high):
    """The fitted shift is least, m and b are admissible, the b interval is complete."""
    codes = np.cumsum([0, *rises])
    row = Steps.from_codes(lo, codes)
    qlo, qhi = -int(open_low), int(codes[-1]) + int(open_high)
    if not row.t.size:
        return
    unit = fit_affine([row], qlo, qhi)
    n = np.arange(lo, row.hi + 1)

    def offsets(m: int, shift: int) -> list[int]:
        reach = (abs(m) * 12 + ((int(codes[-1]) + 3) << shift)) + 1
        b = np.arange(-reach, reach + 1)[:, None]
        good = (np.clip((m * n + b) >> shift, qlo, qhi) == codes).all(axis=1)
        return b[good, 0].tolist()

    plain = unit is not None and unit.tie is None
    for shift in range(unit.shift + 1 if plain else 6):
        top = min(3 * int(codes[-1]) << shift, 150)
        admissible = {m: b for m in range(top + 1) if (b := offsets(m, shift))}
        if not plain or shift < unit.shift:
            assert not admissible
    if plain:
        m, b = unit.m[0], unit.b[0]
        assert exact(unit, [row])
        if m in admissible:
            stack = Stack.of([row])
            got = offset_intervals(points(stack, qlo, qhi), [m], unit.shift)[0]
            assert got == (min(admissible[m]), max(admissible[m]))
            assert b in admissible[m]
            lightest_m = min(csd_weight(v) for v in admissible)
            assert csd_weight(m) == lightest_m


def random_rows(seed: int, count: int, acc: int, code: int) -> list[Steps]:
    """Quantisers of float32 scales and biases, unsaturated on a part of the accumulator range."""
    rng = np.random.default_rng(seed)
    half, top = 1 << acc - 1, 1 << code - 1
    rows: list[Steps] = []
    for _ in range(count):
        product = [Fraction(float(np.float32(s))) for s in rng.uniform(1e-3, 1e-2, 2)]
        live = 2 ** (acc - rng.uniform(0, 4))
        out = Fraction(float(np.float32(float(product[0] * product[1]) * live / 2**code)))
        bias = Fraction(float(np.float32(rng.uniform(-1, 1) * float(out) * 2 ** (code - 2))))
        slope = product[0] * product[1] / out * int(rng.choice([-1, 1]))
        row = (-half, half - 1, slope, bias / out, -top, top - 1)
        rows.append(affine_steps(*row, Rounding.HALF_EVEN))
    return rows


@pytest.mark.parametrize("code", [2, 4, 8])
def test_random_float32_scales(code):
    """Exact on all 2^16 inputs; no shorter shift admits a slope; one b further out fails."""
    for row in random_rows(code, 8, 16, code):
        qlo, qhi = -(1 << code - 1), (1 << code - 1) - 1
        unit = fit_affine([row], qlo, qhi)
        assert unit is not None
        assert unit.tie is None
        assert exact(unit, [row])
        up = row if row.monotone > 0 else row.mirrored()
        p = points(Stack.of([up]), qlo, qhi)
        ends = next(slope_intervals(p).intervals())
        low, high = multiplier_range(ends, unit.shift - 1)
        assert least_shift(ends) == unit.shift
        assert high is not None
        assert low > high
        least, most = offset_intervals(p, [abs(unit.m[0])], unit.shift)[0]
        assert least <= unit.b[0] <= most
        for b, good in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
            other = Affine(unit.m, (b,), unit.shift, qlo, qhi, unit.lo, unit.hi)
            assert exact(other, [row]) == good


def test_rows_share_a_shift():
    rows = random_rows(77, 12, 14, 6)
    rows += [Steps.from_codes(-8192, np.array([c] * 16384)) for c in (-32, 5, 31)]
    unit = fit_affine(rows, -32, 31)
    assert unit is not None
    assert exact(unit, rows)
    assert unit.m[-3:] == (0, 0, 0)
    alone = [fit_affine([row], -32, 31) for row in rows]
    assert unit.shift == max(one.shift for one in alone if one is not None)


@pytest.mark.parametrize("drop", range(1, 7))
@pytest.mark.parametrize("zero", [-3, 0, 1])
def test_power_of_two_scales_need_the_convergent_unit(drop, zero):
    """Slopes odd / 2^drop tie every 2^drop inputs; codes are even + zero at the ties."""
    for odd in (1, 3, 5, 13, -1, -7):
        slope, tie_free = Fraction(odd, 1 << drop), Fraction(1, 3)
        rows = [
            affine_steps(-400, 399, slope, shift, -40, 41, Rounding.HALF_EVEN)
            for shift in (Fraction(0), Fraction(1, 2), tie_free)
        ]
        rows = [Steps(row.lo, row.hi, row.first + zero, row.t, row.jump) for row in rows]
        unit = fit_affine(rows, -40 + zero, 41 + zero)
        assert unit is not None
        assert exact(unit, rows)
        first = fit_affine(rows[:1], -40 + zero, 41 + zero)
        assert first is not None
        assert exact(first, rows[:1])
        if abs(odd) >> drop == 0 and abs(odd) == 1:
            assert (first.m, first.shift, first.tie) == ((odd,), drop, 0)
            assert first.offset == zero & 1


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 25, 36, 49, 64])
def test_average_pools(count):
    """Means of `count` codes 0..255; only even counts tie."""
    mean = affine_steps(0, 255 * count, Fraction(1, count), Fraction(0), 0, 255, Rounding.HALF_EVEN)
    unit = fit_affine([mean], 0, 255)
    assert unit is not None
    assert (unit.tie is None) == (count % 2 == 1)
    assert exact(unit, [mean])
    if count & count - 1 == 0:
        assert (unit.m, 1 << unit.shift, unit.tie) == ((1,), count, 0)


def test_alternating_ties_have_no_plain_form():
    row = affine_steps(0, 63, Fraction(1, 4), Fraction(0), 0, 16, Rounding.HALF_EVEN)
    assert not slope_intervals(points(Stack.of([row]), 0, 16)).found.any()
    half_up = affine_steps(0, 63, Fraction(1, 4), Fraction(0), 0, 16, Rounding.HALF_UP)
    unit = fit_affine([half_up], 0, 16)
    assert unit is not None
    assert (unit.m, unit.shift, unit.tie) == ((1,), 2, None)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.fractions(-3, 3, max_denominator=40),
    st.fractions(-9, 9, max_denominator=12),
    st.integers(-20, 5),
    st.integers(0, 30),
)
def test_rational_quantisers_always_have_a_unit(slope, offset, qlo, span):
    row = affine_steps(-150, 150, slope, offset, qlo, qlo + span, Rounding.HALF_EVEN)
    unit = fit_affine([row], qlo, qlo + span)
    assert unit is not None
    assert exact(unit, [row])


def test_early_estimate_is_right_or_one_low():
    for row in random_rows(5, 12, 15, 8):
        if row.monotone < 0:
            row = row.mirrored()
        unit = fit_affine([row], -128, 127, early=1)
        assert unit is not None
        assert abs(unit.m[0]).bit_length() <= 9
        n = np.arange(row.lo, row.hi + 1)
        late = row.evaluate(n) - unit.evaluate(np.zeros_like(n), n)
        assert set(late.tolist()) <= {0, 1}


def test_wide_numbers_fall_back_to_python_ints():
    scale = Fraction(12345678912345, 1 << 100)
    row = affine_steps(-(1 << 70), 1 << 70, scale, Fraction(1, 7), -128, 127, Rounding.HALF_EVEN)
    unit = fit_affine([row], -128, 127)
    assert unit is not None
    at = np.concatenate((row.t, row.t - 1))
    assert (unit.evaluate(np.zeros(at.size, np.int64), at) == row.evaluate(at)).all()


def test_window_heights_delay_odd_codes():
    assert Window(3, 0).height(np.array([-1, 0, 1, 2])).tolist() == [-7, 0, 9, 16]
    assert Window(3, 1).height(np.array([0, 1])).tolist() == [-7, 0]


def test_a_bend_has_no_line():
    assert fit_affine([Steps.from_codes(0, np.array([0, 1, 2, 3, 3, 3, 3, 4, 5]))], -9, 9) is None
    assert fit_affine([Steps.from_codes(0, np.array([0, 1, 0]))], -9, 9) is None
