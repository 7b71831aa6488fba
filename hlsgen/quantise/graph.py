"""A float network as a list of steps on named values, and back to ONNX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hlsgen.errors import Loc

Array = NDArray[Any]
Shape = tuple[int, ...]

OPSET = 21  # the first whose DequantizeLinear takes int4
LAYERS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, eq=False)
class Step:
    """One operator; a layer of weights has three inputs always: data, weights, bias.

    Of layers, Gemm holds its weights as inputs x outputs and adds nothing but its bias.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[Any, ...]
    loc: Loc
    is_layer: bool = False

    @property
    def output(self) -> str:
        return self.outputs[0]

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value, or what it is where the file does not say."""
        found = [a for a in self.attributes if a.name == name]
        return helper.get_attribute_value(found[0]) if found else default


@dataclass(frozen=True, eq=False)
class FloatGraph:
    """Steps in order of evaluation, constants by name, and the shape of every value."""

    name: str
    file: str
    opset: int
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, Shape]

    @property
    def layers(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.is_layer)

    def data(self, step: Step) -> tuple[str, ...]:
        """The inputs of a step that are no constants."""
        return tuple(name for name in step.inputs if name and name not in self.constants)

    def readers(self) -> dict[str, list[Step]]:
        """Which steps read a value."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            for name in dict.fromkeys(self.data(step)):
                found.setdefault(name, []).append(step)
        return found

    def makers(self) -> dict[str, Step]:
        """Which step makes a value."""
        return {name: step for step in self.steps for name in step.outputs if name}

    def leading_to(self, name: str) -> FloatGraph:
        """What computes one value, without outputs."""
        needed, kept = {name}, list[Step]()
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                kept.append(step)
                needed.update(step.inputs)
        return replace(self, steps=tuple(reversed(kept)), outputs=())

    def with_constants(self, changed: Mapping[str, Array]) -> FloatGraph:
        """The same graph with other numbers."""
        return replace(self, constants={**self.constants, **changed})


def channel_axis(step: Step) -> int:
    """The axis of a layer's weights that counts its outputs."""
    return 0 if step.op == "Conv" else 1


def weight_rows(step: Step, weights: Array) -> Array:
    """A layer's weights as (groups, outputs of a group, inputs of an output)."""
    if step.op != "Conv":
        return weights.T[None]
    groups = int(step.attribute("group", 1))
    return weights.reshape(groups, weights.shape[0] // groups, -1)


def weights_of_rows(step: Step, rows: Array, shape: Shape) -> Array:
    """`weight_rows` undone."""
    return np.ascontiguousarray(rows.reshape(shape) if step.op == "Conv" else rows[0].T)


def nodes_of(step: Step) -> list[Any]:
    """The ONNX nodes of a step."""
    name = step.loc.name
    if step.op == "MatMul" and step.is_layer:
        x, w, b = step.inputs
        product = f"{step.output}__product"
        return [
            helper.make_node("MatMul", [x, w], [product], f"{name}__product"),
            helper.make_node("Add", [product, b], [step.output], name),
        ]
    node = helper.make_node(step.op, step.inputs, step.outputs, name)
    node.attribute.extend(step.attributes)
    return [node]


def model_of(
    graph: FloatGraph,
    nodes: Iterable[Any],
    initializers: Iterable[Any],
    extra_outputs: Iterable[str] = (),
) -> Any:
    """A ModelProto with the borders of a graph around these nodes."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in graph.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, graph.shapes[name])
        for name in graph.outputs
    ]
    outputs += [helper.make_empty_tensor_value_info(name) for name in extra_outputs]
    made = helper.make_graph(list(nodes), graph.name, inputs, outputs, list(initializers))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", graph.opset)])
    model.ir_version = 10  # what opset 21 came with; newer ones stop older runtimes
    model.producer_name = "hlsgen"
    return model


def tensor(name: str, array: Array) -> Any:
    """A constant as ONNX; what was computed in double precision is stored in single."""
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def float_model(graph: FloatGraph, extra_outputs: Iterable[str] = ()) -> Any:
    """The float network as ONNX."""
    used = {name for step in graph.steps for name in step.inputs}
    tensors = [tensor(name, v) for name, v in graph.constants.items() if name in used]
    nodes = [node for step in graph.steps for node in nodes_of(step)]
    return model_of(graph, nodes, tensors, extra_outputs)
