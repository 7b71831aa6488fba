"""Rounding of weights: against every choice of codes there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hlsgen.quantise.rounding import damped, nearest, rounded, target
from hlsgen.quantise.scheme import Rounding, Scales
from hlsgen.quantise.weight_scales import weight_scales

MOST = 3


def drawn(seed: int, inputs: int, outputs: int = 4):
    """Rows, scales, and the second moment of correlated inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, inputs)) @ rng.standard_normal((inputs, inputs))
    rows = rng.standard_normal((outputs, inputs))
    return rows, np.abs(rows).max(axis=1) / MOST, x.T @ x / len(x)


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
        codes = rounded(rows, scales, MOST, square, how)
        assert np.abs(codes).max() <= MOST
        found = loss(codes, rows, scales, h)
        assert (found >= best - 1e-9).all()
        assert found.sum() <= plain.sum() + 1e-9
    assert found.sum() - best.sum() <= 0.5 * (plain.sum() - best.sum())


@pytest.mark.parametrize("how", [Rounding.ADAROUND, Rounding.GPTQ])
def test_no_single_change_helps(how: Rounding) -> None:
    rows, scales, square = drawn(11, 12)
    codes = rounded(rows, scales, MOST, square, how)
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
    codes = rounded(rows, scales, MOST, square, Rounding.ADAROUND)
    assert (np.abs(codes - rows / scales[:, None]) < 1 + 1e-9).all()


def test_independent_inputs_round_to_nearest() -> None:
    rows, scales, _ = drawn(2, 8)
    square = np.diag(np.arange(1.0, 9.0))
    for how in Rounding:
        codes = rounded(rows, scales, MOST, square, how)
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
    found = weight_scales(rows, 7, ones, scales)
    whole = np.abs(rows).max(axis=1) / 7
    if scales is Scales.PO2:
        assert (np.log2(found) == np.floor(np.log2(found))).all()
        whole = 2 ** np.ceil(np.log2(whole))
    error = [((nearest(rows, s, 7) * s[:, None] - rows) ** 2).sum() for s in (found, whole)]
    assert error[0] < error[1]
    mantissas = np.frexp(found)[0] * 2**12
    assert (mantissas == np.round(mantissas)).all()
