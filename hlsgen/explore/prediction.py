"""Damage and LUTs of every choice, predicted: what the drivers search, before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.explore.calibration import Calibration, Progress, calibrated
from hlsgen.explore.choices import Choices, Numbers
from hlsgen.explore.evaluate import Outcome, Probe, Task
from hlsgen.explore.hardware import Unrolled
from hlsgen.explore.probes import probe
from hlsgen.explore.sensitivity import Sensitivity, gauss_newton, measured, of_activations
from hlsgen.explore.space import Candidate, Space
from hlsgen.quantise.scheme import Scales

LUT = "LUT"
Count = Callable[[Sequence[Probe]], Sequence[Outcome]]
_SAMPLES = 64  # that sensitivities are measured on


@dataclass(frozen=True, eq=False)
class Prediction:
    """The additive problem of a space at one kind of scales.

    Units are the layers, whose choices are the format of weights and the bits of what they read,
    and then the groups of activations; a layer is tied to the group that it reads.
    """

    space: Space
    kind: Scales
    choices: Choices

    def candidate(self, picked: Sequence[int]) -> Candidate:
        """A whole of the problem as a candidate."""
        space, count = self.space, len(self.space.layers)
        weights = tuple(_pairs(space)[c][0] for c in picked[:count])
        activations = tuple(space.activations[c] for c in picked[count:])
        return Candidate(weights, activations, (self.kind,) * count)

    def picked(self, candidate: Candidate) -> tuple[int, ...]:
        """The choices of a candidate."""
        space = self.space
        pairs = _pairs(space)
        of_layers = [
            pairs.index((w, candidate.activations[g]))
            for w, g in zip(candidate.weights, space.reads, strict=True)
        ]
        return (*of_layers, *(space.activations.index(a) for a in candidate.activations))

    def damage(self, candidate: Candidate) -> float:
        """What it is expected to do to the outputs, in the unit of `sensitivity.distance`."""
        return self.choices.total(self.picked(candidate))

    def luts(self, candidate: Candidate) -> float:
        """What it is expected to take."""
        return self.choices.total(self.picked(candidate), LUT)


def _pairs(space: Space) -> list[tuple[WeightFormat, int]]:
    return [(w, a) for w in space.weights for a in space.activations]


def predict(
    task: Task, kind: Scales, how: Sensitivity, count: Count, observe: Progress
) -> Prediction:
    """Sensitivities from calibration samples, LUTs from single layers.

    Errors: those of `quantise.quantise`; ToolMissing for a sensitivity that is not installed.
    """
    found = calibrated(task, kind, observe)
    chosen = np.linspace(0, len(next(iter(task.feeds.values()))) - 1, _SAMPLES)
    some = {n: x[np.unique(chosen.round().astype(int))] for n, x in task.feeds.items()}
    weights = _of_weights(how)(task, found, some, observe)
    activations = of_activations(task, found, some, observe)
    return assembled(task, kind, weights, activations, layer_costs(task, found, count, observe))


def _of_weights(how: Sensitivity) -> Callable[..., Numbers]:
    match how:
        case Sensitivity.MEASURED:
            return measured
        case Sensitivity.GAUSS_NEWTON:
            return gauss_newton
        case Sensitivity.HUTCHINSON:
            from hlsgen.explore.hutchinson import hutchinson

            return hutchinson


@dataclass(frozen=True, eq=False)
class LayerCosts:
    """LUTs of each layer by its weights' format and bits of what it reads, and of a bit it makes.

    Shapes: `layers` is layers x formats of weights x widths of activations.
    """

    layers: tuple[Numbers, ...]
    made: tuple[float, ...]


def layer_costs(task: Task, found: Calibration, count: Count, observe: Progress) -> LayerCosts:
    """Counted at the smallest and the largest width of activations, straight lines between.

    What a bit more of the output takes is counted once, at the middle format of weights.
    """
    observe("LUTs of layers", 0.0)
    space = task.space
    low, high = space.activations[0], space.activations[-1]
    middle = space.weights[len(space.weights) // 2]
    asked: dict[tuple[int, WeightFormat, int, int], Probe] = {}
    for layer in range(len(space.layers)):
        for w in space.weights:
            for a in {low, high}:
                asked[layer, w, a, high] = probe(task, found, layer, w, a, high)
        asked[layer, middle, high, low] = probe(task, found, layer, middle, high, low)
    outcomes = count(list(asked.values()))
    luts = {k: o.luts for k, o in zip(asked, outcomes, strict=True)}
    rows = tuple(
        tuple(
            tuple(
                float(np.interp(a, (low, high), (luts[i, w, low, high], luts[i, w, high, high])))
                for a in space.activations
            )
            for w in space.weights
        )
        for i in range(len(space.layers))
    )
    made = tuple(
        max(luts[i, middle, high, high] - luts[i, middle, high, low], 0.0) / max(high - low, 1)
        for i in range(len(space.layers))
    )
    return LayerCosts(rows, made)


def assembled(
    task: Task, kind: Scales, weights: Numbers, activations: Numbers, costs: LayerCosts
) -> Prediction:
    """Tables of single things as one problem."""
    space = task.space
    pairs = _pairs(space)
    place = {w: k for k, w in enumerate(space.weights)}
    seat = {a: k for k, a in enumerate(space.activations)}
    damage = [tuple(row[place[w]] for w, _ in pairs) for row in weights]
    luts = [tuple(row[place[w]][seat[a]] for w, a in pairs) for row in costs.layers]
    groups = range(len(space.groups))
    of_groups = [_group_cost(task, g, costs) for g in groups]
    families: tuple[Hashable, ...] = (*space.reads, *groups)
    tags = (*[tuple(a for _, a in pairs)] * len(space.layers), *[space.activations] * len(groups))
    costs_by_name: Mapping[str, Numbers] = {LUT: (*luts, *of_groups)}
    return Prediction(space, kind, Choices((*damage, *activations), costs_by_name, families, tags))


def _group_cost(task: Task, group: int, costs: LayerCosts) -> tuple[float, ...]:
    """A bit of each value: where layers make it what was counted, else one LUT an element.

    A stream carries few elements at a time: theirs are too few to count.
    """
    from hlsgen.quantise.places import places

    graph, space = task.graph, task.space
    makers = [i for i, g in enumerate(space.makes) if g == group]
    a_bit = sum(costs.made[i] for i in makers)
    owned = {space.layers[i] for i in makers}
    for place in places(graph) if isinstance(task.hardware, Unrolled) else ():
        if place.name in space.groups[group] and place.name not in owned and place.step:
            a_bit += float(np.prod(graph.shapes[place.value]))
    return tuple(a_bit * (a - space.activations[0]) for a in space.activations)
