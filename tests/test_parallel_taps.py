"""Windows whose taps come one by one, column by column or all at once: the same integers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, reference, simulate, stimuli

from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.steps import Steps
from hlsgen.build.gpp import FLAGS
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.folding import Folding, work_of
from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.staircase import Staircase
from tests.schedule.test_hls_depths import bounded, planned, seen

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
# Kernel, strides, dilations, borders: with and without each, strides beyond the kernel among them.
WINDOWS = (
    ((3, 3), (1, 1), (1, 1), (1, 1)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 2), (1, 2), (1, 1), (0, 1)),
    ((2, 3), (2, 1), (2, 1), (1, 0)),
    ((1, 3), (1, 1), (1, 1), (0, 1)),
    ((3, 1), (2, 3), (1, 1), (1, 0)),
    ((1, 1), (2, 2), (1, 1), (0, 0)),
    ((1, 1), (1, 1), (1, 1), (0, 0)),
    ((2, 2), (3, 3), (1, 1), (0, 0)),
    ((3, 3), (1, 1), (2, 2), (2, 2)),
)


def convolutions(windows: tuple[tuple[tuple[int, int], ...], ...]) -> HwGraph:
    """Each window twice, named after how many of its taps shall come at once."""
    b = Builder("taps", image=IntType.of((2, 3, 7, 6), -8, 7))
    made: list[str] = []
    for k, (kernel, strides, dilations, pads) in enumerate(windows):
        rng = np.random.default_rng(k)
        window = Window(kernel, strides, dilations, pads, pads)
        weights = rng.integers(-8, 8, (4, 3, *kernel))
        for name in ("one", "column", "whole"):
            op = Conv(weights, rng.integers(-9, 9, 4), window, 1, 2)
            made.append(b.add(op, "image", name=f"{name}_{k}"))
    return b.graph(*made)


def foldings(graph: HwGraph) -> dict[str, Folding]:
    found: dict[str, Folding] = {}
    for node in graph.nodes:
        todo = work_of(graph, node)
        name = node.output.partition("_")[0]
        taps = todo.taps or (3,)
        simd = {"one": 1, "column": taps[0], "whole": taps[-1]}[name]
        found[node.output] = (3 if name == "one" else 4, simd)
    return found


def test_taps_at_once_change_no_bit(tmp_path: Path) -> None:
    graph = convolutions(WINDOWS)
    options = HlsOptions(io=Io.STREAM, folding=foldings(graph))
    inputs = stimuli(graph, 5)
    got = simulate(graph, options, tmp_path, inputs, flags=(*FLAGS, "-O0"))
    assert differing(got, reference(graph, inputs)) == []


def test_moves_are_those_of_the_schedule(tmp_path: Path) -> None:
    """What each process reads and writes, in its order, with bounded FIFOs."""
    graph = convolutions(WINDOWS[1:4])
    options = HlsOptions(io=Io.STREAM, folding=foldings(graph))
    assert bounded(graph, tmp_path, {}, 60, options) == []
    assert seen(tmp_path / "moves", graph, options) == planned(graph, options)


def test_one_bit_products_with_all_taps_at_once(tmp_path: Path) -> None:
    """Codes of weights follow the order of the taps."""
    b = Builder("bits", x=IntType.of((1, 2, 5, 5), -9, 14))
    t = b.types["x"]
    step = Steps(t.min, t.max, -1, np.array([1]), np.array([2]))
    how = realise((step,), t.format, IntFormat.of_range(-1, 1), "auto")
    x = b.add(Staircase((step,), np.zeros((1, 1, 1, 1), np.int64), how), "x")
    window = Window((3, 2), (1, 1), (1, 1), (1, 1), (1, 0))
    weights = np.random.default_rng(1).choice([-1, 1], (5, 2, 3, 2))
    y = b.add(Conv(weights, np.arange(5), window, 1, 1), x, name="y")
    graph = b.graph(y)
    inputs = stimuli(graph, 8)
    for simd in (6, 12):
        options = HlsOptions(io=Io.STREAM, folding={y: (3, simd)}, arithmetic={y: Arithmetic.XNOR})
        got = simulate(graph, options, tmp_path / str(simd), inputs)
        assert differing(got, reference(graph, inputs)) == []


def test_a_place_a_clock() -> None:
    """With whole windows a row of W places takes W clocks and the columns of its first window."""
    b = Builder("fast", x=IntType.of((1, 2, 16, 16), 0, 15))
    window = Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    y = b.add(Conv(np.ones((3, 2, 3, 3), np.int64), np.zeros(3, np.int64), window), "x")
    plan = design_of(b.graph(y), HlsOptions(io=Io.STREAM, folding={y: (3, 18)})).plan
    assert plan.interval == 2 * 16 + 16 * (16 + 2)
