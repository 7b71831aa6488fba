"""`--approximate`: cheaper requantisation stays as near as it promised, and is never hidden."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.arith.staircase import Affine
from hlsgen.errors import Loc
from hlsgen.frontends import read_model
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.coarsen import coarsen, farthest
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.sim.run import run_graph
from hlsgen.sim.vectors import random_feeds
from hlsgen.sim.verify import verify

CNN = Path(__file__).parents[2] / "examples/digits_cnn/digits_cnn.onnx"


def _graph(slopes: list[Fraction], lo: int, hi: int, top: int) -> HwGraph:
    """One staircase of several rows."""
    rows = tuple(
        affine_steps(lo, hi, s, Fraction(k, 3), -top, top, Rounding.HALF_EVEN)
        for k, s in enumerate(slopes)
    )
    x = IntType.of((1, len(rows)), lo, hi)
    how = realise(rows, x.format, IntFormat.of_range(-top, top))
    op = Staircase(rows, np.arange(len(rows)).reshape(1, -1), how)
    node = Node(op, ("x",), ("y",), Loc("m.onnx", 0, "q", "QuantizeLinear"))
    return HwGraph("g", ("x",), ("y",), (node,), {"x": x, "y": op.infer(x)[0]})


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.fractions(Fraction(1, 400), Fraction(1, 3)), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(3, 100),
    st.booleans(),
)
def test_every_code_is_near_and_within_the_old_ends(
    slopes: list[Fraction], codes: int, top: int, falling: bool
) -> None:
    graph = _graph([-s if falling else s for s in slopes], -700, 900, top)
    (old,), (new,) = (tuple(n.op for n in g.nodes) for g in (graph, coarsen(graph, codes)))
    assert isinstance(old, Staircase)
    assert isinstance(new, Staircase)
    n = np.arange(-700, 901)
    for r, (a, b) in enumerate(zip(old.rows, new.rows, strict=True)):
        want, got = a.evaluate(n), new.realisation.evaluate(np.full(n.shape, r), n)
        assert np.array_equal(got, b.evaluate(n))
        assert np.abs(got - want).max() <= codes
        assert want.min() <= got.min() <= got.max() <= want.max()
    assert new.realisation.cost().total <= old.realisation.cost().total


def test_a_code_of_freedom_saves_digits() -> None:
    graph = _graph([Fraction(311, 4096), Fraction(277, 4096)], -3000, 3000, 127)
    (old,), (new,) = (tuple(n.op for n in g.nodes) for g in (graph, coarsen(graph, 1)))
    assert isinstance(old, Staircase)
    assert isinstance(new, Staircase)
    assert isinstance(old.realisation, Affine)
    assert isinstance(new.realisation, Affine)
    assert sum(map(csd_weight, new.realisation.m)) < sum(map(csd_weight, old.realisation.m))
    assert farthest(old.rows, new.rows) == 1


def test_verification_says_what_was_approximated() -> None:
    model = read_model(CNN)
    network = lower(model, LowerOptions(approximate=2))
    assert network.exact is not None
    assert any("at most 2 codes off" in note for note in network.notes)
    feeds = random_feeds(network, 24, 3)
    verdict = verify(network, feeds, path=CNN).engines["python"]
    assert verdict.wrong == 0
    assert verdict.approximated > 0
    assert verdict.elements == verdict.equal + verdict.explained + verdict.approximated


@pytest.mark.parametrize("off", [1, -1])
def test_an_engine_that_is_not_the_approximated_graph_is_wrong(off: int) -> None:
    network = lower(read_model(CNN), LowerOptions(approximate=2))
    feeds = random_feeds(network, 4, 3)

    def engine(codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: y + off for name, y in run_graph(network.graph, codes).items()}

    assert verify(network, feeds, engines={"off": engine}, path=CNN).engines["off"].wrong  # pyright: ignore[reportArgumentType]
