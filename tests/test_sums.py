"""Widths of adders: every node and accumulator as wide as the values that it meets, no wider."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, reference, write

from hlsgen.build.gpp import FLAGS, compile_csim, run_csim
from hlsgen.emit.hls import HlsOptions, Io, design_of, emit_hls
from hlsgen.emit.sums import terms
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.sum_pool import SumPool

RNG = np.random.default_rng(7)
LO, HI = np.array([-3, 0, 2, -9, 0, -1]), np.array([4, 1, 7, -2, 0, 6])
MATMUL = MatMul(RNG.integers(-9, 10, (6, 4)), RNG.integers(-40, 40, 4))
WINDOW = Window((1, 2), (1, 1), (1, 1), (0, 0), (0, 0))
EXACT = (*FLAGS, "-O0", "-DHLSGEN_EXACT")
X = IntType.of((1, 6), LO[None], HI[None])


def _corners() -> np.ndarray:
    """Every input at one of its ends: a sum of products is greatest and least there."""
    return np.array(list(itertools.product(*zip(LO, HI, strict=True))))


def _nodes(begin: int, end: int) -> list[tuple[int, int]]:
    middle = begin + (end - begin) // 2
    below = [] if end - begin == 1 else _nodes(begin, middle) + _nodes(middle, end)
    return [(begin, end), *below]


def test_nodes_are_as_wide_as_what_they_meet() -> None:
    found = terms(MATMUL, X)
    assert found is not None
    products = _corners()[:, :, None] * MATMUL.weights  # corner, k, column
    for (begin, end), got in zip(_nodes(0, 6), found.tree(6).ranges, strict=True):
        sums = products[:, begin:end].sum(axis=1)
        assert got == (sums.min(), sums.max())


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_folded_sums_share_one_tree_and_one_accumulator(lanes: int) -> None:
    found = terms(MATMUL, X)
    assert found is not None
    products = _corners()[:, :, None] * MATMUL.weights
    parts = products.reshape(len(products), -1, lanes, 4)
    for (begin, end), got in zip(_nodes(0, lanes), found.tree(lanes).ranges, strict=True):
        sums = parts[:, :, begin:end].sum(axis=2)
        assert got == (sums.min(), sums.max())
    kept = MATMUL.bias + np.cumsum(parts.sum(axis=2), axis=1)
    kept = np.concatenate((np.broadcast_to(MATMUL.bias, kept[:, :1].shape), kept), axis=1)
    assert found.accumulated(lanes) == (kept.min(), kept.max())


def test_a_streamed_window_comes_tap_by_tap() -> None:
    op = Conv(RNG.integers(-9, 10, (2, 3, 1, 2)), np.array([5, -60]), WINDOW)
    lo, hi = (v[:3].reshape(1, 3, 1, 1) for v in (LO, HI))
    b = Builder("g", x=IntType.of((1, 3, 1, 5), lo, hi))
    y = b.add(op, "x")
    design = design_of(b.graph(y), HlsOptions(io=Io.STREAM, folding={y: (1, 1)}))
    (sums,) = design.sums.values()
    assert sums is not None
    met: list[tuple[int, int]] = []
    for o in range(2):
        bias = int(op.bias[o])
        met.append((bias, bias))
        for tap, c in itertools.product(range(2), range(3)):
            ends = [int(op.weights[o, c, 0, tap]) * int(e[c]) for e in (LO, HI)]
            met.append((met[-1][0] + min(ends), met[-1][1] + max(ends)))
    assert sums.accumulated == (min(m[0] for m in met), max(m[1] for m in met))


@pytest.mark.parametrize(
    "op", [SumPool(WINDOW), SumPool(Window((1, 2), (1, 1), (1, 1), (0, 1), (0, 0)), 7),
           Reduce(Reduction.SUM, (2, 3), True), Reduce(Reduction.SUM, (1,), False)],
    ids=["pool", "padded pool", "plane", "channels"],
)  # fmt: skip
def test_bounds_that_vary_along_other_axes(op: HwOp) -> None:
    """One least code for all channels, a greatest one for each."""
    hi = np.array([1, 9, 4]).reshape(1, 3, 1, 1)
    x = IntType.of((1, 3, 2, 3), -2, hi)
    b = Builder("g", x=x)
    graph = b.graph(b.add(op, "x"))
    for io in Io:
        (sums,) = design_of(graph, HlsOptions(io=io)).sums.values()
        assert sums is not None
        extremes = np.concatenate([
            op.evaluate(np.broadcast_to(v, (1, *x.shape)), types=(x,))[0].ravel()
            for v in (x.lo, x.hi)
        ])  # fmt: skip
        assert sums.accumulated[0] <= extremes.min()
        assert sums.accumulated[1] == max(extremes.max(), 0)
        if io is Io.PARALLEL:
            assert sums.total == (extremes.min(), extremes.max())


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("node", [None, 0, 1, 4, 6, 10])
def test_one_bit_less_anywhere_is_too_little(node: int | None, tmp_path: Path) -> None:
    """The tree of the emitted C++, node by node, where all inputs are at their ends."""
    b = Builder("g", x=X)
    graph = b.graph(b.add(MATMUL, "x"))
    folder = write(emit_hls(graph, HlsOptions()), tmp_path / "project")
    if node is not None:
        (layer,) = (folder / "src/layers").iterdir()
        head, bits, tail = re.split(r"(?<=bits\[11\] = \{)([^}]*)", layer.read_text())
        widths = [int(v) for v in bits.split(",")]
        widths[node] -= 1 if widths[node] > 0 else -1
        layer.write_text(head + ", ".join(map(str, widths)) + tail)
    inputs = {"x": _corners()[:, None, :]}
    got = run_csim(compile_csim(folder, flags=EXACT), graph, inputs)
    assert bool(differing(got, reference(graph, inputs))) is (node is not None)
