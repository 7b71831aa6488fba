"""Steps, their forms in hardware, and the exact steps of affine quantisers, against brute force."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.affine_steps import MAX_STEPS, affine_steps
from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.arith.staircase import Affine, Search, Table, Thresholds
from hlsgen.arith.steps import Stack, Steps
from hlsgen.arith.unit_cost import Cost, rom_cost

MODES = list(Rounding)
fractions = st.fractions(-40, 40, max_denominator=30)


def oracle(lo, hi, slope, offset, qlo, qhi, mode):
    codes = (round_fraction(slope * n + offset, mode) for n in range(lo, hi + 1))
    return [min(max(code, qlo), qhi) for code in codes]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.sampled_from(MODES),
    st.integers(-50, 50),
    st.integers(0, 80),
    fractions,
    fractions,
    st.integers(-300, 10),
    st.integers(0, 400),
)
def test_affine_steps_equal_fractions(mode, lo, span, slope, offset, qlo, range_):
    steps = affine_steps(lo, lo + span, slope, offset, qlo, qlo + range_, mode)
    want = oracle(lo, lo + span, slope, offset, qlo, qlo + range_, mode)
    assert steps.evaluate(np.arange(lo, lo + span + 1)).tolist() == want
    assert (steps.first, steps.last) == (want[0], want[-1])
    assert (steps.min_code, steps.max_code) == (min(want), max(want))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("slope", [Fraction(1, 2), Fraction(-3, 2), Fraction(1), Fraction(0)])
def test_affine_steps_on_ties(mode, slope):
    steps = affine_steps(-30, 30, slope, Fraction(1, 2), -9, 9, mode)
    want = oracle(-30, 30, slope, Fraction(1, 2), -9, 9, mode)
    assert steps.evaluate(np.arange(-30, 31)).tolist() == want


@pytest.mark.parametrize("mode", MODES)
def test_affine_steps_with_wide_numbers(mode):
    """Every path of the division: one word, modulo 2^64, Python ints; checked around each step."""
    rng = np.random.default_rng(5)
    for bits in (10, 24, 53, 70, 150):
        big = (1 << bits) + int(rng.integers(1 << 9))
        for scale in (1 << bits + 12, 3 << bits + 9):
            slope = Fraction(big, scale) * int(rng.choice([-1, 1]))
            offset = Fraction(int(rng.integers(-(2**40), 2**40)), 3**20)
            lo, hi = -(1 << 20), (1 << 20) - 1
            steps = affine_steps(lo, hi, slope, offset, -128, 127, mode)
            at = [lo, hi, *steps.t.tolist(), *(steps.t - 1).tolist()]
            for n, code in zip(at, steps.evaluate(np.array(at)).tolist(), strict=True):
                want = round_fraction(slope * n + offset, mode)
                assert code == min(max(want, -128), 127)


def test_affine_steps_beyond_int64():
    lo, hi, slope = -(1 << 90), 1 << 90, Fraction(3, 1 << 88)
    steps = affine_steps(lo, hi, slope, Fraction(0), -8, 7, Rounding.HALF_EVEN)
    assert steps.t.dtype == object
    for n in [lo, hi, *steps.t, *(steps.t - 1)]:
        want = min(max(round_fraction(slope * n, Rounding.HALF_EVEN), -8), 7)
        assert steps.evaluate(np.array([n], dtype=object))[0] == want


def test_affine_steps_refuse_too_many():
    with pytest.raises(ValueError, match="2097152 steps"):
        affine_steps(0, 1 << 22, Fraction(1, 2), Fraction(0), 0, 1 << 30, Rounding.FLOOR)
    steep = affine_steps(0, 9, Fraction(1 << 40), Fraction(0), 0, 1 << 60, Rounding.FLOOR)
    assert steep.evaluate(np.arange(10)).tolist() == [n << 40 for n in range(10)]
    assert MAX_STEPS == 1 << 20


codes_lists = st.lists(st.integers(-9, 9), min_size=1, max_size=40)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.integers(-30, 30), codes_lists, st.integers(-9, 0), st.integers(0, 9))
def test_steps_from_codes_mirror_and_clip(lo, codes, qlo, qhi):
    codes = np.array(codes)
    steps, n = Steps.from_codes(lo, codes), np.arange(lo, lo + len(codes))
    assert (steps.evaluate(n) == codes).all()
    assert (steps.mirrored().evaluate(-n) == codes).all()
    assert (steps.clipped(qlo, qhi).evaluate(n) == codes.clip(qlo, qhi)).all()
    rises, falls = (np.diff(codes) >= 0).all(), (np.diff(codes) <= 0).all()
    assert steps.monotone == (1 if rises else -1 if falls else 0)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(-8, 8), codes_lists), min_size=1, max_size=5))
def test_threshold_forms_equal_steps(tables):
    rows = [Steps.from_codes(lo, np.array(codes)) for lo, codes in tables]
    for form in (Thresholds.of(rows), Table.of(rows), Search.of(rows)):
        for r, row in enumerate(rows):
            n = np.arange(row.lo, row.hi + 1)
            assert (form.evaluate(np.full_like(n, r), n) == row.evaluate(n)).all(), form.text()
        assert isinstance(form.cost(), Cost)
        assert form.text()


def test_stack_fills_short_rows():
    rows = [Steps.from_codes(0, np.array([1, 1, 2, 5])), Steps.from_codes(-4, np.array([7]))]
    stack = Stack.of(rows)
    assert stack.t.tolist() == [[2, 3], [-3, -3]]
    assert stack.codes.tolist() == [[1, 2, 5], [7, 7, 7]]


def test_steps_refuse_nonsense():
    for t, jump in ([[3], [0]], [[0], [1]], [[9], [1]], [[2, 2], [1, 1]]):
        with pytest.raises(ValueError, match="steps must ascend"):
            Steps(0, 8, 0, np.array(t), np.array(jump))
    with pytest.raises(ValueError, match="lo <= hi"):
        Steps(1, 0, 0, np.array([]), np.array([]))


def by_python_ints(unit, r, n):
    """The formula of Affine, written again bit by bit."""
    v = unit.m[r] * n + unit.b[r]
    t = v >> unit.shift
    if unit.tie is not None and not any(v >> i & 1 for i in range(unit.tie, unit.shift)):
        t &= ~1
    return min(max(unit.offset + t, unit.qlo), unit.qhi)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.data())
def test_affine_evaluates_its_formula_at_every_width(data):
    bits, shift = data.draw(st.integers(1, 80)), data.draw(st.integers(0, 90))
    m = tuple(data.draw(st.lists(st.integers(-(1 << bits), 1 << bits), min_size=1, max_size=3)))
    near = st.integers(-(1 << bits + 20), 1 << bits + 20)
    b = tuple(data.draw(st.lists(near, min_size=len(m), max_size=len(m))))
    tie = data.draw(st.none() | st.integers(0, shift))
    span = (1 << 27,) * len(m)
    floor = tuple(-v for v in span)
    unit = Affine(m, b, shift, -(1 << 40), 1 << 40, floor, span, tie, data.draw(st.integers(0, 1)))
    n = data.draw(st.lists(st.integers(floor[0], span[0]), min_size=1, max_size=20))
    for r in range(len(m)):
        got = unit.evaluate(np.full(len(n), r), np.array(n)).tolist()
        assert got == [by_python_ints(unit, r, v) for v in n]


def test_affine_tells_which_clips_live():
    unit = Affine((1,), (0,), 1, -2, 3, (-8,), (7,))
    assert unit.clips == (True, False)
    assert str(unit.product) == "int4"
    assert unit.text() == "multiply-add-shift m 1 bits, shift 1"


def test_costs_grow_with_the_work():
    wide = Affine((-1365,), (9,), 12, 0, 255, (0,), (65535,))
    narrow = Affine((-1,), (9,), 12, 0, 255, (0,), (65535,))
    assert narrow.cost().total < wide.cost().total
    assert rom_cost(64, 8).lut == 8
    assert rom_cost(128, 8).lut == 16
    assert rom_cost(1, 8) == Cost()
    assert rom_cost(1 << 16, 8).bram18 == 32
