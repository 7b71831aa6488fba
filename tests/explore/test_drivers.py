"""Drivers on problems whose optimum is known by counting, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.explore.choices import Choices
from hlsgen.explore.drivers import DRIVERS, Driver
from hlsgen.explore.drivers.driver import Search
from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.goal import Goal, Objective
from hlsgen.explore.pareto import undominated
from hlsgen.explore.prediction import LUT, Prediction
from hlsgen.explore.space import Candidate, Space
from hlsgen.quantise.scheme import Scales

WIDTHS = (2, 4, 8)
PLAIN = tuple(map(WeightFormat, WIDTHS))
# Two layers read the first group, one the second.
SPACE = Space(
    ("a", "b", "c"), (("x",), ("a", "b")), (0, 0, 1), (1, 1, None), PLAIN, WIDTHS, (Scales.FREE,)
)


def predicted(seed: int, space: Space = SPACE) -> Prediction:
    """Damage falls and LUTs rise with every bit, at random rates; a K-hot weight takes 2.6 bits."""
    rng = np.random.default_rng(seed)
    pairs = list(product(space.weights, WIDTHS))
    rates = rng.uniform(0.3, 3, 5)
    layers = [tuple(float(4 * r / w.count) for w, _ in pairs) for r in rates[:3]]
    groups = [tuple(float(4 * r * 2.0**-a) for a in WIDTHS) for r in rates[3:]]
    sizes = rng.uniform(50, 500, 3)
    luts = [tuple(float(s * taken(w) * (1 + 0.2 * a)) for w, a in pairs) for s in sizes]
    costs = (*luts, *[tuple(3.0 * a for a in WIDTHS)] * 2)
    tags = (*[tuple(a for _, a in pairs)] * 3, WIDTHS, WIDTHS)
    choices = Choices((*layers, *groups), {LUT: costs}, (0, 0, 1, 0, 1), tags)
    return Prediction(space, Scales.FREE, choices)


def taken(weights: WeightFormat) -> float:
    return weights.bits if weights.digits is None else 2.6


def true(prediction: Prediction, c: Candidate) -> Outcome:
    """As predicted; the damage counts as the share of samples that change."""
    wrong = prediction.damage(c) / 10
    return Outcome(None, 1 - wrong, -wrong, prediction.luts(c), 0.0, "")


def every(space: Space = SPACE) -> list[Candidate]:
    weights, groups = product(space.weights, repeat=3), list(product(WIDTHS, repeat=2))
    return [Candidate(w, a, (Scales.FREE,) * 3) for w in weights for a in groups]


def run(prediction: Prediction, goal: Goal, names: Sequence[Driver], trials: int = 48) -> Search:
    known: dict[Candidate, Outcome] = {}
    search = Search(prediction.space, {Scales.FREE: prediction}, goal, known, 1, trials)
    for name in names:
        drive = DRIVERS[name](search)
        asked = next(drive, None)
        while asked is not None:
            known.update({c: true(prediction, c) for c in asked})
            try:
                asked = drive.send([known[c] for c in asked])
            except StopIteration:
                asked = None
    return search


def least_luts(prediction: Prediction, goal: Goal) -> float:
    outcomes = (true(prediction, c) for c in every(prediction.space))
    return min(o.luts for o in outcomes if goal.accepts(o))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [Driver.ILP, Driver.PARETO, Driver.GREEDY, Driver.BISECTION])
def test_what_a_driver_finds_is_near_the_optimum(name: Driver, seed: int) -> None:
    prediction = predicted(seed)
    goal = Goal(Objective.LUTS, 1.0, 8.0, 0.0, float("inf"))
    search = run(prediction, goal, [name])
    best = search.best()
    assert best is not None
    least = least_luts(prediction, goal)
    # the front holds the optimum; the others stand on a row of candidates beside it
    most = {Driver.PARETO: 1.0, Driver.ILP: 1.1, Driver.GREEDY: 1.4, Driver.BISECTION: 2.2}[name]
    assert least <= search.known[best].luts <= most * least + 1e-9
    assert len(search.known) <= 24  # of 243
    refined = run(prediction, goal, [name, Driver.REFINE])
    after = refined.best()
    assert after is not None
    assert refined.known[after].luts <= search.known[best].luts


@pytest.mark.parametrize("name", list(Driver))
def test_every_driver_passes_by_a_format_that_is_dearer_and_worse(name: Driver) -> None:
    """8K2 has more codes than 4 and takes fewer LUTs: 4 is never worth its place."""
    if name is Driver.EVOLUTION:
        pytest.importorskip("optuna")
    k2 = WeightFormat(8, 2)
    rich = replace(SPACE, weights=(PLAIN[0], PLAIN[1], k2, PLAIN[2]))
    goal = Goal(Objective.LUTS, 1.0, 8.0, 0.0, float("inf"))
    names = [Driver.BISECTION, name] if name in (Driver.REFINE, Driver.EVOLUTION) else [name]
    found, plain = (run(predicted(0, s), goal, names) for s in (rich, SPACE))
    best, other = found.best(), plain.best()
    assert best is not None
    assert other is not None
    assert found.known[best].luts < plain.known[other].luts
    assert k2 in best.weights
    assert all(map(rich.holds, found.known))
    least = least_luts(predicted(0, rich), goal)
    assert least <= found.known[best].luts <= 1.6 * least


@pytest.mark.parametrize("name", [Driver.ILP, Driver.PARETO, Driver.GREEDY, Driver.BISECTION])
def test_the_best_within_a_budget(name: Driver) -> None:
    prediction = predicted(7)
    lowest, highest = (
        prediction.luts(SPACE.uniform(WeightFormat(w), w, Scales.FREE))
        for w in (WIDTHS[0], WIDTHS[-1])
    )
    goal = Goal(Objective.ACCURACY, 1.0, 0.0, 0.0, (lowest + highest) / 3)
    search = run(prediction, goal, [name])
    best = search.best()
    assert best is not None
    outcomes = [true(prediction, c) for c in every()]
    ideal = min(goal.shortfall(o) for o in outcomes if goal.accepts(o))
    found = goal.shortfall(search.known[best])
    assert search.known[best].luts <= goal.budget
    assert ideal - 1e-9 <= found <= (1.0001 if name is Driver.PARETO else 3) * ideal


def test_evolution_draws_as_many_as_it_may_and_the_same_again() -> None:
    pytest.importorskip("optuna")
    prediction = predicted(3)
    goal = Goal(Objective.LUTS, 1.0, 8.0, 0.0, float("inf"))
    search = run(prediction, goal, [Driver.BISECTION, Driver.EVOLUTION], trials=64)
    again = run(prediction, goal, [Driver.BISECTION, Driver.EVOLUTION], trials=64)
    assert list(search.known) == list(again.known)
    before = run(prediction, goal, [Driver.BISECTION])
    assert len(before.known) < len(search.known) <= len(before.known) + 64
    alone = run(prediction, goal, [Driver.EVOLUTION], trials=96)
    a, b, c = (s.known[s.best() or next(iter(s.known))].luts for s in (before, search, alone))
    least = least_luts(prediction, goal)
    assert least <= b <= a
    assert least <= c <= 1.5 * least


def test_an_empty_row_of_good_ones_ends_the_search() -> None:
    goal = Goal(Objective.LUTS, 1.0, 1e-6, 0.0, float("inf"))
    for name in (Driver.ILP, Driver.BISECTION, Driver.REFINE):
        assert run(predicted(1), goal, [name]).best() is None


def test_undominated_points_equal_counting() -> None:
    rng = np.random.default_rng(0)
    points = [tuple(map(float, p)) for p in rng.integers(0, 12, (60, 2))]
    want = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    assert set(undominated(points, lambda p: (p[0], p[1]))) == want


def test_no_driver_asks_for_what_is_outside_the_space() -> None:
    goal = Goal(Objective.LUTS, 1.0, 8.0, 0.0, float("inf"))
    names = [name for name in Driver if name is not Driver.EVOLUTION]
    search = run(predicted(2), goal, names)
    assert all(map(SPACE.holds, search.known))
