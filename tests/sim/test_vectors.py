"""Samples drawn without data: as many as asked, of the input's type, on ties and at limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hlsgen.sim.vectors import random_feeds
from hlsgen.sim.verify import verify
from tests.sim import small


@pytest.mark.parametrize("samples", [0, 1, 5, 6, 13])
def test_number_of_samples(tmp_path: Path, samples: int) -> None:
    net = small.powers_of_two(tmp_path / "model.onnx")
    assert random_feeds(net, samples, 1)["x"].shape == (samples, 1, 24)


def test_ties_and_limits_of_the_first_quantiser(tmp_path: Path) -> None:
    net = small.powers_of_two(tmp_path / "model.onnx")
    codes = random_feeds(net, 600, 1)["x"] / 2.0**-5 + 3
    ties = codes[2::6]
    assert (ties % 1 == 0.5).all()
    assert (ties.min(), ties.max()) == (-128.5, 127.5)
    assert len(np.unique(ties)) == 257
    limits = codes[5::6]
    assert set(np.unique(limits)) == {e + d for e in (-128, 127) for d in (-1, -0.5, 0, 0.5, 1)}


def test_values_are_of_the_inputs_type(tmp_path: Path) -> None:
    net = small.free_scales(tmp_path / "model.onnx")
    x = random_feeds(net, 60, 1)["x"]
    assert (x == x.astype(np.float32)).all()
    ties = x[2::6] / np.float64(np.float32(0.0313))
    off = np.abs(np.abs(ties % 1) - 0.5)  # no tie that a float32 division would have to guess
    assert off.max() < 2e-4
    assert off[np.abs(ties) > 1].min() > 1e-6


def test_they_verify(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for make in (small.free_scales, small.powers_of_two):
        net = make(path)
        assert verify(net, random_feeds(net, 600, 1), path=path).wrong == 0
