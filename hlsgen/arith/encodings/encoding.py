"""What all encodings of weights share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError

IntArray = NDArray[Any]


class Encoding(ABC):
    """Codes of integer weights; `decode` returns exactly what `encode` was given.

    `group` weights that stand side by side share one code of `bits` bits. `name` and `parameters`
    are those of the C++ struct that multiplies by a code (templates/hls/encodings.h.j2).
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def group(self) -> int: ...

    @property
    @abstractmethod
    def bits(self) -> int: ...

    @property
    @abstractmethod
    def parameters(self) -> tuple[int, ...]: ...

    @property
    @abstractmethod
    def reach(self) -> int:
        """The most places that an operand is shifted to the left."""

    @property
    @abstractmethod
    def note(self) -> str:
        """How a product is made, for people."""

    @abstractmethod
    def encode(self, weights: IntArray) -> IntArray:
        """Codes of weights. Shapes: (..., n) to (..., n / group)."""

    @abstractmethod
    def decode(self, codes: IntArray) -> IntArray:
        """The weights of codes. Shapes: (..., n) to (..., n * group)."""


@dataclass(frozen=True, slots=True)
class OneMagnitude(Encoding):
    """Weights of which all that are not zero are +-2^low."""

    low: int

    @property
    def parameters(self) -> tuple[int, ...]:
        return (self.low,)

    @property
    def reach(self) -> int:
        return self.low


def exponents(weights: IntArray) -> IntArray:
    """The exponent of each weight, which must be zero (exponent 0) or plus or minus a power of two.

    Errors: OptionError with the first weight that is neither.
    """
    sizes = [abs(int(w)) for w in weights.flat]
    for place, size in zip(np.ndindex(weights.shape), sizes, strict=True):
        if size & (size - 1):
            raise OptionError(
                f"weight {weights[place]} at {at(place)} is no signed power of two; try khot"
            )
    found = [max(size.bit_length() - 1, 0) for size in sizes]
    return np.array(found, np.int64).reshape(weights.shape)


def magnitude(weights: IntArray, hint: str) -> int:
    """The exponent of the only magnitude of the weights, zeros aside.

    Errors: OptionError with the first weight that has another one, or that is no power of two.
    """
    found = exponents(weights)
    rest = found[weights != 0]
    if rest.size and (rest != rest[0]).any():
        place = next(p for p in np.ndindex(weights.shape) if weights[p] and found[p] != rest[0])
        raise OptionError(
            f"weight {weights[place]} at {at(place)} has not the magnitude {1 << int(rest[0])} of "
            f"the first; {hint}"
        )
    return int(rest[0]) if rest.size else 0


def at(place: tuple[int, ...]) -> str:
    """An index for people."""
    return f"[{', '.join(map(str, place))}]"
