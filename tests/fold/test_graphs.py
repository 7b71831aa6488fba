"""Adder graphs as choices: guessed, searched for where they are chosen, counted then."""

from __future__ import annotations

import numpy as np
import pytest
from hls_graphs import Builder, conv

from hlsgen.boards import load_board
from hlsgen.emit.arithmetic import GRAPHS, SERIAL, Arithmetic
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.errors import OptionError
from hlsgen.fold.candidates import candidates
from hlsgen.fold.choose import fold
from hlsgen.fold.goal import Goal
from hlsgen.fold.graphs import counted, guessed
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul

OPTIONS = HlsOptions(io=Io.STREAM, clock_ns=4.0)
BOARD = load_board("ultra96v2")


def images() -> HwGraph:
    """Many places, few weights."""
    b = Builder("images", image=IntType.of((1, 2, 12, 12), 0, 15))
    return b.graph(b.add(conv(2, 4), "image", name="conv"))


def test_a_guess_is_near() -> None:
    rng = np.random.default_rng(3)
    for shape in ((27, 16), (64, 10)):
        weights = np.rint(rng.normal(0, 20, shape)).astype(np.int64)
        op, x = MatMul(weights, np.zeros(shape[1], np.int64)), IntType.of((1, shape[0]), -128, 127)
        near, found = guessed(op, x), counted(op, x)
        assert near.count == pytest.approx(found.count, rel=0.3)
        assert near.bits == pytest.approx(found.bits, rel=0.3)


def test_a_graph_is_chosen_and_counted() -> None:
    """By digits where clocks are left, whole where none is; the same one every time."""
    rate = {cycles: 250e6 / (cycles + 0.5) for cycles in (200, 12 * 144)}
    fast, slow = (
        fold(images(), OPTIONS, BOARD, Goal(fps, minimise="dsp")) for fps in rate.values()
    )
    assert fast.options.arithmetic["conv"] is Arithmetic.SHIFT_ADD
    assert slow.options.arithmetic["conv"] in SERIAL
    for found in (fast, slow):
        (layer,) = found.estimate.layers
        (own,) = candidates(images(), found.options.arithmetic, {}, {}, ["conv"])
        assert len(own.choices) == 1
        assert layer.cycles == own.cycles[0] == found.design.plan.interval
        assert layer.own.lut <= own.use[0, 0] <= layer.use.lut
    again = fold(images(), OPTIONS, BOARD, Goal(rate[200], minimise="dsp"))
    assert again.options == fast.options


@pytest.mark.parametrize("how", GRAPHS)
def test_a_folding_that_was_named_leaves_no_graph(how: Arithmetic) -> None:
    with pytest.raises(OptionError, match=f"{how} makes all 4 sums of 18 inputs at once"):
        candidates(images(), {"conv": how}, {"conv": (2, 2)}, {})
    (folded,) = candidates(images(), {}, {"conv": (2, 2)}, {})
    assert not [c for c in folded.choices if c.arithmetic in GRAPHS]
