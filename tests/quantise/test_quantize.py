"""`hlsgen quantize`: what is written is exact, close to the float network, and refusals say why."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import float_nets
import numpy as np
import onnx
import pytest
from command_line import refused as refusal
from command_line import run
from onnx import helper
from onnx.numpy_helper import to_array

from hlsgen.arith.signed_digit import csd_digits
from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import Loc
from hlsgen.quantise.fold import fold_affine
from hlsgen.quantise.graph import FloatGraph, Step, float_model
from hlsgen.quantise.layer import quantise_layer
from hlsgen.quantise.moments import moments
from hlsgen.quantise.prepare import open_float, prepare
from hlsgen.quantise.scheme import Rounding, Scales, Scheme

ort = pytest.importorskip("onnxruntime")
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def runtime(path: Path | bytes, feeds: dict[str, Any]) -> np.ndarray:
    """onnxruntime's own result, sample by sample, nothing optimised."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    count = len(next(iter(feeds.values())))
    return np.stack(
        [session.run(None, {n: x[j] for n, x in feeds.items()})[0] for j in range(count)]
    )


def decibels(want: np.ndarray, got: np.ndarray) -> float:
    return 10 * float(np.log10((want**2).sum() / ((got - want) ** 2).sum()))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return float_nets.residual(tmp_path_factory.mktemp("float") / "net.onnx")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    x = float_nets.samples()
    labels = runtime(model, {"x": x}).reshape(len(x), -1).argmax(axis=1)
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=x, labels=labels)
    return path


def quantized(
    capsys: pytest.CaptureFixture[str], model: Path, data: Path, out: Path, *options: object
) -> dict[str, Any]:
    assert run("quantize", model, "--data", data, "-o", out, "--json", *options) == 0
    return json.loads(capsys.readouterr().out)


def wrong(capsys: pytest.CaptureFixture[str], out: Path, *options: object) -> dict[str, Any]:
    """The verdict of `hlsgen verify` on onnxruntime's own result."""
    assert run("verify", out, "--samples", 6, "--json", "-", *options) == 0
    return json.loads(capsys.readouterr().out)["engines"]["python"]


OPTIONS = [
    (),
    ("--ranges", "minmax", "--rounding", "nearest", "--no-bias-correction"),
    ("--ranges", "percentile", "--percentile", 99.9, "--rounding", "adaround"),
    ("--weights", 4, "--rounding", "adaround"),
    ("--weights", 4, "--activations", 6, "--calibrate", 16),
    ("--scales", "po2", "--weights", 4, "--equalise", "weights"),
    ("--scales", "khot", "--equalise", "smooth"),
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(map(str, o)) or "defaults")
def test_every_option_writes_a_network_of_exact_integers(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model: Path,
    data: Path,
    options: tuple[object, ...],
) -> None:
    out = tmp_path / "q.onnx"
    said = quantized(capsys, model, data, out, *options)
    x = float_nets.samples()
    decibel = decibels(runtime(model, {"x": x}), runtime(out, {"x": x}))
    bits = said["scheme"]["weights"]
    assert decibel > {8: 38, 4: 17}[bits]
    assert said["judgement"]["sqnr_db"] == pytest.approx(decibel, abs=1.0)
    assert said["judgement"]["float_accuracy"] == 1.0
    assert said["judgement"]["accuracy"] == said["judgement"]["agreement"]
    verdict = wrong(capsys, out)
    assert verdict["wrong"] == 0
    assert verdict["equal"] + verdict["explained"] == verdict["elements"]


