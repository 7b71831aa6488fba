"""The three-input adder: both of its forms are equal, and both are what the networks mean."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, matmul, mlp, reference, stimuli
from test_rtl_ops import needs_yosys

from hlsgen.arith.adders import solve
from hlsgen.build.rtl_netlist import elaborate, run_netlist
from hlsgen.build.synth import synthesise
from hlsgen.build.yosys import find_yosys
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.rtl.builder import Builder as Kernels
from hlsgen.emit.rtl.cells import Sum, Term
from hlsgen.emit.rtl.emit import ADD3, RtlOptions, emit_rtl
from hlsgen.emit.rtl.netlist import Adders
from hlsgen.errors import HlsgenError, OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul

SHIFT_ADD = {"": Arithmetic.SHIFT_ADD}
WIDTHS = (1, 2, 8, 9)


def proof(folder: Path, text: str, widths: tuple[int, ...] = WIDTHS) -> None:
    """By SAT: for every width and sign the primitives equal the behavioural form."""
    gold = text.replace("hlsgen_add3", "gold")
    gate = text.replace("hlsgen_add3", "gate")
    (folder / "both.sv").write_text(f"{gold}\n`define HLSGEN_ULTRASCALE\n{gate}\n")
    lines: list[str] = []
    for k, (width, b, c) in enumerate(product(widths, (0, 1), (0, 1))):
        given = f"#(.WIDTH({width}), .NEGATE_B(1'b{b}), .NEGATE_C(1'b{c}))"
        ports = ", ".join(f".{x}({x}[{width - 1}:0])" for x in "abc")
        lines.append(f"  wire [{width - 1}:0] want_{k}, got_{k};")
        lines.append(f"  gold {given} gold_{k} ({ports}, .y(want_{k}));")
        lines.append(f"  gate {given} gate_{k} ({ports}, .y(got_{k}));")
        lines.append(f"  assign equal[{k}] = want_{k} == got_{k};")
    bits = f"[{max(widths) - 1}:0]"
    head = f"module all (input {bits} a, b, c, output [{4 * len(widths) - 1}:0] equal);"
    (folder / "all.sv").write_text("\n".join([head, *lines, "endmodule\n"]))
    find_yosys().run(
        "read_verilog +/xilinx/cells_sim.v; read_verilog -sv both.sv all.sv; "
        "hierarchy -check -top all; proc; flatten; opt; "
        f"sat -verify -prove equal {2 ** (4 * len(widths)) - 1} all",
        folder,
    )


@needs_yosys
def test_primitives_equal_the_behavioural_form(tmp_path: Path) -> None:
    text = (templates_dir() / "rtl" / "add3.sv.j2").read_text()
    proof(tmp_path, text)
    for old, new in (
        ("carry[0] = NEGATE_C", "carry[0] = 1'b0"),
        ("i[2] ^ not_c ^ i[3]", "i[2] ^ i[3]"),
    ):
        assert old in text
        with pytest.raises(HlsgenError, match="yosys stopped"):
            proof(tmp_path, text.replace(old, new), (9,))


def dense() -> HwGraph:
    """A matrix with a bias, whose graph has adders of three operands of both signs."""
    b = Builder("dense", x=IntType.of((1, 9), -16, 15))
    return b.graph(b.add(matmul(9, 4), "x"))


@needs_yosys
@pytest.mark.parametrize("primitives", [False, True])
@pytest.mark.parametrize("clock", [None, 3.0])
def test_networks_of_three_input_adders(primitives: bool, clock: float | None) -> None:
    graph = dense()
    inputs = stimuli(graph, 100)
    rtl = emit_rtl(graph, RtlOptions(clock_ns=clock, arithmetic=SHIFT_ADD))
    assert ADD3 in rtl.files
    net = elaborate(rtl, find_yosys(), primitives=primitives)
    assert differing(run_netlist(rtl, net, graph, inputs), reference(graph, inputs)) == []


@needs_yosys
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".NEGATE_C(1'b{{ minus[2] }})", ".NEGATE_C(1'b0)"),
        ("{{ width - 1 }}:0] {{ name }} =", "{{ width - 2 }}:0] {{ name }} ="),
        ('" <<< %d" % t.shift', '" <<< %d" % (t.shift + 1)'),
    ],
)
def test_a_wrong_operand_is_found(old: str, new: str, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "rtl" / "cells.j2"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    graph = dense()
    inputs = stimuli(graph, 100)
    rtl = emit_rtl(graph, RtlOptions(clock_ns=None, arithmetic=SHIFT_ADD, templates=folder))
    got = run_netlist(rtl, elaborate(rtl, find_yosys()), graph, inputs)
    assert differing(got, reference(graph, inputs)) != []


@needs_yosys
def test_luts_are_those_of_the_widths() -> None:
    """A three-input adder takes a LUT for each bit of its width, one less than `cost` counts."""
    weights = np.random.default_rng(5).integers(-128, 128, (6, 5))
    b = Builder("counted", x=IntType.of((1, 6), -128, 127))
    graph = b.graph(b.add(MatMul(weights, np.zeros(5, np.int64)), "x"))
    adders = solve(weights, [(-128, 127)] * 6, max_depth=4, three_input=True)
    three = sum(len(adder) == 3 for adder in adders.adders)
    cost = synthesise(emit_rtl(graph, RtlOptions(clock_ns=None, arithmetic=SHIFT_ADD))).fpga
    assert cost is not None
    assert three > 5
    assert 0.8 * (adders.cost() - three) <= cost.lut <= 1.05 * (adders.cost() - three)
    assert cost.carry8 >= three


def test_wires_of_a_sum() -> None:
    def wires(*terms: Term, constant: int = 0) -> int:
        return Sum(terms, constant).wires

    assert wires(Term(0), Term(1, 3), Term(2, 5)) == 3
    assert wires(Term(0), Term(1, 3, True), Term(2, 5)) == 3
    assert wires(Term(1), Term(2, 3), Term(0, 0, True)) == 0
    assert wires(Term(1, 4), Term(2, 3), Term(0, 2, True)) == 2
    assert wires(Term(0, 2), Term(1, 6), constant=-8) == 3
    assert Sum((Term(0, 2), Term(1, 6)), -8).lowest == 0
    assert Sum((Term(0, 4), Term(1, 6)), 4).lowest is None


def test_sums_that_no_adder_makes() -> None:
    b = Kernels([(0, 7)] * 4, Adders(3))
    with pytest.raises(ValueError, match="no adder"):
        b.sum([Term(k) for k in range(4)])
    with pytest.raises(ValueError, match="no adder"):
        b.sum([Term(0, 0, True), Term(1, 0, True)])
    assert b.ranges[b.sum([Term(0, 0, True), Term(1, 0, True)], 14)] == (0, 14)


def test_a_bounded_latency_takes_shorter_graphs() -> None:
    """At some clock the smaller design takes a clock more than the fewest."""
    graph = mlp()
    shorter = 0
    for clock in (3.0, 3.5, 4.0, 4.5):
        options = RtlOptions(clock_ns=clock, arithmetic=SHIFT_ADD)
        free = emit_rtl(graph, options).latency
        with suppress(OptionError):  # at this clock the smaller design is the shortest, too
            bound = emit_rtl(graph, replace(options, max_latency=free - 1))
            assert bound.latency == free - 1
            shorter += 1
    assert shorter
    with pytest.raises(OptionError, match=r"latency of 1 clocks of 2\.2 ns cannot be met"):
        emit_rtl(graph, RtlOptions(clock_ns=2.2, arithmetic=SHIFT_ADD, max_latency=1))
