"""Which of two outcomes is better, and which are good enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hlsgen.explore.evaluate import Outcome

_EXACT_DB = 200.0  # what no rounding leaves; infinite where outputs are equal


class Objective(StrEnum):
    """Fewest LUTs at an accuracy, or the best accuracy within LUTs."""

    LUTS = "luts"
    ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is looked for.

    `reference` is the float network's accuracy, 1 where agreement with it counts, None where its
    outputs are no scores: then the signal over the error counts. `budget` is infinite where none
    was given.
    Units: max_loss in points of a hundredth, min_sqnr_db in dB, budget in LUTs.
    """

    objective: Objective
    reference: float | None
    max_loss: float
    min_sqnr_db: float
    budget: float

    def shortfall(self, outcome: Outcome) -> float:
        """Points of accuracy or agreement lost; dB below zero where outputs are no scores."""
        if self.reference is None:
            return -min(outcome.sqnr_db, _EXACT_DB)
        share = outcome.agreement if outcome.accuracy is None else outcome.accuracy
        return math.inf if share is None else 100 * (self.reference - share)

    def good(self, outcome: Outcome) -> bool:
        """Whether it loses little enough; the budget is the only bound for the best accuracy."""
        if outcome.error:
            return False
        if self.objective is Objective.ACCURACY:
            return True
        allowed = self.max_loss if self.reference is not None else -self.min_sqnr_db
        return self.shortfall(outcome) <= allowed + 1e-9

    def accepts(self, outcome: Outcome) -> bool:
        """Good, and within the budget."""
        return self.good(outcome) and outcome.luts <= self.budget

    def rank(self, outcome: Outcome) -> tuple[float, ...]:
        """Smaller is better; what is accepted comes before all else."""
        if outcome.error:
            return (2.0,)
        short, level = self.shortfall(outcome), -outcome.sqnr_db
        if not self.accepts(outcome):
            first = max(short, 0.0) if self.objective is Objective.LUTS else outcome.luts
            return (1.0, first, outcome.luts, level)
        if self.objective is Objective.LUTS:
            return (0.0, outcome.luts, short, level)
        return (0.0, short, outcome.luts, level)
