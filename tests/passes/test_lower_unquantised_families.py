"""Networks whose tensors stay real for a while: skip paths, clips and Concats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes.families import Families, Family, lowers_exactly
from tests.passes.sketch import Sketch

family = Families()


def normalised(g: Sketch, x: str, channels: int, size: int = 1) -> str:
    """Conv and batch normalisation without a quantiser behind: an irrational factor a channel."""
    inner = g.weight(channels, channels, size, size, style="qdq")
    return g.bn(g.conv(x, inner, pads=[size // 2] * 4), channels)


@family
def clipped_batch_normalisation_on_a_skip_path() -> Sketch:
    """Exports of NVIDIA modelopt: the quantiser stands on the branch only."""
    g = Sketch(60)
    x = g.qdq(g.feed((1, 3, 4, 4)), 0.03)
    skip = g.do("Clip", normalised(g, x, 3), 0.0, 6.0)
    y = normalised(g, g.qdq(skip, 6 / 127), 3)
    return g.out(g.qdq(g.do("Add", skip, y), 0.05))


@family
def clips_on_both_sides_of_a_sum_and_behind_it() -> Sketch:
    g = Sketch(61)
    x = g.qdq(g.feed((1, 3, 3, 3)), 0.03)
    a = g.do("Relu", normalised(g, x, 3))
    b = g.do("Clip", normalised(g, x, 3), -0.75, 1.5)
    y = g.do("Add", g.do("Mul", a, -0.5), b)
    return g.out(g.qdq(g.do("Clip", y, -1.0, 1.25), 0.0125))


@family
def three_channels_clip_and_ties() -> Sketch:
    """A skip path that is 0 half of the time, next to a tensor whose codes round at a tie."""
    g = Sketch(62)
    x = g.qdq(g.feed((1, 3, 3, 3)), 0.125)
    skip = g.do("Clip", normalised(g, x, 3), 0.0, 2.0)
    return g.out(g.qdq(g.do("Add", skip, x), 0.25))


@family
def residual_of_two_batch_normalisations() -> Sketch:
    g = Sketch(63)
    x = g.qdq(g.feed((1, 3, 5, 5)), 0.03)
    y = g.do("Add", normalised(g, x, 3, 3), normalised(g, x, 3))
    return g.out(g.qdq(g.do("Relu", y), 0.04, -128))


@family
def concat_of_silu_and_of_a_sum() -> Sketch:
    """The parts of a Concat are quantised behind it; no integers hold any of them before."""
    g = Sketch(64)
    x = g.qdq(g.feed((1, 2, 4, 4)), 0.05)
    a = normalised(g, x, 2)
    silu = g.do("Mul", a, g.do("Sigmoid", a))
    total = g.do("Add", normalised(g, x, 2), normalised(g, x, 2))
    y = g.do("Concat", silu, total, x, axis=1)
    scales = np.linspace(0.03, 0.05, 6).astype(np.float32)
    return g.out(g.qdq(y, scales, np.zeros(6, np.int64)), g.qdq(g.do("Relu", y), 0.02))


@family
def moved_before_it_is_quantised() -> Sketch:
    """Slice, Transpose, Resize, Pad and Flatten between a Concat and its quantiser."""
    g = Sketch(65)
    x = g.qdq(g.feed((1, 2, 3, 3)), 0.05)
    total = g.do("Add", normalised(g, x, 2), normalised(g, x, 2))
    y = g.do("Concat", total, g.do("Sigmoid", x), axis=1)
    axes = [np.array([v]) for v in (1, 4, 1)]
    z = g.do("Transpose", g.do("Slice", y, *axes), perm=[0, 2, 3, 1])
    r = g.node("Resize", [y, "", g.const(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    p = g.do("Pad", y, np.array([0, 1, 1, 0, 0, 0, 0, 2]), 0.5)
    flat = g.do("Add", g.do("Flatten", y), g.vector(36))
    return g.out(*(g.qdq(v, 0.04) for v in (z, r, p, flat)))


@family
def a_border_round_a_sum() -> Sketch:
    g = Sketch(66)
    x = g.qdq(g.feed((1, 2, 3, 3)), 0.05)
    total = g.do("Add", normalised(g, x, 2), normalised(g, x, 2))
    y = g.qdq(g.do("Pad", total, np.array([0, 0, 1, 1, 0, 0, 1, 1]), -0.25), 0.05)
    return g.out(g.qdq(g.conv(y, g.weight(2, 2, 3, 3, style="qdq")), 0.05))


@family
def pooled_before_it_is_quantised() -> Sketch:
    """Sums over the picture of what batch normalisation and ReLU leave."""
    g = Sketch(68)
    x = g.qdq(g.feed((1, 3, 4, 4)), 0.05)
    relu = g.do("Relu", normalised(g, x, 3))
    y = g.do("GlobalAveragePool", relu)
    z = g.do("AveragePool", g.do("Clip", normalised(g, x, 3), -0.5, 1.0), kernel_shape=[2, 2])
    total = g.do("Add", relu, normalised(g, x, 3))
    v = g.do("ReduceMean", total, np.array([2, 3]), keepdims=0)
    return g.out(*(g.qdq(t, 0.03) for t in (y, z, v)))


@family
def pooled_with_turned_and_dead_channels() -> Sketch:
    """Factors below zero, limits beyond every value that occurs, steps wider than a code."""
    g = Sketch(69)
    x = g.qdq(g.feed((1, 4, 2, 2), n=8), 0.25)
    parts = [np.array(v, np.float32) for v in ([0.7, -0.4, 0.01, 0.02], [0.3, 0.1, -9, 9])]
    names = [g.const(v) for v in parts]
    y = g.node("BatchNormalization", [x, *names, g.vector(4), g.vector(4, 0.2, 3)])
    return g.out(g.qdq(g.do("GlobalAveragePool", g.do("Clip", y, 0.0, 1.0)), 1 / 255, 0, "uint8"))


@family
def concat_at_the_end_stays_on_the_host() -> Sketch:
    g = Sketch(67)
    x = g.qdq(g.feed((1, 2, 3, 3)), 0.05)
    total = g.do("Add", normalised(g, x, 2), normalised(g, x, 2))
    return g.out(g.do("Concat", total, g.do("Sigmoid", x), axis=1))


@pytest.mark.parametrize("make", family.members, ids=lambda f: f.__name__)
def test_family(make: Family, tmp_path: Path) -> None:
    lowers_exactly(make, tmp_path)
