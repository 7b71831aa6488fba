"""Tiny ONNX files built in code, read, evaluated, and compared with onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hlsgen.frontends import read_model
from hlsgen.ir.model import Model
from hlsgen.sim.model_eval import evaluate_model

Array = NDArray[Any]


def build(
    nodes: Sequence[Any],
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    domains: Sequence[str] = ("com.microsoft",),
) -> Any:
    """A ModelProto with these nodes; input types are those of the arrays."""
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in inputs.items()
    ]
    tensors = [
        value
        if isinstance(value, TensorProto)
        else numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(list(nodes), "test", infos, results, tensors)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Model]:
    """Saves a ModelProto (or what `build` takes) and reads it."""

    def run(*args: Any, **kwargs: Any) -> Model:
        proto = args[0] if len(args) == 1 else build(*args, **kwargs)
        path = tmp_path / "model.onnx"
        onnx.save(proto, path)
        return read_model(path)

    return run


@pytest.fixture
def agree(read: Callable[..., Model]) -> Callable[..., Model]:
    """Reads and evaluates a model; every output has to agree with onnxruntime's."""
    import onnxruntime

    def run(
        nodes: Sequence[Any],
        inputs: Mapping[str, Array],
        outputs: Sequence[str] = ("y",),
        constants: Mapping[str, Any] | None = None,
        opset: int = 17,
        tolerance: float = 1e-5,
    ) -> Model:
        proto = build(nodes, inputs, outputs, constants, opset)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
        wanted = session.run(list(outputs), dict(inputs))
        model = read(proto)
        values = evaluate_model(model, inputs)
        for name, want in zip(outputs, wanted, strict=True):
            assert values[name].shape == want.shape
            assert model.types[name].shape == want.shape
            if want.dtype.kind == "f":
                np.testing.assert_allclose(values[name], want, rtol=tolerance, atol=tolerance)
            else:
                assert model.types[name].is_integer
                np.testing.assert_array_equal(values[name], want)
        return model

    return run
