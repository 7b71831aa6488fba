"""Files in float16, bfloat16 and float64: their own errors are excused, those of an engine not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lower import lower
from hlsgen.sim.layers import Evaluation
from hlsgen.sim.precision import FORMATS, SINGLE, of_type
from hlsgen.sim.real import Dot, Real, elementwise
from hlsgen.sim.run import simulate
from hlsgen.sim.verify import python_engine, verify

NUMPY: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
ELEMENT = {
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
TYPES = list(NUMPY)
numbers = st.floats(-3e38, 3e38, allow_subnormal=True)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(["float16", "bfloat16", "float32"]), numbers, st.integers(-150, 0))
def test_rounding_is_that_of_the_type(dtype: str, x: float, scale: int) -> None:
    with np.errstate(over="ignore"):
        value = np.array([x * 2.0**scale, x, 65519.999, 65520.0, 3e-8, 2.0**-25, 0.0])
        # float64 -> bfloat16 goes through float32 there: numbers of float32 show no double rounding
        value = value.astype(np.float32).astype(np.float64)
        want = value.astype(NUMPY[dtype]).astype(np.float64)
    assert FORMATS[dtype].rounded(value).tolist() == want.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("fn", [Fn.ADD, Fn.SUB, Fn.MUL, Fn.DIV])
def test_operations_stay_within_their_error(dtype: str, fn: Fn) -> None:
    """Of numbers whose results are subnormal, ordinary, and too large."""
    rng = np.random.default_rng(7)
    sizes = {"float16": (-12, 16), "bfloat16": (-60, 120), "float32": (-60, 120)}[dtype]
    kind = NUMPY[dtype]
    draws = (rng.uniform(-1, 1, 4000) * 2.0 ** rng.integers(*sizes, 4000) for _ in range(2))
    x, y = (v.astype(kind) for v in draws)
    exact = [Real.exact(v.astype(np.float64)) for v in (x, y)]
    found = elementwise(fn, exact, of_type(dtype))
    with np.errstate(all="ignore"):
        op = {Fn.ADD: np.add, Fn.SUB: np.subtract, Fn.MUL: np.multiply, Fn.DIV: np.divide}[fn]
        got = op(x, y).astype(np.float64)
    known = np.isfinite(got)
    assert known.sum() > 1000
    assert (np.abs(got[known] - found.value[known]) <= found.error[known]).all()
    assert np.isinf(found.error[~known]).all()


@pytest.mark.parametrize("k", [20, 3000])
def test_long_sums_in_few_bits_are_bounded_or_anything(k: int) -> None:
    rng = np.random.default_rng(1)
    x, w = (rng.normal(size=s).astype(np.float16) for s in ((1, 4, k), (1, k, 3)))
    found = Dot(of_type("float16"))(
        Real.exact(x.astype(np.float64)), Real.exact(w.astype(np.float64)), np.matmul, k
    )
    total = np.zeros((1, 4, 3), np.float16)
    for i in range(k):
        total = total + x[..., i, None] * w[..., i, None, :]
    assert (np.abs(total.astype(np.float64) - found.value) <= found.error).all()
    assert np.isinf(found.error).all() == (k == 3000)


def quantised(path: Path, dtype: str, factor: float = 1.0) -> Network:
    """Q - DQ - MatMul - Add - Relu - Q - DQ, every real number of the given type."""
    rng = np.random.default_rng(5)
    node, kind = helper.make_node, NUMPY[dtype]
    nodes = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
        node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        node("DequantizeLinear", ["w", "sw", "zw"], ["wd"]),
        node("MatMul", ["xd", "wd"], ["m"], "product"),
        node("Add", ["m", "b"], ["a"], "bias"),
        node("Relu", ["a"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "zy"], ["yq"], "requantise"),
        node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]
    real = {
        "sx": 0.0313 * factor, "sw": 0.0091, "sy": 0.0457 * factor,
        "b": np.array([0.51, -1.27, 3.1, 0.03]) * factor,
    }  # fmt: skip
    constants = {
        **{k: np.asarray(v).astype(kind) for k, v in real.items()},
        "zx": np.int8(3), "zw": np.int8(0), "zy": np.uint8(5),
        "w": rng.integers(-127, 128, (24, 4)).astype(np.int8),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("x", ELEMENT[dtype], (1, 24))],
        [helper.make_tensor_value_info("y", ELEMENT[dtype], (1, 4))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.save(model, path)
    return lower(read_model(path))


def feeds(network: Network, factor: float = 1.0) -> dict[str, Any]:
    return {"x": np.random.default_rng(2).normal(0, 1.5 * factor, (400, 1, 24))}


@pytest.mark.parametrize("runtime", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_the_files_own_errors_are_explained(tmp_path: Path, dtype: str, runtime: bool) -> None:
    path = tmp_path / "model.onnx"
    network = quantised(path, dtype)
    made = {network.model.types[n.output] for n in network.model.nodes}
    assert {t.dtype for t in made if not t.is_integer} == {dtype}
    found = verify(network, feeds(network), path=path if runtime else None)
    verdict = found.engines["python"]
    assert (verdict.elements, verdict.wrong) == (1600, 0)
    differing = sum(layer.differing for layer in found.layers)
    if dtype in ("float16", "bfloat16"):
        assert differing > 10  # what float32's error would not explain
    else:
        assert differing < 3


@pytest.mark.parametrize("dtype", TYPES)
def test_a_wrong_engine_is_found(tmp_path: Path, dtype: str) -> None:
    network = quantised(tmp_path / "model.onnx", dtype)
    honest = python_engine(network)

    def planted(codes: Any) -> dict[str, Any]:
        """One code too many in one element."""
        results = {name: np.array(y) for name, y in honest(codes).items()}
        for y in results.values():
            y[37, 0, 2] += 1
        return results

    found = verify(network, feeds(network), engines={"planted": planted})
    assert found.engines["planted"].wrong > 0
    assert found.engines["planted"].first_wrong is not None
    assert found.engines["planted"].first_wrong.index[0] == 37


@pytest.mark.parametrize("dtype", TYPES)
def test_a_reference_far_off_is_wrong(tmp_path: Path, dtype: str) -> None:
    """Expected outputs several codes away are beyond any of the types."""
    network = quantised(tmp_path / "model.onnx", dtype)
    given_ = feeds(network)
    scale = float(np.asarray(network.model.constants["sy"]))
    honest = simulate(network, given_)["y"].astype(np.float64)
    moved = np.array(honest)
    moved[11, 0, 1] += (200 if dtype == "bfloat16" else 12) * scale
    assert verify(network, given_, expect={"y": moved}).engines["python"].wrong > 0


def test_an_overflow_to_infinity_is_explained(tmp_path: Path) -> None:
    """Sums beyond 65504 saturate the code in exact arithmetic, too."""
    path = tmp_path / "model.onnx"
    network = quantised(path, "float16", 1600.0)
    found = verify(network, feeds(network, 1600.0))
    assert found.wrong == 0


def test_a_constant_that_the_reader_multiplied_out_makes_no_double(tmp_path: Path) -> None:
    """A QLinearConv's bias has the scale x * w, held in float64; the file computes in float32."""
    rng = np.random.default_rng(3)
    scales = {"xs": 0.1, "ws": 0.05, "ys": 0.01}  # their ratio is 1/2 but for float32: all ties
    constants = [
        *(numpy_helper.from_array(np.array(v, np.float32), n) for n, v in scales.items()),
        numpy_helper.from_array(np.array(3, np.uint8), "xz"),
        numpy_helper.from_array(np.array(0, np.int8), "wz"),
        numpy_helper.from_array(np.array(128, np.uint8), "yz"),
        numpy_helper.from_array(rng.integers(-3, 4, (4, 2, 1, 1)).astype(np.int8), "w"),
        numpy_helper.from_array(rng.integers(-9, 9, 4).astype(np.int32), "b"),
    ]
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", names, ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 2, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, 4, 5, 5])],
        constants,
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    model = read_model(path)
    assert "float64" in {item.dtype for item in model.types.values()}
    pass_ = Evaluation(model, SINGLE, lambda layer: None)
    bits = {pass_.precision_of(node).bits for node in model.nodes}
    assert bits == {SINGLE.bits}
