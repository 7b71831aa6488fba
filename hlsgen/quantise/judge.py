"""A quantised file against its float network: by the exact integers that hardware computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.quantise.data import Samples
from hlsgen.quantise.graph import FloatGraph, float_model
from hlsgen.quantise.runtime import stacked
from hlsgen.sim.native import fastest
from hlsgen.sim.run import input_codes, output_values

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How near the integers come: accuracies where labels are there, else None.

    `agreement` is the share of samples whose largest output is the float network's, None where the
    first output is no vector of scores.
    Units: sqnr_db is the signal over the error of the outputs, in dB.
    """

    samples: int
    float_accuracy: float | None
    accuracy: float | None
    agreement: float | None
    sqnr_db: float


def float_outputs(graph: FloatGraph, samples: Samples) -> dict[str, Array]:
    """What the float network computes.

    Errors: OptionError where labels are there and its first output has no class scores for them.
    """
    found = stacked(float_model(graph), graph.outputs, samples.feeds)
    name = graph.outputs[0]
    scores = found[name]
    if samples.labels is not None:
        classes = scores[0].size
        if not _is_scores(scores):
            raise OptionError(
                f"labels need one score a class, and output '{name}' has shape "
                f"{list(scores.shape[1:])}; leave the labels out"
            )
        if samples.labels.max() >= classes:
            raise OptionError(
                f"label {samples.labels.max()} of sample {int(samples.labels.argmax())}: output "
                f"'{name}' has classes 0 to {classes - 1}"
            )
    return found


def integer_outputs(path: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What a quantised file means, exactly: its integers, through the lowered network."""
    return network_outputs(lower(read_model(path)), feeds)


def network_outputs(network: Network, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What a lowered network computes of float inputs, exactly."""
    engine, _ = fastest(network.graph)
    exact = {name: x.astype(np.float64) for name, x in feeds.items()}
    return output_values(network, dict(engine(input_codes(network, exact))))


def judged(
    wanted: Mapping[str, Array], got: Mapping[str, Array], labels: Array | None
) -> Judgement:
    """The first output for classes, all for the signal over the error."""
    name = next(iter(wanted))
    count = len(wanted[name])
    level = min(sqnr_db(x, got[n].reshape(x.shape)) for n, x in wanted.items())
    if not _is_scores(wanted[name]):
        return Judgement(count, None, None, None, level)
    right, found = (y[name].reshape(count, -1).argmax(axis=1) for y in (wanted, got))
    agreement = float((right == found).mean())
    if labels is None:
        return Judgement(count, None, None, agreement, level)
    exact, integer = (float((top == labels).mean()) for top in (right, found))
    return Judgement(count, exact, integer, agreement, level)


def _is_scores(y: Array) -> bool:
    """One score a class and sample."""
    return sum(n > 1 for n in y.shape[1:]) == 1


def sqnr_db(wanted: Array, got: Array) -> float:
    """Power of the values over power of the error, in dB; infinite where they are equal."""
    signal = float((wanted.astype(np.float64) ** 2).sum())
    error = float(((got - wanted.astype(np.float64)) ** 2).sum())
    if error == 0:
        return float("inf")
    return 10 * float(np.log10(signal / error)) if signal else -float("inf")
