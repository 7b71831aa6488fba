"""Adder graphs as streaming SystemVerilog: `evaluate`'s integers at the clocks of the schedule."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))

from hls_graphs import Builder, conv, matmul
from rtl_stream.check import needs_simulator, run_and_compare, simulation

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.graph_layers import whole_folding
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.errors import Unsupported
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv

# Kernel, strides, dilations, borders before and after: strides beyond the kernel, rows that no
# window reads, a border wider than the kernel, a column dilated.
WINDOWS = {
    "plain": ((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)),
    "strided": ((3, 3), (2, 2), (1, 1), (1, 1), (0, 0)),
    "apart": ((2, 2), (3, 3), (1, 1), (0, 0), (0, 0)),
    "wide": ((2, 1), (1, 1), (1, 1), (2, 1), (0, 2)),
    "dilated": ((2, 3), (2, 1), (2, 1), (1, 0), (1, 1)),
    "row": ((1, 3), (1, 2), (1, 1), (0, 1), (0, 1)),
}


def windows() -> HwGraph:
    """Each window over an image of its own, and one down a line."""
    b = Builder("windows")
    made: list[str] = []
    rng = np.random.default_rng(2)
    for name, window in WINDOWS.items():
        b.inputs = (*b.inputs, name)
        b.types[name] = IntType.of((1, 2, 6, 5), -8, 7)
        op = Conv(rng.integers(-9, 9, (3, 2, *window[0])), np.arange(3), Window(*window), 1, 12)
        made.append(b.add(op, name, name=f"{name}_y"))
    b.inputs, b.types["line"] = (*b.inputs, "line"), IntType.of((1, 2, 7), 0, 7)
    line = Window((3,), (2,), (1,), (1,), (1,))
    op = Conv(rng.integers(-9, 9, (2, 2, 3)), np.arange(2), line, 1)
    return b.graph(*made, b.add(op, "line", name="line_y"))


@needs_simulator
def test_whole_windows_keep_the_schedule() -> None:
    graph = windows()
    folding = {n.output: whole_folding(n.op) for n in graph.nodes if isinstance(n.op, Conv)}
    run_and_compare(simulation(graph, HlsOptions(io=Io.STREAM, folding=folding)), 3, 4)


def network() -> HwGraph:
    """Windows, a layer of single channels, one of groups, and vectors."""
    b = Builder("network", image=IntType.of((1, 2, 5, 4), -8, 7), x=IntType.of((1, 6), 0, 200))
    y = b.requant(b.add(conv(2, 4, stride=2), "image", name="first"))
    y = b.add(conv(4, 4, group=4), y, name="alone")
    z = b.add(conv(4, 2, group=2), b.requant(y), name="groups")
    return b.graph(z, b.add(matmul(6, 4), "x", name="vector"))


@needs_simulator
def test_graphs_keep_the_schedule() -> None:
    """Whole and digit by digit, on windows, on groups and single channels, on vectors."""
    how = {"first": "serial-3", "alone": "shift-add", "groups": "serial-1", "vector": "serial-4"}
    arithmetic = {name: Arithmetic(kind) for name, kind in how.items()}
    run_and_compare(simulation(network(), HlsOptions(io=Io.STREAM, arithmetic=arithmetic)), 4, 4)


def test_columns_of_taps_are_refused() -> None:
    options = HlsOptions(io=Io.STREAM, folding={"plain_y": (3, 6)})
    with pytest.raises(Unsupported, match=r"plain_y.*column of taps.* take SIMD up to 2, or 18"):
        emit_stream_rtl(windows(), options)
