"""Copies of kernels: where they stand, what is emitted of them once, what moves into them."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hls_graphs import Builder, conv, matmul, residual
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.emit.arithmetic import Adders
from hlsgen.emit.rtl import netlist as netlists
from hlsgen.emit.rtl.delays import DelayModel
from hlsgen.emit.rtl.emit import Rtl, RtlOptions, emit_rtl
from hlsgen.emit.rtl.pipeline import Schedule, schedule
from hlsgen.emit.rtl.places import Loop, Vector, alike, joined, loops_of, place, runs, stretches
from hlsgen.emit.rtl.units import Element
from hlsgen.errors import HlsgenError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.sim.netlist import Netlist


def unrolled(first: list[int], loops: tuple[Loop, ...]) -> list[list[int]]:
    """What nested loops visit, one round after the other."""
    rounds = product(*(range(loop.count) for loop in loops))
    return [
        [
            f + sum(n * loop.strides[c] for n, loop in zip(at, loops, strict=True))
            for c, f in enumerate(first)
        ]
        for at in rounds
    ]


grids = st.lists(
    st.tuples(st.integers(1, 4), st.tuples(st.integers(-9, 99), st.integers(-9, 99))),
    max_size=4,
)


@given(grids, st.tuples(st.integers(0, 50), st.integers(0, 50)))
def test_grids_become_loops(grid: list[tuple[int, tuple[int, int]]], first: tuple[int, int]):
    rows = unrolled(list(first), tuple(Loop(n, s) for n, s in grid))
    loops = loops_of(np.array(rows))
    if loops is not None:
        assert unrolled(rows[0], loops) == rows
    assert loops is not None or len(grid) > 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_loops_visit_the_rows_or_there_are_none(rows: list[tuple[int, int]]):
    loops = loops_of(np.array(rows))
    if loops is not None:
        assert unrolled(list(rows[0]), loops) == [list(r) for r in rows]


def test_an_image_is_two_loops():
    rows = np.array([[10 * y + x, 8 * y + x] for y in range(8) for x in range(8)])
    assert loops_of(rows) == (Loop(8, (10, 8)), Loop(8, (1, 1)))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_runs_and_groups_lose_nothing(values: list[int]):
    places = np.cumsum(values).tolist()
    assert [at + k for at, n in runs(places) for k in range(n)] == places
    groups = alike(np.array(values)[:, None])
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(values)))
    assert all(len({values[r] for r in rows}) == 1 for rows in groups)


@given(st.lists(st.one_of(st.integers(-2, 1), st.builds(Element, st.sampled_from("ab"),
                st.integers(0, 3))), min_size=1, max_size=12))  # fmt: skip
def test_stretches(operands: list[Element | int]):
    found = list(stretches(operands, {"a"}))
    assert [at + k for at, n in found for k in range(n)] == list(range(len(operands)))
    for at, n in found:
        first = operands[at]
        for k in range(1, n):
            expected = Element("a", first.index + k) if isinstance(first, Element) else first
            assert operands[at + k] == expected
            assert not isinstance(first, Element) or first.bus == "a"


def test_text_of_places():
    assert place(0, []) == "0"
    assert place(7, [(10, "i"), (1, "j"), (0, "k")]) == "10*i + j + 7"
    assert Vector("v", 8, 64).slice("10*i + 3", 3) == "v[8*(10*i + 3) +: 8*3]"
    assert Vector("v", 8, 3).slice("0", 3) == "v"
    assert Vector("v", 1, 9).slice("i") == "v[i]"
    assert Vector("v", 8, 4).part("2", 1, 7) == "v[8*2 + 7]"
    assert joined(["a", "b", "c"], "") == "{c, b, a}"
    assert joined(["4'd1"], "") == "{4'd1}"


def convolutions(size: int) -> HwGraph:
    b = Builder("net", image=IntType.of((1, 2, size, size), 0, 15))
    x = b.requant(b.add(conv(2, 4), "image"))
    return b.graph(b.add(conv(4, 3), x))


def instances(rtl: Rtl) -> int:
    return len(re.findall(r"^ +net_\w+ u", rtl.files["net.sv"], re.MULTILINE))


def test_text_does_not_grow_with_the_image():
    small, large = (emit_rtl(convolutions(n), RtlOptions(clock_ns=5.0)) for n in (4, 12))
    assert small.latency == large.latency
    assert instances(small) == instances(large) == 2
    for name in small.files.keys() - {"net.sv"}:
        kernels = [re.sub(r"//.*", "", rtl.files[name]) for rtl in (small, large)]
        assert kernels[0] == kernels[1]
    assert len(large.files["net.sv"]) < 1.1 * len(small.files["net.sv"])


def planned(graph: HwGraph) -> tuple[netlists.Netlist, Schedule]:
    net = netlists.netlist(graph, "", {}, Adders())
    return net, schedule(net, 6.0, DelayModel())


def test_fused_kernels_keep_the_pipeline(monkeypatch: pytest.MonkeyPatch):
    net, times = planned(residual())
    monkeypatch.setattr(netlists, "fused", lambda drafts, *_: list(drafts))
    apart, apart_times = planned(residual())
    assert len(net.layers) < len(apart.layers)
    assert times.latency == apart_times.latency
    assert times.delay_ns == apart_times.delay_ns


@pytest.mark.parametrize(("form", "layers"), [("thresholds", 2), ("auto", 1)])
def test_a_large_function_of_all_channels_stays_a_module(form: str, layers: int):
    """15 thresholds for 8 channels alike are not written 8 times; a shift and a clip are."""
    b = Builder("net", image=IntType.of((1, 2, 4, 4), 0, 15))
    x = b.add(conv(2, 8), "image")
    t = b.types[x]
    rows = (affine_steps(t.min, t.max, Fraction(1, 64), Fraction(0), 0, 15, Rounding.HALF_EVEN),)
    how = realise(rows, t.format, IntFormat.of_range(0, 15), form)
    y = b.add(Staircase(rows, np.zeros((1, 1, 1, 1), np.int64), how), x)
    net = netlists.netlist(b.graph(y), "", {}, Adders())
    assert [[c.count for c in layer.copies] for layer in net.layers] == [[16], [128]][:layers]


def test_a_value_that_is_also_an_output_is_not_moved_away():
    b = Builder("net", image=IntType.of((1, 2, 4, 4), 0, 15))
    sums = b.add(conv(2, 4), "image")
    net = netlists.netlist(b.graph(b.requant(sums), sums), "", {}, Adders())
    assert len(net.layers) == 2


def test_what_follows_across_positions_is_not_moved():
    """Each row of the matrix product reads one channel of all positions."""
    b = Builder("net", image=IntType.of((1, 2, 4), 0, 15))
    x = b.add(matmul(4, 4), "image")
    net = netlists.netlist(
        b.graph(b.add(matmul(2, 2), b.add(Transpose((0, 2, 1)), x))), "", {}, Adders()
    )
    assert len(net.layers) == 2


@settings(deadline=None)
@given(st.integers(0, 3))
def test_undriven_nets_are_found(bit: int):
    cell = {"type": "$not", "parameters": {}, "connections": {"A": [9], "Y": [bit]}}
    ports = {"y": {"direction": "output", "bits": [bit]}}
    module = {"ports": ports, "cells": {"c": cell}, "netnames": {}}
    with pytest.raises(HlsgenError, match="feedback loop or an undriven net"):
        Netlist({"modules": {"top": module}}, "top")
