"""A small trained network to search: half-size digits through 16-12-10 neurons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

HIDDEN, INPUTS, CLASSES = 12, 16, 10


def make(folder: Path) -> dict[str, Path]:
    """net.onnx, data.npz to calibrate on and test.npz to judge on, with labels."""
    found = load_digits()
    x = (found.images.reshape(-1, 4, 2, 4, 2).mean((2, 4)) / 16).reshape(-1, 1, INPUTS)
    x, y = x.astype(np.float32), found.target
    fitted = MLPClassifier((HIDDEN,), max_iter=150, random_state=0).fit(x[:1200, 0], y[:1200])
    (w1, w2), (b1, b2) = fitted.coefs_, fitted.intercepts_
    numbers = {"w1": w1, "b1": b1, "w2": w2, "b2": b2}
    tensors = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in numbers.items()]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["s1"], "fc1"),
        helper.make_node("Relu", ["s1"], ["r1"], "relu"),
        helper.make_node("Gemm", ["r1", "w2", "b2"], ["y"], "fc2"),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, size))
        for name, size in (("x", INPUTS), ("y", CLASSES))
    ]
    graph = helper.make_graph(nodes, "small", ports[:1], ports[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    files = {name: folder / name for name in ("net.onnx", "data.npz", "test.npz")}
    onnx.save(model, files["net.onnx"])
    np.savez(files["data.npz"], x=x[:64], labels=y[:64])
    np.savez(files["test.npz"], x=x[1200:], labels=y[1200:])
    return files
