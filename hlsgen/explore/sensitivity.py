"""What rounding one layer, or one group of activations, does to the network's outputs.

All damages are in the unit of `distance` and add up, as the drivers assume, while they are small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.explore.calibration import Calibration, Progress
from hlsgen.explore.choices import Numbers
from hlsgen.explore.evaluate import Task
from hlsgen.quantise.graph import Step, float_model, weight_rows, weights_of_rows
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.moments import Moments
from hlsgen.quantise.places import places
from hlsgen.quantise.runtime import stacked
from hlsgen.quantise.scheme import Quantisation, Weights

Array = NDArray[Any]
_PROBES = 4  # directions that the gain of a layer is the mean of
_SEED = 20


class Sensitivity(StrEnum):
    """How the damage of weights is found."""

    MEASURED = "measured"
    GAUSS_NEWTON = "gauss-newton"
    HUTCHINSON = "hutchinson"


def distance(wanted: Mapping[str, Array], got: Mapping[str, Array]) -> float:
    """How far outputs are from the float network's, a sample.

    Scores: the divergence KL(p || q) of the classes' probabilities in nats; they are the outputs
    themselves where these are not negative and add up to one, else their softmax. Other outputs:
    the error's share of the signal. Both are quadratic in small changes.
    """
    name = next(iter(wanted))
    scores = wanted[name]
    if sum(n > 1 for n in scores.shape[1:]) != 1:
        return max(_share(x, got[n]) for n, x in wanted.items())
    p, q = (y.reshape(len(scores), -1).astype(np.float64) for y in (scores, got[name]))
    if (p >= 0).all() and np.allclose(p.sum(axis=1), 1, atol=1e-3):
        log_p, log_q = (np.log(np.maximum(v, 1e-12)) for v in (p, q))
    else:
        log_p, log_q = (v - _log_sum(v) for v in (p, q))
    return max(float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()), 0.0)


def _log_sum(x: Array) -> Array:
    top = x.max(axis=1, keepdims=True)
    found: Array = top + np.log(np.exp(x - top).sum(axis=1, keepdims=True))
    return found


def _share(wanted: Array, got: Array) -> float:
    signal = float((wanted.astype(np.float64) ** 2).sum())
    return float(((got - wanted.astype(np.float64)) ** 2).sum()) / max(signal, 1e-30)


def of_activations(
    task: Task, found: Calibration, feeds: Mapping[str, Array], observe: Progress
) -> Numbers:
    """Damage of each group at each width, all else float. Shapes: groups x widths."""
    wanted = _float_outputs(task, feeds)
    values = {p.name: p.value for p in places(task.graph)}
    rows: list[tuple[float, ...]] = []
    for index, names in enumerate(task.space.groups):
        observe("sensitivity of activations", index / len(task.space.groups))
        row: list[float] = []
        for bits in task.space.activations:
            alone = {values[n]: found.activations[bits][values[n]] for n in names}
            model = qdq_model(task.graph, Quantisation(task.scheme, alone, {}))
            row.append(distance(wanted, _outputs(model, task, feeds)))
        rows.append(tuple(row))
    return tuple(rows)


def measured(
    task: Task, found: Calibration, feeds: Mapping[str, Array], observe: Progress
) -> Numbers:
    """Damage of each layer's weights in each format, all else float. Shapes: layers x formats."""
    wanted = _float_outputs(task, feeds)
    rows: list[tuple[float, ...]] = []
    for index, step in enumerate(task.graph.layers):
        observe("sensitivity of weights", index / len(task.graph.layers))
        unit = found.units[index]
        rows.append(
            tuple(
                _damage(task, step, _values(step, w, unit), wanted, feeds)
                for w in found.weights[index].values()
            )
        )
    return tuple(rows)


def gauss_newton(
    task: Task, found: Calibration, feeds: Mapping[str, Array], observe: Progress
) -> Numbers:
    """gain * sum over outputs of dw E[x x'] dw', with dw what rounding changes a row of weights.

    The sum is exact for the layer's own output. `gain` is what a unit of it does to the network's:
    the mean over random small changes of the weights, so that gain times E[x x'] is the
    Gauss-Newton matrix with its part behind the layer taken as a multiple of the identity; for
    scores that is the Fisher matrix. Shapes: layers x formats.
    Source: LeCun 1990, Nagel 2020 (2004.10568); the scalar gain is ours.
    """
    wanted = _float_outputs(task, feeds)
    rows: list[tuple[float, ...]] = []
    for index, step in enumerate(task.graph.layers):
        observe("sensitivity of weights", index / len(task.graph.layers))
        moment = found.moments[index]
        if task.scheme.bias_correction:
            moment = moment.centred()
        gain = _gain(task, step, moment, wanted, feeds)
        w = task.graph.constants[step.inputs[1]]
        changes = [_values(step, q, 0.0)[0] - w for q in found.weights[index].values()]
        rows.append(tuple(gain * _quadratic(step, dw, moment) for dw in changes))
    return tuple(rows)


def _quadratic(step: Step, change: Array, moment: Moments) -> float:
    rows = weight_rows(step, change)
    return float(np.einsum("grk,gkl,grl->", rows, moment.square, rows))


def _gain(
    task: Task, step: Step, moment: Moments, wanted: Mapping[str, Array], feeds: Mapping[str, Array]
) -> float:
    """Damage at the outputs over `_quadratic`, for changes of a hundredth of a weight's size."""
    w, b = (task.graph.constants[n] for n in step.inputs[1:])
    rng = np.random.default_rng(_SEED)
    size = 0.01 * float(np.sqrt((w**2).mean())) or 1e-3
    found: list[float] = []
    for _ in range(_PROBES):
        rows = rng.choice((-size, size), weight_rows(step, w).shape)
        moved = np.einsum("grk,gk->gr", rows, moment.mean).ravel()
        change = weights_of_rows(step, rows, w.shape)
        damage = _damage(task, step, (w + change, b - moved), wanted, feeds)
        found.append(damage / max(_quadratic(step, change, moment), 1e-30))
    return float(np.mean(found))


def _values(step: Step, w: Weights, unit: float) -> tuple[Array, Array]:
    """Weights and bias that codes stand for."""
    shape = [1] * w.codes.ndim
    shape[0 if step.op == "Conv" else 1] = -1
    return w.codes * w.scales.reshape(shape), w.bias * w.scales * unit


def _damage(
    task: Task, step: Step, numbers: Sequence[Array], wanted: Mapping[str, Array],
    feeds: Mapping[str, Array],
) -> float:  # fmt: skip
    """Of other weights and another bias for one layer."""
    graph = task.graph.with_constants(dict(zip(step.inputs[1:], numbers, strict=True)))
    return distance(wanted, _outputs(float_model(graph), task, feeds))


def _float_outputs(task: Task, feeds: Mapping[str, Array]) -> dict[str, Array]:
    return _outputs(float_model(task.graph), task, feeds)


def _outputs(model: Any, task: Task, feeds: Mapping[str, Array]) -> dict[str, Array]:
    return stacked(model, task.graph.outputs, feeds)
