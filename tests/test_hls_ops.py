"""The C++ of every hardware operator equals its `evaluate`, in both interfaces."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest
from hls_graphs import all_samples, differing, reference, samples, simulate, stimuli

from hlsgen.arith.staircase import Realisation
from hlsgen.build.gpp import FLAGS
from hlsgen.data import templates_dir
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.ir.hw import HwGraph
from hlsgen.ops.hw.staircase import Staircase

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
EXACT = {"flags": (*FLAGS, "-O0", "-DHLSGEN_EXACT")}  # many functions, little work


@pytest.mark.parametrize("io", list(Io))
def test_all_samples(io: Io, tmp_path: Path) -> None:
    graph = all_samples()
    inputs = stimuli(graph, 512)
    # the adder trees of the hardware, not the loops that stand in for them in quick simulation
    got = simulate(graph, HlsOptions(io=io), tmp_path, inputs, **EXACT)
    assert differing(got, reference(graph, inputs)) == []


def test_every_operator_has_a_template_and_samples() -> None:
    templates = {path.name.removesuffix(".cpp.j2") for path in templates_dir().glob("hls/*.cpp.j2")}
    covered = {name.rsplit("_", 1)[0] for name, _, _ in samples()}
    assert covered <= templates
    assert templates - covered == {"op", "elementwise", "top", "testbench", "kernel"}


@pytest.mark.parametrize(
    ("template", "old", "new"),
    [
        ("realise.j2", "v >> {{ how.shift }}", "v >> {{ how.shift + 1 }}"),
        ("matmul.cpp.j2", "sums[j] + (bias_t)bias[j]", "sums[j]"),
        ("transpose.cpp.j2", "back(v)", "v"),
        ("truth_table.cpp.j2", "x0[i * {{ inner }} + k]", "x0[k]"),
    ],
)
def test_a_wrong_template_is_found(template: str, old: str, new: str, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "hls" / template
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    graph = _some(template.split(".")[0].replace("realise", "staircase"))
    inputs = stimuli(graph, 64)
    got = simulate(graph, HlsOptions(templates=folder), tmp_path / "project", inputs)
    assert differing(got, reference(graph, inputs)) != []


def test_text_of_one_operator(golden) -> None:
    graph = _some("linear")
    files = emit_hls(graph, HlsOptions())
    golden(".h", files[f"src/layers/{_layer(files)}"])


def _layer(files: dict[str, str | bytes]) -> str:
    return next(Path(name).name for name in files if name.startswith("src/layers/"))


def _some(kind: str) -> HwGraph:
    """The samples of one operator."""
    graph = all_samples()
    nodes = tuple(n for n in graph.nodes if type(n.op).__module__.endswith(f".{kind}"))
    inputs = tuple(v for n in nodes for v in n.inputs)
    return HwGraph(kind, inputs, tuple(v for n in nodes for v in n.outputs), nodes, graph.types)


def test_every_form_of_a_staircase_has_a_sample() -> None:
    forms = {
        type(op.realisation).__name__ for op, _ in Staircase.samples() if isinstance(op, Staircase)
    }
    assert forms == {form.__name__ for form in get_args(Realisation)}
