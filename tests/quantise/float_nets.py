"""Small float networks with seeded weights, and samples for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]
SHAPE = (1, 2, 8, 8)
CLASSES = 5


def write(path: Path, nodes: list[Any], constants: dict[str, Array], opset: int = 13) -> Path:
    """A float model from `x` to `y`."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    y = helper.make_empty_tensor_value_info("y")
    tensors = [numpy_helper.from_array(v, n) for n, v in constants.items()]
    graph = helper.make_graph(nodes, "small", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


def residual(path: Path) -> Path:
    """Conv, BatchNormalization, Relu, MaxPool, a skip path, a pool and a Gemm."""
    rng = np.random.default_rng(7)

    def normal(*shape: int) -> Array:
        fan = max(int(np.prod(shape[1:])), 1)
        return (rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32)

    constants = {
        "w1": normal(6, 2, 3, 3) * np.linspace(0.2, 3, 6, dtype=np.float32)[:, None, None, None],
        "w2": normal(6, 1, 3, 3),
        "w3": normal(6, 6, 1, 1),
        "b3": normal(6),
        "w4": normal(CLASSES, 6),
        "b4": normal(CLASSES),
        "scale": np.linspace(0.5, 2, 6, dtype=np.float32),
        "shift": normal(6),
        "mean": normal(6),
        "var": np.linspace(0.3, 2, 6, dtype=np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"], "norm1"),
        make("Relu", ["n1"], ["r1"], "relu1"),
        make("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        make("Conv", ["p1", "w2"], ["c2"], "conv2", pads=[1, 1, 1, 1], group=6),
        make("Relu", ["c2"], ["r2"], "relu2"),
        make("Conv", ["r2", "w3", "b3"], ["c3"], "conv3"),
        make("Add", ["c3", "p1"], ["a"], "skip"),
        make("Relu", ["a"], ["r3"], "relu3"),
        make("GlobalAveragePool", ["r3"], ["g"], "pool2"),
        make("Flatten", ["g"], ["f"], "flatten"),
        make("Gemm", ["f", "w4", "b4"], ["y"], "fc", transB=1),
    ]
    return write(path, nodes, constants)


def branches(path: Path) -> Path:
    """SiLU, LeakyRelu, a Concat of two scales, a resize, a difference, and a softmax at the end."""
    rng = np.random.default_rng(9)
    constants = {
        "w1": rng.standard_normal((4, 2, 3, 3)).astype(np.float32) / 4,
        "w2": rng.standard_normal((4, 2, 1, 1)).astype(np.float32),
        "w3": rng.standard_normal((6, 8, 1, 1)).astype(np.float32) / 3,
        "w4": rng.standard_normal((6, CLASSES)).astype(np.float32),
        "factor": np.linspace(0.5, 2, CLASSES, dtype=np.float32),
        "half": np.array(0.5, np.float32),
        "sizes": np.array([1, 1, 2, 2], np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Sub", ["x", "half"], ["x0"], "centre"),
        make("Conv", ["x0", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        make("Sigmoid", ["c1"], ["s1"], "sigmoid"),
        make("Mul", ["c1", "s1"], ["a1"], "silu"),
        make("AveragePool", ["a1"], ["p1"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        make("Resize", ["p1", "", "sizes"], ["u1"], "up", mode="nearest"),
        make("Conv", ["x0", "w2"], ["c2"], "conv2"),
        make("LeakyRelu", ["c2"], ["a2"], "leaky", alpha=0.1),
        make("Concat", ["u1", "a2"], ["k"], "concat", axis=1),
        make("Conv", ["k", "w3"], ["c3"], "conv3"),
        make("Identity", ["c3"], ["i3"], "copy"),
        make("Clip", ["i3", "", "half"], ["a3"], "clip"),
        make("ReduceMean", ["a3"], ["m"], "mean", axes=[2, 3], keepdims=0),
        make("MatMul", ["m", "w4"], ["g"], "fc"),
        make("Mul", ["g", "factor"], ["l"], "temperature"),
        make("Softmax", ["l"], ["y"], "softmax", axis=-1),
    ]
    return write(path, nodes, constants)


def samples(count: int = 48) -> Array:
    """Pixels over 255, with a sample axis."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (count, *SHAPE)).astype(np.float32)
    return pixels / np.float32(255)
