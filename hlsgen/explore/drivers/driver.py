"""What a driver knows, and how it asks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.goal import Goal
from hlsgen.explore.prediction import Prediction
from hlsgen.explore.space import Candidate, Space
from hlsgen.quantise.scheme import Scales

# A driver yields candidates, is sent their outcomes, and ends when it has no more to ask.
Drive = Generator[Sequence[Candidate], Sequence[Outcome], None]


@dataclass(frozen=True, eq=False)
class Search:
    """A problem: the space, what is predicted of it for each kind of scales, what is wanted.

    `known` is live: all outcomes so far, whichever driver asked for them. `seed` is for drivers
    that draw, `trials` how many candidates they may.
    """

    space: Space
    predictions: Mapping[Scales, Prediction]
    goal: Goal
    known: Mapping[Candidate, Outcome]
    seed: int
    trials: int

    def best(self) -> Candidate | None:
        """The best of the space that is accepted; None where nothing is."""
        found = [c for c, o in self.known.items() if self.goal.accepts(o) and self.space.holds(c)]
        return min(found, key=lambda c: self.goal.rank(self.known[c]), default=None)
