"""Train a small 8-bit convolutional network on digits and write it as ONNX QDQ.

Run from the root of the repository, with torch, scikit-learn, onnx and onnxruntime installed:

    python -m examples.digits_cnn.make_model [--out DIR] [--seed SEED]

It writes digits_cnn.onnx and test_data.npz into DIR (default: the folder of this script), then
evaluates the file on the held-out images with onnxruntime, all optimisations off.

    image -> conv1 3x3 1->8, relu -> conv2 3x3 8->16, relu -> pool 2x2 -+-----------------+
                                                                        |                 |
                                      conv3 3x3 depthwise, relu <-------+                 |
                                      conv4 1x1 16->16, linear -------------> add <-------+
                                                                               |
                                            softmax <- fc 256->10 <- flatten <-+

Weights are int8 with a free scale for each output channel, activations uint8 with a free scale and
zero point, biases int32 on the grid of the sum that they join.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from examples import qat
from examples.qat import Quantizer

HERE = Path(__file__).parent
SIDE = 8
INPUT_SCALE = 1 / 15  # pixel values 0..16 become the codes 0, 15, ... 240: none is near a tie


class QuantLayer(nn.Module):
    """A convolution or matrix product: int8 weights per output channel, int32 bias.

    The bias has the scale of the sum, that of the input times that of the channel's weights.
    """

    def __init__(self, float_layer: nn.Conv2d | nn.Linear, quant_x: Quantizer) -> None:
        """Wrap a layer; `quant_x` is the quantiser that its input has passed already."""
        super().__init__()
        self.layer, self.quant_x = float_layer, quant_x
        weight = float_layer.weight
        self.quant_weight = Quantizer(-127, 127, channels=len(weight), ndim=weight.ndim)

    @property
    def sum_scale(self) -> Tensor:
        """The step of the products, of their sum and of the bias, for each channel."""
        return self.quant_x.scale * self.quant_weight.scale.flatten()

    def bias(self) -> Tensor:
        """The bias as quantised."""
        bias = cast("Tensor", self.layer.bias)
        if not self.quant_weight.on:
            return bias
        return qat.bias_codes(bias, self.sum_scale, 32) * self.sum_scale

    def forward(self, x: Tensor) -> Tensor:
        """One sum for each output position and channel."""
        weight = self.quant_weight(self.layer.weight)
        if isinstance(self.layer, nn.Linear):
            return nn.functional.linear(x, weight, self.bias())
        return nn.functional.conv2d(
            x, weight, self.bias(), padding=self.layer.padding, groups=self.layer.groups
        )


class DigitsCnn(nn.Module):
    """Images of pixels 0..16 -> logits; the module's docstring draws it."""

    def __init__(self) -> None:
        """Build the layers; names are those of the nodes in the file."""
        super().__init__()
        self.quant_in = qat.fix_scale(Quantizer(0, 255), INPUT_SCALE)
        self.quant1, self.quant2, self.quant3, self.quant4, self.quant_add, self.quant_fc = (
            Quantizer(0, 255) for _ in range(6)
        )
        self.conv1 = QuantLayer(nn.Conv2d(1, 8, 3, padding=1), self.quant_in)
        self.conv2 = QuantLayer(nn.Conv2d(8, 16, 3, padding=1), self.quant1)
        self.conv3 = QuantLayer(nn.Conv2d(16, 16, 3, padding=1, groups=16), self.quant2)
        self.conv4 = QuantLayer(nn.Conv2d(16, 16, 1), self.quant3)
        self.fc = QuantLayer(nn.Linear(16 * (SIDE // 2) ** 2, 10), self.quant_add)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        x = self.quant1(torch.relu(self.conv1(self.quant_in(x))))
        x = self.quant2(torch.relu(self.conv2(x)))
        skip = nn.functional.max_pool2d(x, 2)
        x = self.quant3(torch.relu(self.conv3(skip)))
        x = self.quant4(self.conv4(x))
        x = self.quant_add(skip + x)
        return self.quant_fc(self.fc(x.flatten(1)))


class QdqWriter:
    """Collects the nodes and constants of a QDQ graph; each method returns an output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a constant, once."""
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def node(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        out = f"{name}_out"
        self.nodes.append(helper.make_node(op, list(inputs), [out], name=name, **attributes))
        return out

    def activation(self, name: str, x: str, quantizer: Quantizer, grid: str = "") -> str:
        """Add QuantizeLinear and DequantizeLinear; `grid` names the constants, else `name`."""
        grid = grid or name
        parameters = [
            self.constant(f"{grid}_scale", array(quantizer.scale, np.float32)),
            self.constant(f"{grid}_zero_point", array(quantizer.zero_point, np.uint8)),
        ]
        code = self.node("QuantizeLinear", name, x, *parameters)
        return self.node("DequantizeLinear", f"de{name}", code, *parameters)

    def weights(self, name: str, layer: QuantLayer) -> tuple[str, str]:
        """Add a layer's integers and the nodes that give their values: weight and bias."""
        scale = layer.quant_weight.scale.flatten()
        weight = layer.quant_weight.codes(layer.layer.weight)
        bias = qat.bias_codes(cast("Tensor", layer.layer.bias), layer.sum_scale, 32)
        return (
            self.dequantised(f"{name}_weight", array(weight, np.int8), scale),
            self.dequantised(f"{name}_bias", array(bias, np.int32), layer.sum_scale),
        )

    def dequantised(self, name: str, codes: NDArray[np.generic], scale: Tensor) -> str:
        """Add integers, one scale for each entry of axis 0, zero point 0."""
        inputs = [
            self.constant(f"{name}_codes", codes),
            self.constant(f"{name}_scale", array(scale, np.float32)),
            self.constant(f"{name}_zero_point", np.zeros(len(codes), codes.dtype)),
        ]
        return self.node("DequantizeLinear", f"dequant_{name}", *inputs, axis=0)

    def conv(self, name: str, x: str, layer: QuantLayer) -> str:
        """Add a convolution of stride 1 that keeps height and width."""
        conv = layer.layer
        assert isinstance(conv, nn.Conv2d)
        (kernel, _), (pad, _) = conv.kernel_size, cast("tuple[int, int]", conv.padding)
        return self.node(
            "Conv",
            name,
            x,
            *self.weights(name, layer),
            kernel_shape=[kernel] * 2,
            pads=[pad] * 4,
            group=conv.groups,
        )


def array(x: Tensor, dtype: type[np.generic]) -> NDArray[np.generic]:
    """`x` in numpy; a whole number stays what it is."""
    return x.detach().numpy().astype(dtype)


def to_qdq(model: DigitsCnn) -> onnx.ModelProto:
    """The trained network as ONNX QDQ, batch size free."""
    w = QdqWriter()
    x = w.activation("quant_in", "image", model.quant_in)
    x = w.activation(
        "quant1", w.node("Relu", "relu1", w.conv("conv1", x, model.conv1)), model.quant1
    )
    x = w.activation(
        "quant2", w.node("Relu", "relu2", w.conv("conv2", x, model.conv2)), model.quant2
    )
    x = w.node("MaxPool", "pool", x, kernel_shape=[2, 2], strides=[2, 2])
    skip = w.activation("quant_pool", x, model.quant2, grid="quant2")
    x = w.node("Relu", "relu3", w.conv("conv3", skip, model.conv3))
    x = w.activation("quant3", x, model.quant3)
    x = w.activation("quant4", w.conv("conv4", x, model.conv4), model.quant4)
    x = w.activation("quant_add", w.node("Add", "add", skip, x), model.quant_add)
    x = w.node("Flatten", "flatten", x, axis=1)
    x = w.node("Gemm", "fc", x, *w.weights("fc", model.fc), transB=1)
    x = w.activation("quant_fc", x, model.quant_fc)
    w.node("Softmax", "softmax", x, axis=1)
    w.nodes[-1].output[0] = "probabilities"

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        w.nodes,
        "digits_cnn",
        [value("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [value("probabilities", TensorProto.FLOAT, ["N", 10])],
        list(w.constants.values()),
    )
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=10, producer_name="hlsgen examples"
    )


def evaluate(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The file's output by onnxruntime, node by node as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": x})[0])


def formats(model: onnx.ModelProto) -> list[str]:
    """One line for each QuantizeLinear node: its name, scale and zero point."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return [
        f"  {node.name}: uint8, {constants[node.input[1]]:.6f}, {constants[node.input[2]]}"
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    ]


def main() -> None:
    """Train, write, check, evaluate."""
    parser = argparse.ArgumentParser(description="Train digits_cnn and write it as ONNX QDQ.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batch order")
    options = parser.parse_args()

    data = qat.load_split()
    x_train, x_test = (x.reshape(-1, 1, SIDE, SIDE) for x in (data.x_train, data.x_test))
    qat.seed_everything(options.seed)
    model = DigitsCnn()
    x, y = torch.from_numpy(x_train), torch.from_numpy(data.y_train)
    qat.train_quantised(model, x, y, float_epochs=30, quantised_epochs=15, lr=2e-3)

    path = options.out / "digits_cnn.onnx"
    file = to_qdq(model)
    onnx.checker.check_model(file, full_check=True)
    onnx.save(file, path)
    qat.save_test_data(options.out / "test_data.npz", "image", x_test[:, None], data.y_test)

    scores = evaluate(path, x_test)
    trained = qat.predict(model, torch.from_numpy(x_test)).argmax(1)
    print(f"{path}: {path.stat().st_size} bytes")
    print("\n".join(formats(file)))
    print(f"same class as the trained network: {np.mean(scores.argmax(1) == trained):.4f}")
    print(f"training accuracy {qat.accuracy(evaluate(path, x_train), data.y_train):.4f}")
    print(f"held-out accuracy {qat.accuracy(scores, data.y_test):.4f}")


if __name__ == "__main__":
    main()
