"""Reloadable weights: one compiled design, any weights within its budget."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hls_graphs import Builder, differing, reference, stimuli, write
from onnx import numpy_helper

from hlsgen.arith.budget import Budget, Reloadable, least_bits
from hlsgen.arith.format import IntFormat
from hlsgen.build.gpp import FLAGS, compile_csim, run_csim
from hlsgen.build.project import BuildOptions, build, csim_engine, open_project
from hlsgen.cli import main
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import HlsOptions, Io, design_of, emit_hls
from hlsgen.emit.reloadable import packed_weights
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import HlsgenError, OptionError
from hlsgen.frontends import read_model
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.reload import load_weights
from hlsgen.sim.run import feeds_of, input_codes, run_graph, simulate

ROOT = Path(__file__).parents[1]
MLP = ROOT / "examples/digits_mlp/digits_mlp.onnx"
CNN = ROOT / "examples/digits_cnn/digits_cnn.onnx"
needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
EXACT = (*FLAGS, "-O0", "-DHLSGEN_EXACT")
PADDED = Window((2, 3), (1, 1), (1, 1), (1, 1), (0, 1))
INT5 = IntFormat(5, True)
L1 = 40  # of every layer below
REACH = 14


def layers(seed: int, l1: int = L1) -> HwGraph:
    """A matrix, windows, groups and single channels; all outputs use the whole budget."""
    rng = np.random.default_rng(seed)
    shapes = {"m": (3, 8), "p": (1, 8, 4, 3), "g": (1, 8, 4, 4), "d": (1, 4, 5, 4)}
    b = Builder("layers", **{name: IntType.of(s, -9, REACH) for name, s in shapes.items()})
    budget = Budget("", INT5, (l1 * REACH).bit_length() + 1, l1, ())

    def weights(*shape: int) -> np.ndarray:
        """Outputs first; the greatest weights at places of their own, until the budget is used."""
        rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int64)
        for row in rows:
            places = rng.permutation(len(row))
            for k, size in enumerate([15, 15, L1 - 30][: len(places)]):
                row[places[k]] = size * rng.choice([-1, 1])
        return rows.reshape(shape)

    def conv(x: str, shape: tuple[int, ...], group: int) -> str:
        bias = np.arange(shape[0]) * 9 - 7
        return b.add(Conv(weights(*shape), bias, PADDED, group, 3, budget), x, name=f"y_{x}")

    made = b.add(MatMul(weights(6, 8).T, np.arange(6) * 5, budget), "m", name="y_m")
    return b.graph(
        made, conv("p", (4, 8, 2, 3), 1), conv("g", (6, 4, 2, 3), 2), conv("d", (4, 1, 2, 3), 4)
    )


STREAM = HlsOptions(io=Io.STREAM, folding={"y_m": (3, 4), "y_p": (2, 4), "y_d": (2, 1)})


def corners(graph: HwGraph) -> dict[str, np.ndarray]:
    """Samples at the ends of the ranges, where sums are greatest."""
    rng = np.random.default_rng(3)
    return {x: rng.choice([-9, REACH], (64, *graph.types[x].shape)) for x in graph.inputs}


@needs_gpp
def test_one_design_takes_any_weights_within_the_budget(tmp_path: Path) -> None:
    first = layers(0)
    executable = compile_csim(write(emit_hls(first, STREAM), tmp_path), flags=EXACT)
    results = []
    for seed in range(4):
        graph = layers(seed)
        words = packed_weights(design_of(graph, STREAM).ports)
        inputs = corners(graph) if seed % 2 else stimuli(graph, 32)
        got = run_csim(executable, graph, inputs, words)
        assert differing(got, reference(graph, inputs)) == []
        results.append(words)
    assert len(set(results)) == 4


@needs_gpp
def test_a_design_for_half_the_budget_is_too_narrow(tmp_path: Path) -> None:
    graph = layers(1)
    executable = compile_csim(write(emit_hls(layers(0, L1 // 2), STREAM), tmp_path), flags=EXACT)
    words = packed_weights(design_of(graph, STREAM).ports)
    inputs = corners(graph)
    narrow = layers(0, L1 // 2)
    assert differing(run_csim(executable, narrow, inputs, words), reference(graph, inputs)) != []


def changed(folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """The MLP with one of its initialisers changed."""
    model = onnx.load(MLP)
    for tensor in model.graph.initializer:
        if tensor.name == name:
            values = change(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
            break
    else:
        raise AssertionError([t.name for t in model.graph.initializer])
    onnx.save(model, folder / "changed.onnx")
    return folder / "changed.onnx"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MLP with all weights reloadable; its csim is not compiled."""
    folder = tmp_path_factory.mktemp("reload") / "mlp"
    options = BuildOptions(io=Io.STREAM, reloadable={"": Reloadable()}, csim=False)
    build(MLP, folder, options)
    return folder


def test_the_project_states_its_budgets(project: Path) -> None:
    content = json.loads((project / "project.json").read_text())
    network = open_project(project).network
    assert [port["layer"] for port in content["reloadable"]] == ["fc1", "fc2", "fc3"]
    for port, node in zip(content["reloadable"], network.graph.nodes[::2], strict=True):
        assert isinstance(node.op, MatMul)
        x = network.graph.types[node.inputs[0]]
        used = int(np.abs(node.op.weights).sum(axis=0).max())
        high = (1 << (port["accumulator_bits"] - 1)) - 1
        assert port["l1_budget"] == high // max(abs(x.min), x.max) >= used
        assert used * max(abs(x.min), x.max) > high // 2  # a bit less would not hold its own


