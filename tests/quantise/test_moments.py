"""Operands of a layer: weights times them are what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from hlsgen.errors import Loc
from hlsgen.quantise.graph import Step, weight_rows, weights_of_rows
from hlsgen.quantise.moments import moments, operands


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((1, 3, 7, 9), (4, 3, 3, 2), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
        ((1, 4, 8, 8), (6, 2, 3, 3), {"group": 2, "dilations": [2, 1]}),
        ((1, 4, 8, 5), (4, 1, 3, 3), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((1, 4, 8, 5), (8, 1, 2, 4), {"group": 4, "auto_pad": "SAME_LOWER"}),
        ((1, 2, 11), (3, 2, 4), {"pads": [1, 2], "strides": [3]}),
        ((2, 2, 5, 5), (3, 2, 1, 1), {}),
    ],
)
def test_operands_times_weights_are_the_convolution(shape, kernel, options) -> None:
    ort = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in (shape, kernel))
    node = helper.make_node("Conv", ["x", "w"], ["y"], **options)
    infos = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape)
        for n, v in (("x", x), ("w", w))
    ]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    want = session.run(None, {"x": x, "w": w})[0]
    step = Step("Conv", ("x", "w", "b"), ("y",), tuple(node.attribute), Loc("m"), True)
    rows = weight_rows(step, w)
    got = np.einsum("grk,gkn->grn", rows, operands(step, kernel, x))
    positions = want.shape[2:]
    got = got.reshape(kernel[0], *positions, shape[0])
    np.testing.assert_allclose(np.moveaxis(got, -1, 0), want, atol=1e-4)
    np.testing.assert_array_equal(weights_of_rows(step, rows, kernel), w)


def test_moments_are_those_of_all_operands() -> None:
    rng = np.random.default_rng(4)
    pairs = [(x, x + 0.1 * rng.standard_normal(x.shape)) for x in rng.standard_normal((700, 2, 3))]
    step = Step("Gemm", ("x", "w", "b"), ("y",), (), Loc("m"), True)
    found = moments(step, (3, 1), pairs)
    x, q = (np.concatenate([p[k] for p in pairs]) for k in (0, 1))
    np.testing.assert_allclose(found.cross[0], q.T @ x / len(x))
    np.testing.assert_allclose(found.mean_quantised[0], q.mean(axis=0))
    np.testing.assert_allclose(found.centred().square[0], np.cov(q.T, bias=True), atol=1e-12)
