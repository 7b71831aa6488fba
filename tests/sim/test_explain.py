"""The error bounds hold, are zero where float32 is exact, and are not generous."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.ops.model.elementwise import Fn
from hlsgen.sim.explain import Explainer, exact_layers
from hlsgen.sim.layers import Evaluation
from hlsgen.sim.precision import SINGLE, Precision
from hlsgen.sim.real import Dot, Real, elementwise, lowest_bit
from hlsgen.sim.reference import Reference, float32, reference
from hlsgen.sim.replay import sequential
from tests.sim import small

numbers = st.floats(-1e6, 1e6, width=32).filter(lambda v: v == 0 or abs(v) > 1e-6)


@given(st.sampled_from([Fn.ADD, Fn.SUB, Fn.MUL, Fn.DIV]), numbers, numbers)
def test_arithmetic_stays_within_its_error(fn: Fn, a: float, b: float):
    if fn is Fn.DIV and b == 0:
        return
    x, y = np.array([a]), np.array([b])
    found = elementwise(fn, [Real.exact(x), Real.exact(y)], SINGLE)
    f, g = np.float32(a), np.float32(b)
    p, q = Fraction(float(f)), Fraction(float(g))
    with np.errstate(all="ignore"):
        computed, exact = {
            Fn.ADD: (f + g, p + q), Fn.SUB: (f - g, p - q), Fn.MUL: (f * g, p * q),
            Fn.DIV: (f / g, p / q if q else Fraction(0)),
        }[fn]  # fmt: skip
    distance = abs(Fraction(float(computed)) - exact)
    assert distance <= Fraction(float(found.error[0])) * (1 + Fraction(1, 2**20))
    assert (found.error[0] == 0) == (distance == 0)


@pytest.mark.parametrize("k", [3, 64, 700])
@pytest.mark.parametrize("likely", [8.0, 0.0])
def test_sums_stay_within_their_error(k: int, likely: float):
    rng = np.random.default_rng(k)
    x = rng.normal(size=(50, k)).astype(np.float32)
    w = rng.normal(size=(k, 20)).astype(np.float32)
    exact = x.astype(np.longdouble) @ w.astype(np.longdouble)
    found = Dot(SINGLE, likely)(Real.exact(x), Real.exact(w), np.matmul, k)
    for dot in (np.matmul, sequential(128, True), sequential(1 << 30, False)):
        distance = np.abs(dot(x, w).astype(np.longdouble) - exact)
        assert (distance <= found.error).all()
    assert (found.error > 0).all()


def test_sums_of_small_integers_are_exact():
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (30, 500)) * 2.0**-7
    w = rng.integers(-8, 8, (500, 5)) * 2.0**-3
    found = Dot(SINGLE)(Real.exact(x), Real.exact(w), np.matmul, 500)
    assert found.is_exact
    wide = Dot(SINGLE)(Real.exact(x * 4097), Real.exact(w * 4097), np.matmul, 500)
    assert not wide.is_exact


@pytest.mark.parametrize("fn", [Fn.SIGMOID, Fn.TANH, Fn.EXP, Fn.ERF, Fn.SOFTPLUS, Fn.SQRT])
def test_functions_hand_errors_on(fn: Fn):
    x = np.linspace(0.01, 6, 500)[None]
    error = np.full(x.shape, 1e-4)
    found = elementwise(fn, [Real(x, error)], Precision(53))
    for shift in (-1e-4, 0, 1e-4):
        moved = elementwise(fn, [Real.exact(x + shift)], Precision(53))
        assert (np.abs(moved.value - found.value) <= found.error * (1 + 1e-9)).all()


def test_lowest_bit():
    assert lowest_bit(np.array([0.75, 6.0, 0.0])) == -2
    assert lowest_bit(np.zeros(3)) is None


def test_bounds_are_zero_for_powers_of_two(tmp_path: Path):
    net = small.powers_of_two(tmp_path / "model.onnx")
    feeds = small.inputs(net, 200, 2.0)
    seen: list[bool] = []

    def settle(layer):
        seen.append(bool((layer.low == layer.high).all()))
        return layer.code

    Evaluation(net.model, SINGLE, settle).run(feeds)
    assert seen == [True, True]


def test_a_code_beyond_the_bound_is_wrong(tmp_path: Path):
    net = small.free_scales(tmp_path / "model.onnx")
    feeds = small.inputs(net, 100, 1.0)
    exact = exact_layers(net.model, feeds)
    values = float32(net.model, feeds)
    codes = np.array(values["yq"])
    live = np.argwhere((codes > 5) & (codes < 250))[17]
    codes[tuple(live)] += 1
    found = Explainer(net.model, feeds, Reference({**values, "yq": codes}, "test"), exact).layers()
    assert list(found.bad) == [int(live[0])]
    (report,) = [r for r in found.layers if r.wrong]
    assert report.tensor == "yq"
    assert report.first_wrong is not None
    assert report.first_wrong[1] == tuple(int(v) for v in live[1:])


def test_few_elements_could_be_excused(tmp_path: Path):
    """The likely bound leaves hardly any code a choice."""
    net = small.free_scales(tmp_path / "model.onnx")
    feeds = small.inputs(net, 5000, 1.0)
    free: list[float] = []

    def settle(layer):
        free.append(float((layer.low != layer.high).mean()))
        return layer.code

    Evaluation(net.model, SINGLE, settle, likely=8.0).run(feeds)
    assert free[-1] < 2e-4


def test_every_restart_uses_the_references_codes(tmp_path: Path):
    """A first layer that differs by a whole code does not blur what is said of the second."""
    net = small.free_scales(tmp_path / "model.onnx")
    feeds = small.inputs(net, 20, 1.0)
    exact = exact_layers(net.model, feeds)
    moved = {"x": feeds["x"] + 0.0313}
    values = float32(net.model, moved)
    explainer = Explainer(net.model, feeds, Reference(values, "test"), exact)
    reports = {r.tensor: r for r in explainer.layers().layers}
    assert reports["xq"].wrong > 0
    assert "yq" not in reports


def test_too_many_differences_are_reported(tmp_path: Path):
    """Codes that differ far more often than float32 errors reach a tie get a warning."""
    net = small.free_scales(tmp_path / "model.onnx")
    feeds = small.inputs(net, 3000, 1.0)
    values = float32(net.model, feeds)
    codes = np.array(values["yq"])
    codes[:40, 0, 0] += 1
    reference_ = Reference({**values, "yq": codes}, "test")
    found = Explainer(net.model, feeds, reference_, exact_layers(net.model, feeds)).layers()
    assert any("were expected of float32" in w for w in found.warnings)


def test_runtime_reference_agrees(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    net = small.averages(path)
    feeds = small.inputs(net, 50, 0.8)
    explainer = Explainer(
        net.model, feeds, reference(net.model, feeds, path), exact_layers(net.model, feeds)
    )
    found = explainer.layers()
    assert not found.bad
    assert sum(r.explained for r in found.layers) > 0
