"""What a node of a traced network means: the operators that can be quantised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch import nn


class Function(StrEnum):
    """An element-wise function."""

    RELU = "relu"
    CLIP = "clip"  # to the two parameters
    LEAKY_RELU = "leaky_relu"  # the parameter is the slope below zero
    SIGMOID = "sigmoid"
    TANH = "tanh"
    HARD_SIGMOID = "hard_sigmoid"
    HARD_SWISH = "hard_swish"
    SILU = "silu"


@dataclass(frozen=True, slots=True)
class Input:
    """A network input."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the network returns."""


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """A linear layer or a convolution."""

    module: nn.Module


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Batch norm."""

    module: nn.Module


@dataclass(frozen=True, slots=True, eq=False)
class Quantisation:
    """A quantiser of activations."""

    module: nn.Module


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A function of each element."""

    function: Function
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of two values."""


@dataclass(frozen=True, slots=True)
class Concat:
    """Values side by side on an axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class Window:
    """Where a pool looks: one entry for each spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The greatest value of each window."""

    window: Window


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The mean of each window; `count_padding` counts the padding's zeros."""

    window: Window
    count_padding: bool


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """The mean over all spatial axes, kept with size 1 or not."""

    keep: bool


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same elements in another shape, the batch apart."""


@dataclass(frozen=True, slots=True)
class Same:
    """The value itself: dropout, identity."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size, which shapes know already."""


Operator = (
    Input
    | Output
    | Product
    | Norm
    | Quantisation
    | Elementwise
    | Add
    | Concat
    | MaxPool
    | AveragePool
    | GlobalAveragePool
    | Reshape
    | Same
    | Size
)
