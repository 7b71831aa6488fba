"""Smaller constants of a join leave every pair of operands its code."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.errors import Loc
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.shrink_joins import shrink_joins
from hlsgen.sim.run import run_graph


def join(
    factors: list[tuple[int, int]], slopes: list[Fraction], a: tuple[int, int], b: tuple[int, int],
    codes: tuple[int, int],
) -> HwGraph:  # fmt: skip
    """clip(round(slope * (f1*a + f2*b) + offset)) per channel, as the lowering writes it."""
    channels = len(factors)
    types = {"a": IntType.of((1, channels, 1), *a), "b": IntType.of((1, channels, 1), *b)}
    columns = [np.array([f[k] for f in factors]).reshape(1, -1, 1) for k in range(2)]
    linear = Linear(tuple(columns), np.zeros((1, 1, 1), np.int64))
    (types["s"],) = linear.infer(types["a"], types["b"])
    s = types["s"]
    rows = tuple(
        affine_steps(s.min, s.max, k, Fraction(i, 7), *codes, Rounding.HALF_EVEN)
        for i, k in enumerate(slopes)
    )
    out = IntFormat.of_range(*codes)
    stairs = Staircase(rows, np.arange(channels).reshape(1, -1, 1), realise(rows, s.format, out))
    (types["y"],) = stairs.infer(s)
    nodes = (
        Node(linear, ("a", "b"), ("s",), Loc("test")),
        Node(stairs, ("s",), ("y",), Loc("test")),
    )
    return HwGraph("join", ("a", "b"), ("y",), nodes, types)


def all_pairs(graph: HwGraph) -> dict[str, np.ndarray]:
    a, b = graph.types["a"], graph.types["b"]
    grid = np.meshgrid(np.arange(a.min, a.max + 1), np.arange(b.min, b.max + 1), indexing="ij")
    wide = [np.repeat(g.reshape(-1, 1, 1), a.shape[1], axis=1) for g in grid]
    return {"a": wide[0], "b": wide[1]}


@pytest.mark.parametrize("seed", range(12))
def test_every_pair_keeps_its_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = int(rng.integers(1, 4))
    factors = [tuple(int(v) for v in rng.integers(1 << 22, 1 << 24, 2)) for _ in range(channels)]
    signs = rng.choice((-1, 1), channels)
    factors = [(f1, int(s) * f2) for (f1, f2), s in zip(factors, signs, strict=True)]
    slopes = [Fraction(int(rng.integers(1 << 23, 1 << 24)), 1 << 47) for _ in range(channels)]
    ranges = ((0, 255), (-128, 127)) if seed % 2 else ((-2048, 2047), (0, 63))
    graph = join(factors, slopes, *ranges, (0, 255) if seed % 3 else (-8, 7))
    smaller = shrink_joins(graph)
    pairs = all_pairs(graph)
    np.testing.assert_array_equal(run_graph(graph, pairs)["y"], run_graph(smaller, pairs)["y"])
    before, after = (g.nodes[0].op for g in (graph, smaller))
    assert isinstance(before, Linear)
    assert isinstance(after, Linear)
    assert max(int(np.abs(f).max()) for f in after.factors) < 1 << 22
    assert smaller.types["s"].format.width < graph.types["s"].format.width


def test_an_offset_one_beyond_its_interval_is_wrong_somewhere() -> None:
    graph = join([(12345677, 9876543)], [Fraction(3000017, 1 << 46)], (0, 255), (0, 255), (0, 255))
    smaller = shrink_joins(graph)
    stairs = smaller.nodes[1].op
    linear = smaller.nodes[0].op
    assert isinstance(stairs, Staircase)
    assert isinstance(linear, Linear)
    pairs = all_pairs(graph)
    want = run_graph(graph, pairs)["y"].ravel()
    m1, m2 = (int(f.flat[0]) for f in linear.factors)
    how = stairs.realisation
    sums = m1 * pairs["a"].ravel() + m2 * pairs["b"].ravel()

    def equal(c: int) -> bool:
        return bool(np.array_equal(np.clip((sums + c) >> how.shift, 0, 255), want))

    right = how.b[0]
    assert equal(right)
    wrong = [d for d in (-(1 << how.shift), 1 << how.shift) if equal(right + d)]
    assert not wrong


def test_a_sum_that_others_read_stays() -> None:
    graph = join([(12345677, 9876543)], [Fraction(3, 1 << 26)], (0, 15), (0, 15), (0, 15))
    shown = HwGraph(graph.name, graph.inputs, ("y", "s"), graph.nodes, graph.types)
    assert shrink_joins(shown).nodes[0].op is graph.nodes[0].op
