"""`--arithmetic auto` and the cost model it goes by."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, matmul, reference, simulate, stimuli
from test_rtl_ops import needs_yosys, simulated

from hlsgen.build.project import open_project
from hlsgen.build.synth import batch_luts
from hlsgen.cli.commands import main
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.choice import CANDIDATES, layer_luts, settled
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.rtl.cost import counts, factors, luts, table_luts
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul

AUTO = {"": Arithmetic.AUTO}
MLP = Path(__file__).parents[1] / "examples/digits_mlp/digits_mlp.onnx"
RNG = np.random.default_rng(5)


def mixed() -> HwGraph:
    """A matrix whose columns share work, and a lone column over few codes."""
    b = Builder("mixed", x=IntType.of((1, 16), -8, 7), z=IntType.of((1, 48), 0, 1))
    wide = b.add(MatMul(RNG.integers(-15, 16, (16, 12)), RNG.integers(-9, 10, 12)), "x")
    lone = b.add(MatMul(RNG.choice([-1, 1], (48, 1)), np.zeros(1, np.int64)), "z")
    return b.graph(wide, lone)


def test_auto_takes_the_cheapest_by_the_model() -> None:
    graph = mixed()
    chosen = settled(graph, AUTO)
    for node in graph.nodes:
        prices = {how: layer_luts(graph, node, how) for how in CANDIDATES}
        assert prices[chosen[node.output]] == min(prices.values()) < math.inf
    assert chosen[graph.nodes[0].output] is Arithmetic.SHIFT_ADD
    counted = (Arithmetic.POPCOUNT, Arithmetic.COMPRESS, Arithmetic.TABLE, Arithmetic.LUTGEMM)
    assert chosen[graph.nodes[1].output] in counted


def test_a_sum_taken_off_zero_has_a_price() -> None:
    b = Builder("negated", x=IntType.of((1, 2), -8, 7))
    graph = b.graph(b.add(MatMul(np.array([[-1], [-1]]), np.zeros(1, np.int64)), "x"))
    assert 0 < layer_luts(graph, graph.nodes[0], Arithmetic.SHIFT_ADD) < math.inf


def test_a_layer_that_is_named_keeps_its_own() -> None:
    graph = mixed()
    first, second = (node.output for node in graph.nodes)
    chosen = settled(graph, AUTO | {first: Arithmetic.DSP})
    assert chosen[first] is Arithmetic.DSP
    assert chosen[second] is not Arithmetic.AUTO


def test_auto_gives_the_same_integers(tmp_path: Path) -> None:
    graph = mixed()
    inputs = stimuli(graph, 32)
    got = simulate(graph, HlsOptions(arithmetic=AUTO), tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


@needs_yosys
def test_auto_in_rtl(tmp_path: Path) -> None:
    graph = mixed()
    inputs = stimuli(graph, 32)
    got = simulated(graph, inputs, RtlOptions(clock_ns=5.0, arithmetic=AUTO))
    assert differing(got, reference(graph, inputs)) == []


def test_a_build_says_what_auto_chose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["build", str(MLP), "-o", str(tmp_path / "p"), "--arithmetic", "auto", "--no-csim"])
    assert stop.value.code == 0
    content = json.loads((tmp_path / "p/project.json").read_text())
    assert set(content["arithmetic"].values()) <= {how.value for how in CANDIDATES}
    assert {*open_project(tmp_path / "p").options.arithmetic.values()} <= {*CANDIDATES}
    said = capsys.readouterr().out
    assert all(f"{name} {how}" in said for name, how in content["arithmetic"].items())


def test_auto_is_for_whole_layers() -> None:
    with pytest.raises(OptionError, match="give --io parallel"):
        emit_hls(mixed(), HlsOptions(io=Io.STREAM, arithmetic=AUTO))


def test_every_kind_of_cell_has_a_factor() -> None:
    found = {kind for how in CANDIDATES for kind in _kinds(how)}
    assert found <= factors().keys()


def _kinds(how: Arithmetic) -> set[str]:
    b = Builder("one", z=IntType.of((1, 9), 0, 1))
    graph = b.graph(b.add(matmul(9, 3), "z"))
    try:
        rtl = emit_rtl(graph, RtlOptions(clock_ns=None, arithmetic={"": how}))
    except OptionError:
        return set()
    return {kind for layer in rtl.net.layers for k in layer.kernels for kind in counts(k)}


def test_tables_count_what_differs() -> None:
    assert table_luts(0, tuple(range(64)), 6) == 0  # bits that are wires
    assert table_luts(0, tuple(k % 3 for k in range(64)), 6) == 2
    parity = tuple(bin(k).count("1") & 1 for k in range(256))
    assert table_luts(0, parity, 8) == 3  # two different functions of six bits, and a choice


@needs_yosys
def test_the_estimate_is_near_what_yosys_counts() -> None:
    """Designs that no factor was fitted to; the script states the error over many."""
    made = []
    for k in range(2):
        rng = np.random.default_rng(1000 + k)
        b = Builder(f"d{k}", x=IntType.of((1, 20), -32, 31))
        w = rng.integers(-31, 32, (20, 10))
        graph = b.graph(b.requant(b.add(MatMul(w, rng.integers(-50, 50, 10)), "x")))
        options = RtlOptions(clock_ns=None, arithmetic={"": Arithmetic.SHIFT_ADD}, top=f"d{k}")
        made.append(emit_rtl(graph, options))
    for rtl, counted in zip(made, batch_luts(made), strict=True):
        assert luts(rtl.net) == pytest.approx(counted, rel=0.2)
