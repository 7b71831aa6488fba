"""Why a float32 reference and exact integers differ: layer by layer, every element or it is WRONG.

1. `exact_layers` evaluates the model in exact arithmetic: what the integer graph has to equal.
2. `explain` restarts every layer from the reference's own codes and asks of each differing code
   whether float32, within a proven error bound, can have come to it (design/staircases.md 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Loc
from hlsgen.ir.model import Model
from hlsgen.sim.layers import Evaluation, Layer, ends_layer
from hlsgen.sim.pointwise import Pointwise
from hlsgen.sim.real import Precision, Real
from hlsgen.sim.reference import RUNTIME, Reference
from hlsgen.sim.replay import replayed

Array = NDArray[Any]
DOUBLE, SINGLE = Precision(53), Precision(24)


@dataclass(frozen=True, eq=False)
class Exact:
    """Codes of every layer and the outputs, in exact arithmetic from the network inputs."""

    codes: Mapping[str, Array]
    outputs: Mapping[str, Real]


def exact_layers(model: Model, inputs: Mapping[str, Array]) -> Exact:
    """Evaluates in float64; what that cannot decide is decided in rational arithmetic."""
    codes: dict[str, Array] = {}
    known: dict[str, Array] = dict(inputs)
    pointwise = Pointwise(model, known)

    def settle(layer: Layer) -> Array:
        code = layer.code
        unsure = np.argwhere(layer.low != layer.high)
        if len(unsure):
            code = np.array(code)
            for place in unsure.tolist():
                sample, *rest = place
                code[tuple(place)] = pointwise.code(layer.node, sample, tuple(rest))
        known[layer.name] = codes[layer.name] = code
        return code

    with np.errstate(all="ignore"):
        values = Evaluation(model, DOUBLE, settle).run(inputs)
    return Exact(codes, {name: values[name] for name in model.outputs})


@dataclass(frozen=True, eq=False)
class LayerReport:
    """What became of the codes of one tensor; `first` is (sample, index, exact, reference)."""

    tensor: str
    loc: Loc
    elements: int
    differing: int
    explained: int
    first_wrong: tuple[int, tuple[int, ...], float, float] | None = None

    @property
    def wrong(self) -> int:
        return self.differing - self.explained


@dataclass(frozen=True, eq=False)
class Explanation:
    """Layers with differing codes; outputs as float32 may give them from the reference's codes.

    `bad` marks the samples in which some layer differs beyond float32; `outputs` holds value and
    error of each output, where the last layers are still free to be what float32 makes of them.
    """

    layers: tuple[LayerReport, ...]
    bad: Array
    outputs: Mapping[str, Real]
    warnings: tuple[str, ...] = ()


@dataclass(eq=False)
class _Open:
    """Differing codes of one layer that are not explained yet."""

    layer: Layer
    places: Array  # rows of (sample, *index)
    reference: Array
    proven: NDArray[np.bool_]
    explained: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def explain(model: Model, inputs: Mapping[str, Array], reference: Reference) -> Explanation:
    """Judges every code of `reference`, whose samples are those of `inputs`."""
    differing: dict[str, _Open] = {}
    last = _last_layers(model)

    def compare(layer: Layer) -> Array | None:
        want = reference.values.get(layer.name)
        if want is None:
            return None  # inside a kernel: its uncertainty is handed on
        want = want.astype(np.float64)
        places = np.argwhere(want != layer.code)
        if len(places):
            spots = tuple(places.T)
            inside = np.broadcast_to(layer.admits(want), layer.code.shape)[spots]
            differing[layer.name] = _Open(layer, places, want[spots], inside)
        return want

    def likely(layer: Layer) -> Array | None:
        want = reference.values.get(layer.name)
        if want is not None and layer.name in differing:
            found = differing[layer.name]
            inside = np.broadcast_to(layer.admits(want), layer.code.shape)
            found.explained = found.proven & inside[tuple(found.places.T)]
        return None if want is None or layer.name in last else want.astype(np.float64)

    runtime = reference.engine == RUNTIME
    with np.errstate(all="ignore"):
        Evaluation(model, SINGLE, compare, False, runtime).run(inputs)
        values = Evaluation(model, SINGLE, likely, True, runtime).run(inputs)
    for found in differing.values():
        _replay(model, inputs, reference, found)
    count = next(iter(inputs.values())).shape[0]
    bad = np.zeros(count, bool)
    for found in differing.values():
        samples = found.places[~found.explained][:, 0]
        bad[samples if found.layer.code.shape[0] > 1 or count == 1 else slice(None)] |= True
    reports = tuple(_report(found) for found in differing.values())
    return Explanation(reports, bad, {name: values[name] for name in model.outputs})


def _replay(
    model: Model, inputs: Mapping[str, Array], reference: Reference, found: _Open
) -> None:
    """Inside the proven bound but not the likely one: some order of float32 has to give the code."""
    rest = np.flatnonzero(found.proven & ~found.explained)
    if rest.size:
        hit = replayed(
            model, found.layer.node, {**inputs, **reference.values},
            found.places[rest], found.reference[rest],
        )  # fmt: skip
        found.explained[rest] = hit


def _report(found: _Open) -> LayerReport:
    wrong = np.flatnonzero(~found.explained)
    first = None
    if wrong.size:
        sample, *place = (int(v) for v in found.places[wrong[0]])
        exact = float(found.layer.code[tuple(found.places[wrong[0]])])
        first = (sample, tuple(place), exact, float(found.reference[wrong[0]]))
    return LayerReport(
        found.layer.name,
        found.layer.node.loc,
        found.layer.code.size,
        len(found.places),
        int(found.explained.sum()),
        first,
    )


def _last_layers(model: Model) -> frozenset[str]:
    """The layers behind which no other layer ends."""
    leads: set[str] = set()
    last: set[str] = set()
    for node in reversed(model.nodes):
        reaches = any(name in leads for name in node.outputs)
        ends = ends_layer(node)
        if ends and not reaches:
            last.add(node.output)
        if ends or reaches:
            leads.update(node.inputs)
    return frozenset(last)
