"""Batch normalisations, biases and factors behind a layer, taken into its weights and bias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.quantise.graph import FloatGraph, Step, channel_axis

Array = NDArray[Any]


def fold_affine(graph: FloatGraph) -> FloatGraph:
    """Layers that end in their own affine function.

    1. BatchNormalization, and Add, Sub, Mul, Div with one number a channel, that alone read a layer
       are taken into its weights and bias; the layer then makes their value.
    2. This is repeated until nothing is left to take in.
    """
    steps, constants = list(graph.steps), dict(graph.constants)
    readers = graph.readers()
    owner: dict[str, int] = {}
    dropped: set[int] = set()
    for index, step in enumerate(steps):
        if step.is_layer:
            owner[step.output] = index
            continue
        source = next((name for name in step.inputs if name in owner), None)
        if source is None or len(readers[source]) > 1 or source in graph.outputs:
            continue
        layer = steps[owner[source]]
        found = _affine(step, source, graph, layer)
        if found is None:
            continue
        _take_in(layer, *found, constants)
        steps[owner[source]] = replace(layer, outputs=(step.output,))
        owner[step.output] = owner.pop(source)
        dropped.add(index)
    kept = tuple(step for index, step in enumerate(steps) if index not in dropped)
    return replace(graph, steps=kept, constants=constants)


def _take_in(layer: Step, factor: Array, shift: Array, constants: dict[str, Array]) -> None:
    """Changes the layer's own constants: y * factor + shift."""
    _, w, b = layer.inputs
    shape = [1] * constants[w].ndim
    shape[channel_axis(layer)] = -1
    constants[w] = constants[w] * factor.reshape(shape)
    constants[b] = constants[b] * factor + shift


def _affine(step: Step, x: str, graph: FloatGraph, layer: Step) -> tuple[Array, Array] | None:
    """Factor and shift of each channel, if the step is no more than that."""
    rank = len(graph.shapes[x])
    axis = 1 if layer.op == "Conv" else rank - 1
    if step.op == "BatchNormalization":
        whole = axis == 1 and len(step.outputs) == 1 and _known(step.inputs[1:], graph)
        return _normalisation(step, graph) if whole else None
    if step.op not in ("Add", "Sub", "Mul", "Div") or len(step.inputs) != 2:
        return None
    first = step.inputs[0] == x
    other = step.inputs[1 if first else 0]
    if not _known((other,), graph) or (step.op == "Div" and not first):
        return None
    size = graph.shapes[x][axis]
    number = _by_channel(graph.constants[other].astype(float), axis, rank, size)
    return None if number is None else _arithmetic(step.op, number, first=first)


def _normalisation(step: Step, graph: FloatGraph) -> tuple[Array, Array]:
    scale, bias, mean, variance = (graph.constants[n].astype(float) for n in step.inputs[1:])
    factor = scale / np.sqrt(variance + step.attribute("epsilon", 1e-5))
    return factor, bias - mean * factor


def _arithmetic(op: str, number: Array, *, first: bool) -> tuple[Array, Array]:
    """`first`: the layer is the left operand."""
    one, zero = np.ones_like(number), np.zeros_like(number)
    match op:
        case "Add":
            return one, number
        case "Sub":
            return (one, -number) if first else (-one, number)
        case "Mul":
            return number, zero
        case _:
            return 1 / number, zero


def _known(names: tuple[str, ...], graph: FloatGraph) -> bool:
    return all(name in graph.constants for name in names)


def _by_channel(c: Array, axis: int, rank: int, size: int) -> Array | None:
    """A constant as one number a channel, None where it differs along another axis."""
    if c.ndim > rank:
        return None
    shape = (1,) * (rank - c.ndim) + c.shape
    if any(n != 1 for k, n in enumerate(shape) if k != axis) or shape[axis] not in (1, size):
        return None
    return np.broadcast_to(c.reshape(-1), (size,)).copy()
