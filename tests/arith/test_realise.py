"""The chosen form equals the staircase on every input, and a wrong one is caught."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import FORMS, RealisationError, prove, realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.staircase import (
    Affine,
    EstimateCorrect,
    Search,
    Table,
    Thresholds,
    TwoSlope,
    Wrapped,
)
from hlsgen.arith.steps import Steps
from hlsgen.errors import OptionError

WIDE = IntFormat(40, True)


def same(form, rows):
    for r, row in enumerate(rows):
        n = np.arange(row.lo, row.hi + 1)
        assert (form.evaluate(np.full_like(n, r), n) == row.evaluate(n)).all(), form.text()


def quantisers(seed, count, acc, code):
    rng = np.random.default_rng(seed)
    half, top = 1 << acc - 1, 1 << code - 1
    rows = []
    for _ in range(count):
        slope = Fraction(float(np.float32(2.0 ** (code - acc + rng.uniform(0, 4)))))
        offset = Fraction(float(np.float32(rng.uniform(-top, top) / 2)))
        ends = (-half, half - 1, slope, offset, -top, top - 1)
        rows.append(affine_steps(*ends, Rounding.HALF_EVEN))
    return rows


def wrapping(slope, bits, low, acc=12, offset=Fraction(1, 3)):
    """floor(slope * n + offset) modulo 2^bits, read from `low` on, by Python's own integers."""
    n = range(-(1 << acc - 1), 1 << acc - 1)
    codes = [(math.floor(slope * v + offset) - low) % (1 << bits) + low for v in n]
    return Steps.from_codes(n[0], np.array(codes))


def leaky(slope, alpha, zero, lo, hi):
    """Codes of a LeakyReLU, by fractions."""
    codes = [round((slope if n >= 0 else slope * alpha) * n) + zero for n in range(lo, hi + 1)]
    return Steps.from_codes(lo, np.array(codes).clip(-128, 127))


def test_every_preferred_form_is_exact_on_all_inputs():
    rows = quantisers(1, 3, 16, 4)
    kinds = {
        "affine": Affine,
        "thresholds": Thresholds,
        "table": Table,
        "search": Search,
        "estimate": EstimateCorrect,
        "two_slope": TwoSlope,
    }
    assert {*kinds, "wrapped"} == FORMS.keys()  # of these rows none wraps
    for name, kind in kinds.items():
        form = realise(rows, IntFormat(16, True), IntFormat(4, True), name)
        assert isinstance(form, kind)
        same(form, rows)
        assert form.cost().total > 0
        assert form.text()


def test_cheapest_form_of_familiar_cases():
    i, o = IntFormat(20, True), IntFormat(8, True)
    assert isinstance(realise(quantisers(2, 4, 16, 1), i, o), Thresholds)
    assert isinstance(realise(quantisers(2, 16, 16, 8), i, o), Affine)
    assert isinstance(realise(quantisers(3, 1, 8, 6), i, o), Table)
    identity = realise([Steps.from_codes(-8, np.arange(-8, 8))], i, o)
    assert isinstance(identity, Affine)
    assert (identity.m, identity.b, identity.shift, identity.clips) == ((1,), (0,), 0, (False,) * 2)
    assert identity.cost().total == 0


def test_power_of_two_scales_become_a_shift():
    rows = [
        affine_steps(-2048, 2047, Fraction(1, 16), Fraction(b, 4), 0, 127, Rounding.HALF_EVEN)
        for b in range(-8, 9)
    ]
    form = realise(rows, IntFormat(12, True), IntFormat(8, True), "affine")
    assert isinstance(form, Affine)
    assert set(form.m) == {1}
    assert (form.shift, form.tie) == (4, 0)
    same(form, rows)


def test_constants_saturated_rows_and_one_value():
    rows = [
        Steps.from_codes(0, np.array([3] * 100)),
        Steps.from_codes(0, np.array([0] * 99 + [7])),
        Steps.from_codes(5, np.array([2])),
    ]
    for name in ("auto", *FORMS):
        same(realise(rows, WIDE, IntFormat(3, False), name), rows)
    same(realise(rows[:1], WIDE, IntFormat(3, False)), rows[:1])


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.25])
@pytest.mark.parametrize("slope", [Fraction(1, 8), Fraction(0.013)])
def test_leaky_relu_takes_two_slopes(alpha, slope):
    steps = [leaky(slope, Fraction(float(np.float32(alpha))), zero, -3000, 3000) for zero in (5, 5)]
    form = realise(steps, IntFormat(13, True), IntFormat(8, True), "two_slope")
    assert isinstance(form, TwoSlope)
    same(form, steps)


@pytest.mark.parametrize("low", [0, -8])
@pytest.mark.parametrize("slope", [Fraction(1, 8), Fraction(-1, 8), Fraction(5, 32), Fraction(3)])
def test_overflow_that_wraps_keeps_low_bits(slope, low):
    """A quantiser of HGQ: a line of which the low bits are taken, no search among thresholds."""
    rows = [wrapping(slope, 4, low), wrapping(slope, 4, low, offset=Fraction(-7))]
    form = realise(rows, IntFormat(12, True), IntFormat(5, True))
    assert isinstance(form, Wrapped)
    assert form.uniform
    assert form.cost() == form.rise.cost()
    same(form, rows)


