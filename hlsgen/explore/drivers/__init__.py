"""Which candidates to evaluate next: one driver a file."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from hlsgen.explore.drivers.bisection import bisection
from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.drivers.evolution import evolution
from hlsgen.explore.drivers.greedy import greedy
from hlsgen.explore.drivers.ilp import ilp
from hlsgen.explore.drivers.pareto import pareto
from hlsgen.explore.drivers.refine import refine


class Driver(StrEnum):
    """The drivers, as the command line names them."""

    ILP = "ilp"
    PARETO = "pareto"
    GREEDY = "greedy"
    BISECTION = "bisection"
    EVOLUTION = "evolution"
    REFINE = "refine"


DRIVERS: dict[Driver, Callable[[Search], Drive]] = {
    Driver.ILP: ilp,
    Driver.PARETO: pareto,
    Driver.GREEDY: greedy,
    Driver.BISECTION: bisection,
    Driver.EVOLUTION: evolution,
    Driver.REFINE: refine,
}
