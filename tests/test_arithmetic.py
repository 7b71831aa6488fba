"""Products with constant weights: every kind of hardware gives the same integers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, all_samples, differing, reference, simulate, stimuli

from hlsgen.arith.adders.graph import coefficients
from hlsgen.build.gpp import FLAGS
from hlsgen.build.project import BuildOptions, build, open_project
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import MULTIPLIED, Arithmetic, adder_lines
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.matrices import constant_matrices
from hlsgen.errors import OptionError
from hlsgen.ir.field import to_int64
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
EXACT = {"flags": (*FLAGS, "-O0", "-DHLSGEN_EXACT")}
ROOT = Path(__file__).parents[1]
MLP = ROOT / "examples/digits_mlp/digits_mlp.onnx"


def weighted() -> HwGraph:
    """The samples of all operators with constant weights."""
    graph = all_samples()
    nodes = tuple(n for n in graph.nodes if isinstance(n.op, MatMul | Conv))
    inputs = tuple(v for n in nodes for v in n.inputs)
    return HwGraph(
        "weighted", inputs, tuple(v for n in nodes for v in n.outputs), nodes, graph.types
    )


@pytest.mark.parametrize(
    ("io", "how"),
    [(Io.PARALLEL, how) for how in (*MULTIPLIED, Arithmetic.SHIFT_ADD)]
    + [(Io.STREAM, Arithmetic.DSP), (Io.STREAM, Arithmetic.LUT)],
)
def test_every_arithmetic_gives_the_same_integers(io: Io, how: Arithmetic, tmp_path: Path) -> None:
    graph = weighted()
    inputs = stimuli(graph, 128)
    got = simulate(graph, HlsOptions(io=io, arithmetic={"": how}), tmp_path, inputs, **EXACT)
    assert differing(got, reference(graph, inputs)) == []


def test_native_wires_give_the_same_integers(tmp_path: Path) -> None:
    graph = weighted()
    inputs = stimuli(graph, 128)
    options = HlsOptions(arithmetic={"": Arithmetic.SHIFT_ADD})
    got = simulate(graph, options, tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


def test_weights_of_any_size_as_adders(tmp_path: Path) -> None:
    """Entries of 2^31 by 16 bits, of more than the search's 62 bits, zeros, opposite columns."""
    third = (1 << 70) // 3
    b = Builder("wide", x=IntType.of((1, 3), -(1 << 15), (1 << 15) - 1))
    for name, rows in {
        "large": [[1 << 31, -(1 << 31), 0], [-3, 3, 0], [1 - (1 << 31), (1 << 31) - 1, 0]],
        "huge": [[third, -third, 1 << 70], [5, -5, 0], [0, 0, 0]],
        "zeros": [[0], [0], [0]],
    }.items():
        weights = to_int64(np.array(rows, dtype=object))
        b.add(MatMul(weights, np.zeros(len(rows[0]), np.int64)), "x", name=name)
    graph = b.graph("large", "huge", "zeros")
    inputs = stimuli(graph, 64)
    options = HlsOptions(arithmetic={"": Arithmetic.SHIFT_ADD})
    got = simulate(graph, options, tmp_path, inputs, **EXACT)
    assert differing(got, reference(graph, inputs)) == []


def test_a_wrong_adder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "hls/products.j2"
    text = path.read_text()
    line = "{{ result }}[{{ j }}] = {{ text }};"
    assert line in text
    path.write_text(text.replace(line, line.replace(";", " + 1;")))
    graph = weighted()
    inputs = stimuli(graph, 16)
    options = HlsOptions(arithmetic={"": Arithmetic.SHIFT_ADD}, templates=folder)
    got = simulate(graph, options, tmp_path / "project", inputs)
    assert differing(got, reference(graph, inputs)) != []


def test_the_matrices_are_those_of_the_operator() -> None:
    for node in weighted().nodes:
        op, x = node.op, all_samples().types[node.inputs[0]]
        assert isinstance(op, MatMul | Conv)
        matrices = constant_matrices(op, x)
        for matrix, lines in zip(matrices, adder_lines(op, x), strict=True):
            assert (coefficients(lines.graph) == matrix.weights).all()
            assert lines.graph.inputs == matrix.ranges
        assert sum(m.weights.size for m in matrices) == op.weights.size


def test_no_multiplication_by_a_weight_is_left() -> None:
    graph = weighted()
    files = emit_hls(graph, HlsOptions(arithmetic={"": Arithmetic.SHIFT_ADD}))
    layers = [str(text) for name, text in files.items() if name.startswith("src/layers")]
    assert len(layers) == len(graph.nodes)
    assert not [text for text in layers if "weights" in text]
    assert all(
        "weights" in str(text)
        for name, text in emit_hls(graph, HlsOptions()).items()
        if name.startswith("src/layers")
    )


def test_a_project_keeps_its_arithmetic(tmp_path: Path) -> None:
    choices = {"": Arithmetic.SHIFT_ADD, "fc2": Arithmetic.LUT}
    build(MLP, tmp_path / "p", BuildOptions(arithmetic=choices, csim=False))
    assert open_project(tmp_path / "p").options.arithmetic == choices
    content = json.loads((tmp_path / "p/project.json").read_text())
    assert sorted(content["arithmetic"].values()) == ["lut", "shift-add", "shift-add"]
    layers = {p.name: p.read_text() for p in (tmp_path / "p/src/layers").iterdir()}
    assert sum("by shifts and adds" in text for text in layers.values()) == 2
    assert sum("op=mul impl=fabric" in text for text in layers.values()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (HlsOptions(arithmetic={"nothing": Arithmetic.LUT}), "no layer of this network"),
        (HlsOptions(io=Io.STREAM, arithmetic={"": Arithmetic.LUTGEMM}), "give --io parallel"),
    ],
)
def test_an_arithmetic_that_cannot_be_had_is_refused(options: HlsOptions, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        emit_hls(weighted(), options)