def test_sixteen_bits_of_activations_are_nearly_the_float_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    rng = np.random.default_rng(1)
    constants = {
        "w": rng.random((128, 2)).astype(np.float32),
        "v": rng.standard_normal((2, 5)).astype(np.float32),
        "b": rng.standard_normal((1, 5)).astype(np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Flatten", ["x"], ["f"], "flatten"),
        make("MatMul", ["f", "w"], ["m"], "first"),
        make("Relu", ["m"], ["r"], "relu"),
        make("MatMul", ["r", "v"], ["n"], "second"),
        make("Add", ["n", "b"], ["y"], "bias"),
    ]
    path = float_nets.write(tmp_path / "m.onnx", nodes, constants)
    x = float_nets.samples(8)
    np.savez(tmp_path / "d.npz", x=x)
    quantized(capsys, path, tmp_path / "d.npz", tmp_path / "q.onnx", "--activations", 16)
    assert decibels(runtime(path, {"x": x}), runtime(tmp_path / "q.onnx", {"x": x})) > 45
    assert wrong(capsys, tmp_path / "q.onnx")["wrong"] == 0


@pytest.mark.parametrize("bits", [8, 4])
def test_branches_joins_and_functions_have_quantisers_of_their_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, bits: int
) -> None:
    path = float_nets.branches(tmp_path / "m.onnx")
    out = tmp_path / "q.onnx"
    said = quantized(capsys, path, data, out, "--weights", bits)
    rows = [r["name"] for r in said["errors"]]
    functions = ["conv1", "sigmoid", "silu", "pool", "conv2", "concat", "conv3", "mean", "fc"]
    assert rows == ["x", "centre", *functions]
    x = float_nets.samples()
    assert decibels(runtime(path, {"x": x}), runtime(out, {"x": x})) > {8: 35, 4: 20}[bits]
    verdict = wrong(capsys, out)
    assert verdict["wrong"] == 0
    assert run("inspect", out, "--json") == 0


@pytest.mark.parametrize(("value", "quantisers"), [(0.0, 2), (0.37, 3)])
def test_a_pad_with_new_values_has_a_quantiser(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, value: float, quantisers: int
) -> None:
    rng = np.random.default_rng(1)
    constants = {
        "w1": rng.standard_normal((3, 2, 3, 3)).astype(np.float32),
        "w2": rng.standard_normal((5, 3, 8, 8)).astype(np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "value": np.array(value, np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w1"], ["c"], "conv1"),
        make("Relu", ["c"], ["r"], "relu"),
        make("Pad", ["r", "pads", "value"], ["p"], "pad"),
        make("Conv", ["p", "w2"], ["y"], "conv2"),
    ]
    path, out = float_nets.write(tmp_path / "m.onnx", nodes, constants), tmp_path / "q.onnx"
    quantized(capsys, path, data, out)
    kinds = [n.op_type for n in onnx.load(out).graph.node]
    assert kinds.count("QuantizeLinear") == quantisers
    x = float_nets.samples()
    assert decibels(runtime(path, {"x": x}), runtime(out, {"x": x})) > 35
    assert wrong(capsys, out)["wrong"] == 0


@pytest.mark.parametrize("kind", ["po2", "khot"])
def test_scales_make_requantisations_of_few_shifts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path, kind: str
) -> None:
    quantized(capsys, model, data, tmp_path / "q.onnx", "--weights", 4, "--scales", kind)
    held = {t.name: to_array(t) for t in onnx.load(tmp_path / "q.onnx").graph.initializer}
    scales = {n: v.astype(np.float64) for n, v in held.items() if n.endswith(("scale", "scales"))}
    assert len(scales) == 6 + 4 + 4  # activations, weights, biases
    for name, s in scales.items():
        if kind == "po2" or name.endswith("__scale"):
            assert (np.frexp(s)[0] == 0.5).all(), name
    behind = {"c1": ("x", "r1"), "c2": ("r1", "r2"), "c3": ("r2", "c3")}
    for layer, (source, target) in behind.items():
        s = scales[f"{layer}__weights__scales"] * scales[f"{source}__scale"]
        for factor in s / scales[f"{target}__scale"]:
            assert len(csd_digits(Fraction(factor).numerator)) <= (1 if kind == "po2" else 2)
    assert not any(v.any() for n, v in held.items() if n.endswith("__zero"))


def test_nothing_between_the_layers_is_float(
    tmp_path: Path, model: Path, data: Path, capsys
) -> None:
    from hlsgen.frontends import read_model
    from hlsgen.passes.lower import lower

    out = tmp_path / "q.onnx"
    quantized(capsys, model, data, out, "--weights", 4)
    proto = onnx.load(out)
    onnx.checker.check_model(proto, full_check=True)
    codes = [t for t in proto.graph.initializer if t.data_type == onnx.TensorProto.INT4]
    assert [t.name for t in codes] == [f"{y}__weights__codes" for y in ("c1", "c2", "c3", "y")]
    kinds = [n.op_type for n in proto.graph.node if n.op_type == "QuantizeLinear"]
    assert len(kinds) == 6  # input, relu1, relu2, conv3, relu3, pool2
    network = lower(read_model(out))
    (port,) = network.inputs
    t = network.graph.types[port.value]
    assert (t.min, t.max) == (0, 255)


def test_the_project_of_a_quantized_network_verifies(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path
) -> None:
    out = tmp_path / "q.onnx"
    quantized(capsys, model, data, out, "--weights", 4)
    assert run("build", out, "-o", tmp_path / "p", "--no-csim", "--json") == 0
    verdict = json.loads(capsys.readouterr().out)["verification"]["engines"]["python"]
    assert verdict["wrong"] == 0


def test_learned_rounding_and_bias_correction_pay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path
) -> None:
    x = float_nets.samples()
    want = runtime(model, {"x": x})
    found: dict[str, np.ndarray] = {}
    for name, options in {
        "plain": ("--rounding", "nearest", "--no-bias-correction"),
        "bias": ("--rounding", "nearest"),
        "adaround": ("--rounding", "adaround"),
        "gptq": ("--rounding", "gptq"),
    }.items():
        quantized(capsys, model, data, tmp_path / "q.onnx", "--weights", 3, *options)
        found[name] = runtime(tmp_path / "q.onnx", {"x": x})
    bias = {name: np.abs((y - want).mean(axis=0)).max() for name, y in found.items()}
    assert bias["bias"] < 0.3 * bias["plain"]
    levels = {name: decibels(want, y) for name, y in found.items()}
    assert levels["plain"] < levels["bias"] < levels["gptq"]
    assert levels["bias"] < levels["adaround"]