@needs_gpp
def test_reloaded_weights_change_the_function_and_nothing_else(
    project: Path, tmp_path: Path
) -> None:
    model = changed(
        tmp_path, "fc2_weight", lambda w: np.where(w == w.max(), 0, -2 * np.trunc(w[::-1] * 8) / 16)
    )
    output = tmp_path / "weights.bin"
    with pytest.raises(SystemExit) as left:
        main(["reload", str(project), str(model), "-o", str(output)])
    assert left.value.code == 0
    network, old = lower(read_model(model)), open_project(project)
    with np.load(MLP.with_name("test_data.npz")) as data:
        feeds = feeds_of(network, {k: data[k][:20] for k in data.files if k != "labels"})
    codes = input_codes(network, feeds)
    want = run_graph(network.graph, codes)
    own = csim_engine(old)(codes)
    assert differing(dict(own), run_graph(old.network.graph, codes)) == []
    assert differing(dict(own), want) != []
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    shutil.copy(output, copy / "data/weights.bin")
    assert differing(dict(csim_engine(open_project(copy))(codes)), want) == []
    np.savez(tmp_path / "x.npz", **feeds)
    script = (
        f"import sys; sys.path.insert(0, {str(project / 'cosim')!r}); import cosim, numpy as np\n"
        "cosim.reload('weights.npz'); np.savez('y.npz', **cosim.predict(np.load('x.npz')))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    with np.load(tmp_path / "y.npz") as y:
        for name, values in simulate(network, feeds).items():
            np.testing.assert_array_equal(y[name], values)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "fc2_weight",
            lambda w: np.where(w > 0, w.max(), w.min()),
            "fc2: the weights of channel 0 have the absolute",
        ),
        ("quant2_scale", lambda s: s * 2, r"\(Quant\): this Staircase is not the project's"),
        (
            "quant_fc2_weight_scale",
            lambda s: s / 3,
            "fc2: .* channel 0 are no multiples of the unit",
        ),
        ("fc3_bias", lambda s: s + 1, "other formats or scales"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, change: Callable[[np.ndarray], np.ndarray], said: str, project: Path, tmp_path: Path
) -> None:
    with pytest.raises(HlsgenError, match=said):
        load_weights(project, changed(tmp_path, name, change))


def test_another_network_is_refused(project: Path) -> None:
    with pytest.raises(OptionError, match=r"fc1: no layer of this name .* in digits_cnn\.onnx"):
        load_weights(project, CNN)


def test_budgets_are_those_of_a2q() -> None:
    for signed, bits in ((0, 4), (0, 8), (1, 4), (1, 8)):
        reach = (1 << (bits - 1)) if signed else (1 << bits) - 1
        for width in range(6, 24):
            bound = ((1 << (width - 1)) - 1) * 2.0 ** (signed - bits)
            found = Budget.of("l", INT5, width, reach).l1
            assert found >= int(bound)
            assert found * reach <= (1 << (width - 1)) - 1 < (found + 1) * reach


def test_budgets_name_the_layer_and_the_channel() -> None:
    budget = Budget("fc", INT5, 10, 20)
    budget.check(np.array([[10, -10], [15, -5]]))
    with pytest.raises(OptionError, match=r"^fc: channel 1 has the weight 16, .* holds int5"):
        budget.check(np.array([[0, 0], [16, 0]]))
    with pytest.raises(OptionError, match=r"^fc: the weights of channel 1 .* sum 21, over .* 20"):
        budget.check(np.array([[0, 0], [-15, 6]]))
    assert least_bits(np.array([[3, -4], [1, 1]]), 9) == 7  # 63 is the most of 7 bits


def _emit(reloadable: dict[str, Reloadable], path: Path = MLP, **options: object) -> None:
    graph = lower(read_model(path), LowerOptions(reloadable=reloadable)).graph
    emit_hls(graph, replace(HlsOptions(io=Io.STREAM), **options))


ALL = {"": Reloadable()}


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (lambda: _emit(ALL, io=Io.PARALLEL), r"node 3 'fc1' .* give --io stream"),
        (lambda: _emit(ALL, arithmetic={"": Arithmetic.KHOT}), "not khot"),
        (
            lambda: _emit({"fc9": Reloadable()}),
            "--reloadable fc9: no layer .* fc1, fc2, fc3",
        ),
        (lambda: _emit({"fc2": Reloadable(IntFormat(3, True))}), "fc2: channel .* holds int3"),
        (lambda: _emit({"fc2": Reloadable(None, 5)}), "fc2: the weights of channel 0 .* budget"),
        (lambda: _emit(ALL, CNN), "zero of its operand is not code 0"),
        (lambda: emit_rtl(layers(0), RtlOptions(clock_ns=None)), "give --io stream"),
    ],
)
def test_what_cannot_be_reloadable_is_refused(refused: Callable[[], None], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        refused()


def test_a_project_without_reloadable_weights_says_so(tmp_path: Path) -> None:
    build(MLP, tmp_path / "p", BuildOptions(csim=False, samples=1))
    with pytest.raises(OptionError, match="build it with --reloadable"):
        load_weights(tmp_path / "p", MLP)
