"""A float ONNX file to steps: opset 21, sizes fixed, constants computed, layers in one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter

from hlsgen.errors import Loc, ModelError, OptionError, Unsupported
from hlsgen.frontends.fold import run_node
from hlsgen.frontends.load import load_protobuf, tensor_array
from hlsgen.quantise.canonical import canonical
from hlsgen.quantise.graph import OPSET, FloatGraph, Shape, Step, float_model
from hlsgen.quantise.runtime import stacked

Array = NDArray[Any]

_QUANTISED = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Quant", "IntQuant"),
    *("BipolarQuant", "Trunc", "MultiThreshold", "ConvInteger", "MatMulInteger"),
)
_SAME = ("Identity", "Dropout")


@dataclass(frozen=True, eq=False)
class FloatFile:
    """A model file that has been opened, its input sizes as it states them (None: free)."""

    path: Path
    proto: Any
    inputs: Mapping[str, tuple[int | None, ...]]


def open_float(path: Path) -> FloatFile:
    """Read a float model.

    Errors: ModelError for what is no sound ONNX file; OptionError where it is quantised already.
    """
    proto, _ = load_protobuf(path)
    for index, node in enumerate(proto.graph.node):
        if node.op_type in _QUANTISED or node.op_type.startswith("QLinear"):
            loc = Loc(path.name, index, node.name, node.op_type)
            raise OptionError("the model is quantised already: build it as it is", loc)
    known = {item.name for item in proto.graph.initializer}
    inputs: dict[str, tuple[int | None, ...]] = {}
    for info in proto.graph.input:
        if info.name in known:
            continue
        kind = info.type.tensor_type
        if kind.elem_type != onnx.TensorProto.FLOAT:
            found = onnx.TensorProto.DataType.Name(kind.elem_type)
            raise Unsupported(f"input '{info.name}' is {found}; needed is FLOAT", Loc(path.name))
        inputs[info.name] = tuple(
            d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
            for d in kind.shape.dim
        )
    return FloatFile(path, proto, inputs)


def prepare(file: FloatFile, feeds: Mapping[str, Array]) -> FloatGraph:
    """The graph of a file at the sizes of these feeds, every layer with weights and bias.

    Errors: ModelError where the file cannot be brought to opset 21 or run.
    """
    graph = _read(file, {name: x.shape[1:] for name, x in feeds.items()})
    first = {name: x[:1] for name, x in feeds.items()}
    names = list(dict.fromkeys(n for s in graph.steps for n in s.outputs if n))
    found = stacked(float_model(graph, [n for n in names if n not in graph.outputs]), names, first)
    shapes = {name: y.shape[1:] for name, y in found.items()} | dict(graph.inputs)
    return canonical(_folded(replace(graph, shapes=shapes)))


def _read(file: FloatFile, shapes: Mapping[str, Shape]) -> FloatGraph:
    """The file's own nodes as steps."""
    name, proto = file.path.name, file.proto
    versions = {item.domain: item.version for item in proto.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 1))
    if opset < OPSET:
        try:
            proto = version_converter.convert_version(proto, OPSET)
        except Exception as error:  # a C++ exception of no fixed type
            text = str(error).strip().splitlines()[0]
            message = f"cannot be brought from opset {opset} to {OPSET}: {text}"
            raise ModelError(message, Loc(name)) from error
    constants = {t.name: tensor_array(t, file.path.parent)[0] for t in proto.graph.initializer}
    steps: list[Step] = []
    for index, node in enumerate(proto.graph.node):
        loc = Loc(name, index, node.name or (node.output[0] if node.output else ""), node.op_type)
        if node.domain not in ("", "ai.onnx"):
            raise Unsupported(f"operators of domain {node.domain} cannot be quantised", loc)
        attributes = tuple(node.attribute)
        if any(a.type == onnx.AttributeProto.GRAPH for a in attributes):
            raise Unsupported("control flow cannot be quantised; export without it", loc)
        steps.append(Step(node.op_type, tuple(node.input), tuple(node.output), attributes, loc))
    outputs = tuple(item.name for item in proto.graph.output)
    title = proto.graph.name or file.path.stem
    empty: dict[str, Shape] = dict.fromkeys(outputs, ())
    return FloatGraph(
        title, name, max(opset, OPSET), shapes, outputs, tuple(steps), constants, empty
    )


def _folded(graph: FloatGraph) -> FloatGraph:
    """Values that need no sample computed, copies skipped, what nothing reads left out."""
    constants, same = dict(graph.constants), dict[str, str]()
    kept: list[Step] = []
    for given in graph.steps:
        step = replace(given, inputs=tuple(same.get(name, name) for name in given.inputs))
        if step.op in _SAME and step.output not in graph.outputs:
            same[step.output] = step.inputs[0]
        elif step.op == "Shape":
            whole = np.asarray(graph.shapes[step.inputs[0]], np.int64)
            constants[step.output] = whole[step.attribute("start", 0) : step.attribute("end", None)]
        elif all(name in constants for name in step.inputs if name):
            constants |= _computed(step, constants, graph.opset)
        else:
            kept.append(step)
    needed, live = set(graph.outputs), list[Step]()
    for step in reversed(kept):
        if needed.intersection(step.outputs):
            live.append(step)
            needed.update(step.inputs)
    return replace(graph, steps=tuple(reversed(live)), constants=constants)


def _computed(step: Step, constants: Mapping[str, Array], opset: int) -> dict[str, Array]:
    node = onnx.helper.make_node(step.op, step.inputs, step.outputs)
    node.attribute.extend(step.attributes)
    if step.op == "Constant" and step.attributes[0].name == "value":
        return {step.output: numpy_helper.to_array(step.attributes[0].t)}
    feeds = {name: constants[name] for name in step.inputs if name}
    made = run_node(node, feeds, {"": opset})
    return {name: np.asarray(y) for name, y in zip(step.outputs, made, strict=True)}
