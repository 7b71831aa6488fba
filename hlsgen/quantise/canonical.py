"""Layers in one form: weights and bias constants of their own, Gemm without factors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.quantise.graph import LAYERS, FloatGraph, Step

Array = NDArray[Any]


def canonical(graph: FloatGraph) -> FloatGraph:
    """The graph with every Conv, Gemm and MatMul of constant weights as a layer.

    Errors: Unsupported for one with weights on the left, transposed data or another bias than one
    number an output.
    """
    constants = dict(graph.constants)
    steps = tuple(
        _layer(step, graph, constants) if _has_weights(step, graph) else step
        for step in graph.steps
    )
    return replace(graph, steps=steps, constants=constants)


def _has_weights(step: Step, graph: FloatGraph) -> bool:
    if step.op not in LAYERS or not any(name in graph.constants for name in step.inputs[:2]):
        return False
    if step.inputs[0] in graph.constants:
        raise Unsupported("weights stand on the left; transpose the product", step.loc)
    return step.op != "MatMul" or graph.constants[step.inputs[1]].ndim == 2


def _layer(step: Step, graph: FloatGraph, constants: dict[str, Array]) -> Step:
    """The step as a layer; its numbers go to `constants`."""
    weights, bias = constants[step.inputs[1]].astype(np.float64), _bias(step, constants)
    op, attributes = step.op, step.attributes
    if op == "Gemm":
        if step.attribute("transA", 0):
            raise Unsupported("transA transposes the data; export without it", step.loc)
        weights = weights.T if step.attribute("transB", 0) else weights
        weights = weights * step.attribute("alpha", 1.0)
        bias, attributes = bias * step.attribute("beta", 1.0), ()
    elif op == "MatMul" and len(graph.shapes[step.inputs[0]]) == 2:
        op = "Gemm"
    outputs = weights.shape[0 if op == "Conv" else 1]
    if bias.size not in (1, outputs):
        raise Unsupported(f"a bias of shape {list(bias.shape)} is not one an output", step.loc)
    w, b = f"{step.output}__weights", f"{step.output}__bias"
    constants[w] = weights
    constants[b] = np.broadcast_to(bias.reshape(-1), (outputs,)).copy()
    inputs = (step.inputs[0], w, b)
    return replace(step, op=op, inputs=inputs, attributes=attributes, is_layer=True)


def _bias(step: Step, constants: dict[str, Array]) -> Array:
    if len(step.inputs) < 3 or not step.inputs[2]:
        return np.zeros(1)
    if step.inputs[2] not in constants:
        raise Unsupported(f"bias '{step.inputs[2]}' is no constant", step.loc)
    return constants[step.inputs[2]].astype(np.float64)
