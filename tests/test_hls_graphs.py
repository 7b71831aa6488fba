"""Whole designs: forks, joins, ports, folding, and what their project can do by itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import (
    branches,
    differing,
    mlp,
    reference,
    residual,
    simulate,
    stimuli,
    twice,
    write,
)

from hlsgen.build.gpp import compile_csim, run_csim
from hlsgen.emit.folding import default_folding, work_of
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.vectors import vector_files
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
GRAPHS = (mlp, residual, branches, twice)


@pytest.mark.parametrize("io", list(Io))
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_csim_equals_evaluate(make, io: Io, tmp_path: Path) -> None:
    graph: HwGraph = make()
    inputs = stimuli(graph, 32)
    got = simulate(graph, HlsOptions(io=io), tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


def _padded(outputs: int) -> int:
    """The most outputs a clock in so many folds that the last one is not full, where there are."""
    return next((pe for pe in range(outputs, 0, -1) if outputs % pe), outputs)


@pytest.mark.parametrize("pe", ["least", "most", "padded"])
def test_folding_changes_no_bit(pe: str, tmp_path: Path) -> None:
    graph = branches()
    folding = {}
    for node in graph.nodes:
        work = work_of(graph, node)
        if pe == "least":
            folding[node.output] = (1, 1)
        else:
            outputs = _padded(work.outputs) if pe == "padded" and work.pads else work.outputs
            folding[node.output] = (outputs, work.inputs)
    inputs = stimuli(graph, 16)
    options = HlsOptions(io=Io.STREAM, folding=folding)
    got = simulate(graph, options, tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


def test_default_folding_divides() -> None:
    graph = residual()
    for node in graph.nodes:
        pe, simd = default_folding(graph)[node.output]
        work = work_of(graph, node)
        assert work.outputs % pe == 0
        assert work.inputs % simd == 0


def test_folding_that_does_not_divide_is_refused() -> None:
    graph = mlp()
    with pytest.raises(OptionError, match=r"node 0 .*PE must be 1 to 8, got 9"):
        emit_hls(graph, HlsOptions(folding={graph.nodes[0].output: (9, 1)}))
    with pytest.raises(OptionError, match=r"node 0 .*SIMD must divide 12, got 5"):
        emit_hls(graph, HlsOptions(folding={graph.nodes[0].output: (2, 5)}))
    with pytest.raises(OptionError, match=r"node 1 .*PE must divide 8, got 3"):
        emit_hls(graph, HlsOptions(folding={graph.nodes[1].output: (3, 1)}))


def test_make_csim_replays_and_locates_a_difference(tmp_path: Path) -> None:
    graph = residual()
    inputs = stimuli(graph, 3)
    want = {name: np.array(v) for name, v in reference(graph, inputs).items()}
    project = write(emit_hls(graph, HlsOptions()), tmp_path)
    write(dict(vector_files(graph, inputs, want)), project)
    executable = compile_csim(project)
    good = subprocess.run([executable], cwd=project, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, "3 samples equal\n")
    want[graph.outputs[2]][1, 0, 2, 3, 4] += 1
    write(dict(vector_files(graph, inputs, want)), project)
    bad = subprocess.run([executable], cwd=project, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    place = f"output {graph.outputs[2]}, sample 1, element 118 (0, 2, 3, 4): got "
    assert bad.stdout.startswith(place)
    assert "made by model.onnx: node 6" in bad.stdout


def test_wide_values(tmp_path: Path) -> None:
    from hls_graphs import Builder

    from hlsgen.ir.hw import IntType
    from hlsgen.ops.hw.product import Product

    b = Builder("wide", a=IntType.of((1, 4), -(1 << 40), 1 << 40), b=IntType.of((1, 4), 0, 1 << 50))
    graph = b.graph(b.add(Product(), "a", "b"))
    inputs = stimuli(graph, 16)
    for io in Io:
        got = simulate(graph, HlsOptions(io=io), tmp_path / io, inputs)
        assert differing(got, reference(graph, inputs)) == []


def test_equal_projects_compile_once(tmp_path: Path) -> None:
    graph = mlp()
    first, second = (write(emit_hls(graph, HlsOptions()), tmp_path / n) for n in ("a", "b"))
    executable = compile_csim(first)
    stamp = executable.stat().st_mtime_ns
    assert compile_csim(second) == executable
    assert executable.stat().st_mtime_ns == stamp
    inputs = stimuli(graph, 4)
    assert differing(run_csim(executable, graph, inputs), reference(graph, inputs)) == []


def test_text_of_a_small_network(golden) -> None:
    for io in Io:
        files = emit_hls(mlp(), HlsOptions(io=io))
        texts = [f"==== {name}\n{text}" for name, text in files.items() if _shown(name)]
        golden(f"-{io}.txt", "\n".join(texts))


def _shown(name: str) -> bool:
    return not name.endswith(
        ("integers.h", "streams.h", "encodings.h", "testbench.cpp", "build.tcl")
    )