def test_folding_changes_no_result(model: Path) -> None:
    x = float_nets.samples(4)
    graph = fold_affine(prepare(open_float(model), {"x": x}))
    assert "BatchNormalization" not in [step.op for step in graph.steps]
    np.testing.assert_allclose(
        runtime(float_model(graph).SerializeToString(), {"x": x}),
        runtime(model, {"x": x}),
        atol=1e-4,
    )


def test_the_table_says_where_the_error_arises(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path
) -> None:
    rows = {
        r["name"]: r
        for r in quantized(capsys, model, data, tmp_path / "q.onnx", "--weights", 4)["errors"]
    }
    assert list(rows) == ["x", "conv1", "conv2", "conv3", "relu3", "pool2", "fc"]
    assert rows["x"]["output_db"] > 50  # the pixels keep their codes
    assert rows["fc"]["weight_bits"] == 4
    assert rows["fc"]["activation_bits"] == 0  # its sums stay whole
    for row in rows.values():
        assert row["alone_db"] > 10
    x = float_nets.samples()[np.linspace(0, 47, 32).round().astype(int)]
    whole = decibels(runtime(model, {"x": x}), runtime(tmp_path / "q.onnx", {"x": x}))
    assert rows["fc"]["together_db"] == pytest.approx(whole, abs=1e-3)
    assert rows["fc"]["alone_db"] == rows["fc"]["output_db"]


def test_the_summary_names_the_next_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path
) -> None:
    assert run("quantize", model, "--data", data, "-o", tmp_path / "q.onnx") == 0
    text = capsys.readouterr().out
    assert "float 100.00%, exact integers" in text
    assert f"next: hlsgen build {tmp_path / 'q.onnx'} -o" in text


