"""Train a 4-bit 64-32-32-10 perceptron on digits and write it as QONNX.

Run from the root of the repository, with torch, scikit-learn and onnx installed:

    python -m examples.digits_mlp.make_model [--out DIR] [--seed SEED]

It writes digits_mlp.onnx and test_data.npz into DIR (default: the folder of this script), then
evaluates the file that it wrote on the held-out images and prints the accuracy.

Every scale is a power of two and every sum stays below 24 bits, so float32 evaluates the file
without any rounding: an integer implementation has to agree with it in every bit.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from examples import qat
from examples.qat import Quantizer

HERE = Path(__file__).parent
WIDTHS = (64, 32, 32, 10)
QONNX = "qonnx.custom_op.general"
BITS_INPUT, BITS_ACTIVATION, BITS_WEIGHT, BITS_BIAS = 5, 4, 4, 8


class QuantLinear(nn.Module):
    """A quantiser, then x @ weight + bias; 4-bit weights, 8-bit bias on the grid of the sum."""

    def __init__(self, n_in: int, n_out: int, quant_x: Quantizer) -> None:
        """Draw the weights as torch.nn.Linear does, in (in, out) order."""
        super().__init__()
        linear = nn.Linear(n_in, n_out)
        self.weight = nn.Parameter(linear.weight.detach().T.clone())
        self.bias = nn.Parameter(linear.bias.detach())
        self.quant_x = quant_x
        top = 2 ** (BITS_WEIGHT - 1) - 1
        self.quant_weight = Quantizer(-top, top, power_of_two=True)

    @property
    def sum_scale(self) -> Tensor:
        """The step of the products, of their sum and of the bias."""
        return self.quant_x.scale * self.quant_weight.scale

    def bias_value(self) -> Tensor:
        """The bias as quantised."""
        if not self.quant_weight.on:
            return self.bias
        return qat.bias_codes(self.bias, self.sum_scale, BITS_BIAS) * self.sum_scale

    def forward(self, x: Tensor) -> Tensor:
        """One matrix product and one sum."""
        return self.quant_x(x) @ self.quant_weight(self.weight) + self.bias_value()


class DigitsMlp(nn.Module):
    """Pixels 0..16 -> logits; ReLU between layers, an unsigned quantiser before each."""

    def __init__(self) -> None:
        """Build three layers; the input quantiser holds every pixel value exactly."""
        super().__init__()
        quant_in = qat.fix_scale(Quantizer(0, 2**BITS_INPUT - 1, power_of_two=True), 1.0)
        quants = [quant_in] + [
            Quantizer(0, 2**BITS_ACTIVATION - 1, power_of_two=True) for _ in WIDTHS[1:-1]
        ]
        self.layers = [
            QuantLinear(*shape, quant)
            for shape, quant in zip(pairwise(WIDTHS), quants, strict=True)
        ]
        self.registered = nn.ModuleList(self.layers)  # a plain list keeps the layers' type

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of flat images."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class QonnxWriter:
    """Collects the nodes and constants of a QONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32] | float) -> str:
        """Add a float32 constant; returns its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, name: str, *inputs: str) -> str:
        """Add a standard node; returns the name of its output."""
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}_out"], name=name))
        return f"{name}_out"

    def quant(
        self, name: str, x: str, scale: Tensor, bits: int, *, signed: int, narrow: int = 0
    ) -> str:
        """Add a Quant node with zero point 0; returns the name of its output."""
        parameters = [
            self.constant(f"{name}_scale", scale.item()),
            self.constant(f"{name}_zero_point", 0.0),
            self.constant(f"{name}_bits", float(bits)),
        ]
        self.nodes.append(
            helper.make_node(
                "Quant",
                [x, *parameters],
                [f"{name}_out"],
                name=name,
                domain=QONNX,
                signed=signed,
                narrow=narrow,
                rounding_mode="ROUND",
            )
        )
        return f"{name}_out"

    def model(self, name: str, x: str, y: str) -> onnx.ModelProto:
        """The finished model: one image of shape (1, 64) to logits (1, 10)."""
        self.nodes[-1].output[0] = y
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            name,
            [value(x, TensorProto.FLOAT, [1, WIDTHS[0]])],
            [value(y, TensorProto.FLOAT, [1, WIDTHS[-1]])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=8, producer_name="hlsgen examples"
        )


def to_qonnx(model: DigitsMlp) -> onnx.ModelProto:
    """The trained network as QONNX; constants are already on the grid of their Quant node."""
    writer = QonnxWriter()
    x = "x"
    for i, layer in enumerate(model.layers):
        fc = f"fc{i + 1}"
        bits = BITS_ACTIVATION if i else BITS_INPUT
        if i:
            x = writer.node("Relu", f"relu{i}", x)
        x = writer.quant(f"quant{i}", x, layer.quant_x.scale, bits, signed=0)
        with torch.no_grad():
            weight = layer.quant_weight(layer.weight).numpy()
            bias = layer.bias_value().numpy()
        weight = writer.quant(
            f"quant_{fc}_weight",
            writer.constant(f"{fc}_weight", weight),
            layer.quant_weight.scale,
            BITS_WEIGHT,
            signed=1,
            narrow=1,
        )
        bias = writer.quant(
            f"quant_{fc}_bias",
            writer.constant(f"{fc}_bias", bias),
            layer.sum_scale,
            BITS_BIAS,
            signed=1,
        )
        x = writer.node("MatMul", fc, x, weight)
        x = writer.node("Add", f"{fc}_add", x, bias)
    return writer.model("digits_mlp", "x", "logits")


def quant_node(
    node: onnx.NodeProto,
    x: NDArray[np.float64],
    scale: NDArray[np.float64],
    zero_point: NDArray[np.float64],
    bits: NDArray[np.float64],
) -> NDArray[np.float64]:
    """QONNX Quant with rounding_mode ROUND (ties to even), as its specification states it."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    signed, narrow = attributes["signed"], attributes["narrow"]
    top = 2 ** (bits - signed) - 1 - (narrow and not signed)
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    return (np.clip(np.rint(x / scale + zero_point), low, top) - zero_point) * scale


