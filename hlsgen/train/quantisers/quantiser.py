"""What every quantiser is: a module from real values to values of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from hlsgen.train.grid import Grid


@dataclass(frozen=True, slots=True)
class Source:
    """The codes that a layer of weights takes: how wide, and whether they can be negative."""

    bits: int
    signed: bool


class Quantiser(nn.Module):
    """x -> step * code, with the gradients that its class names.

    `calibrating` makes the next call take its parameters from what it is given.
    """

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.calibrating = False

    def initialise(self, x: Tensor) -> None:
        """Choose the parameters for values like `x`."""
        raise NotImplementedError

    def step(self) -> Tensor:
        """The distance of neighbouring values, at most 12 significant bits."""
        raise NotImplementedError

    def codes(self, x: Tensor, step: Tensor) -> Tensor:
        """The integers that stand for `x`, as floats."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The values of the grid that stand for `x`."""
        if self.calibrating:
            self.initialise(x.detach())
            self.calibrating = False
        step = self.step().to(x.dtype)
        return self.codes(x, step) * step

    def bias(self, w: Tensor) -> Tensor | None:
        """What the weights add to each output whatever the input, None for nothing."""
        return None

    def penalty(self) -> Tensor | None:
        """What the loss grows by in training, None for nothing."""
        return None

    def grid(self, weight: Tensor | None = None) -> Grid:
        """The values as they stand, float64 on the CPU; `weight` is what is quantised, if known."""
        return Grid(self.step().detach().cpu().to(torch.float64), self.low, self.high)


class WeightFormat(Protocol):
    """Makes the quantiser of a layer's weights."""

    def for_weights(self, weight: Tensor, source: Source) -> Quantiser:
        """The quantiser of `weight`, one entry of axis 0 for each output, its parameters set."""
        ...


class ActivationFormat(Protocol):
    """Makes the quantiser of an activation."""

    @property
    def bits(self) -> int:
        """How wide its codes are."""
        ...

    def for_activations(self, signed: bool) -> Quantiser:
        """The quantiser, its parameters still to be found."""
        ...


def code_range(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    """The least and the greatest code; narrow ones are symmetric."""
    if not signed:
        return 0, (1 << bits) - 1
    half = 1 << (bits - 1)
    return (1 - half if narrow else -half), half - 1


def by_channel(x: Tensor) -> tuple[int, ...]:
    """The shape of one number for each entry of axis 0."""
    return (len(x), *[1] * (x.ndim - 1))