def test_rows_may_wrap_at_other_widths_or_not_at_all():
    rows = [
        wrapping(Fraction(1, 16), 3, 0),
        wrapping(Fraction(1, 8), 5, -16),
        wrapping(Fraction(1, 64), 9, -256),  # so wide that nothing overflows
        wrapping(Fraction(1, 64), 0, 0),
    ]
    form = realise(rows, IntFormat(12, True), IntFormat(9, True), "wrapped")
    assert isinstance(form, Wrapped)
    assert form.bits == (3, 5, 7, 0)
    same(form, rows)


def test_a_relu_in_front_is_a_clip_before_the_low_bits():
    codes = np.maximum(np.arange(-2048, 2048), 0) >> 3 & 15
    form = realise([Steps.from_codes(-2048, codes)], IntFormat(12, True), IntFormat(4, False))
    assert isinstance(form, Wrapped)
    assert form.rise.clips == (True, False)
    same(form, [Steps.from_codes(-2048, codes)])


def test_a_sawtooth_of_another_period_is_no_low_bits():
    codes = np.arange(4000) % 10
    form = realise([Steps.from_codes(0, codes)], WIDE, IntFormat(4, False), "wrapped")
    assert not isinstance(form, Wrapped)
    same(form, [Steps.from_codes(0, codes)])


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-7, 7), min_size=1, max_size=60), min_size=1, max_size=3))
def test_any_function_has_a_form(tables):
    rows = [Steps.from_codes(-9, np.array(codes)) for codes in tables]
    same(realise(rows, WIDE, IntFormat(4, True)), rows)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, 0, 1, 2]), max_size=50), min_size=1, max_size=3),
    st.sampled_from(["auto", *FORMS]),
    st.booleans(),
)
def test_any_monotone_function_has_a_form(rises, prefer, falling):
    rows = [Steps.from_codes(-9, np.cumsum([0, *rise])) for rise in rises]
    if falling:
        rows = [row.mirrored() for row in rows]
    same(realise(rows, WIDE, IntFormat(8, True), prefer), rows)


def mutants(form):  # noqa: C901 - one case a form
    """The form with one constant of row 0 changed so far that some output must change."""
    match form:
        case Affine():
            yield replace(form, b=(form.b[0] + (1 << form.shift), *form.b[1:]))
            yield replace(form, m=(-form.m[0], *form.m[1:]))
            yield replace(form, shift=form.shift + 1)
            yield replace(form, qhi=form.qhi - 1)
        case Thresholds() | Search():
            t = form.t.copy()
            t[0, 0] += 1
            yield replace(form, t=t)
        case Table():
            values = form.values.copy()
            values[0, -1] += 1
            yield replace(form, values=values)
        case EstimateCorrect():
            yield replace(form, t=form.t + 1)
        case TwoSlope():
            for above in mutants(form.above):
                yield replace(form, above=above)
        case Wrapped():
            *moved, _ = mutants(form.rise)  # its limits lie beyond every code
            for rise in moved:
                yield replace(form, rise=rise)
            yield replace(form, bits=(form.bits[0] - 1, *form.bits[1:]))
            yield replace(form, low=(form.low[0] + 1, *form.low[1:]))


@pytest.mark.parametrize("name", FORMS)
def test_proof_catches_mutants(name):
    rows = quantisers(9, 2, 12, 4)
    if name == "wrapped":
        rows = [wrapping(Fraction(k, 16), 4, -8) for k in (3, 5)]
    form = realise(rows, IntFormat(12, True), IntFormat(4, True), name)
    for mutant in mutants(form):
        with pytest.raises(RealisationError, match="row 0"):
            prove(rows, mutant)


def test_proof_catches_what_lies_between_the_steps():
    """Own thresholds of a form are tried too; a monotone form needs a monotone row."""
    row = Steps.from_codes(0, np.array([0] * 50 + [1] * 50))
    bump = Thresholds((0,), np.array([[20, 30, 50]]), np.array([[1, -1, 1]]), 0, 99)
    with pytest.raises(RealisationError, match="gives 1, not 0, at 20"):
        prove([row], bump)
    hill = Steps.from_codes(0, np.array([0, 1, 0]))
    with pytest.raises(RealisationError, match="not monotone"):
        prove([hill], Affine((1,), (0,), 0, 0, 1, (0,), (2,)))


def test_wrong_uses_are_refused():
    row = Steps.from_codes(0, np.arange(20))
    with pytest.raises(OptionError, match="'lut' is not one of auto, affine"):
        realise([row], WIDE, WIDE, "lut")
    with pytest.raises(ValueError, match="does not fit uint4"):
        realise([row], IntFormat(4, False), WIDE)
    with pytest.raises(ValueError, match="codes do not fit uint4"):
        realise([row], WIDE, IntFormat(4, False))


def test_many_rows_realise_fast_and_exact():
    rows = quantisers(4, 300, 20, 8)
    form = realise(rows, IntFormat(20, True), IntFormat(8, True), "affine")
    rng = np.random.default_rng(0)
    r, n = rng.integers(0, 300, 20000), rng.integers(-(1 << 19), 1 << 19, 20000)
    want = [rows[i].evaluate(v) for i, v in zip(r, n, strict=True)]
    assert (form.evaluate(r, n) == np.array(want)).all()
