"""Test inputs for a network: seeded, over the range that its quantisers use and a bit beyond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr.network import Network
from hlsgen.sim.host import codes_of

Array = NDArray[Any]


def random_feeds(network: Network, samples: int, seed: int) -> dict[str, Array]:
    """Values for every network input, samples along axis 0: uniform, normal, extremes, in turn."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for name in network.model.inputs:
        shape = network.model.types[name].shape
        low, high = value_range(network, name)
        drawn = [_sample(rng, i, shape, low, high) for i in range(samples)]
        values = np.stack(drawn) if drawn else np.zeros((0, *shape))
        if network.model.types[name].is_integer:
            feeds[name] = np.clip(np.rint(values), low, high).astype(np.int64)
        else:
            feeds[name] = values.astype(np.float32).astype(np.float64)
    return feeds


def _sample(
    rng: np.random.Generator, index: int, shape: tuple[int, ...], low: float, high: float
) -> Array:
    middle, reach = (low + high) / 2, (high - low) / 2
    match index % 4:
        case 0:
            return rng.uniform(low, high, shape)
        case 1:
            return middle + rng.normal(0, reach / 3, shape)
        case 2:
            return rng.choice([low, high], shape)
        case _:
            return rng.uniform(low - reach / 8, high + reach / 8, shape)


def value_range(network: Network, name: str) -> tuple[float, float]:
    """The interval of an input's values beyond which its codes no longer change."""
    ports = [p for p in network.inputs if p.source == name]
    if not ports:
        return -1.0, 1.0
    if network.model.types[name].is_integer:
        types = [network.graph.types[p.value] for p in ports]
        return float(min(t.min for t in types)), float(max(t.max for t in types))
    spans = [_saturation(network, p.prologue, name) for p in ports]
    return min(s[0] for s in spans), max(s[1] for s in spans)


def _saturation(network: Network, prologue: Any, name: str) -> tuple[float, float]:
    """Least powers of two in either direction from which on the codes stay what they are."""
    shape = network.model.types[name].shape
    ends: list[float] = []
    for sign in (-1.0, 1.0):
        steps = [sign * 2.0**k for k in range(-12, 21)]
        types = network.model.types
        feeds = {n: np.zeros((len(steps), *types[n].shape)) for n in network.model.inputs}
        feeds[name] = np.stack([np.full(shape, v) for v in steps])
        codes = codes_of(prologue, feeds).reshape(len(steps), -1)
        moving = [i for i in range(len(steps) - 1) if (codes[i] != codes[-1]).any()]
        ends.append(steps[moving[-1] + 1] if moving else 0.0)
    low, high = ends
    return (low, high) if high > low else (-1.0, 1.0)
