"""What a quantisation is: the choices of a user, and the numbers that come of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.encodings.khot import MOST_DIGITS
from hlsgen.arith.weight_format import WeightFormat, weight_format
from hlsgen.errors import OptionError

Array = NDArray[Any]
MANTISSA = 12  # bits of a scale: float32 then holds the product of two exactly


class Ranges(StrEnum):
    """How the range of an activation is found."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"


class Rounding(StrEnum):
    """How weights become codes."""

    NEAREST = "nearest"
    ADAROUND = "adaround"
    GPTQ = "gptq"


class Scales(StrEnum):
    """Which numbers a scale may be."""

    FREE = "free"
    PO2 = "po2"
    KHOT = "khot"


class Equalise(StrEnum):
    """By what neighbouring layers share out the size of a channel."""

    NONE = "none"
    WEIGHTS = "weights"
    SMOOTH = "smooth"


@dataclass(frozen=True, slots=True)
class Precision:
    """What one place has of its own; None is as the rest of the network.

    The activation is the one that the place makes. `str` spells it as --layer does: W4A6po2.
    """

    weights: WeightFormat | None = None
    activations: int | None = None
    scales: Scales | None = None

    def __str__(self) -> str:
        w = "" if self.weights is None else f"W{self.weights}"
        a = "" if self.activations is None else f"A{self.activations}"
        return f"{w}{a}{self.scales or ''}"


def parse_precision(text: str) -> Precision:
    """Errors: OptionError for anything but W4 or W6K2, A6, a kind of scale, or these in a row."""
    kinds = "|".join(Scales)
    found = re.fullmatch(rf"(?:W(\d+(?:K\d+)?))?(?:A(\d+))?({kinds})?", text, re.IGNORECASE)
    if not text or found is None:
        raise OptionError(
            f"--layer ...={text}: needed is W4A6 or W6K2A6, one of its two parts, or either with "
            f"{kinds} behind it"
        )
    w, a, kind = found.groups()
    return Precision(
        None if w is None else weight_format(w),
        None if a is None else int(a),
        None if kind is None else Scales(kind.lower()),
    )


@dataclass(frozen=True, slots=True)
class Scheme:
    """The options of `hlsgen quantize`; `samples` is how many calibrate.

    `layers` has what single places have of their own, by the name of the node or network input.
    Errors: OptionError for bits out of range.
    """

    weights: WeightFormat = WeightFormat(8)  # noqa: RUF009
    activations: int = 8
    ranges: Ranges = Ranges.MSE
    percentile: float = 99.99
    rounding: Rounding = Rounding.GPTQ
    scales: Scales = Scales.FREE
    equalise: Equalise = Equalise.NONE
    bias_correction: bool = True
    samples: int = 256
    layers: tuple[tuple[str, Precision], ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= self.weights.bits <= 8:
            raise OptionError(f"--weights must be 2 to 8 bits, got {self.weights}")
        if self.weights.digits is not None and not 1 <= self.weights.digits <= MOST_DIGITS:
            raise OptionError(
                f"--weights must be sums of 1 to {MOST_DIGITS} signed powers of two, "
                f"got {self.weights}"
            )
        if self.activations not in (*range(2, 9), 16):
            raise OptionError(f"--activations must be 2 to 8 or 16 bits, got {self.activations}")
        if not 50 < self.percentile <= 100:
            raise OptionError(f"--percentile must be above 50, 100 at most, got {self.percentile}")
        if self.samples < 1:
            raise OptionError(f"--calibrate must be 1 sample or more, got {self.samples}")
        for name, _ in self.layers:
            try:
                self.at(name)
            except OptionError as error:
                raise OptionError(f"--layer {name}: {error.message}") from error

    def at(self, name: str) -> Scheme:
        """The scheme of one place, as if all the network had it."""
        own = dict(self.layers).get(name)
        if own is None:
            return replace(self, layers=()) if self.layers else self
        return replace(
            self,
            weights=self.weights if own.weights is None else own.weights,
            activations=self.activations if own.activations is None else own.activations,
            scales=own.scales or self.scales,
            layers=(),
        )

    def to_json(self) -> dict[str, Any]:
        """Its fields; weights are bits, or "6K2"."""
        layers = [
            (name, {**asdict(own), "weights": own.weights and own.weights.spelled})
            for name, own in self.layers
        ]
        return {**asdict(self), "weights": self.weights.spelled, "layers": layers}


@dataclass(frozen=True, slots=True)
class Activation:
    """value = scale * (code - zero), code in [low, high]."""

    scale: float
    zero: int
    low: int
    high: int

    def rounded(self, x: Array) -> Array:
        """The nearest values that have a code."""
        codes = np.clip(np.round(x / self.scale) + self.zero, self.low, self.high)
        result: Array = (codes - self.zero) * self.scale
        return result


@dataclass(frozen=True, eq=False)
class Weights:
    """A layer's numbers: weights = scales * codes, bias = input scale * scales * bias codes.

    Shapes: codes as the graph's weights; scales and bias one an output.
    """

    codes: Array
    scales: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Quantisation:
    """Activations by value, weights by the value that the layer makes."""

    scheme: Scheme
    activations: Mapping[str, Activation]
    weights: Mapping[str, Weights]


def short(scale: float) -> float:
    """The smallest number of 12 significant bits that is not below this one."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(math.ceil(math.ldexp(mantissa, MANTISSA)), exponent - MANTISSA)
