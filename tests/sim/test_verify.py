"""Verification finds every wrong integer, and excuses float32 only where that is proven."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hlsgen.errors import OptionError
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.sim.explain import exact_layers
from hlsgen.sim.reference import float32, reference
from hlsgen.sim.run import feeds_of, run_graph, simulate
from hlsgen.sim.verify import python_engine, verify
from tests.sim import small

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("runtime", [True, False])
def test_powers_of_two_need_no_excuse(path: Path, runtime: bool):
    if runtime:
        pytest.importorskip("onnxruntime")
    net = small.powers_of_two(path)
    found = verify(net, small.inputs(net, 2000, 2.0), path=path if runtime else None)
    verdict = found.engines["python"]
    assert (verdict.elements, verdict.equal) == (8000, 8000)
    assert (verdict.explained, verdict.wrong) == (0, 0)
    assert all(layer.differing == 0 for layer in found.layers)


def test_ties_of_free_scales_are_explained(path: Path):
    net = small.averages(path)
    found = verify(net, small.inputs(net, 200, 0.8), path=path)
    verdict = found.engines["python"]
    assert verdict.explained > 0
    assert verdict.wrong == 0
    assert verdict.equal + verdict.explained == verdict.elements == 200 * 128
    (layer,) = found.layers
    assert layer.explained == layer.differing == verdict.explained


def test_free_scales_are_verified(path: Path):
    net = small.free_scales(path)
    assert verify(net, small.inputs(net, 5000, 1.0), path=path).wrong == 0


@pytest.mark.parametrize("damage", [small.step_moved, small.rows_swapped, small.weight_changed])
@pytest.mark.parametrize("make", [small.powers_of_two, small.free_scales])
def test_damage_is_wrong(path: Path, damage: Any, make: Any):
    net = make(path)
    feeds = small.inputs(net, 4000, 1.0)
    bad = damage(net, feeds)
    found = verify(bad, feeds, path=path)
    verdict = found.engines["python"]
    assert verdict.wrong > 0
    first = verdict.first_wrong
    assert first is not None
    assert abs(first.got - first.want) >= 1
    assert first.output == "yq"
    assert "Staircase" in first.node
    assert "requantise" in first.location


def test_damage_is_wrong_even_where_the_expectation_shares_it(path: Path):
    net = small.free_scales(path)
    feeds = small.inputs(net, 4000, 1.0)
    bad = small.step_moved(net, feeds)
    assert verify(bad, feeds, simulate(bad, feeds), path=path).wrong > 0


def test_an_engine_that_differs_is_wrong(path: Path):
    net = small.free_scales(path)
    feeds = small.inputs(net, 10, 1.0)

    def broken(codes: Any) -> Any:
        results = {n: np.array(y) for n, y in run_graph(net.graph, codes).items()}
        next(iter(results.values()))[7, 0, 2] ^= 1
        return results

    engines = {"python": python_engine(net), "csim": broken}
    found = verify(net, feeds, None, engines, path=path).to_json()
    assert found["engines"]["python"]["wrong"] == 0
    assert found["engines"]["csim"]["wrong"] == 4  # the sample's elements
    first = found["engines"]["csim"]["first_wrong"]
    assert first["index"] == [7, 0, 2]
    assert abs(first["got"] - first["want"]) == 1


def test_an_expectation_beyond_float32_is_wrong(path: Path):
    net = small.free_scales(path)
    feeds = small.inputs(net, 50, 1.0)
    expect = simulate(net, feeds)
    assert verify(net, feeds, expect, path=path).wrong == 0
    expect["y"][33, 0, 1] += np.float32(0.117)
    found = verify(net, feeds, expect, path=path).engines["python"]
    assert found.wrong == 1
    assert found.first_wrong is not None
    assert found.first_wrong.index == (33, 0, 1)


def test_expectations_of_another_machine_are_told(path: Path):
    """Rounding errors of another order are possible, but they are not passed over in silence."""
    net = small.averages(path)
    feeds = small.inputs(net, 200, 0.8)
    expect = {n: np.array(y) for n, y in float32(net.model, feeds).items() if n == "y"}
    assert not verify(net, feeds, expect, path=path).warnings
    exact = exact_layers(net.model, feeds)
    sums = exact.codes["xq"][..., 0::2] + exact.codes["xq"][..., 1::2]
    spot = tuple(np.argwhere(sums % 2 != 0)[0])
    here = reference(net.model, feeds, path).values["yq"][spot]
    other = sums[spot] - here  # a tie: the code on its other side
    expect["y"][spot] = np.float32(other) * np.float32(0.0173)
    found = verify(net, feeds, expect, path=path)
    assert found.wrong == 0
    expect["y"][spot] = np.float32(other + 2 * (other - here)) * np.float32(0.0173)
    assert verify(net, feeds, expect, path=path).wrong == 1


def test_chunks_make_no_difference(path: Path, monkeypatch: pytest.MonkeyPatch):
    net = small.averages(path)
    feeds = small.inputs(net, 40, 0.8)
    whole = verify(net, feeds, path=path)
    monkeypatch.setattr("hlsgen.sim.verify._CHUNK", 7 * 256)
    parts = verify(net, feeds, path=path)
    assert parts.engines == whole.engines
    assert [(r.differing, r.explained) for r in parts.layers] == [
        (r.differing, r.explained) for r in whole.layers
    ]


def test_rounded_inputs_are_judged_on_the_rounded_input(path: Path):
    net = small.bare(path)
    feeds = small.inputs(net, 300, 1.0)
    expect = {"y": np.zeros((300, 1, 3))}  # of other inputs: not looked at
    found = verify(net, feeds, expect, path=path)
    assert found.rounded_inputs
    assert found.wrong == 0
    on_grid = {"x": np.rint(feeds["x"] * 64) / 64}
    assert not verify(net, on_grid, path=path).rounded_inputs
    assert verify(net, on_grid, expect, path=path).wrong > 0


def test_json(path: Path):
    net = small.powers_of_two(path)
    found = verify(net, small.inputs(net, 3, 1.0)).to_json()
    assert set(found) == {"model", "rounded_inputs", "engines", "seconds"}
    assert found["model"] == "model.onnx"
    assert found["engines"] == {
        "python": {"elements": 12, "equal": 12, "explained": 0, "wrong": 0, "first_wrong": None}
    }


def test_expected_arrays_match_by_name_else_by_position(path: Path):
    net = small.powers_of_two(path)
    feeds = small.inputs(net, 3, 1.0)
    y = simulate(net, feeds)["y"]
    other = np.full_like(y, 99)
    assert verify(net, feeds, {"opt_y": other, "y": y}).wrong == 0
    assert verify(net, feeds, {"result": y, "opt": other}).wrong == 0
    with pytest.raises(OptionError, match="shape"):
        verify(net, feeds, {"y": y[:, :, :3]})


def _corpus() -> list[str]:
    if not (CORPUS / "index.csv").is_file():
        return []
    with (CORPUS / "index.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    styles = ("QDQ", "QONNX", "QOperator", "PULP-integer", "FINN-MultiThreshold")
    quick = [
        r["name"] for r in rows if r["style"].split("(")[0] in styles and r["level"] == "model"
    ]
    slow = ("micro", "dscnn", "espcn", "eltwise", "resnet")
    return [n for n in quick if not any(s in n for s in slow)]


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}")
@pytest.mark.parametrize("name", _corpus())
def test_corpus(name: str):
    pytest.importorskip("onnxruntime")
    folder = CORPUS / name
    net = lower(read_model(folder / "model.onnx"))
    feeds = feeds_of(net, dict(np.load(folder / "inputs.npz")))
    expect = dict(np.load(folder / "reference.npz"))
    found = verify(net, feeds, expect, path=folder / "model.onnx")
    assert found.wrong == 0, found.to_json()
    assert replace(found, engines={}).wrong == 0
