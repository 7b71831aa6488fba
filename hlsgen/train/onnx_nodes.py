"""Collects the nodes and constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from hlsgen.train.grid import Grid

QONNX = "qonnx.custom_op.general"
_OPSET, _IR_VERSION = 17, 8


class Writer:
    """Methods add to the graph and return the name of the value that they make."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: tuple[int, ...]) -> str:
        """A network input; the first axis is the batch, of any size."""
        self._inputs.append(_info(name, shape))
        return name

    def output(self, name: str, shape: tuple[int, ...]) -> None:
        """A network output."""
        self._outputs.append(_info(name, shape))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """An array under a name."""
        self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def numbers(self, name: str, values: Tensor) -> str:
        """A tensor as float32, which has to hold it exactly."""
        exact = values.detach().cpu().numpy().astype(np.float64)
        single = exact.astype(np.float32)
        if not np.array_equal(single.astype(np.float64), exact):
            raise ValueError(f"{name} has values that float32 cannot hold")
        return self.constant(name, single)

    def node(self, kind: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output, which is called as the node."""
        made = helper.make_node(
            kind, list(inputs), [name], name=f"{name}.{kind}", domain=domain, **attributes
        )
        self._nodes.append(made)
        return name

    def quant(self, name: str, x: str, grid: Grid, shape: tuple[int, ...] | None = None) -> str:
        """A QONNX Quant node; `shape` is that of the scale, the grid's own if None."""
        scale = grid.scale if shape is None else grid.scale.reshape(shape)
        return self.node(
            "Quant",
            name,
            x,
            self.numbers(f"{name}.scale", scale),
            self.constant(f"{name}.zero", np.zeros((), np.float32)),
            self.constant(f"{name}.bits", np.array(grid.bits, np.float32)),
            domain=QONNX,
            signed=int(grid.signed),
            narrow=int(grid.narrow),
            rounding_mode="ROUND",
        )

    def bipolar(self, name: str, x: str, scale: Tensor) -> str:
        """A QONNX BipolarQuant node: scale where x >= 0, else -scale."""
        step = self.numbers(f"{name}.scale", scale)
        return self.node("BipolarQuant", name, x, step, domain=QONNX)

    def model(self) -> onnx.ModelProto:
        """The whole file."""
        graph = helper.make_graph(
            self._nodes, "network", self._inputs, self._outputs, list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="hlsgen.train"
        )


def _info(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape[1:]])
