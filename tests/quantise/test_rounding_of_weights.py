"""Rounding of weights: against every choice of codes there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.quantise.rounding import damped, rounded, target
from hlsgen.quantise.scheme import Rounding, Scales
from hlsgen.quantise.weight_scales import weight_scales

MOST = 3
CODES = WeightFormat(3)


def drawn(seed: int, inputs: int, outputs: int = 4):
    """Rows, scales, and the second moment of correlated inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, inputs)) @ rng.standard_normal((inputs, inputs))
    rows = rng.standard_normal((outputs, inputs))
    return rows, np.abs(rows).max(axis=1) / MOST, x.T @ x / len(x)


def nearest(rows, scales, most) -> np.ndarray:
    return np.clip(np.round(rows / scales[:, None]), -most, most)


def loss(codes, rows, scales, square) -> np.ndarray:
    d = codes * scales[:, None] - rows
    return np.einsum("rk,kl,rl->r", d, square, d)


@pytest.mark.parametrize("seed", range(6))
def test_learned_rounding_comes_near_the_best_codes(seed: int) -> None:
    rows, scales, square = drawn(seed, 5)
    h = damped(square)
    every = np.array(list(product(range(-MOST, MOST + 1), repeat=5)), float)
    best = np.array(
        [
            np.einsum("nk,kl,nl->n", every * scale - row, h, every * scale - row).min()
            for row, scale in zip(rows, scales, strict=True)
        ]
    )
    plain = loss(nearest(rows, scales, MOST), rows, scales, h)
    for how in (Rounding.ADAROUND, Rounding.GPTQ):
        codes = rounded(rows, scales, CODES, square, how)
        assert np.abs(codes).max() <= MOST
        found = loss(codes, rows, scales, h)
        assert (found >= best - 1e-9).all()
        assert found.sum() <= plain.sum() + 1e-9
    assert found.sum() - best.sum() <= 0.5 * (plain.sum() - best.sum())


@pytest.mark.parametrize("how", [Rounding.ADAROUND, Rounding.GPTQ])
def test_no_single_change_helps(how: Rounding) -> None:
    rows, scales, square = drawn(11, 12)
    codes = rounded(rows, scales, CODES, square, how)
    h = damped(square)
    here = loss(codes, rows, scales, h)
    below = np.floor(rows / scales[:, None])
    for j in range(12):
        for step in (-1, 1):
            moved = codes.copy()
            moved[:, j] += step
            allowed = np.abs(moved[:, j]) <= MOST
            if how is Rounding.ADAROUND:
                allowed &= (moved[:, j] >= below[:, j]) & (moved[:, j] <= below[:, j] + 1)
            assert (loss(moved, rows, scales, h)[allowed] >= here[allowed] - 1e-9).all()


def test_adaround_takes_one_of_the_two_neighbours() -> None:
    rows, scales, square = drawn(5, 9)
    codes = rounded(rows, scales, CODES, square, Rounding.ADAROUND)
    assert (np.abs(codes - rows / scales[:, None]) < 1 + 1e-9).all()


def test_independent_inputs_round_to_nearest() -> None:
    rows, scales, _ = drawn(2, 8)
    square = np.diag(np.arange(1.0, 9.0))
    for how in Rounding:
        codes = rounded(rows, scales, CODES, square, how)
        np.testing.assert_array_equal(codes, nearest(rows, scales, MOST))


def test_target_undoes_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 6))
    xq = 0.5 * x  # the weights have to double
    rows = rng.standard_normal((3, 6))
    moved = target(rows, xq.T @ xq / 5000, xq.T @ x / 5000)
    np.testing.assert_allclose(moved, 2 * rows, atol=0.1 * np.abs(rows).max())


@pytest.mark.parametrize("scales", [Scales.FREE, Scales.PO2])
def test_scales_err_less_than_those_that_clip_nothing(scales: Scales) -> None:
    rows = np.random.default_rng(1).standard_normal((8, 300))
    ones = np.ones(300)
    found = weight_scales(rows, WeightFormat(4), ones, scales)
    whole = np.abs(rows).max(axis=1) / 7
    if scales is Scales.PO2:
        assert (np.log2(found) == np.floor(np.log2(found))).all()
        whole = 2 ** np.ceil(np.log2(whole))
    error = [((nearest(rows, s, 7) * s[:, None] - rows) ** 2).sum() for s in (found, whole)]
    assert error[0] < error[1]
    mantissas = np.frexp(found)[0] * 2**12
    assert (mantissas == np.round(mantissas)).all()


