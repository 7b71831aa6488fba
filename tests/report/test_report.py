"""`hlsgen report`: its facts against the design; what it says of bad and of changed projects."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import refused, run
from small import EVIL, built

from hlsgen.build.project import open_project
from hlsgen.build.synth import FpgaCost, Synthesis
from hlsgen.emit.hls import Io
from hlsgen.report.facts import FORMAT, Report
from hlsgen.report.gather import report_of
from hlsgen.report.layering import columns, layered
from hlsgen.report.page import page


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("stream"))


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("parallel"), Io.PARALLEL, board="u280", rtl=True)


@pytest.fixture
def copy(stream: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stream, tmp_path / "copy"))


def edit(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text())
    content.update(fields)
    path.write_text(json.dumps(content))


def test_layers_are_those_of_the_graph(stream: Path) -> None:
    report = report_of(stream)
    graph = open_project(stream).network.graph
    assert [layer.name for layer in report.layers] == [node.output for node in graph.nodes]
    for layer, node in zip(report.layers, graph.nodes, strict=True):
        t = graph.types[node.output]
        assert (layer.outputs[0].low, layer.outputs[0].high) == (t.min, t.max)
        assert layer.onnx_name == node.loc.name
    first, second = (layer for layer in report.layers if layer.operator == "Conv")
    assert first.weights is not None
    assert second.weights is not None
    assert (first.weights.count, second.weights.count) == (4 * 2 * 9, 4 * 4)
    assert first.multiplications == 4 * 4 * 4 * 2 * 9
    assert report.multiplications == first.multiplications + 4 * 4 * 4 * 4


def test_the_schedule_is_that_of_project_json(stream: Path) -> None:
    found = report_of(stream).streaming
    recorded = json.loads((stream / "project.json").read_text())["schedule"]
    assert found is not None
    assert found.interval == recorded["interval_cycles"]
    assert found.latency == recorded["latency_cycles"]
    assert found.frames_per_second == pytest.approx(recorded["frames_per_second"])
    busiest = max(found.processes, key=lambda p: p.work)
    assert busiest.work == found.interval
    assert busiest.name in found.bottlenecks
    for p in found.processes:  # once the pipeline is full, frames follow each other at the interval
        assert p.spans[2].last - p.spans[1].last <= found.interval


def test_too_many_tokens_are_not_followed(stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hlsgen.report.streams._MOST_TOKENS", 10)
    report = report_of(stream)
    assert report.streaming is not None
    assert all(p.spans == () for p in report.streaming.processes)
    assert f"No timeline: {report.streaming.no_spans}" in page(report)


def test_fifos_are_those_of_the_emitted_text(stream: Path) -> None:
    (top,) = (path for path in (stream / "src").glob("*.cpp") if "_kernel" not in path.name)
    text = top.read_text()
    streaming = report_of(stream).streaming
    assert streaming is not None
    for fifo in streaming.fifos:
        assert f"#pragma HLS STREAM variable={fifo.name} depth={fifo.depth}\n" in text
    graph = open_project(stream).network.graph
    for fifo in streaming.fifos:  # a beat is some elements of its tensor
        widths = [graph.types[v].format.width for v in graph.types]
        assert any(fifo.bits % width == 0 for width in widths)


def test_every_process_serves_an_operator_or_a_port(stream: Path) -> None:
    streaming = report_of(stream).streaming
    assert streaming is not None
    ports = [p.name.split(" ")[0] for p in streaming.processes if not p.layer]
    assert ports == ["from_port"]
    own = [p.layer for p in streaming.processes if not p.role]
    assert own == [layer.name for layer in report_of(stream).layers]
    slides = [p for p in streaming.processes if p.role == "slide"]
    assert slides[0].layer == report_of(stream).layers[0].name


def test_compute_units_stand_on_their_dies(tmp_path: Path) -> None:
    report = report_of(built(tmp_path, board="u280", compute_units=4))
    one = report_of(built(tmp_path / "one", board="u280"))
    assert [(u.name, u.slr) for u in report.board.units] == [
        ("cu_0", "SLR0"), ("cu_1", "SLR0"), ("cu_2", "SLR1"), ("cu_3", "SLR2"),
    ]  # fmt: skip
    assert report.streaming is not None
    assert one.streaming is not None
    assert report.streaming.frames_per_second == one.streaming.frames_per_second_of_all
    assert report.streaming.frames_per_second_of_all == 4 * report.streaming.frames_per_second
    for r, single in zip(report.board.resources, one.board.resources, strict=True):
        assert single.estimate is not None
        assert r.estimate == 4 * single.estimate
        assert [s.taken for s in r.slrs] == [n * single.estimate for n in (2, 1, 1)]
        assert [s.taken for s in single.slrs] == [single.estimate, 0, 0]
    text = page(report)
    assert "of 4 compute units" in text
    assert "<td>SLR0</td><td>cu_0, cu_1</td>" in text
    taken = report.board.resources[0].slrs[1]
    assert taken.taken is not None
    assert f"{100 * taken.taken / taken.amount:.1f}% of {taken.amount:,}</td>" in text
    assert "compute units" not in page(report_of(built(tmp_path / "zynq", board="ultra96v2")))


def test_luts_of_operators_add_up(parallel: Path) -> None:
    report = report_of(parallel)
    assert report.pipeline is not None
    assert report.pipeline.emitted
    by_module = {x.logic.module: x.logic.luts for x in report.layers if x.logic is not None}
    assert sum(by_module.values()) == pytest.approx(report.pipeline.luts)
    (lut,) = (r for r in report.board.resources if r.name == "LUT")
    assert lut.estimate == report.pipeline.luts
    assert lut.measured is None
    assert sum(slr.amount for slr in lut.slrs) == lut.budget
    for layer in report.layers:
        assert layer.logic is not None
        assert (parallel / "rtl" / f"{layer.logic.module}.sv").is_file()
        assert layer.name in layer.logic.with_


def test_a_large_parallel_network_says_why_it_has_no_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hlsgen.report.logic._MOST_PRODUCTS", 1407)  # it has one more
    report = report_of(built(tmp_path, Io.PARALLEL))
    assert report.pipeline is None
    assert report.no_pipeline.startswith("1,408 products")
    assert report.board.resources[0].estimate is None
    assert page(report).count("1,408 products") == 2  # at time and at resources


def test_proof_counts_the_steps_of_the_staircases(stream: Path) -> None:
    report = report_of(stream)
    kept = json.loads((stream / "proof.json").read_text())
    stairs = [layer["staircase"] for layer in kept["layers"] if "staircase" in layer]
    assert report.proof.steps == sum(s["steps"] for s in stairs)
    assert report.proof.functions == sum(s["functions"] for s in stairs)
    assert report.proof.differing_layers == report.proof.changed_files == ()
    nodes = [len(e["sums"].get("tree", {}).get("nodes", [])) for e in kept["layers"] if "sums" in e]
    assert report.proof.adders == sum((n - 1) // 2 + 1 if n else 1 for n in nodes)


def test_changed_sources_and_proofs_are_named(copy: Path) -> None:
    (layer, *_) = (copy / "src" / "layers").iterdir()
    layer.write_text(layer.read_text().replace("ap_", "ap_u", 1))
    (copy / "Makefile").unlink()
    proof = json.loads((copy / "proof.json").read_text())
    proof["layers"][1]["staircase"]["steps"] += 1
    (copy / "proof.json").write_text(json.dumps(proof))
    found = report_of(copy).proof
    assert {*found.changed_files} == {f"src/layers/{layer.name}", "Makefile"}
    assert found.differing_layers == (report_of(copy).layers[1].name,)


@pytest.mark.parametrize("io", [Io.STREAM, Io.PARALLEL])
def test_a_model_of_another_name_changes_no_file(tmp_path: Path, io: Io) -> None:
    found = report_of(built(tmp_path, io, rtl=io is Io.PARALLEL))
    assert found.model == "small.onnx"
    assert found.proof.changed_files == ()
    assert found.proof.compared_files > 10


def verdict(folder: Path) -> str:
    return report_of(folder).verification.verdict


def test_verdicts(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(copy) == "unverified"  # it was built without csim
    assert run("report", copy) == 0
    manifest = copy / "project.json"
    edit(manifest, verified=True)
    assert verdict(copy) == "verified"
    edit(manifest, verification={})
    assert verdict(copy) == "unverified"
    engine = {"elements": 9, "equal": 7, "explained": 0, "wrong": 2, "first_wrong": None}
    edit(manifest, verification={"engines": {"csim": engine}})
    assert verdict(copy) == "wrong"
    assert run("report", copy, "-o", copy / "page.html") == 1
    assert "WRONG" in capsys.readouterr().out
    assert '<div class="banner wrong"' in (copy / "page.html").read_text()


def test_synthesis_stands_beside_the_estimate(
    parallel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(parallel, tmp_path / "p"))
    cost = FpgaCost(
        lut=123, inverters=4, ff=56, carry4=7, carry8=4, dsp=8, bram18=0, lutram=0, lut_levels=5,
        carry_chains=2,
    )  # fmt: skip
    found = Synthesis("Yosys x", "small", 3, 1.0, 2.0, False, cost, None)
    monkeypatch.setattr("hlsgen.report.synth.synthesised", lambda *_: found)
    assert run("synth", folder, "--max-latency", 9) == 0
    report = report_of(folder)
    assert {r.name: r.measured for r in report.board.resources} == {
        "LUT": 123, "FF": 56, "DSP": 8, "BRAM18": 0, "URAM": None,
    }  # fmt: skip
    assert report.measured is not None
    assert report.measured.command == f"hlsgen synth {folder} --max-latency 9"
    assert "Not measured yet" not in page(report)
    (folder / "reports/synth.json").write_text('{"fpga": {')
    assert run("report", folder) == 2


def test_json_has_its_keys_and_a_version(stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", stream, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["kind"]) == (FORMAT, "report")
    assert {*found} == {*Report.__dataclass_fields__, "format", "kind"}
    assert found["layers"][0]["outputs"][0]["shape"] == [1, 4, 4, 4]
    assert not (stream / "report.html").exists()  # printed, not written


def test_page_is_written_where_it_is_asked_for(stream: Path, tmp_path: Path) -> None:
    assert run("report", stream, "-o", tmp_path / "a.html") == 0
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert run("report", stream, "-o", tmp_path / "no" / "a.html") == 2


def test_what_is_no_project_is_refused(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "not a project" in refused(capsys, 2, "report", tmp_path / "nothing")
    assert "not a project" in refused(capsys, 2, "report", tmp_path)
    assert "one project folder, or two" in refused(capsys, 2, "report")
    assert "one project folder, or two" in refused(capsys, 2, "report", copy, copy, copy)
    manifest = copy / "project.json"
    whole = manifest.read_text()
    manifest.write_text(whole[: len(whole) // 2])
    assert "not a project" in refused(capsys, 2, "report", copy)
    for missing in ("inputs", "model"):
        content = json.loads(whole)
        del content[missing]
        manifest.write_text(json.dumps(content))
        assert f"'{missing}'" in refused(capsys, 2, "report", copy)
    content = json.loads(whole)
    del content["options"]["board"]
    manifest.write_text(json.dumps(content))
    assert "'board'" in refused(capsys, 2, "report", copy)
    manifest.write_text(whole)
    (copy / "proof.json").write_text("{")
    assert "proof.json" in refused(capsys, 2, "report", copy)
    (copy / "model.onnx").unlink()
    assert "model.onnx" in refused(capsys, 2, "report", copy)


def test_comparison_names_only_what_differs(
    stream: Path, parallel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", stream, stream, "--json") == 0
    same = json.loads(capsys.readouterr().out)
    assert (same["figures"], same["options"], same["layers"]) == ([], [], [])
    assert (same["format"], same["kind"], same["same_model"]) == (FORMAT, "comparison", True)
    assert run("report", stream, parallel, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    options = {d["what"]: (d["a"], d["b"]) for d in found["options"]}
    assert options["io"] == ("stream", "parallel")
    assert options["board"] == ("ultra96v2", "u280")
    assert all(d["a"] != d["b"] for d in found["figures"] + found["options"])
    assert "operators" not in {d["what"] for d in found["figures"]}
    made = tmp_path / "c.html"
    assert run("report", stream, stream, "-o", made) == 0
    assert 'differs"' not in made.read_text()
    assert "All 6 operators are the same" in made.read_text()
    assert run("report", stream, parallel, "-o", made) == 0
    assert made.read_text().count('differs"') >= len(found["figures"])
    assert EVIL not in made.read_text()


def test_different_models_can_be_compared(stream: Path, tmp_path: Path) -> None:
    other = built(tmp_path / "other", seed=1)
    made = tmp_path / "c.html"
    assert run("report", stream, other, "-o", made) == 0
    assert "Different models" in made.read_text()


def test_long_drawings_go_on_in_columns() -> None:
    """Boxes of a column do not overlap, and columns end where one box holds all that goes on."""
    chain = [(f"n{k}", f"n{k + 1}") for k in range(30)]
    skips = [(f"n{k}", f"n{k + 3}") for k in range(0, 27, 3)]
    edges = sorted(chain + skips, key=lambda e: int(e[1][1:]))
    found = layered(edges, frozenset())
    starts = columns(found, 80, (980, 740))
    assert len(starts) > 2
    assert all((start - 1) % 3 == 0 or start > 27 for start in starts[1:])
    for row in found.rows:
        places = [found.places[k] for k in row]
        gaps = np.diff([p.x for p in places])
        rooms = [(a.room + b.room) / 2 for a, b in pairwise(places)]
        assert (gaps >= np.array(rooms) - 1e-6).all()
