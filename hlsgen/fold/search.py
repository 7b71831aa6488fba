"""The fewest cycles a frame, or the least use, under limits: bisection over exact cycle counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.fold.candidates import Candidates, Choice
from hlsgen.fold.program import Picked, Vector, least_excess, pick
from hlsgen.fold.use import KINDS

_ROUGH, _FINE = 0.05, 1e-3  # how far from the least use a bisection and the final choice may be


@dataclass(frozen=True, eq=False)
class Found:
    """Choices by node; `cycles` is that of the slowest, `use` what all take."""

    choices: dict[str, Choice]
    cycles: int
    use: Vector


@dataclass(frozen=True, slots=True)
class Step:
    """The next faster folding: its cycles, and why there is no room for it.

    `slowest` names a node that no choice makes so fast; else `binding` are the kinds of which there
    is too little, none where there is room, and `needed` is the share of each limit that the least
    such design takes. `transfers` names what moves no more frames, where that alone stands in the
    way; `crowded` says that it was made and what stands between its operators took too much.
    """

    cycles: int
    slowest: str
    binding: tuple[str, ...]
    needed: dict[str, float]
    transfers: str = ""
    crowded: bool = False

    @property
    def fits(self) -> bool:
        """Whether operators so fast have room beside what stands between those that were chosen."""
        return not (self.slowest or self.binding or self.transfers or self.crowded)


def levels(layers: Sequence[Candidates]) -> list[int]:
    """All cycle counts that a design can have, the fastest first."""
    least = max((int(layer.cycles.min()) for layer in layers), default=1)
    every = np.unique(np.concatenate([layer.cycles for layer in layers]))
    return [int(c) for c in every if c >= least]


def least_use(
    layers: Sequence[Candidates], cycles: int, limits: Vector, prices: Vector
) -> Found | None:
    """The cheapest choices that take no more cycles and stay within the limits."""
    kept = [layer.within(cycles) for layer in layers]
    found = pick(kept, limits, prices, _FINE)
    return None if found is None else _named(kept, found)


def fastest(
    layers: Sequence[Candidates], limits: Vector, prices: Vector, at_least: int = 0
) -> Found | None:
    """The choices with the fewest cycles, `at_least` so many, the cheapest among them."""
    counts = [c for c in levels(layers) if c >= at_least] or levels(layers)[-1:]
    low, high = 0, len(counts)  # counts[high] can be had, counts[low - 1] cannot
    while low < high:
        middle = (low + high) // 2
        kept = [layer.within(counts[middle]) for layer in layers]
        if pick(kept, limits, prices, _ROUGH) is None:
            low = middle + 1
        else:
            high = middle
    return None if low == len(counts) else least_use(layers, counts[low], limits, prices)


def next_step(
    layers: Sequence[Candidates], cycles: int, limits: Vector, fixed: Vector, prices: Vector
) -> Step:
    """What stands in the way of fewer cycles than these; `fixed` is taken whatever is chosen."""
    faster = [int(layer.cycles[layer.cycles < cycles].max(initial=0)) for layer in layers]
    if not all(faster):
        return Step(cycles, layers[faster.index(0)].node, (), {})
    below = [c for c in levels(layers) if c < cycles]
    if not below:
        slowest = max(layers, key=lambda layer: int(layer.cycles.min()))
        return Step(cycles, slowest.node, (), {})
    kept = [layer.within(below[-1]) for layer in layers]
    needed = least_excess(kept, fixed, limits)
    excess = {} if needed is None else shares(needed, limits)
    return Step(below[-1], "", _binding(kept, limits - fixed, prices), excess)


def _binding(layers: Sequence[Candidates], room: Vector, prices: Vector) -> tuple[str, ...]:
    """The kinds that each alone would have to grow; where none suffices alone, all together.

    None where there is room for all.
    """
    if _fits_without(layers, room, prices, set()):
        return ()
    alone = [k for k in range(len(KINDS)) if _fits_without(layers, room, prices, {k})]
    if alone:
        return tuple(KINDS[k] for k in alone)
    needed = set(range(len(KINDS)))
    for k in range(len(KINDS)):
        if _fits_without(layers, room, prices, needed - {k}):
            needed.discard(k)
    return tuple(KINDS[k] for k in sorted(needed))


def _fits_without(
    layers: Sequence[Candidates], room: Vector, prices: Vector, free: set[int]
) -> bool:
    """Whether choices fit if there were any number of some kinds."""
    wide = np.array([1e12 if k in free else v for k, v in enumerate(room)])
    return pick(layers, wide, prices, 1.0) is not None


def shares(use: Vector, limits: Vector) -> dict[str, float]:
    """What is taken of each limit, where there is one."""
    return {
        name: float(u / limit) for name, u, limit in zip(KINDS, use, limits, strict=True) if limit
    }


def _named(layers: Sequence[Candidates], found: Picked) -> Found:
    choices = {layer.node: layer.choices[k] for layer, k in zip(layers, found.places, strict=True)}
    slowest = max(int(layer.cycles[k]) for layer, k in zip(layers, found.places, strict=True))
    return Found(choices, slowest, found.use)
