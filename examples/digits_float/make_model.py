"""Train a small float network on digits and write it as plain ONNX, for `hlsgen quantize`.

Run from the root of the repository, with scikit-learn and onnx installed:

    python -m examples.digits_float.make_model [--out DIR]

It writes digits_float.onnx, train_data.npz (to calibrate on) and test_data.npz (to judge on) into
DIR (default: the folder of this script).

    pixels 0..16 -> scaled to 0..1 -> fc 64->48, relu -> fc 48->24, relu -> fc 24->10 -> softmax
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
HIDDEN = (48, 24)


def float_model(network: MLPClassifier) -> onnx.ModelProto:
    """The trained network as Gemm, Relu and Softmax."""
    nodes, tensors, x = [], [], "pixels"
    count = len(network.coefs_)
    for k, (w, b) in enumerate(zip(network.coefs_, network.intercepts_, strict=True), 1):
        tensors += [
            numpy_helper.from_array(v.astype(np.float32), f"fc{k}_{n}")
            for n, v in (("weights", w), ("bias", b))
        ]
        y = f"sum{k}"
        nodes.append(helper.make_node("Gemm", [x, f"fc{k}_weights", f"fc{k}_bias"], [y], f"fc{k}"))
        last = k == count
        x = "probabilities" if last else f"relu{k}"
        nodes.append(helper.make_node("Softmax" if last else "Relu", [y], [x], x))
    graph = helper.make_graph(
        nodes,
        "digits_float",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    out: Path = parser.parse_args().out
    x, y = load_digits(return_X_y=True)
    pixels = (x / 16).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(pixels, y, test_size=0.25, random_state=0)
    network = MLPClassifier(HIDDEN, alpha=1e-3, max_iter=400, random_state=0).fit(x_train, y_train)
    onnx.save(float_model(network), out / "digits_float.onnx")
    np.savez_compressed(out / "train_data.npz", pixels=x_train[:256, None], labels=y_train[:256])
    np.savez_compressed(out / "test_data.npz", pixels=x_test[:, None], labels=y_test)
    print(f"accuracy on {len(y_test)} test images: {network.score(x_test, y_test):.2%}")


if __name__ == "__main__":
    main()