def evaluate(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The file's output on rows of `x`: exact in float64, as all scales are powers of two."""
    values = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
    values[model.graph.input[0].name] = x.astype(np.float64)
    for node in model.graph.node:
        inputs = [values[name] for name in node.input]
        match node.op_type:
            case "Quant":
                result = quant_node(node, *inputs)
            case "MatMul":
                result = inputs[0] @ inputs[1]
            case "Add":
                result = inputs[0] + inputs[1]
            case "Relu":
                result = np.maximum(inputs[0], 0)
            case other:
                raise NotImplementedError(other)
        values[node.output[0]] = result
    return values[model.graph.output[0].name]


def formats(model: onnx.ModelProto) -> list[str]:
    """One line for each Quant node: its name, format and scale."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    lines: list[str] = []
    for node in model.graph.node:
        if node.op_type == "Quant":
            signed = {a.name: a.i for a in node.attribute}["signed"]
            bits, scale = int(constants[node.input[3]]), float(constants[node.input[1]])
            lines.append(f"  {node.name}: {'' if signed else 'u'}int{bits}, 2^{np.log2(scale):.0f}")
    return lines


def main() -> None:
    """Train, write, read back, evaluate."""
    parser = argparse.ArgumentParser(description="Train digits_mlp and write it as QONNX.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the two files")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batch order")
    options = parser.parse_args()

    data = qat.load_split()
    qat.seed_everything(options.seed)
    model = DigitsMlp()
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    qat.train_quantised(model, x, y, float_epochs=40, quantised_epochs=80, lr=2e-3)

    path = options.out / "digits_mlp.onnx"
    onnx.save(to_qonnx(model), path)
    qat.save_test_data(options.out / "test_data.npz", "x", data.x_test[:, None], data.y_test)

    file = onnx.load(path)
    logits = evaluate(file, data.x_test)
    if not np.array_equal(logits, qat.predict(model, torch.from_numpy(data.x_test))):
        raise SystemExit("the exported file does not compute what was trained")
    print(f"{path}: {path.stat().st_size} bytes")
    print("\n".join(formats(file)))
    print(f"training accuracy {qat.accuracy(evaluate(file, data.x_train), data.y_train):.4f}")
    print(f"held-out accuracy {qat.accuracy(logits, data.y_test):.4f}")


if __name__ == "__main__":
    main()
