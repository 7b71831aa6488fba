"""Test inputs for a network: seeded, over the range that its quantisers use and a bit beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr.network import Network
from hlsgen.ops.model.quantize import Quantize
from hlsgen.sim.host import codes_of
from hlsgen.sim.precision import FORMATS

Array = NDArray[Any]


def random_feeds(network: Network, samples: int, seed: int) -> dict[str, Array]:
    """Values for every network input, samples along axis 0.

    In turn: uniform, normal, the ends of the range, uniform and a bit beyond, and, where a
    quantiser of known scale reads the input, its ties and its limits.
    """
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for name in network.model.inputs:
        item = network.model.types[name]
        low, high = value_range(network, name)
        grid = _grid(network, name)
        drawn = [_sample(rng, i, item.shape, low, high, grid) for i in range(samples)]
        values = np.stack(drawn) if drawn else np.zeros((0, *item.shape))
        if grid is not None:
            values = _decided(rng, values, item.dtype)
        if item.is_integer:
            feeds[name] = np.clip(np.rint(values), low, high).astype(np.int64)
        else:
            feeds[name] = _as_held(values, item.dtype)
    return feeds


def _as_held(values: Array, dtype: str) -> Array:
    """Numbers of the element type, finite and of no more than float32."""
    kept = FORMATS["float32" if dtype == "float64" else dtype]
    return kept.rounded(values.clip(-kept.greatest, kept.greatest))


def _decided(rng: np.random.Generator, values: Array, dtype: str) -> Array:
    """Values that the element type holds as they are; others moved by 16 of its roundings.

    A tie that the type cannot hold becomes a near one, and which way it goes would then depend on
    the last bit of a float division: every element a difference to explain, for no gain.
    """
    held = _as_held(values, dtype)
    step = 2.0 ** (4 - FORMATS["float32" if dtype == "float64" else dtype].bits)
    return np.where(held == values, values, values * (1 + rng.choice([-step, step], values.shape)))


@dataclass(frozen=True, eq=False)
class _Grid:
    """The quantiser that reads an input first; scale and zero point broadcast to the input."""

    scale: Array
    zero: Array
    qmin: int
    qmax: int

    def ties(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Halfway between two codes, anywhere from one below the range to one above it."""
        codes = rng.integers(self.qmin - 1, self.qmax + 1, shape, endpoint=False)
        return (codes + 0.5 - self.zero) * self.scale

    def limits(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """The least and the greatest code, and halves and whole codes to either side of them."""
        ends = rng.choice(np.array([self.qmin, self.qmax]), shape)
        return (ends + rng.choice(np.array([-1, -0.5, 0, 0.5, 1]), shape) - self.zero) * self.scale


def _grid(network: Network, name: str) -> _Grid | None:
    """Of the first quantiser that reads the input itself, with constants for its parameters."""
    model = network.model
    item = model.types[name]
    if item.is_integer:
        return None
    for node in model.nodes:
        op = node.op
        if not (isinstance(op, Quantize) and node.inputs[0] == name):
            continue
        found = [model.constants.get(n) for n in node.inputs[1:3]]
        scale, zero = (None if v is None else np.asarray(v).astype(np.float64) for v in found)
        narrow = op.qmax - op.qmin < 1 << 32
        if narrow and scale is not None and zero is not None and np.isfinite(scale).all():
            return _Grid(scale, zero, op.qmin, op.qmax)
    return None


def _sample(
    rng: np.random.Generator,
    index: int,
    shape: tuple[int, ...],
    low: float,
    high: float,
    grid: _Grid | None,
) -> Array:
    middle, reach = (low + high) / 2, (high - low) / 2
    if grid is not None:
        turn, index = index % 6, index % 6
        if turn in (2, 5):
            return grid.ties(rng, shape) if turn == 2 else grid.limits(rng, shape)
        index -= turn > 2
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
