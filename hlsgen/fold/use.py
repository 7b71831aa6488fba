"""What hardware takes of a board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Use:
    """Estimated counts of the fabric's parts; a block RAM of 36 Kbit is two of `bram18`."""

    lut: float = 0.0
    ff: float = 0.0
    dsp: float = 0.0
    bram18: float = 0.0
    uram: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram18 + other.bram18,
            self.uram + other.uram,
        )

    def __mul__(self, count: float) -> Use:
        return Use(*(a * count for a in self.counts))

    @property
    def vector(self) -> NDArray[np.float64]:
        """The counts in the order of KINDS."""
        return np.array(self.counts)

    @property
    def counts(self) -> tuple[float, ...]:
        """The counts in the order of KINDS."""
        return self.lut, self.ff, self.dsp, self.bram18, self.uram


KINDS = tuple(f.name for f in fields(Use))


def total(parts: Iterable[Use]) -> Use:
    """All parts together."""
    return sum(parts, Use())
