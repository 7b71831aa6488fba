"""Layers of thousands of wires, and network inputs of two codes."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hls_graphs import Builder, differing, mlp, reference, simulate, stimuli
from onnx import helper
from sim.small import network

from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import Adders, Arithmetic, Wire
from hlsgen.emit.codes import operand_codes
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.products.parts import parts_of
from hlsgen.emit.rtl import pipeline
from hlsgen.emit.rtl.delays import DelayModel
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.emit.rtl.netlist import netlist
from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.sim.run import input_codes, run_graph

needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
POPCOUNT = {"": Arithmetic.POPCOUNT}


def wide(k: int = 32, m: int = 16) -> HwGraph:
    """One layer whose sums take some more wires than one function holds."""
    rng = np.random.default_rng(7)
    b = Builder("wide", x=IntType.of((1, k), -8, 7))
    weights = rng.integers(-100, 100, (k, m))
    return b.graph(b.add(MatMul(weights, rng.integers(-99, 99, m)), "x", name="y"))


def functions(graph: HwGraph, how: Arithmetic) -> list[str]:
    """The parts of the only layer."""
    files = emit_hls(graph, HlsOptions(arithmetic={"": how}))
    (layer,) = (str(text) for name, text in files.items() if name.startswith("src/layers"))
    return re.findall(r"// Part \d+ of \d+\.\n(.*?\n}\n)", layer, re.DOTALL)


@needs_gpp
@pytest.mark.parametrize(
    ("how", "graph"), [(Arithmetic.SHIFT_ADD, wide()), (Arithmetic.COMPRESS, wide(12, 8))]
)
def test_a_wide_layer_is_several_functions(how: Arithmetic, graph: HwGraph, tmp_path: Path) -> None:
    parts = functions(graph, how)
    assert len(parts) > 1
    assert all(part.count("  const wire<") <= 500 for part in parts)
    assert any(" w.t" in part.replace("\n  w.t", "") for part in parts)  # something is handed on
    inputs = stimuli(graph, 64)
    got = simulate(graph, HlsOptions(arithmetic={"": how}), tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


@needs_gpp
def test_a_wire_that_is_handed_on_wrongly_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path, line = folder / "hls/products.j2", "w.{{ wire.name }} = {{ wire.name }};"
    assert path.read_text().count(line) == 1
    path.write_text(path.read_text().replace(line, line.replace(";", " + 1;")))
    graph = wide()
    inputs = stimuli(graph, 16)
    options = HlsOptions(arithmetic={"": Arithmetic.SHIFT_ADD}, templates=folder)
    assert differing(simulate(graph, options, tmp_path / "p", inputs), reference(graph, inputs))


@dataclass(frozen=True)
class Straight:
    """Lines as they are."""

    wires: list[Wire]
    outputs: list[str]
    note: str = ""


def chain() -> Straight:
    """t0 = v[0], t1 = t0 + v[1], t2 = t1 + t0, ...; every second is a sum, the last one twice."""
    wires = [Wire("t0", "int", "v[0]"), Wire("t1", "int", "t0 + v[1]")]
    wires += [Wire(f"t{k}", "int", f"t{k - 1} + t{k - 2}") for k in range(2, 12)]
    return Straight(wires, [*(f"t{k}" for k in range(11, 0, -2)), "0", "-(int)t11"])


@pytest.mark.parametrize("most", [1, 2, 3, 5, 11, 12])
def test_parts_compute_what_the_lines_say(most: int) -> None:
    """Run as Python: a name that a part does not have would be an error."""
    made = parts_of(chain(), most)
    assert len(made.parts) == -(-12 // most)
    v, shared, sums = [3, 4], dict[str, int](), dict[int, int]()
    members = {name for _, names in made.kept for name in names}
    for part in made.parts:
        known = dict[str, int]()
        for wire in part.wires:
            w = type("w", (), shared)
            known[wire.name] = eval(wire.text, {"v": v, "w": w, **known})
        shared |= {name: known[name] for name in part.kept}
        sums |= {j: eval(t.replace("(int)", ""), known) for j, t in part.outputs}
    assert shared.keys() == members
    fibonacci = [3, 7]
    while len(fibonacci) < 12:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert [sums[j] for j in range(8)] == [*fibonacci[11:0:-2], 0, -fibonacci[11]]


# -- network inputs of two codes


def bipolar(path: Path) -> Network:
    """A layer of weights -1 and 1 right behind a BipolarQuant of the network input."""
    weights = np.random.default_rng(1).choice([-1, 1], (24, 3)).astype(np.float32)
    nodes: list[Any] = [
        helper.make_node("BipolarQuant", ["x", "s"], ["b"], domain="qonnx.custom_op.general"),
        helper.make_node("MatMul", ["b", "w"], ["y"], "layer"),
    ]
    constants = {"s": np.float32(1), "w": weights}
    return network(path / "bipolar.onnx", nodes, (1, 24), ("y", (1, 3)), constants)


@needs_gpp
def test_a_bipolar_input_is_counted(tmp_path: Path) -> None:
    net = bipolar(tmp_path)
    assert list(net.graph.codes.values()) == [{-1, 1}]
    feeds = {"x": np.random.default_rng(2).normal(size=(32, 1, 24)).astype(np.float32)}
    feeds["x"][0] = 0.0
    feeds["x"][1] = -0.0
    codes = input_codes(net, feeds)
    assert set(np.unique(next(iter(codes.values())))) == {-1, 1}
    want = run_graph(net.graph, codes)
    (weights,) = (n.op.weights for n in net.graph.nodes if isinstance(n.op, MatMul))
    signs = np.where(feeds["x"] >= 0, 1, -1)
    assert (next(iter(want.values())) == signs @ weights).all()
    for io, how in ((Io.PARALLEL, Arithmetic.POPCOUNT), (Io.STREAM, Arithmetic.XNOR)):
        options = HlsOptions(io=io, arithmetic={"": how})
        got = simulate(net.graph, options, tmp_path / io.value, codes)
        assert differing(got, want) == []


def test_files_say_which_codes_an_input_takes(tmp_path: Path) -> None:
    graph = bipolar(tmp_path).graph
    header = emit_hls(graph, HlsOptions(top="counted"))["src/counted.h"]
    assert "takes no other codes than -1, 1" in str(header)
    rtl = emit_rtl(graph, RtlOptions(clock_ns=None, arithmetic=POPCOUNT, top="counted"))
    assert ", only -1, 1" in rtl.files["counted.sv"]


def test_a_ternary_input_is_not_counted(tmp_path: Path) -> None:
    """The same range with 0 in it: MAX(MIN(round(x), 1), -1)."""
    nodes: list[Any] = [
        helper.make_node("Quant", ["x", "s", "z", "n"], ["b"], domain="qonnx.custom_op.general"),
        helper.make_node("MatMul", ["b", "w"], ["y"], "layer"),
    ]
    constants = {
        "s": np.float32(1), "z": np.float32(0), "n": np.float32(2), "w": np.ones((4, 1), np.float32)
    }  # fmt: skip
    graph = network(tmp_path / "t.onnx", nodes, (1, 4), ("y", (1, 1)), constants).graph
    assert (graph.types[graph.inputs[0]].min, graph.types[graph.inputs[0]].max) == (-1, 1)
    assert graph.codes == {}
    assert operand_codes(graph, graph.nodes[0]) is None
    with pytest.raises(OptionError, match="popcount needs operands of two codes"):
        emit_hls(graph, HlsOptions(arithmetic=POPCOUNT))


# -- places for registers


@pytest.mark.parametrize("candidates", [1, 2, 5])
def test_registers_find_places_however_few_are_tried(
    candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = netlist(mlp(), "", {"": Arithmetic.SHIFT_ADD}, Adders(3, 1))
    model = DelayModel()
    clock = pipeline.least_clock(net, model)[0] + 0.01
    least = pipeline.schedule(net, clock, model).latency
    monkeypatch.setattr(pipeline, "_CANDIDATES", candidates)
    assert pipeline.schedule(net, clock, model).latency >= least > 3
