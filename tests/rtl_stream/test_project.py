"""Streaming SystemVerilog from the command line: in a project, simulated, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from hls_graphs import Builder, matmul
from rtl_stream.check import STREAM, needs_simulator

from hlsgen.build.project import BuildOptions, build
from hlsgen.cli import main
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.errors import OptionError, Unsupported
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw.top_k import TopK

MODEL = Path(__file__).parents[2] / "examples" / "digits_mlp" / "digits_mlp.onnx"


@needs_simulator
def test_verify(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--engine", "rtl", "--io", "stream", "--samples", "6", "--json", "-"]
    with pytest.raises(SystemExit) as done:
        main(["verify", str(MODEL), *arguments])
    assert done.value.code == 0
    assert json.loads(capsys.readouterr().out)["engines"]["rtl"]["equal"] == 60


def test_a_project_with_its_test_bench(tmp_path: Path) -> None:
    options = BuildOptions(csim=False, rtl=True, samples=2, io=Io.STREAM)
    folder = build(MODEL, tmp_path / "p", options).folder / "rtl"
    words = (folder / "v_x.hex").read_text().split()
    assert len(words) % 2 == 0  # two samples of as many words
    assert 2 * 64 % len(words) == 0
    if not (shutil.which("iverilog") and shutil.which("vvp")):
        pytest.skip("needs iverilog to run the test bench")
    texts = [str(path) for path in sorted(folder.glob("*.sv"))]
    subprocess.run(["iverilog", "-g2012", "-o", "testbench", *texts], cwd=folder, check=True)
    done = subprocess.run(["vvp", "testbench"], cwd=folder, capture_output=True, text=True)
    assert "2 frames equal" in done.stdout


@pytest.mark.parametrize("length", range(40, 62))
def test_modules_of_long_names_stay_apart(length: int) -> None:
    """Names of modules are made of others, and are not to be cut until two are the same."""
    b = Builder("net", x=IntType.of((1, 6), -8, 7))
    b.add(matmul(6, 4), "x", name="a" * length)
    files = emit_stream_rtl(b.graph("a" * length), STREAM).files
    modules = re.findall(r"^module (\w+)", "\n".join(files.values()), re.MULTILINE)
    assert len(set(modules)) == len(modules)


def test_what_has_no_form_is_named() -> None:
    b = Builder("ranked", x=IntType.of((1, 6), -8, 7))
    graph = b.graph(b.add(TopK(2, 1), "x"))
    with pytest.raises(Unsupported, match=r"node 0 .*TopK with several results has no streaming"):
        emit_stream_rtl(graph, STREAM)


def test_encoded_weights_are_refused() -> None:
    b = Builder("encoded", x=IntType.of((1, 12), -8, 7))
    graph = b.graph(b.add(matmul(12, 6), "x"))
    options = HlsOptions(io=Io.STREAM, arithmetic={"": Arithmetic.KHOT})
    with pytest.raises(OptionError, match=r"node 0 .*khot is for HLS C\+\+ in folded units"):
        emit_stream_rtl(graph, options)


def test_idle_lanes_are_refused() -> None:
    b = Builder("idle", x=IntType.of((1, 12), -8, 7))
    graph = b.graph(b.add(matmul(12, 5), "x", name="sums"))
    options = HlsOptions(io=Io.STREAM, folding={"sums": (2, 3)})
    with pytest.raises(Unsupported, match=r"node 0 .*2 lanes do not divide 5 outputs"):
        emit_stream_rtl(graph, options)
