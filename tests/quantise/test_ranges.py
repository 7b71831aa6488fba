"""Ranges: every quantiser against the values it was made for."""

from __future__ import annotations

import numpy as np
import pytest

from hlsgen.quantise.ranges import activation, histogram_of, on_a_grid
from hlsgen.quantise.scheme import Ranges, Scales, Scheme


def error(x: np.ndarray, scheme: Scheme) -> float:
    return float(((activation(histogram_of(x), scheme).rounded(x) - x) ** 2).mean())


HEAVY = np.random.default_rng(0).standard_t(3, 20000)


@pytest.mark.parametrize("scales", [Scales.FREE, Scales.PO2])
@pytest.mark.parametrize("x", [HEAVY, np.abs(HEAVY)], ids=["signed", "positive"])
def test_least_error_is_below_that_of_all_values(x: np.ndarray, scales: Scales) -> None:
    found = {r: error(x, Scheme(activations=4, ranges=r, scales=scales)) for r in Ranges}
    assert found[Ranges.MSE] < found[Ranges.MINMAX]
    assert found[Ranges.PERCENTILE] <= found[Ranges.MINMAX] * 1.01


@pytest.mark.parametrize("bits", [2, 5, 8, 16])
@pytest.mark.parametrize("scales", [Scales.FREE, Scales.PO2])
def test_minmax_clips_nothing_and_zero_has_a_code(bits: int, scales: Scales) -> None:
    x = np.concatenate([HEAVY, [0.0]])
    a = activation(histogram_of(x), Scheme(activations=bits, ranges=Ranges.MINMAX, scales=scales))
    assert np.abs(a.rounded(x) - x).max() <= a.scale * 1.01
    assert a.rounded(np.zeros(1))[0] == 0
    assert a.high - a.low == 2**bits - 1
    assert (a.low < 0) == (scales is Scales.PO2)


def test_percentile_leaves_out_what_it_says() -> None:
    x = np.linspace(-1, 1, 100_001)
    a = activation(histogram_of(x), Scheme(ranges=Ranges.PERCENTILE, percentile=90))
    assert a.rounded(np.array([5.0]))[0] == pytest.approx(0.9, abs=0.01)


def test_pixels_keep_their_codes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, 5000)
    a = on_a_grid((pixels / 255).astype(np.float32), Scheme())
    assert a is not None
    np.testing.assert_array_equal(np.round((pixels / np.float32(255)) / a.scale) + a.zero, pixels)
    assert on_a_grid(HEAVY, Scheme()) is None
    assert on_a_grid((pixels / 255).astype(np.float32), Scheme(activations=4)) is None


def test_a_value_that_is_always_zero_has_a_scale() -> None:
    for scales in (Scales.FREE, Scales.PO2):
        a = activation(histogram_of(np.zeros(9)), Scheme(scales=scales))
        assert a.scale > 0
        assert not a.rounded(np.zeros(3)).any()
