"""The solvers of the additive problem: published optima, and brute force on small instances."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hlsgen.errors import OptionError
from hlsgen.explore.choices import Choices
from hlsgen.explore.ilp import least_damage
from hlsgen.explore.pareto_dp import front

# ResNet-18 without its first and last layer, of Zhen-Dong/HAWQ, ILP.ipynb (MIT): Hutchinson traces
# a parameter, |W - Q(W)|^2 at 8 and 4 bits, parameters, operations, T4 latencies at 4 and 8 bits.
TRACE = (
    0.06857826, 0.03162379, 0.03298575, 0.01205663, 0.02222431, 0.00596336, 0.06931772,
    0.00807129, 0.00372905, 0.00530698, 0.00209011, 0.00737569, 0.00210454, 0.00151197,
    0.00158041, 0.00078146, 0.00451841, 0.00098745, 0.00072944,
)  # fmt: skip
ERROR8 = (
    0.0235, 0.0125, 0.0102, 0.0082, 0.0145, 0.0344, 0.0023, 0.0287, 0.0148, 0.0333, 0.0682,
    0.0027, 0.0448, 0.0336, 0.0576, 0.1130, 0.0102, 0.0947, 0.0532,
)  # fmt: skip
ERROR4 = (
    6.7430, 3.9691, 3.3281, 2.6796, 4.7277, 10.5966, 0.6827, 9.0942, 4.8857, 10.7599, 21.7546,
    0.8603, 14.5324, 10.9651, 18.7706, 36.4044, 3.1572, 29.6994, 17.4016,
)  # fmt: skip
PARAMETERS = (
    36864, 36864, 36864, 36864, 73728, 147456, 8192, 147456, 147456, 294912, 589824, 32768,
    589824, 589824, 1179648, 2359296, 131072, 2359296, 2359296,
)  # fmt: skip
OPERATIONS = tuple(
    {4: 57802752, 9: 57802752, 14: 57802752, 6: 6422528, 11: 6422528, 16: 6422528}.get(i, 115605504)
    for i in range(19)
)
LATENCY4 = (
    0.21094404, 0.21092674, 0.21104113, 0.21086851, 0.13642465, 0.19167506, 0.02532183,
    0.19148203, 0.19142914, 0.11395316, 0.20556011, 0.01917474, 0.20566918, 0.20566509,
    0.13185102, 0.22287786, 0.01790088, 0.22304611, 0.22286099,
)  # fmt: skip
LATENCY8 = (
    0.36189111, 0.36211718, 0.31141909, 0.30454471, 0.19184896, 0.38948934, 0.0334169,
    0.38904905, 0.3892859, 0.19134735, 0.34307431, 0.02802354, 0.34313329, 0.34310756,
    0.21117103, 0.37376585, 0.02896843, 0.37398187, 0.37405185,
)  # fmt: skip
TIES = {6: 4, 11: 9, 16: 14}


def resnet18() -> Choices:
    """Choice 0 is 4 bits, 1 is 8; the damage counts what 8 bits save, as the notebook has it."""
    saved = [t * (e8 - e4) for t, e8, e4 in zip(TRACE, ERROR8, ERROR4, strict=True)]
    costs = {
        "size": tuple((n / 2**21, n / 2**20) for n in PARAMETERS),
        "bops": tuple((n / 1e6 / 64, n / 1e6 / 16) for n in OPERATIONS),
        "latency": tuple(zip(LATENCY4, LATENCY8, strict=True)),
    }
    families = tuple(TIES.get(i, i) for i in range(19))
    return Choices(tuple((0.0, s) for s in saved), costs, families, ((4, 8),) * 19)


@pytest.mark.parametrize(
    ("name", "limit", "bits", "objective", "cost"),
    [
        ("size", 7.98047, "8 8 8 8 8 8 8 8 8 8 8 8 8 8 8 4 8 4 4", -1.233207, 7.26562),
        ("bops", 66.23232, "8 8 8 4 8 8 8 8 4 8 8 8 4 4 4 4 4 4 4", -1.092024, 65.02810),
        ("latency", 4.24618, "8 8 8 8 8 4 8 8 4 8 8 8 4 4 8 4 8 4 4", -1.105039, 4.22010),
    ],
)
def test_the_optima_of_hawq_v3(
    name: str, limit: float, bits: str, objective: float, cost: float
) -> None:
    choices = resnet18()
    middle = sum((low + high) / 2 for low, high in choices.costs[name])
    assert middle == pytest.approx(limit, abs=1e-5)
    picked = least_damage(choices, {name: middle})
    assert picked is not None
    assert " ".join(str((4, 8)[c]) for c in picked) == bits
    assert choices.total(picked) == pytest.approx(objective, abs=1e-6)
    assert choices.total(picked, name) == pytest.approx(cost, abs=1e-5)
    within = [p for p in front(choices, name) if choices.total(p, name) <= middle]
    assert min(within, key=choices.total) == picked  # the other exact solver says so, too


def drawn(rng: np.random.Generator) -> Choices:
    """Up to five units of up to four choices, some tied, small integers that make many ties."""
    units = int(rng.integers(1, 6))
    counts = [int(rng.integers(1, 5)) for _ in range(units)]
    damage = tuple(tuple(float(v) for v in rng.integers(-3, 9, n)) for n in counts)
    costs = {k: tuple(tuple(float(v) for v in rng.integers(0, 9, n)) for n in counts) for k in "ab"}
    families = tuple(int(rng.integers(0, units)) for _ in range(units))
    tags = tuple((0, *(int(v) for v in rng.integers(0, 3, n - 1))) for n in counts)
    return Choices(damage, costs, families, tags)


def wholes(choices: Choices) -> list[tuple[int, ...]]:
    every = product(*(range(len(row)) for row in choices.damage))
    return [picked for picked in every if choices.allowed(picked)]


@pytest.mark.parametrize("seed", range(60))
def test_the_programme_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    choices = drawn(rng)
    every = wholes(choices)
    limits = {k: float(rng.integers(0, 4 * len(choices.damage))) for k in "ab"}
    within = [p for p in every if all(choices.total(p, k) <= limits[k] for k in limits)]
    picked = least_damage(choices, limits)
    if not within:
        assert picked is None
        return
    assert picked in within
    assert choices.total(picked) == min(map(choices.total, within))


@pytest.mark.parametrize("seed", range(60))
def test_the_front_equals_brute_force(seed: int) -> None:
    choices = drawn(np.random.default_rng(seed + 1000))
    points = {(choices.total(p, "a"), choices.total(p)) for p in wholes(choices)}
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)}
    found = front(choices, "a")
    assert all(map(choices.allowed, found))
    assert {(choices.total(p, "a"), choices.total(p)) for p in found} == best
    assert choices.total(choices.cheapest("a"), "a") == min(c for c, _ in points)


def test_a_thinned_front_keeps_its_ends() -> None:
    rng = np.random.default_rng(5)
    numbers = [tuple(map(tuple, rng.random((12, 4)))) for _ in range(2)]
    choices = Choices(numbers[0], {"a": numbers[1]}, tuple(range(12)), ((0,) * 4,) * 12)
    whole, thin = front(choices, "a"), front(choices, "a", most=8)
    assert len(thin) <= 9 < len(whole)
    assert thin[0] == whole[0]
    assert choices.total(thin[-1]) == pytest.approx(choices.total(whole[-1]))


def test_units_without_a_common_choice_are_refused() -> None:
    choices = Choices(((0.0,), (0.0,)), {"a": ((1.0,), (1.0,))}, (0, 0), ((4,), (8,)))
    with pytest.raises(OptionError, match="no choice in common"):
        front(choices, "a")
    assert least_damage(choices, {"a": 5.0}) is None
