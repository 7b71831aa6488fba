"""Scale and zero point of an activation from a histogram of its values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError
from hlsgen.quantise.runtime import values
from hlsgen.quantise.scheme import Activation, Ranges, Scales, Scheme, short

Array = NDArray[Any]

_BINS = 4096
_SHRINK = np.linspace(1.0, 0.25, 76)  # of the extremes that the search for the least error tries
_TINY = 2.0**-60  # an activation that is always zero has a scale all the same


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many values lie in each of equal bins from `low` to `high`, zero among them."""

    low: float
    high: float
    counts: Array

    @property
    def centres(self) -> Array:
        """The middle of each bin."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return (edges[1:] + edges[:-1]) / 2

    def share(self, percent: float) -> tuple[float, float]:
        """The range that leaves out half of the rest at either end, zero in it."""
        below = np.cumsum(self.counts) / max(self.counts.sum(), 1)
        rest = (1 - percent / 100) / 2
        width = (self.high - self.low) / len(self.counts)
        first = int(np.searchsorted(below, rest, "right"))
        last = int(np.searchsorted(below, 1 - rest, "left"))
        low, high = self.low + first * width, self.low + (last + 1) * width
        return min(low, 0.0), max(min(high, self.high), 0.0)


def histogram_of(x: Array) -> Histogram:
    """The histogram of one array."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    return Histogram(low, high, _counts(x, low, high))


def _counts(x: Array, low: float, high: float) -> Array:
    return np.histogram(x, _BINS, (low, high if high > low else low + 1))[0]


def histograms(
    model: Any, names: Sequence[str], feeds: Mapping[str, Array]
) -> dict[str, Histogram]:
    """A histogram a value, in two passes over the samples: extremes, then counts.

    Errors: ModelError where the float network computes NaN or infinity.
    """
    low, high = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for j, found in enumerate(values(model, names, feeds)):
        for name, x in zip(names, found, strict=True):
            if not np.isfinite(x).all():
                raise ModelError(f"value '{name}' is NaN or infinite on calibration sample {j}")
            low[name] = min(low[name], float(x.min()))
            high[name] = max(high[name], float(x.max()))
    counts = {name: np.zeros(_BINS, np.int64) for name in names}
    for found in values(model, names, feeds):
        for name, x in zip(names, found, strict=True):
            counts[name] += _counts(x, low[name], high[name])
    return {name: Histogram(low[name], high[name], counts[name]) for name in names}


def activation(found: Histogram, scheme: Scheme) -> Activation:
    """The quantiser of a value.

    1. minmax covers all values; percentile leaves out the outermost; mse takes the range with the
       least squared error, shrinking first the upper, then the lower end.
    2. Free scales are numbers of 12 bits with a zero point; others are powers of two without one,
       signed where values are negative. Zero always has a code.
    """
    low, high = found.low, found.high
    match scheme.ranges:
        case Ranges.MINMAX:
            return _covering(low, high, scheme)
        case Ranges.PERCENTILE:
            return _covering(*found.share(scheme.percentile), scheme)
        case Ranges.MSE:
            upper = [_covering(low, high * f, scheme) for f in _SHRINK]
            best = upper[_least(found, upper)]
            high *= float(_SHRINK[upper.index(best)])
            lower = [_covering(low * f, high, scheme) for f in _SHRINK]
            return lower[_least(found, lower)]


def _covering(low: float, high: float, scheme: Scheme) -> Activation:
    codes = (1 << scheme.activations) - 1
    if scheme.scales is Scales.FREE:
        scale = short(max((high - low) / codes, _TINY))
        return Activation(scale, min(round(-low / scale), codes), 0, codes)
    bottom, top = (-(codes + 1) // 2, codes // 2) if low < 0 else (0, codes)
    need = max(high / top, low / bottom if bottom else 0.0, _TINY)
    return Activation(2.0 ** math.ceil(math.log2(need)), 0, bottom, top)


def _least(found: Histogram, tried: Sequence[Activation]) -> int:
    """Which quantiser has the least squared error; the first of equal ones."""
    x, n = found.centres, found.counts
    return int(np.argmin([float(n @ (a.rounded(x) - x) ** 2) for a in tried]))


def on_a_grid(x: Array, scheme: Scheme) -> Activation | None:
    """The quantiser whose codes are the very values of an input, if they are multiples of one step.

    So are pixels over 255, and codes times a scale. The step is rounded to 12 bits as every scale:
    up to 1024 codes that moves none.
    """
    codes = (1 << scheme.activations) - 1
    levels = np.unique(x.astype(np.float64))
    if scheme.scales is not Scales.FREE or codes >= 1 << 10 or not 3 <= len(levels) <= codes + 1:
        return None
    n = np.round(levels / float(np.diff(levels).min()))
    step = float((levels @ n) / (n @ n))
    low, high = min(int(n[0]), 0), max(int(n[-1]), 0)
    if high - low > codes or np.abs(levels / step - n).max() > 1e-3:
        return None
    return Activation(short(step), -low, 0, codes)