def test_without_onnxruntime_the_result_is_the_same(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    for absent in (False, True):
        if absent:
            monkeypatch.setitem(sys.modules, "onnxruntime", None)
        out = tmp_path / f"{absent}.onnx"
        quantized(capsys, model, data, out, "--weights", 4, "--calibrate", 4)
        made.append({t.name: to_array(t) for t in onnx.load(out).graph.initializer})
    for name, array in made[0].items():
        other = made[1][name]
        np.testing.assert_allclose(other.astype(float), array.astype(float), rtol=1e-3, atol=1)


def test_a_bias_far_above_the_weights_stays() -> None:
    step = Step("Gemm", ("x", "w", "b"), ("y",), (), Loc("m"), True)
    bias = np.array([3.0e6, -2.0, 0.0])
    constants = {"w": np.array([[1e-6, 1.0, 0.0], [-2e-6, -0.5, 0.0]]), "b": bias}
    graph = FloatGraph("g", "m", 21, {"x": (1, 2)}, ("y",), (step,), constants, {})
    x = np.random.default_rng(0).standard_normal((50, 1, 2))
    found = moments(step, (2, 3), zip(x, x, strict=True))
    made = quantise_layer(graph, step, 0.01, 1.0, found, Scheme())
    assert np.abs(made.bias).max() < 2**31
    np.testing.assert_allclose(made.bias * made.scales * 0.01, bias, rtol=1e-6, atol=0.01)
    np.testing.assert_allclose((made.codes * made.scales)[:, 1], [1.0, -0.5], atol=0.01)


@pytest.mark.parametrize("digits", [1, 2])
@pytest.mark.parametrize("scales", list(Scales))
def test_a_layer_finds_scales_for_its_khot_codes(digits: int, scales: Scales) -> None:
    """Against a fine scan of scales, with the codes counted out here."""
    sums = {s * 2**a for s in (1, -1) for a in range(4)} | {0}
    codes = sums if digits == 1 else {a + b for a in sums | {16} for b in sums if abs(a + b) <= 15}
    every = np.array(sorted({c * s for c in codes for s in (1, -1)}))
    w = np.random.default_rng(2).standard_normal((120, 3))
    step = Step("Gemm", ("x", "w", "b"), ("y",), (), Loc("m"), True)
    graph = FloatGraph(
        "g", "m", 21, {"x": (1, 120)}, ("y",), (step,), {"w": w, "b": np.zeros(3)}, {}
    )
    x = np.eye(120)[:, None]
    found = moments(step, w.shape, zip(x, x, strict=True))
    scheme = Scheme(
        weights=WeightFormat(5, digits), rounding=Rounding.NEAREST, scales=scales,
        bias_correction=False,
    )  # fmt: skip
    made = quantise_layer(graph, step, 2.0**-6, 2.0**-4, found, scheme)
    assert np.isin(made.codes, every).all()

    def error(column: np.ndarray, scale: float) -> float:
        return float((np.abs(column[:, None] - every * scale).min(axis=1) ** 2).sum())

    best = sum(min(error(c, s) for s in np.geomspace(0.02, 2, 400)) for c in w.T)
    got = float(((made.codes * made.scales - w) ** 2).sum())
    assert got <= {Scales.FREE: 1.02, Scales.KHOT: 1.15, Scales.PO2: 1.8}[scales] * best


# -- refusals ---------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    return refusal(capsys, 2, "quantize", *arguments, "-o", "/nowhere/q.onnx")


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_bad_data_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    x = float_nets.samples(4)
    holed = x.copy()
    holed[2, 0, 1, 3, 3] = np.nan
    for message, labels, arrays in (
        ("'x' holds NaN or infinity, first in sample 2", None, {"x": holed}),
        ("no array 'classes' for --labels; it holds x", "classes", {"x": x}),
        ("labels 'labels': 4 needed, one a sample, got 3", None, {"x": x, "labels": np.arange(3)}),
        (
            "label 9 of sample 1: output 'y' has classes 0 to 4",
            None,
            {"x": x, "labels": [1, 9, 0, 0]},
        ),
        ("labels 'labels' need class numbers from 0 on", None, {"x": x, "labels": [1.5, 0, 0, 0]}),
        ("'x' needs shape (samples, 1, 2, 8, 8), got (4, 1, 2, 8, 7)", None, {"x": x[..., 1:]}),
        ("'x' needs numbers, got <U1", None, {"x": np.array(["a"])}),
        ("no array for input 'x'; it holds nothing", None, {}),
    ):
        path = saved(tmp_path / "d.npz", **arrays)
        options = () if labels is None else ("--labels", labels)
        assert message in refused(capsys, model, "--data", path, *options)


def test_an_operator_without_integers_is_located(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("Softmax", ["c"], ["s"], "inner"),
        make("Relu", ["s"], ["y"], "relu"),
    ]
    weights = {"w": np.ones((3, 2, 3, 3), np.float32)}
    path = float_nets.write(tmp_path / "m.onnx", nodes, weights)
    text = refused(capsys, path, "--data", data)
    assert "m.onnx: node 1 'inner' (Softmax): Softmax has no integers here" in text


def test_a_network_without_layers_and_a_quantised_one_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, data: Path
) -> None:
    path = float_nets.write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], "r")], {})
    assert "no Conv, Gemm or MatMul with weights" in refused(capsys, path, "--data", data)
    quantized(capsys, model, data, tmp_path / "q.onnx")
    text = refused(capsys, tmp_path / "q.onnx", "--data", data)
    assert "(QuantizeLinear): the model is quantised already" in text


