"""Channels between two layers made alike in size, without a change of what the network computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hlsgen.frontends.fold import run_node
from hlsgen.quantise.graph import FloatGraph, Step, float_model
from hlsgen.quantise.roles import MOVES, moves
from hlsgen.quantise.runtime import values
from hlsgen.quantise.scheme import Equalise

Array = NDArray[Any]

_POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
_HOMOGENEOUS = ("Relu", "LeakyRelu", "PRelu")  # f(s x) = s f(x) for s > 0
_ALPHA = 0.5  # how much of the size of activations goes into the weights
_SWEEPS = 10


@dataclass(frozen=True, eq=False)
class Pair:
    """A layer, the one that alone reads it, and which output of the first each input of it is."""

    first: Step
    second: Step
    channels: Array


def equalised(graph: FloatGraph, feeds: Mapping[str, Array], how: Equalise) -> FloatGraph:
    """The same function with other weights.

    Between layers with nothing but ReLUs, pools and movements, channel c of the first is divided by
    s_c and the second's weights of it are multiplied with s_c.
    weights: s makes the largest weights of both sides equal (Nagel 2019, 1906.04721), repeated.
    smooth: s = max|x_c|^0.5 / max|w_c|^0.5, the sizes of activations and of the weights that read
    them shared out (SmoothQuant, 2211.10438).
    """
    pairs = list(_pairs(graph))
    match how:
        case Equalise.NONE:
            return graph
        case Equalise.WEIGHTS:
            for _ in range(_SWEEPS):
                for pair in pairs:
                    graph = _scaled(graph, pair, _by_weights(graph, pair))
        case Equalise.SMOOTH:
            sizes = {p.second.output: s for p, s in _sizes(graph, pairs, feeds)}
            for pair in pairs:
                graph = _scaled(graph, pair, _by_size(graph, pair, sizes[pair.second.output]))
    return graph


def _pairs(graph: FloatGraph) -> Iterator[Pair]:
    readers = graph.readers()
    for first in graph.layers:
        if first.op == "MatMul":
            continue
        axis = [1] * len(graph.shapes[first.output])
        axis[1] = -1
        count = graph.shapes[first.output][1]
        x = np.broadcast_to(np.arange(count).reshape(axis), graph.shapes[first.output])
        name, found = first.output, True
        while found and name not in graph.outputs and len(readers.get(name, [])) == 1:
            (step,) = readers[name]
            if step.is_layer:
                channels = _of_inputs(step, x)
                if channels is not None:
                    yield Pair(first, step, channels)
                break
            moved = _through(graph, step, x)
            found = moved is not None
            x, name = (x if moved is None else moved), step.output


def _through(graph: FloatGraph, step: Step, x: Array) -> Array | None:
    """Channel numbers behind a step; None where channels do not stay apart."""
    if step.op in _HOMOGENEOUS:
        whole = step.op != "PRelu" or step.inputs[1] in graph.constants
        return x if whole else None
    if step.op in _POOLS:
        alike = x[(slice(None), slice(None), *[slice(0, 1)] * (x.ndim - 2))]
        same = bool((x == alike).all()) and len(step.outputs) == 1
        return np.broadcast_to(alike, graph.shapes[step.output]) if same else None
    if step.op not in MOVES - {"Pad", "Resize"} or not moves(step, graph) or len(step.outputs) > 1:
        return None
    node = onnx.helper.make_node(step.op, step.inputs, step.outputs)
    node.attribute.extend(step.attributes)
    known = {n: graph.constants[n] for n in step.inputs if n in graph.constants}
    return run_node(node, {step.inputs[0]: x.astype(np.int64), **known}, {"": graph.opset})[0]


def _of_inputs(step: Step, x: Array) -> Array | None:
    """Which channel each input of a layer is, None where one input sees several."""
    if step.op != "Conv":
        flat = x.reshape(-1, x.shape[-1])
        return flat[0] if bool((flat == flat[0]).all()) else None
    flat = x[0].reshape(x.shape[1], -1)
    return flat[:, 0] if bool((flat == flat[:, :1]).all()) else None


def _columns(step: Step, weights: Array) -> Array:
    """Weights as (inputs of the layer, what reads each): a view in another order."""
    if step.op != "Conv":
        return weights
    groups = int(step.attribute("group", 1))
    apart = weights.reshape(groups, weights.shape[0] // groups, weights.shape[1], -1)
    return apart.swapaxes(1, 2).reshape(groups * weights.shape[1], -1)


def _largest(pair: Pair, of_inputs: Array) -> Array:
    """The largest number of each channel of the first layer, from one an input of the second."""
    found = np.zeros(int(pair.channels.max()) + 1)
    np.maximum.at(found, pair.channels, of_inputs)
    return found


def _by_weights(graph: FloatGraph, pair: Pair) -> Array:
    w, v = (graph.constants[step.inputs[1]] for step in (pair.first, pair.second))
    rows = w.reshape(w.shape[0], -1) if pair.first.op == "Conv" else w.T
    first = np.abs(rows).max(axis=1)
    return _ratio(first, _largest(pair, np.abs(_columns(pair.second, v)).max(axis=1)))


def _by_size(graph: FloatGraph, pair: Pair, sizes: Array) -> Array:
    v = graph.constants[pair.second.inputs[1]]
    weights = np.abs(_columns(pair.second, v)).max(axis=1)
    return _ratio(_largest(pair, sizes), _largest(pair, weights))


def _ratio(x: Array, w: Array) -> Array:
    """(x / w)^0.5, 1 where a side is zero."""
    known = (x > 0) & (w > 0)
    result: Array = np.where(known, np.where(known, x, 1) / np.where(known, w, 1), 1.0) ** _ALPHA
    return result


def _scaled(graph: FloatGraph, pair: Pair, s: Array) -> FloatGraph:
    """Channel c of the first layer divided by s_c, the second layer's weights of it multiplied."""
    _, w, b = pair.first.inputs
    v = pair.second.inputs[1]
    spread = s[pair.channels]
    first, second = graph.constants[w], graph.constants[v]
    axis = [-1, *[1] * (first.ndim - 1)] if pair.first.op == "Conv" else [1, -1]
    if pair.second.op == "Conv":
        groups, inputs = int(pair.second.attribute("group", 1)), second.shape[1]
        by_output = np.repeat(spread.reshape(groups, inputs), second.shape[0] // groups, axis=0)
        factor = by_output.reshape(second.shape[0], inputs, *[1] * (second.ndim - 2))
    else:
        factor = spread[:, None]
    changed = {w: first / s.reshape(axis), b: graph.constants[b] / s, v: second * factor}
    return graph.with_constants(changed)


def _sizes(
    graph: FloatGraph, pairs: list[Pair], feeds: Mapping[str, Array]
) -> Iterator[tuple[Pair, Array]]:
    """The largest activation of each input of the second layers."""
    names = [pair.second.inputs[0] for pair in pairs]
    if not names:
        return
    found = [np.zeros(len(pair.channels)) for pair in pairs]
    for xs in values(float_model(graph, list(dict.fromkeys(names))), names, feeds):
        for pair, x, most in zip(pairs, xs, found, strict=True):
            axis = 1 if pair.second.op == "Conv" else x.ndim - 1
            apart = np.abs(np.moveaxis(x, axis, 0)).reshape(len(most), -1)
            np.maximum(most, apart.max(axis=1), out=most)
    yield from zip(pairs, found, strict=True)
