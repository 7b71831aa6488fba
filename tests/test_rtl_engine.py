"""SystemVerilog from the command line: simulated, synthesised, written with a project."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, matmul, mlp, reference, residual, stimuli
from test_rtl_ops import needs_yosys

from hlsgen.build.project import BuildOptions, Project, build, load_network, project_rtl
from hlsgen.build.rtl_sim import rtl_engine
from hlsgen.build.yosys import find_yosys
from hlsgen.cli import main
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import Io
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import OptionError, ToolMissing, Unsupported
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.reshape import Reshape

MODEL = Path(__file__).parents[1] / "examples" / "digits_mlp" / "digits_mlp.onnx"


def small() -> HwGraph:
    b = Builder("small", x=IntType.of((1, 3), -8, 7))
    return b.graph(b.requant(b.add(matmul(3, 2), "x")))


def _without_cxxrtl() -> str:
    """What CXXRTL lacks here; Debian packs its headers apart from Yosys."""
    if not shutil.which("g++"):
        return "needs g++"
    try:
        return "" if find_yosys().cxxrtl else "no headers"
    except ToolMissing as missing:
        return missing.message


WITHOUT = _without_cxxrtl()


@needs_yosys
@pytest.mark.parametrize(
    "simulator",
    [
        "yosys",
        pytest.param("cxxrtl", marks=pytest.mark.skipif(bool(WITHOUT), reason=WITHOUT or "never")),
        pytest.param(
            "verilator",
            marks=pytest.mark.skipif(not shutil.which("verilator"), reason="needs verilator"),
        ),
    ],
)
def test_simulators_agree(simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSGEN_RTL", simulator)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    graph = small()
    inputs = stimuli(graph, 100)
    got = rtl_engine(emit_rtl(graph, RtlOptions(clock_ns=3.0)), graph)(inputs)
    assert differing(dict(got), reference(graph, inputs)) == []


@needs_yosys
def test_a_convolutional_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSGEN_RTL", "yosys")
    graph = residual()
    inputs = stimuli(graph, 24)
    got = rtl_engine(emit_rtl(graph, RtlOptions(clock_ns=6.0, relax=True)), graph)(inputs)
    assert differing(dict(got), reference(graph, inputs)) == []


@needs_yosys
def test_verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HLSGEN_RTL", "yosys")
    with pytest.raises(SystemExit) as done:
        main(["verify", str(MODEL), "--engine", "rtl", "--samples", "40", "--json", "-"])
    assert done.value.code == 0
    assert json.loads(capsys.readouterr().out)["engines"]["rtl"]["equal"] == 400


def test_a_project_with_its_test_bench(tmp_path: Path) -> None:
    built = build(MODEL, tmp_path / "p", BuildOptions(csim=False, rtl=True, samples=3))
    folder = built.folder / "rtl"
    top = built.network.graph.name
    assert f"{top} dut (" in (folder / "testbench.sv").read_text()
    assert len((folder / "inputs.hex").read_text().split()) == 3
    data = np.fromfile(built.folder / "data" / "expected.bin", dtype="<i8").reshape(3, -1)
    (name,) = built.network.graph.outputs
    width = built.network.graph.types[name].format.width
    first = int((folder / "expected.hex").read_text().split()[0], 16)
    codes = [(first >> width * i) % (1 << width) for i in range(data.shape[1])]
    assert codes == (data[0] % (1 << width)).tolist()


def test_streams_are_not_laid_out_in_parallel() -> None:
    options = BuildOptions(io=Io.STREAM)
    with pytest.raises(OptionError, match="--io parallel"):
        project_rtl(Project(MODEL, load_network(MODEL, options), options))


def test_an_arithmetic_of_no_layer() -> None:
    with pytest.raises(OptionError, match="is no layer of this network"):
        emit_rtl(mlp(), RtlOptions(arithmetic={"magic": Arithmetic.LUT}))


@dataclass(frozen=True, eq=False)
class Strange(Reshape):
    """An operator that this back-end has never seen."""


def test_an_operator_without_a_parallel_form_is_named() -> None:
    b = Builder("strange", x=IntType.of((1, 3), -8, 7))
    graph = b.graph(b.add(Strange((3, 1)), "x"))
    assert emit_rtl(graph).latency >= 0  # a Reshape by inheritance is wiring
    node = graph.nodes[0]

    class Other(type(mlp().nodes[0].op).__mro__[1]):  # an HwOp and nothing else
        def infer(self, *inputs):
            return inputs

        def evaluate(self, *inputs, types):
            return inputs

        @classmethod
        def samples(cls):
            yield from ()

    other = type(node)(Other(), node.inputs, node.outputs, node.loc)
    unknown = HwGraph("other", graph.inputs, graph.outputs, (other,), graph.types)
    with pytest.raises(Unsupported, match=r"node 0 .* Other has no parallel SystemVerilog form"):
        emit_rtl(unknown)
