"""Single layers as networks of their own, so that the cost model can count them."""

from __future__ import annotations

from dataclasses import replace

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.explore.calibration import Calibration
from hlsgen.explore.evaluate import Probe, Task
from hlsgen.quantise.graph import FloatGraph, Step
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.scheme import Quantisation


def layer_alone(graph: FloatGraph, layer: Step) -> FloatGraph:
    """A layer from its input to the value behind its chain of functions that has its quantiser."""
    roles = Roles(graph)
    value = roles.quantiser_behind(layer.output) or layer.output
    steps: list[Step] = [layer]
    while value not in steps[-1].outputs:
        steps.append(roles.readers[steps[-1].output][0])
    source = layer.inputs[0]
    inputs = {source: graph.shapes[source]}
    return replace(graph, inputs=inputs, outputs=(value,), steps=tuple(steps))


def probe(
    task: Task, found: Calibration, index: int, weights: WeightFormat, read: int, made: int
) -> Probe:
    """Layer `index` with weights of this format, so many bits of what it reads and makes."""
    graph = task.graph
    layer = graph.layers[index]
    alone, roles = layer_alone(graph, layer), Roles(graph)
    (source,), (value,) = alone.inputs, alone.outputs
    activations = {source: found.activations[read][roles.source(source)]}
    if value in found.activations[made]:
        activations[value] = found.activations[made][value]
    name = layer.loc.name
    scheme = replace(task.scheme, weights=weights, activations=made, layers=())
    w = found.weights[index][weights]
    unit = activations[source].scale / found.units[index]
    w = replace(w, bias=(w.bias / unit).round().astype("int64"))
    model = qdq_model(alone, Quantisation(scheme, activations, {layer.output: w}))
    model.graph.name = f"{name}_W{weights}A{read}"
    return Probe(model.SerializeToString(deterministic=True))
