"""Binary-coded weights: the published errors, and integers that sign planes hold."""

from __future__ import annotations

import numpy as np
import pytest

from hlsgen.arith.bcq import bcq
from hlsgen.arith.sign_planes import fewest_planes
from hlsgen.errors import OptionError


def gaussian() -> np.ndarray:
    """400 rows of 128: those numbers of the generator that the figures below were measured on."""
    rng = np.random.default_rng(1)
    rng.standard_normal(200_000)
    return rng.standard_normal((400, 128))


ROWS = gaussian()


@pytest.mark.parametrize(
    ("planes", "terms", "nmse"),
    [
        (2, None, 0.1136), (2, 1, 0.1187), (2, 2, 0.1157), (2, 3, 0.1137),
        (3, None, 0.0343), (3, 1, 0.0421), (3, 2, 0.0379), (3, 3, 0.0347),
        (4, None, 0.0105), (4, 1, 0.0227), (4, 2, 0.0165), (4, 3, 0.0108),
    ],
)  # fmt: skip
def test_errors_on_gaussian_rows(planes: int, terms: int | None, nmse: float) -> None:
    """Normalised mean squared errors, measured by another program: within 3 %."""
    coded = bcq(ROWS, planes, terms)
    error = ((coded.values - ROWS) ** 2).mean() / (ROWS**2).mean()
    assert error == pytest.approx(nmse, rel=0.03)


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_scales_are_so_many_powers_of_two(terms: int) -> None:
    """In units of 2^-40; a power counts as one digit, so a sum of them has no more in any form."""
    scales = bcq(ROWS[:40], 3, terms).scales
    units = [int(s * 2**40) for s in scales.flat]
    assert [u / 2**40 for u in units] == scales.ravel().tolist()
    assert max((3 * u ^ u).bit_count() for u in units) == terms


def test_equal_weights_give_equal_codes_and_zero_is_plus() -> None:
    first, second = bcq(ROWS[:9], 3, 1), bcq(ROWS[:9].copy(), 3, 1)
    assert (first.signs == second.signs).all()
    assert (first.scales == second.scales).all()
    none = bcq(np.zeros((1, 3)), 2, 1)
    assert (none.scales.tolist(), none.signs.tolist()) == ([[0, 0]], [[[1, 1, 1]] * 2])


def test_what_it_makes_is_what_sign_planes_hold() -> None:
    """Power-of-two scales, as integers: no plane more than it was given."""
    for planes in (1, 2, 3):
        coded = bcq(ROWS[:20], planes, 1)
        for row, scales in zip(coded.values, coded.scales, strict=True):
            whole = row / scales.min()
            assert (whole == whole.astype(int)).all()
            found = fewest_planes(whole.astype(int))
            assert len(found.shifts) <= planes
            assert (found.doubled() == 2 * whole).all()


@pytest.mark.parametrize(
    ("weights", "planes", "terms"),
    [(np.zeros(3), 2, 1), (np.zeros((0, 3)), 2, 1), (np.full((1, 2), np.nan), 2, 1),
     (np.zeros((1, 2)), 0, 1), (np.zeros((1, 2)), 9, 1), (np.zeros((1, 2)), 2, 0)],
)  # fmt: skip
def test_what_has_no_meaning(weights: np.ndarray, planes: int, terms: int) -> None:
    with pytest.raises(OptionError, match="bcq needs"):
        bcq(weights, planes, terms)
