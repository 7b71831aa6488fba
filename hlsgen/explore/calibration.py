"""Every layer's codes and every activation's quantiser in each format, of the float network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.explore.evaluate import Task
from hlsgen.quantise.graph import FloatGraph, Step, float_model
from hlsgen.quantise.layer import quantise_layer
from hlsgen.quantise.moments import Moments, moments
from hlsgen.quantise.quantise import find_activations
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.runtime import values
from hlsgen.quantise.scheme import Activation, Scales, Weights

Array = NDArray[Any]
Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Quantisers by width and value; codes by layer and format, made on float inputs.

    `units` is the scale of each layer's input at the largest width, in which its bias is rounded.
    """

    activations: Mapping[int, Mapping[str, Activation]]
    weights: tuple[Mapping[WeightFormat, Weights], ...]
    moments: tuple[Moments, ...]
    units: tuple[float, ...]


def calibrated(task: Task, kind: Scales, observe: Progress) -> Calibration:
    """All of it for one kind of scales.

    Errors: those of `quantise.quantise`.
    """
    graph, space = task.graph, task.space
    base = replace(task.scheme, scales=kind, layers=())
    activations = {
        bits: find_activations(graph, task.feeds, replace(base, activations=bits), observe)
        for bits in space.activations
    }
    roles = Roles(graph)
    largest = activations[space.activations[-1]]
    weights: list[Mapping[WeightFormat, Weights]] = []
    found: list[Moments] = []
    units: list[float] = []
    for index, step in enumerate(graph.layers):
        observe("rounding", index / len(graph.layers))
        unit = largest[roles.source(step.inputs[0])].scale
        after = roles.quantiser_behind(step.output)
        behind = 1.0 if after is None else largest[after].scale
        m = moments(step, graph.constants[step.inputs[1]].shape, _twice(task, step))
        made = {
            w: quantise_layer(graph, step, unit, behind, m, replace(base, weights=w))
            for w in space.weights
        }
        weights.append(made)
        found.append(m)
        units.append(unit)
    return Calibration(activations, tuple(weights), tuple(found), tuple(units))


def _twice(task: Task, step: Step) -> Iterator[tuple[Array, Array]]:
    """A layer's float input on each sample, as what it reads with and without codes."""
    for x in _inputs(task.graph, task.feeds, step.inputs[0]):
        yield x, x


def _inputs(graph: FloatGraph, feeds: Mapping[str, Array], name: str) -> Iterator[Array]:
    if name in feeds:
        yield from feeds[name]
        return
    before = graph.leading_to(name)
    for (x,) in values(float_model(before, (name,)), [name], feeds):
        yield x