def test_a_network_that_computes_no_number_is_located(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("Log", ["c"], ["l"], "log"),
        make("GlobalMaxPool", ["l"], ["g"], "pool"),
        make("Flatten", ["g"], ["y"], "flat"),
    ]
    constants = {"w": -np.ones((5, 2, 3, 3), np.float32)}
    path = float_nets.write(tmp_path / "m.onnx", nodes, constants)
    text = refused(capsys, path, "--data", data)
    assert "m.onnx: value 'l' is NaN or infinite on calibration sample 0" in text


def test_options_out_of_range_are_refused(
    capsys: pytest.CaptureFixture[str], model: Path, data: Path
) -> None:
    for option, value in (
        ("weights", 9),
        ("activations", 1),
        ("activations", 12),
        ("percentile", 20),
        ("calibrate", 0),
    ):
        assert f"--{option} must be" in refused(capsys, model, "--data", data, f"--{option}", value)


def test_a_folder_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], model: Path, data: Path
) -> None:
    assert "cannot write /nowhere/q.onnx" in refused(capsys, model, "--data", data)


# -- whole networks ---------------------------------------------------------------------------


def test_the_example_keeps_its_accuracy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "examples" / "digits_float"
    options = ("--test", folder / "test_data.npz", "--weights", 4)
    said = quantized(
        capsys,
        folder / "digits_float.onnx",
        folder / "train_data.npz",
        tmp_path / "q.onnx",
        *options,
    )["judgement"]
    held = np.load(folder / "test_data.npz")
    floats = runtime(folder / "digits_float.onnx", {"pixels": held["pixels"]})
    accuracy = (floats.reshape(450, 10).argmax(axis=1) == held["labels"]).mean()
    assert said["float_accuracy"] == pytest.approx(accuracy)
    assert said["samples"] == 450
    assert said["accuracy"] >= accuracy - 0.01


def test_a_model_of_the_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = CORPUS / "float_jet_three_layer"
    if not folder.is_dir():
        pytest.skip(f"no corpus at {CORPUS}")
    found = {
        bits: quantized(
            capsys,
            folder / "model.onnx",
            folder / "inputs.npz",
            tmp_path / "q.onnx",
            "--weights",
            bits,
        )["judgement"]
        for bits in (8, 4)
    }
    assert found[8]["agreement"] >= 0.99
    assert found[4]["agreement"] >= 0.97
    assert wrong(capsys, tmp_path / "q.onnx", "--input", folder / "inputs.npz")["wrong"] == 0
