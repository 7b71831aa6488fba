"""The SystemVerilog of every hardware operator equals its `evaluate`, clock by clock."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hls_graphs import Arrays, Builder, branches, differing, mlp, reference, stimuli, twice
from rtl_graphs import sample_graph

from hlsgen.build.rtl_netlist import elaborate, run_netlist
from hlsgen.build.yosys import find_yosys
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import OptionError, ToolMissing, VerificationFailed
from hlsgen.ir.hw import HwGraph, IntType


def yosys_missing() -> str:
    try:
        find_yosys()
    except ToolMissing as error:
        return str(error)
    return ""


MISSING = yosys_missing()
needs_yosys = pytest.mark.skipif(bool(MISSING), reason=MISSING or "never")
COMBINATIONAL = RtlOptions(clock_ns=None)
ADDERS = RtlOptions(clock_ns=3.5, arithmetic={"": Arithmetic.SHIFT_ADD})


def simulated(graph: HwGraph, inputs: Arrays, options: RtlOptions) -> Arrays:
    rtl = emit_rtl(graph, options)
    return run_netlist(rtl, elaborate(rtl, find_yosys()), graph, inputs)


@needs_yosys
@pytest.mark.parametrize("options", [COMBINATIONAL, ADDERS], ids=["wires", "adders"])
def test_all_samples(options: RtlOptions) -> None:
    graph = sample_graph()
    inputs = stimuli(graph, 512)
    assert differing(simulated(graph, inputs, options), reference(graph, inputs)) == []


@needs_yosys
def test_tables_of_one_bit() -> None:
    """Constants that are indexed, by unsigned and by signed numbers, in one row and in several."""
    b = Builder("bits", x=IntType.of((1, 2), 0, 40), y=IntType.of((1, 2), -60, 59))
    outputs = [b.requant(v, lo, lo + 1, form="table") for v in ("x", "y") for lo in (-1, 0)]
    graph = b.graph(*outputs)
    inputs = stimuli(graph, 256)
    texts = "".join(emit_rtl(graph, COMBINATIONAL).files.values())
    assert "_AT[x0]" in texts
    assert "_AT[$unsigned(x0)]" in texts
    assert differing(simulated(graph, inputs, COMBINATIONAL), reference(graph, inputs)) == []


@needs_yosys
@pytest.mark.parametrize("how", [Arithmetic.TOOL, Arithmetic.SHIFT_ADD])
@pytest.mark.parametrize("clock", [None, 20.0, 3.5])
def test_networks(how: Arithmetic, clock: float | None) -> None:
    for graph in (mlp(), twice()):
        inputs = stimuli(graph, 64)
        got = simulated(graph, inputs, RtlOptions(clock_ns=clock, relax=True, arithmetic={"": how}))
        assert differing(got, reference(graph, inputs)) == []


@needs_yosys
def test_branches_of_different_length_meet_at_the_same_clock() -> None:
    graph = branches()
    inputs = stimuli(graph, 16)
    got = simulated(graph, inputs, RtlOptions(clock_ns=4.0))
    assert differing(got, reference(graph, inputs)) == []


@needs_yosys
@pytest.mark.parametrize(
    ("template", "old", "new"),
    [
        ("cells.j2", 't.shift) if t.shift', 't.shift + 1) if t.shift'),
        ("cells.j2", '" <= " if c.cell.or_equal', '" < " if c.cell.or_equal'),
        ("layer.sv.j2", "{{ r.name }} <= {{ r.source }};", "{{ r.name }} <= ~{{ r.source }};"),
    ],
)  # fmt: skip
def test_a_wrong_template_is_found(template: str, old: str, new: str, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "rtl" / template
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    graph = mlp()
    inputs = stimuli(graph, 64)
    got = simulated(graph, inputs, RtlOptions(clock_ns=4.0, templates=folder))
    assert differing(got, reference(graph, inputs)) != []


@needs_yosys
def test_a_valid_signal_of_another_latency_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "rtl" / "top.sv.j2"
    path.write_text(
        path.read_text().replace("valid[{{ latency - 1 }}]", "valid[{{ latency - 2 }}]")
    )
    graph = mlp()
    with pytest.raises(VerificationFailed, match="out_valid"):
        simulated(graph, stimuli(graph, 8), RtlOptions(clock_ns=4.0, templates=folder))


def test_a_clock_that_no_adder_meets() -> None:
    with pytest.raises(
        OptionError, match=r"clock of 0.3 ns cannot be met: .*model.onnx: node .* --clock-ns"
    ):
        emit_rtl(mlp(), RtlOptions(clock_ns=0.3))


def test_a_relaxed_clock_says_what_it_became() -> None:
    rtl = emit_rtl(mlp(), RtlOptions(clock_ns=0.3, relax=True))
    assert rtl.clock_ns is not None
    assert rtl.clock_ns > 0.3
    assert rtl.latency > emit_rtl(mlp(), RtlOptions(clock_ns=5.0)).latency


def test_no_registers_where_none_are_asked_for() -> None:
    rtl = emit_rtl(mlp(), COMBINATIONAL)
    assert rtl.latency == 0
    assert "always_ff" not in "".join(rtl.files.values())


def test_text_of_one_operator(golden) -> None:
    options = RtlOptions(clock_ns=2.5, arithmetic={"": Arithmetic.SHIFT_ADD})
    rtl = emit_rtl(sample_graph("linear"), options)
    golden(".sv", "\n".join(rtl.files.values()))
