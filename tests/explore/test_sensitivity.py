"""Tables that the drivers search: spaces, sensitivities and LUTs against what they stand for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import rel_entr
from scipy.special import softmax as soft

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.errors import Loc, ToolMissing
from hlsgen.explore.calibration import calibrated
from hlsgen.explore.evaluate import Task, candidate_model, lowered, run_job
from hlsgen.explore.hardware import Unrolled, parallel_luts, settle
from hlsgen.explore.prediction import predict
from hlsgen.explore.sensitivity import Sensitivity, distance, gauss_newton, measured
from hlsgen.explore.space import Candidate, space_of
from hlsgen.quantise.data import load_samples
from hlsgen.quantise.fold import fold_affine
from hlsgen.quantise.graph import FloatGraph, Step
from hlsgen.quantise.judge import float_outputs
from hlsgen.quantise.prepare import open_float, prepare
from hlsgen.quantise.scheme import Precision, Scales, Scheme

sys.path.insert(0, str(Path(__file__).parents[1] / "quantise"))
import float_nets

W3, W5, W8 = map(WeightFormat, (3, 5, 8))


def silent(stage: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("residual")
    model = float_nets.residual(folder / "net.onnx")
    np.savez(folder / "data.npz", x=float_nets.samples(16))
    file = open_float(model)
    samples = load_samples(folder / "data.npz", file.inputs, None)
    graph = fold_affine(prepare(file, samples.feeds))
    space = space_of(graph, (W3, W5, W8), (4, 8), (Scales.FREE,))
    wanted = float_outputs(graph, samples)
    return Task(
        graph, samples.feeds, samples, wanted, space, Scheme(), Unrolled({"": Arithmetic.TOOL})
    )


def test_operands_of_an_adder_have_one_format(residual: Task) -> None:
    space = residual.space
    assert space.layers == ("conv1", "conv2", "conv3", "fc")
    assert space.groups == (("x",), ("conv1", "conv3"), ("conv2",), ("relu3",), ("pool2",))
    assert space.reads == (0, 1, 2, 4)
    assert space.makes == (1, 2, 1, None)
    candidate = Candidate((W3, W5, W8, W3), (8, 4, 8, 4, 8), (Scales.FREE,) * 4)
    free = Scales.FREE
    assert dict(space.scheme(candidate, Scheme()).layers) == {
        "x": Precision(None, 8, free), "conv1": Precision(W3, 4, free),
        "conv2": Precision(W5, 8, free), "conv3": Precision(W8, 4, free),
        "relu3": Precision(None, 4, free), "pool2": Precision(None, 8, free),
        "fc": Precision(W3, None, free),
    }  # fmt: skip


def test_predicted_luts_are_near_those_of_whole_designs(residual: Task) -> None:
    found = predict(residual, Scales.FREE, Sensitivity.MEASURED,
                    lambda jobs: [run_job(residual, job) for job in jobs], silent)  # fmt: skip
    rng = np.random.default_rng(4)
    for _ in range(3):
        w, a = (tuple(int(v) for v in rng.choice(s, n)) for s, n in (((3, 5, 8), 4), ((4, 8), 5)))
        candidate = Candidate(tuple(map(WeightFormat, w)), a, (Scales.FREE,) * 4)
        assert found.candidate(found.picked(candidate)) == candidate
        outcome = run_job(residual, candidate)
        assert not outcome.error
        assert found.luts(candidate) == pytest.approx(outcome.luts, rel=0.3)


def test_the_distance_of_scores_is_the_divergence_of_their_softmax() -> None:
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=(2, 20, 1, 7))
    p, q = soft(y[:, 0], axis=1), soft(z[:, 0], axis=1)
    want = rel_entr(p, q).sum(axis=1).mean()
    assert distance({"y": y}, {"y": z}) == pytest.approx(want)
    assert distance({"y": p}, {"y": q}) == pytest.approx(want)
    image = rng.normal(size=(3, 2, 4, 4))
    assert distance({"y": image}, {"y": image * 1.1}) == pytest.approx(0.01)


def test_fewer_bits_do_more_damage_by_either_measure(task: Task) -> None:
    found = calibrated(task, Scales.FREE, silent)
    some = {n: x[:32] for n, x in task.feeds.items()}
    tables = [np.array(f(task, found, some, silent)) for f in (measured, gauss_newton)]
    for table in tables:
        assert table.shape == (2, 4)
        assert (np.diff(np.log(table), axis=1) < 0).all()
    ratio = tables[0] / tables[1]
    assert ratio.max() / ratio.min() < 20  # over four orders of magnitude
    assert tables[0].max() / tables[0].min() > 1e3


def test_the_trace_of_a_linear_classifier_is_known(task: Task) -> None:
    """Cross-entropy of softmax(x W): tr H = mean of |x|^2 sum p (1 - p)."""
    torch = pytest.importorskip("torch")
    from hlsgen.explore.hutchinson import _traces

    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(6, 4)), rng.normal(size=(200, 1, 6)).astype(np.float32)
    step = Step("Gemm", ("x", "w", "b"), ("y",), (), Loc("m"), True)
    shapes = {"x": (1, 6), "y": (1, 4)}
    graph = FloatGraph(
        "g", "m", 21, {"x": (1, 6)}, ("y",), (step,), {"w": w, "b": np.zeros(4)}, shapes
    )
    p = soft(x[:, 0] @ w, axis=1)
    want = ((x[:, 0] ** 2).sum(axis=1) * (p * (1 - p)).sum(axis=1)).mean()
    (found,) = _traces(torch, graph, {"x": x}, silent)
    assert found == pytest.approx(want, rel=0.1)


def test_without_torch_its_sensitivity_says_so(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolMissing, match=r"needs torch: pip install 'hlsgen\[train\]'"):
        predict(task, Scales.FREE, Sensitivity.HUTCHINSON, lambda jobs: [], silent)


def test_arithmetics_are_settled_by_onnx_node_and_never_dearer(task: Task) -> None:
    model = candidate_model(task, task.space.uniform(WeightFormat(2), 3, Scales.PO2))
    network = lowered(model)
    luts, chosen = settle(network)
    alone = parallel_luts(network, {"": Arithmetic.SHIFT_ADD})
    assert luts <= alone
    assert chosen[""] is Arithmetic.SHIFT_ADD
    assert {key.partition("[")[0] for key in chosen} <= {"", "fc1", "fc2"}
    assert parallel_luts(network, chosen) == luts


def test_kinds_of_scales_are_mixed_in_one_candidate(task: Task) -> None:
    mixed = Candidate((WeightFormat(4),) * 2, (8, 4), (Scales.KHOT, Scales.PO2))
    free = replace(mixed, scales=(Scales.FREE, Scales.FREE))
    for candidate in (mixed, free):
        outcome = run_job(task, candidate)
        assert not outcome.error
        assert outcome.accuracy is not None
        assert outcome.accuracy > 0.7
    assert mixed.key == "W4.4A8.4 khot.po2"
