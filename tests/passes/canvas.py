"""An ONNX graph under construction: names, nodes, constants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
MICROSOFT = "com.microsoft"
CODES = {
    "int8": (TensorProto.INT8, -128, 127),
    "uint8": (TensorProto.UINT8, 0, 255),
    "int16": (TensorProto.INT16, -32768, 32767),
    "uint16": (TensorProto.UINT16, 0, 65535),
    "int4": (TensorProto.INT4, -8, 7),
    "uint4": (TensorProto.UINT4, 0, 15),
}


class Value:
    """A tensor of the network: `grid` says that only few real values occur (it was quantised)."""

    def __init__(self, name: str, shape: tuple[int, ...], grid: bool, sized: float = 4.0) -> None:
        self.name, self.shape, self.grid, self.sized = name, shape, grid, sized


class Canvas:
    """Nodes, constants, inputs with samples, outputs; random numbers from a seed."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[str] = []
        self.samples: dict[str, Any] = {}
        self.count = 0

    def name(self, what: str = "t") -> str:
        self.count += 1
        return f"{what}{self.count}"

    def node(self, op: str, inputs: Sequence[str], count: int = 1, domain: str = "", **attrs: Any):
        outs = [self.name() for _ in range(count)]
        self.nodes.append(
            helper.make_node(op, list(inputs), outs, self.name(op), domain=domain, **attrs)
        )
        return outs[0] if count == 1 else outs

    def const(self, values: Any, kind: str | None = None) -> str:
        name = self.name("c")
        if kind in ("int4", "uint4"):
            array = np.asarray(values)
            self.constants.append(
                helper.make_tensor(name, CODES[kind][0], array.shape, array.ravel().tolist())
            )
            return name
        array = np.asarray(values)
        array = array.astype(kind or (np.float32 if array.dtype.kind == "f" else array.dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def proto(self) -> Any:
        infos = [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(self.outputs)]
        graph = helper.make_graph(self.nodes, "random", self.inputs, infos, self.constants)
        opsets = [
            helper.make_opsetid("", 21),
            helper.make_opsetid(QONNX, 1),
            helper.make_opsetid(MICROSOFT, 1),
        ]
        opsets[0].version = 22
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)
