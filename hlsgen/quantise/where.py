"""Where the error arises: every quantiser by itself, and all up to it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from hlsgen.quantise.graph import FloatGraph, Step, float_model
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.judge import sqnr_db
from hlsgen.quantise.places import places
from hlsgen.quantise.quantise import Progress
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.runtime import stacked
from hlsgen.quantise.scheme import Quantisation

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One place where values are rounded: a network input, a layer, a sum, a pool.

    `alone_db` and `output_db` are of the network with this place quantised alone, at the place and
    at the network's first output; `together_db` is at the place with the whole network quantised.
    Bits are 0 where there are none; those of K-hot weights say it, 6K2.
    Units: signal over error in dB.
    """

    name: str
    op: str
    weight_bits: int | str
    activation_bits: int
    alone_db: float
    together_db: float
    output_db: float


def where(
    graph: FloatGraph, made: Quantisation, feeds: Mapping[str, Array], observe: Progress
) -> tuple[Row, ...]:
    """One row a place, in order of evaluation, from a few samples."""
    roles = Roles(graph)
    found = places(graph)
    names = list(dict.fromkeys((*(place.value for place in found), graph.outputs[0])))
    inner = [name for name in names if name not in graph.outputs and name not in graph.inputs]
    exact = stacked(float_model(graph, inner), [*inner, *graph.outputs], feeds) | dict(feeds)
    whole = _computed(graph, made, names, feeds)
    rows: list[Row] = []
    for index, place in enumerate(found):
        observe("error by layer", index / len(found))
        value, own = place.value, made.scheme.at(place.name)
        alone = _computed(graph, _only(made, roles, value, place.layer), names, feeds)
        first = graph.outputs[0]
        step = place.layer or place.step
        rows.append(
            Row(
                place.name,
                step.op if step else "input",
                own.weights.spelled if place.layer else 0,
                own.activations if value in made.activations else 0,
                sqnr_db(exact[value], alone[value]),
                sqnr_db(exact[value], whole[value]),
                sqnr_db(exact[first], alone[first]),
            )
        )
    return tuple(rows)


def _only(made: Quantisation, roles: Roles, value: str, layer: Step | None) -> Quantisation:
    """A quantisation of one place: what a layer reads, its weights, and what it makes."""
    kept = {value}
    if layer is not None:
        kept.add(roles.source(layer.inputs[0]))
    chosen = {n: a for n, a in made.activations.items() if n in kept}
    held = {n: w for n, w in made.weights.items() if layer is not None and n == layer.output}
    return replace(made, activations=chosen, weights=held)


def _computed(
    graph: FloatGraph, made: Quantisation, names: Sequence[str], feeds: Mapping[str, Array]
) -> dict[str, Array]:
    """Values of the network quantised so, under the names of the graph."""
    model = qdq_model(graph, made, [name for name in names if name not in graph.outputs])
    spelled = [item.name for item in model.graph.output]
    inner = [name for name in names if name not in graph.outputs]
    owned = dict(zip([*graph.outputs, *inner], spelled, strict=True))
    known = {n: s for n, s in owned.items() if s not in feeds}
    found = stacked(model, list(known.values()), feeds)
    return {n: found[known[n]] if n in known else feeds[n] for n in owned}