# -- K-hot codes -------------------------------------------------------------------------------


def sums_of_powers(bits: int, digits: int) -> np.ndarray:
    """Every sum of at most so many signed powers of two within the codes of so many bits."""
    most = 2 ** (bits - 1) - 1
    terms = [0, *(sign << e for e in range(bits) for sign in (1, -1))]
    return np.array(sorted({s for t in product(terms, repeat=digits) if abs(s := sum(t)) <= most}))


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_khot_codes_are_the_sums_and_the_nearest_is_the_nearest(bits: int, digits: int) -> None:
    codes, every = WeightFormat(bits, digits), sums_of_powers(bits, digits)
    assert (codes.count, codes.most) == (len(every), every[-1])
    rng = np.random.default_rng(bits)
    x = np.concatenate([rng.normal(size=500) * 2.0 ** (bits - 2), np.arange(-300, 300) / 2])
    found = codes.nearest(x)
    assert np.isin(found, every).all()
    np.testing.assert_array_equal(np.abs(found - x), np.abs(every - x[:, None]).min(axis=1))
    np.testing.assert_array_equal(codes.nearest(-x), -found)
    below, above = codes.around(np.clip(x, every[0], every[-1]))
    assert np.isin([below, above], every).all()
    assert ((below <= found) & (found <= above)).all()
    assert not any(((every > b) & (every < a)).any() for b, a in zip(below, above, strict=True))


def test_halfway_the_code_of_more_twos_is_taken_as_ties_go_to_even() -> None:
    halves = np.arange(-7, 7) + 0.5
    np.testing.assert_array_equal(WeightFormat(4, 2).nearest(halves), np.round(halves))
    x = np.array([3, 6, 13, 29, 26, -13])
    assert WeightFormat(8, 1).nearest(x[:2]).tolist() == [4, 8]
    assert WeightFormat(8, 2).nearest(x[2:]).tolist() == [12, 28, 24, -12]


@pytest.mark.parametrize("digits", [1, 2])
@pytest.mark.parametrize("how", list(Rounding))
def test_khot_rounding_stays_in_its_codes_and_comes_near_the_best(
    how: Rounding, digits: int
) -> None:
    codes, every = WeightFormat(5, digits), sums_of_powers(5, digits).astype(float)
    rows, scales, square = drawn(1, 4)
    scales, h = scales * MOST / codes.most, damped(square)
    found = rounded(rows, scales, codes, square, how)
    assert np.isin(found, every).all()
    wholes = np.stack(np.meshgrid(*[every] * 4), axis=-1).reshape(-1, 4)
    best = [
        np.einsum("nk,kl,nl->n", d := wholes * s - row, h, d).min()
        for row, s in zip(rows, scales, strict=True)
    ]
    plain = loss(codes.nearest(rows / scales[:, None]), rows, scales, h)
    here = loss(found, rows, scales, h)
    assert (here >= np.array(best) - 1e-9).all()
    if how is Rounding.NEAREST:
        np.testing.assert_array_equal(here, plain)
    else:
        assert here.sum() < plain.sum()
    if how is Rounding.ADAROUND:
        x = rows / scales[:, None]
        inside = np.abs(x) < codes.most
        between = (every > np.minimum(found, x)[..., None]) & (
            every < np.maximum(found, x)[..., None]
        )
        assert not between[inside].any()


@pytest.mark.parametrize("kind", [Scales.FREE, Scales.PO2])
@pytest.mark.parametrize("digits", [1, 2])
def test_scales_of_khot_weights_see_their_codes(digits: int, kind: Scales) -> None:
    """Better than scales for all codes of as many bits, and than cutting those codes down."""
    rows = np.random.default_rng(4).standard_normal((16, 200))
    codes, ones = WeightFormat(6, digits), np.ones(200)
    own, plain = (weight_scales(rows, w, ones, kind)[:, None] for w in (codes, WeightFormat(6)))
    cut = np.round(rows / plain).clip(-31, 31)
    towards_zero = codes.around(np.abs(cut))[0] * np.sign(cut)
    errors = [((q - rows) ** 2).sum() for q in (
        codes.nearest(rows / own) * own, codes.nearest(rows / plain) * plain, towards_zero * plain,
    )]  # fmt: skip
    assert errors[0] <= errors[1] < 0.8 * errors[2]
