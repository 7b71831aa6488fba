"""The search against brute force over all choices, on small instances drawn at random."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.fold.candidates import Candidates, Choice
from hlsgen.fold.dominance import undominated
from hlsgen.fold.program import least_excess
from hlsgen.fold.search import fastest, least_use, next_step

KINDS = 5


@st.composite
def instances(draw: st.DrawFn) -> tuple[list[Candidates], np.ndarray, np.ndarray]:
    """Up to four operators of up to five choices, limits, prices."""
    layers: list[Candidates] = []
    for k in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 5))
        cycles = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
        use = draw(
            st.lists(
                st.lists(st.integers(0, 9), min_size=KINDS, max_size=KINDS),
                min_size=count, max_size=count,
            )
        )  # fmt: skip
        choices = tuple(Choice(n + 1, 1) for n in range(count))
        layers.append(
            Candidates(f"n{k}", choices, np.array(cycles) * 7, np.array(use, dtype=float))
        )
    vector = st.lists(st.integers(0, 30), min_size=KINDS, max_size=KINDS)
    prices = st.lists(st.integers(1, 5), min_size=KINDS, max_size=KINDS)
    return layers, np.array(draw(vector), float), np.array(draw(prices), float)


def every(layers: list[Candidates]) -> list[tuple[int, np.ndarray]]:
    """Cycles and use of all combinations."""
    found = []
    for places in itertools.product(*(range(len(x.choices)) for x in layers)):
        pairs = list(zip(layers, places, strict=True))
        cycles = max(int(x.cycles[k]) for x, k in pairs)
        found.append((cycles, np.sum([x.use[k] for x, k in pairs], axis=0)))
    return found


@settings(max_examples=120, deadline=None)
@given(instances())
def test_the_fastest_is_that_of_brute_force(
    instance: tuple[list[Candidates], np.ndarray, np.ndarray],
) -> None:
    layers, limits, prices = instance
    fitting = [(c, float(u @ prices)) for c, u in every(layers) if (u <= limits).all()]
    found = fastest(layers, limits, prices)
    if not fitting:
        assert found is None
        return
    assert found is not None
    assert found.cycles == min(fitting)[0]
    least = min(cost for cycles, cost in fitting if cycles == found.cycles)
    assert found.use @ prices <= least * 1.001 + 1e-9
    assert (found.use <= limits + 1e-9).all()
    again = fastest(layers, limits, prices)
    assert again is not None
    assert again.choices == found.choices


@settings(max_examples=80, deadline=None)
@given(instances(), st.integers(5, 70))
def test_the_least_use_is_that_of_brute_force(
    instance: tuple[list[Candidates], np.ndarray, np.ndarray], cycles: int
) -> None:
    layers, limits, prices = instance
    costs = [float(u @ prices) for c, u in every(layers) if c <= cycles and (u <= limits).all()]
    found = least_use(layers, cycles, limits, prices)
    assert (found is None) == (not costs)
    if found is not None:
        assert min(costs) <= found.use @ prices + 1e-9
        assert found.use @ prices <= min(costs) * 1.001 + 1e-9


@settings(max_examples=80, deadline=None)
@given(instances())
def test_the_least_excess_is_that_of_brute_force(
    instance: tuple[list[Candidates], np.ndarray, np.ndarray],
) -> None:
    layers, limits, _ = instance
    limits = limits + 1
    fixed = np.ones(KINDS)
    least = min(float(((u + fixed) / limits).max()) for _, u in every(layers))
    needed = least_excess(layers, fixed, limits)
    assert needed is not None
    assert abs(float((needed / limits).max()) - least) < 1e-3 * least


def test_what_binds_is_what_would_have_to_grow() -> None:
    slow, fast = [4.0, 0, 1, 0, 0], [8.0, 0, 5, 0, 0]
    layer = Candidates(
        "n", (Choice(1, 1), Choice(2, 1)), np.array([20, 10]), np.array([slow, fast])
    )
    prices, nothing = np.ones(KINDS), np.zeros(KINDS)
    tight = next_step([layer], 20, np.array([9.0, 9, 4, 9, 9]), nothing, prices)
    assert (tight.cycles, tight.binding, tight.needed["dsp"]) == (10, ("dsp",), 5 / 4)
    both = next_step([layer], 20, np.array([7.0, 9, 4, 9, 9]), nothing, prices)
    assert both.binding == ("lut", "dsp")
    room = next_step([layer], 20, np.array([9.0, 9, 9, 9, 9]), nothing, prices)
    assert (room.binding, room.slowest) == ((), "")
    assert next_step([layer], 10, np.full(KINDS, 99.0), nothing, prices).slowest == "n"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=30))
def test_what_is_dropped_is_beaten(rows: list[list[int]]) -> None:
    points = np.array(rows, dtype=float).reshape(-1, 3)
    kept = undominated(points).tolist()
    assert len({tuple(points[k]) for k in kept}) == len(kept)
    for k in range(len(points)):
        beaten = any((points[j] <= points[k]).all() for j in kept if j != k)
        assert (k in kept) != beaten
