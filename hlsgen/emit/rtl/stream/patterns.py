"""Steps of the units that have no counterpart among the processes of HLS C++."""

from __future__ import annotations

import numpy as np

from hlsgen.emit.processes import Pattern
from hlsgen.schedule.process import Moves


def converted(given: int, wanted: int, tokens: int) -> Pattern:
    """`tokens` of `given` elements as tokens of `wanted`; one width divides the other.

    stream_narrow reads with the first part of a token, stream_widen makes one with its last.
    """
    parts = max(given, wanted) // min(given, wanted)
    narrow = given > wanted
    total = tokens * parts if narrow else tokens

    def moves() -> Moves:
        steps = np.arange(total)
        if narrow:
            return Moves((steps[::parts],), (steps,))
        return Moves((steps,), (steps[parts - 1 :: parts],))

    return Pattern(total, moves)
