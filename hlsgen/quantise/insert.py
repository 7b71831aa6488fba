"""A quantised network as QDQ: what `hlsgen build` reads, and any ONNX runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from hlsgen.quantise.graph import FloatGraph, Step, channel_axis, model_of, nodes_of, tensor
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.scheme import Activation, Quantisation, Weights

Array = NDArray[Any]


@dataclass
class _Writer:
    """Nodes and constants as they come."""

    graph: FloatGraph
    made: Quantisation
    roles: Roles
    nodes: list[Any] = field(default_factory=list[Any])
    tensors: dict[str, Any] = field(default_factory=dict[str, Any])
    names: dict[str, str] = field(default_factory=dict[str, str])  # what readers read instead

    def constant(self, name: str, array: Array) -> str:
        self.tensors[name] = tensor(name, array)
        return name

    def node(self, op: str, inputs: Iterable[str], output: str, **attributes: Any) -> None:
        name = f"{output}_{op}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name, **attributes))


def qdq_model(
    graph: FloatGraph,
    made: Quantisation,
    extra_outputs: Iterable[str] = (),
) -> Any:
    """The network with its quantisers.

    1. A quantised value goes through QuantizeLinear, Clip where it has not 8 or 16 bits, and
       DequantizeLinear; all its readers read what comes out.
    2. Weights are stored as codes (int4 or int8) with DequantizeLinear a channel, biases as int32
       in units of input scale times weight scale.
    `extra_outputs` names values of the graph: what their readers read.
    """
    writer = _Writer(graph, made, Roles(graph))
    for name in graph.inputs:
        _quantise(writer, name, name)
    for step in graph.steps:
        _write(writer, step)
    used = {name for node in writer.nodes for name in node.input}
    extra = [writer.names.get(name, name) for name in extra_outputs]
    return model_of(graph, writer.nodes, [t for n, t in writer.tensors.items() if n in used], extra)


def _write(writer: _Writer, step: Step) -> None:
    """A step on what it is to read, its result quantised where it is to be."""
    graph, made = writer.graph, writer.made
    inputs = [writer.names.get(name, name) for name in step.inputs]
    if step.is_layer and step.output in made.weights:
        inputs[1:] = _weights(writer, step, made.weights[step.output])
    else:
        for name in step.inputs:
            if name in graph.constants:
                writer.constant(name, graph.constants[name])
    outputs = tuple(
        f"{n}__float" if n in made.activations and n in graph.outputs else n for n in step.outputs
    )
    writer.nodes += nodes_of(replace(step, inputs=tuple(inputs), outputs=outputs))
    for name, raw in zip(step.outputs, outputs, strict=True):
        _quantise(writer, name, raw)


def _quantise(writer: _Writer, name: str, raw: str) -> None:
    """Q, Clip, DQ behind a value."""
    found = writer.made.activations.get(name)
    if found is None:
        return
    dtype, bits = _container(found)
    scale = writer.constant(f"{name}__scale", np.asarray(found.scale, np.float32))
    zero = writer.constant(f"{name}__zero", np.asarray(found.zero, dtype))
    codes, result = f"{name}__codes", name if raw != name else f"{name}__quantised"
    writer.node("QuantizeLinear", (raw, scale, zero), codes)
    if found.high - found.low + 1 < 1 << bits:
        low = writer.constant(f"{name}__low", np.asarray(found.low, dtype))
        high = writer.constant(f"{name}__high", np.asarray(found.high, dtype))
        clipped = f"{name}__clipped"
        writer.node("Clip", (codes, low, high), clipped)
        codes = clipped
    writer.node("DequantizeLinear", (codes, scale, zero), result)
    writer.names[name] = result


def _container(found: Activation) -> tuple[str, int]:
    """The ONNX type that holds the codes, and its bits."""
    bits = 8 if found.high - found.low < 1 << 8 else 16
    return f"{'int' if found.low < 0 else 'uint'}{bits}", bits


def _weights(writer: _Writer, step: Step, w: Weights) -> Iterator[str]:
    """Weights and bias of a layer, dequantised."""
    bits = writer.made.scheme.at(step.loc.name).weights.bits
    name, bias = step.inputs[1], step.inputs[2]
    kind = TensorProto.INT4 if bits <= 4 else TensorProto.INT8
    codes = f"{name}__codes"
    writer.tensors[codes] = helper.make_tensor(
        codes, kind, w.codes.shape, w.codes.astype(np.int8).ravel().tolist()
    )
    scales = writer.constant(f"{name}__scales", w.scales.astype(np.float32))
    writer.node("DequantizeLinear", (codes, scales), name, axis=channel_axis(step))
    yield name
    source = writer.made.activations[writer.roles.source(step.inputs[0])]
    units = writer.constant(f"{bias}__scales", (w.scales * source.scale).astype(np.float32))
    held = writer.constant(f"{bias}__codes", w.bias.astype(np.int32))
    writer.node("DequantizeLinear", (held, units), bias, axis=0)
    yield bias
