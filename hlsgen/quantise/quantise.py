"""Post-training quantisation: a float network and samples to a network of integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from hlsgen.errors import Loc, ModelError, Unsupported
from hlsgen.quantise.graph import FloatGraph, Step, float_model
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.layer import quantise_layer
from hlsgen.quantise.moments import moments
from hlsgen.quantise.places import check_places, places
from hlsgen.quantise.ranges import activation, histogram_of, histograms, on_a_grid
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.runtime import values
from hlsgen.quantise.scheme import Activation, Quantisation, Scheme, Weights

Array = NDArray[Any]
Progress = Callable[[str, float], None]


def quantise(
    graph: FloatGraph, feeds: Mapping[str, Array], scheme: Scheme, observe: Progress
) -> Quantisation:
    """Activations first, then layer after layer, each on what the ones before it now compute.

    Errors: those of `check`.
    """
    check(graph, scheme)
    activations = find_activations(graph, feeds, scheme, observe)
    made = Quantisation(scheme, activations, {})
    roles = Roles(graph)
    for index, step in enumerate(graph.layers):
        observe("rounding", index / len(graph.layers))
        unit = activations[roles.source(step.inputs[0])].scale
        after = roles.quantiser_behind(step.output)
        behind = 1.0 if after is None else activations[after].scale
        kernel = graph.constants[step.inputs[1]].shape
        found = moments(step, kernel, _inputs(graph, step, made, feeds))
        weights: dict[str, Weights] = {
            **made.weights,
            step.output: quantise_layer(graph, step, unit, behind, found, scheme.at(step.loc.name)),
        }
        made = replace(made, weights=weights)
    return made


def check(graph: FloatGraph, scheme: Scheme) -> None:
    """Whether the graph can be quantised so.

    Errors: Unsupported where it has no layer, or an operator without integers; OptionError where
    the scheme names what is not there.
    """
    if not graph.layers:
        raise Unsupported("no Conv, Gemm or MatMul with weights to quantise", Loc(graph.file))
    Roles(graph).quantised()
    check_places(graph, scheme)


def find_activations(
    graph: FloatGraph, feeds: Mapping[str, Array], scheme: Scheme, observe: Progress
) -> dict[str, Activation]:
    """The quantiser of each value that has one.

    Errors: ModelError where the float network computes NaN or infinity.
    """
    observe("ranges", 0.0)
    names = Roles(graph).quantised()
    made = [name for name in names if name not in graph.inputs]
    model = float_model(graph, [name for name in made if name not in graph.outputs])
    try:
        found = histograms(model, made, feeds) if made else {}
    except ModelError as error:
        raise error.at(Loc(graph.file)) from error
    result: dict[str, Activation] = {}
    place = {p.value: p.name for p in places(graph)}
    for name in names:
        own = scheme.at(place[name])
        if name in graph.inputs:
            grid = on_a_grid(feeds[name], own)
            result[name] = grid or activation(histogram_of(feeds[name]), own)
        else:
            result[name] = activation(found[name], own)
    return result


def _inputs(
    graph: FloatGraph, step: Step, made: Quantisation, feeds: Mapping[str, Array]
) -> Iterator[tuple[Array, Array]]:
    """A layer's input on each sample, as floats and as the layers before it now compute it."""
    x = step.inputs[0]
    before = graph.leading_to(x)
    exact = float_model(before, (x,)) if x not in feeds else None
    coded = qdq_model(before, made, (x,))
    codes = values(coded, [coded.graph.output[-1].name], feeds)
    if exact is None:
        yield from ((a, b) for a, (b,) in zip(feeds[x], codes, strict=True))
    else:
        yield from ((a, b) for (a,), (b,) in zip(values(exact, [x], feeds), codes, strict=True))
