"""Equalisation: the same function, other weights."""

from __future__ import annotations

from pathlib import Path

import float_nets
import numpy as np
import pytest
from onnx import helper

from hlsgen.quantise.equalise import equalised
from hlsgen.quantise.fold import fold_affine
from hlsgen.quantise.graph import FloatGraph, float_model
from hlsgen.quantise.prepare import open_float, prepare
from hlsgen.quantise.runtime import stacked
from hlsgen.quantise.scheme import Equalise

FEEDS = {"x": float_nets.samples(6)}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> FloatGraph:
    """Pairs over ReLU, pools, a depthwise layer, a transposition and a flattening."""
    rng = np.random.default_rng(5)
    sizes = 4.0 ** rng.integers(-3, 4, 8)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    constants = {
        "w1": (normal(8, 2, 3, 3) * sizes[:, None, None, None]).astype(np.float32),
        "b1": (normal(8) * sizes).astype(np.float32),
        "w2": normal(16, 1, 3, 3),
        "w3": normal(4, 16, 1, 1),
        "slope": np.abs(normal(4, 1, 1)),
        "w4": normal(16, 5),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w1", "b1"], ["c1"], "conv1"),
        make("Relu", ["c1"], ["r1"], "relu1"),
        make("Conv", ["r1", "w2"], ["c2"], "conv2", group=8),
        make("Relu", ["c2"], ["r2"], "relu2"),
        make("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["p", "w3"], ["c3"], "conv3"),
        make("PRelu", ["c3", "slope"], ["r3"], "relu3"),
        make("Transpose", ["r3"], ["t"], "turn", perm=[0, 2, 3, 1]),
        make("Flatten", ["t"], ["f"], "flat"),
        make("MatMul", ["f", "w4"], ["y"], "fc"),
    ]
    path = float_nets.write(tmp_path_factory.mktemp("m") / "m.onnx", nodes, constants)
    return fold_affine(prepare(open_float(path), FEEDS))


def spread(graph: FloatGraph, name: str, axis: int) -> float:
    """The largest channel over the smallest, of a value or of weights."""
    if name in graph.constants:
        x = graph.constants[name][None]
        axis += 1
    else:
        (x,) = stacked(float_model(graph, [name]), [name], FEEDS).values()
        axis += 1
    most = np.abs(np.moveaxis(x, axis, 0)).reshape(x.shape[axis], -1).max(axis=1)
    return float(most.max() / most.min())


@pytest.mark.parametrize("how", [Equalise.WEIGHTS, Equalise.SMOOTH])
def test_the_function_stays_and_channels_become_alike(graph: FloatGraph, how: Equalise) -> None:
    made = equalised(graph, FEEDS, how)
    want, got = (stacked(float_model(g), g.outputs, FEEDS)["y"] for g in (graph, made))
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())
    assert spread(made, "c1", 1) < 0.2 * spread(graph, "c1", 1)
    changed = {n for n in graph.constants if (graph.constants[n] != made.constants[n]).any()}
    assert {"c1__weights", "c2__weights", "c3__weights", "y__weights"} <= changed


def test_weights_of_both_sides_have_the_same_size(graph: FloatGraph) -> None:
    made = equalised(graph, FEEDS, Equalise.WEIGHTS)
    first = np.abs(made.constants["c2__weights"]).reshape(16, -1).max(axis=1)
    second = np.abs(made.constants["c3__weights"][:, :, 0, 0]).max(axis=0)
    np.testing.assert_allclose(first, second, rtol=0.05)


@pytest.mark.parametrize("how", [Equalise.WEIGHTS, Equalise.SMOOTH])
def test_functions_that_do_not_scale_are_left_alone(tmp_path: Path, how: Equalise) -> None:
    make = helper.make_node
    rng = np.random.default_rng(2)
    constants = {
        "w1": rng.standard_normal((3, 2, 3, 3)).astype(np.float32) * 9,
        "w2": rng.standard_normal((3, 3, 1, 1)).astype(np.float32),
        "w3": rng.standard_normal((3, 3, 1, 1)).astype(np.float32) * 5,
        "top": np.array(6, np.float32),
    }
    nodes = [
        make("Conv", ["x", "w1"], ["c1"], "conv1"),
        make("Sigmoid", ["c1"], ["s"], "sigmoid"),
        make("Conv", ["s", "w2"], ["c2"], "conv2"),
        make("Clip", ["c2", "", "top"], ["k"], "relu6"),
        make("Conv", ["k", "w3"], ["y"], "conv3"),
    ]
    path = float_nets.write(tmp_path / "m.onnx", nodes, constants)
    graph = fold_affine(prepare(open_float(path), FEEDS))
    made = equalised(graph, FEEDS, how)
    for name, array in graph.constants.items():
        np.testing.assert_array_equal(made.constants[name], array)


def test_what_two_layers_read_stays(tmp_path: Path) -> None:
    path = float_nets.residual(tmp_path / "m.onnx")
    graph = fold_affine(prepare(open_float(path), FEEDS))
    made = equalised(graph, FEEDS, Equalise.WEIGHTS)
    np.testing.assert_array_equal(made.constants["c1__bias"], graph.constants["c1__bias"])
    assert (made.constants["c2__weights"] != graph.constants["c2__weights"]).any()
    assert equalised(graph, FEEDS, Equalise.NONE) is graph
