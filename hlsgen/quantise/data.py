"""Samples and labels of an npz file, checked against the network that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.sim.arrays import load_arrays

Array = NDArray[Any]
LABELS = "labels"


@dataclass(frozen=True, eq=False)
class Samples:
    """Feeds with a leading sample axis, float32, and labels where the file has some."""

    feeds: Mapping[str, Array]
    labels: Array | None

    @property
    def count(self) -> int:
        return len(next(iter(self.feeds.values())))

    def spread(self, most: int) -> dict[str, Array]:
        """At most so many feeds, evenly spaced over all."""
        chosen = np.linspace(0, self.count - 1, min(most, self.count)).round().astype(int)
        return {name: x[chosen] for name, x in self.feeds.items()}


def load_samples(
    path: Path, inputs: Mapping[str, tuple[int | None, ...]], labels: str | None
) -> Samples:
    """One array a network input, by name (`/` written `__`) or else in order.

    `labels` names the array of classes; None takes `labels` where there is one.
    Shapes: a leading sample axis, then the input's own shape (None: free), batch axis included or
    left out. Errors: OptionError naming file and array.
    """
    arrays = load_arrays(path)
    wanted = labels or LABELS
    if labels is not None and labels not in arrays:
        raise OptionError(f"{path}: no array '{labels}' for --labels; it holds {_names(arrays)}")
    found = _matched(path, {k: v for k, v in arrays.items() if k != wanted}, inputs)
    feeds = {name: _feed(f"{path}: '{name}'", found[name], s) for name, s in inputs.items()}
    counts = {name: len(x) for name, x in feeds.items()}
    if len(set(counts.values())) > 1:
        raise OptionError(f"{path}: inputs differ in their number of samples: {counts}")
    given = arrays.get(wanted)
    count = next(iter(counts.values()))
    checked = None if given is None else _labels(f"{path}: labels '{wanted}'", given, count)
    return Samples(feeds, checked)


def _names(arrays: Mapping[str, Array]) -> str:
    return ", ".join(arrays) or "nothing"


def _matched(
    path: Path, arrays: Mapping[str, Array], inputs: Mapping[str, Any]
) -> dict[str, Array]:
    spelled = {name.replace("/", "__"): name for name in inputs} | {n: n for n in inputs}
    found = {spelled[k]: v for k, v in arrays.items() if k in spelled}
    if not found and len(arrays) >= len(inputs):
        found = dict(zip(inputs, arrays.values(), strict=False))
    for name in inputs:
        if name not in found:
            raise OptionError(f"{path}: no array for input '{name}'; it holds {_names(arrays)}")
    return found


def _feed(what: str, x: Array, shape: tuple[int | None, ...]) -> Array:
    if x.dtype.kind not in "fiub":
        raise OptionError(f"{what} needs numbers, got {x.dtype}")
    if x.ndim == len(shape) and shape and shape[0] in (1, None):  # the batch axis was left out
        x = x[:, None]
    fits = x.ndim == len(shape) + 1 and all(
        want in (None, have) for want, have in zip(shape, x.shape[1:], strict=True)
    )
    if not fits or not x.size:
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        raise OptionError(f"{what} needs shape (samples, {sizes}), got {x.shape}")
    bad = ~np.isfinite(x)
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), x.shape)
        raise OptionError(f"{what} holds NaN or infinity, first in sample {first[0]}")
    return x.astype(np.float32)


def _labels(what: str, given: Array, count: int) -> Array:
    if given.size != count:
        raise OptionError(f"{what}: {count} needed, one a sample, got {given.size}")
    flat = given.reshape(-1)
    if flat.dtype.kind not in "iuf" or (flat != np.floor(flat)).any() or (flat < 0).any():
        raise OptionError(f"{what} need class numbers from 0 on, got {flat.dtype}")
    return flat.astype(np.int64)
