"""Encodings of weights: every code stands for exactly the weights that it was made of."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.arith.encodings.khot import Khot
from hlsgen.arith.encodings.sherry import Sherry
from hlsgen.arith.encodings.shift import Shift
from hlsgen.arith.encodings.ternary import Ternary
from hlsgen.arith.encodings.xnor import Xnor, counted
from hlsgen.errors import OptionError


def row(*values: int) -> np.ndarray:
    return np.array([values])


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=30))
def test_khot_holds_what_it_accepts(values: list[int]) -> None:
    weights = row(*values)
    try:
        found = Khot.of(weights)
    except OptionError:
        assert any(not _sum_of_three(abs(v)) for v in values)
        return
    codes = found.encode(weights)
    assert (found.decode(codes) == weights).all()
    assert codes.min() >= 0
    assert codes.max() < 1 << found.bits


def _sum_of_three(value: int) -> bool:
    powers = [s << e for e in range(11) for s in (1, -1)] + [0]
    return any(sum(t) == value for t in itertools.combinations_with_replacement(powers, 3))


def test_khot_takes_the_fewest_digits() -> None:
    """Of 8-bit codes 6, 34 and 81 % are sums of one, two and three signed powers of two."""
    powers = {s << e for e in range(9) for s in (1, -1)}
    sums = [{0}]
    for _ in range(3):
        sums.append(sums[-1] | {a + b for a in sums[-1] for b in powers})
    codes = range(-128, 128)
    for digits, share in ((1, 6), (2, 34), (3, 81)):
        held = [v for v in codes if v in sums[digits]]
        assert round(100 * len(held) / 256) == share
        found = Khot.of(row(*held))
        assert digits == (found.digits if isinstance(found, Khot) else 1)


def test_khot_names_the_weight_that_does_not_fit() -> None:
    with pytest.raises(OptionError, match=r"weight 171 at \[0, 1\] is no sum of 3 signed powers"):
        Khot.of(row(3, 171, 5))


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ((1, -2, 4, -8), 3),
        ((0, 1, -2, 4), 3),
        ((4, -8), 2),
        ((16,), 2),
        ((0, 0), 2),
        ((0, 1, 2, 4, 8), 4),
    ],
)
def test_shift_has_no_code_for_zero_where_none_is_needed(
    weights: tuple[int, ...], bits: int
) -> None:
    found = Shift.of(row(*weights))
    assert found.bits == bits
    assert found.zero is (0 in weights)
    assert (found.decode(found.encode(row(*weights))) == weights).all()


def test_shift_codes_of_three_bits_are_those_of_denseshift() -> None:
    found = Shift.of(row(1, 2, 4, 8))
    assert sorted(found.decode(np.arange(8)).tolist()) == [-8, -4, -2, -1, 1, 2, 4, 8]


def test_ternary_and_its_refusals() -> None:
    weights = row(0, 4, -4, 4)
    found = Ternary.of(weights)
    assert found.encode(weights).tolist() == [[0, 1, 3, 1]]
    assert (found.decode(found.encode(weights)) == weights).all()
    with pytest.raises(OptionError, match=r"weight 2 at \[0, 2\] has not the magnitude 1"):
        Ternary.of(row(0, 1, 2))
    with pytest.raises(OptionError, match=r"weight -3 at \[0, 0\] is no signed power"):
        Ternary.of(row(-3, 3))


def test_sherry_has_one_code_for_each_of_the_32_patterns() -> None:
    patterns = [p for p in itertools.product((-2, 0, 2), repeat=4) if p.count(0) == 1]
    weights = np.array(patterns)
    found = Sherry.of(weights)
    codes = found.encode(weights)
    assert sorted(codes.reshape(-1).tolist()) == list(range(32))
    assert (found.decode(codes) == weights).all()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ((1, 0, 1, -1, 1, 1, 1, 1), r"weights 1, 1, 1, 1 at \[0, 4\] have not exactly one zero"),
        ((1, 0, 0, -1), r"weights 1, 0, 0, -1 at \[0, 0\]"),
        ((1, 0, 1), "inputs by fours, and there are 3"),
        ((1, 0, 2, 1), "has not the magnitude 1"),
    ],
)
def test_sherry_refuses(weights: tuple[int, ...], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Sherry.of(row(*weights))


@pytest.mark.parametrize("codes", [(-1, 1), (0, 1), (-7, 12), (3, 4)])
def test_ones_are_all_that_xnor_needs_to_know(codes: tuple[int, int]) -> None:
    signs = np.random.default_rng(3).choice([-1, 1], (4, 6))
    weights = signs * np.array([[1], [3], [2], [70]])
    unit = Xnor(6)
    assert (unit.decode(unit.encode(weights)) == signs).all()
    meaning = counted(weights, codes)
    for bits in itertools.product((0, 1), repeat=6):
        ones = [bin(int(c) ^ sum(b << i for i, b in enumerate(bits)) ^ 63).count("1")
                for c in unit.encode(weights)[:, 0]]  # fmt: skip
        want = weights @ np.array([codes[b] for b in bits])
        assert (meaning.scale * ones + meaning.start == want).all()


def test_xnor_refuses_zeros_and_mixed_magnitudes() -> None:
    with pytest.raises(OptionError, match=r"weight 0 at \[0, 1\] is zero"):
        counted(row(1, 0), (0, 1))
    with pytest.raises(OptionError, match=r"weight -3 at \[0, 1\] has not magnitude 1"):
        counted(row(1, -3), (0, 1))
