from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.arith.adders import (
    AdderGraph,
    Term,
    coefficients,
    evaluate,
    least_depth,
    native,
    solve,
)
from hlsgen.arith.adders.graph import width
from hlsgen.errors import OptionError, ToolMissing

INT8 = (-128, 127)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of one test do not reach another; the compiled core is kept, being the same."""
    for wide in (False, True):
        native._loaded(wide)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def reference_width(values: list[int]) -> int:
    """The bits of a set of integers, by trying formats."""
    for bits in itertools.count():
        unsigned = all(0 <= v < 1 << bits for v in values)
        signed = bits > 0 and all(-(1 << bits - 1) <= v < 1 << bits - 1 for v in values)
        if unsigned or (signed and min(values) < 0):
            return bits
    raise AssertionError


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[int, int]]]:
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    bound = draw(st.sampled_from([1, 2, 7, 100, 5000]))
    entry = st.just(0) | st.integers(-bound, bound)
    matrix = np.array(draw(st.lists(entry, min_size=n * m, max_size=n * m))).reshape(n, m)
    if m > 2:
        matrix[:, 1] = draw(st.sampled_from([1, -1, 4, 0])) * matrix[:, 0]
    end = st.sampled_from([0, 1, 127, 128, 1000])
    return matrix, [(-draw(end), draw(end)) for _ in range(n)]


@settings(max_examples=60, deadline=None)
@given(
    problems(), st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 0.05]), st.integers(0, 9)
)
def test_graphs_multiply_within_their_depth(
    problem: tuple[np.ndarray, list[tuple[int, int]]],
    slack: int,
    three: bool,
    effort: float,
    seed: int,
) -> None:
    matrix, ranges = problem
    live = np.array([r != (0, 0) for r in ranges])[:, None]
    depth = least_depth(matrix * live, three_input=three) + slack
    graph = solve(
        matrix, ranges, max_depth=depth, effort=effort, seed=seed, three_input=three, cached=False
    )
    assert np.array_equal(coefficients(graph), matrix * live)
    assert graph.depth <= depth
    assert all(len(adder) <= 2 + three for adder in graph.adders)
    corners = np.array([[lo, hi] for lo, hi in ranges])
    picks = np.random.default_rng(0).integers(0, 2, (16, len(ranges)))
    x = corners[np.arange(len(ranges)), picks]
    assert np.array_equal(evaluate(graph, x), x @ matrix)


@settings(max_examples=40, deadline=None)
@given(problems(), st.booleans())
def test_an_unbounded_graph_is_exact(
    problem: tuple[np.ndarray, list[tuple[int, int]]], three: bool
) -> None:
    matrix, ranges = problem
    graph = solve(matrix, ranges, effort=0, three_input=three, cached=False)
    live = np.array([r != (0, 0) for r in ranges])[:, None]
    assert np.array_equal(coefficients(graph), matrix * live)


def test_widths_are_those_of_all_inputs() -> None:
    rng = np.random.default_rng(4)
    ranges = [(-3, 2), (0, 5), (-1, 0), (2, 4)]
    x = np.array(list(itertools.product(*[range(lo, hi + 1) for lo, hi in ranges])))
    for three in (False, True):
        matrix = rng.integers(-9, 10, (4, 5))
        graph = solve(matrix, ranges, effort=0.1, three_input=three, cached=False)
        taps = tuple(Term(k) for k in range(4 + len(graph.adders)))
        values = evaluate(AdderGraph(graph.inputs, graph.adders, taps), x)
        for node, (lo, hi) in enumerate(graph.ranges):
            seen = values[:, node].tolist()
            assert (lo, hi) == (min(seen), max(seen))
            assert width(lo, hi) == reference_width(seen)


@pytest.mark.parametrize(
    ("terms", "luts"),
    [
        ((Term(0), Term(1)), 9),
        ((Term(0), Term(1, 3)), 12 - 3),  # three low bits are wires
        ((Term(0), Term(1, 3, True)), 12 - 3),
        ((Term(1, 3), Term(0, 0, True)), 12),  # the low operand is subtracted: nothing passes
        ((Term(2), Term(0, 4)), 0),  # 4 bits that never sign-extend, beside the others
        ((Term(2), Term(0, 3)), 12 - 3),  # they overlap in one bit
        ((Term(0), Term(1), Term(0, 4)), 13 + 1),
        ((Term(0), Term(1, 2), Term(0, 4)), 13 - 2 + 1),
        ((Term(0, 0, True), Term(1, 2), Term(1, 4)), 13 + 1),
    ],
)
def test_luts_of_an_adder(terms: tuple[Term, ...], luts: int) -> None:
    graph = AdderGraph((INT8, INT8, (0, 15)), (terms,), (Term(3),))
    assert graph.cost() == luts
    strict = width(*graph.ranges[3]) + 1 if len(terms) == 3 else luts
    assert graph.cost(strict=True) == strict


def test_a_negation_is_paid_once_for_each_node() -> None:
    adder = (Term(0), Term(1))
    plain = AdderGraph((INT8, INT8), (adder,), (Term(2), Term(2, 1)))
    twice = AdderGraph((INT8, INT8), (adder,), (Term(2, 0, True), Term(2, 1, True)))
    assert twice.cost() - plain.cost() == width(-254, 256) == 10


@pytest.mark.parametrize(
    ("adders", "output"),
    [
        (((Term(0, 0, True), Term(1, 0, True)),), Term(2)),
        (((Term(0),),), Term(1)),
        (((Term(0), Term(2)),), Term(2)),
        (((Term(0), Term(1, -1)),), Term(2)),
        ((), Term(2)),
    ],
)
def test_impossible_graphs_are_refused(adders: tuple[tuple[Term, ...], ...], output: Term) -> None:
    with pytest.raises(ValueError, match=r"adder|outputs"):
        AdderGraph((INT8, INT8), adders, (output,))


def one_more(have: tuple[int, ...], limit: int) -> set[int]:
    """Odd constants that a single adder makes from these."""
    fresh: set[int] = set()
    for a, b in itertools.product(have, repeat=2):
        for shift in range(limit.bit_length() + 1):
            fresh |= {a + (b << shift), abs(a - (b << shift))}
    odd = {v // (v & -v) for v in fresh if v}
    return {v for v in odd if v <= 2 * limit} - set(have)


def test_constants_take_few_adders() -> None:
    one = one_more((1,), 255)
    two = set().union(*(one_more((1, c), 255) for c in one)) - one
    excess = 0
    for constant in range(3, 256, 2):
        graph = solve(np.array([[constant]]), [INT8], effort=1, cached=False)
        # No constant of 8 bits takes more than three (Dempster and Macleod 1994).
        least = 1 if constant in one else 2 if constant in two else 3
        assert len(graph.adders) >= least
        excess += len(graph.adders) - least
    # Signed digits and what they share miss few of the graphs that exist.
    assert excess <= 4


def test_sums_share() -> None:
    ones = np.ones((8, 5), dtype=int)
    graph = solve(ones, [INT8] * 8, cached=False)
    assert len(graph.adders) == 7
    assert graph.depth >= 3
    opposite = np.stack([ones[:, 0], -ones[:, 0], 8 * ones[:, 0]], axis=1)
    graph = solve(opposite, [INT8] * 8, cached=False)
    assert len(graph.adders) == 7
    assert len(graph.negated) == 1


@pytest.mark.parametrize("three", [False, True])
def test_a_long_chain_of_columns(three: bool) -> None:
    """Each column is the one before and an input more: 79 levels, more than 64 bits count."""
    steps = np.triu(np.ones((80, 80), dtype=int))
    graph = solve(steps, [INT8] * 80, effort=0, three_input=three, cached=False)
    assert np.array_equal(coefficients(graph), steps)
    assert len(graph.adders) <= 130
    short = solve(steps, [INT8] * 80, max_depth=7, effort=0, three_input=three, cached=False)
    assert short.depth <= 7
    assert np.array_equal(coefficients(short), steps)


def test_equal_seeds_give_equal_graphs_and_effort_pays() -> None:
    matrix = np.random.default_rng(2).integers(-31, 32, (10, 10))
    ranges = [INT8] * 10
    fast = solve(matrix, ranges, effort=0, cached=False)
    first = solve(matrix, ranges, effort=0.5, seed=7, cached=False)
    assert solve(matrix, ranges, effort=0.5, seed=7, cached=False) == first
    assert solve(matrix, ranges, effort=0.5, seed=8, cached=False) != first
    assert first.cost() <= fast.cost()
    three = solve(matrix, ranges, effort=0.5, three_input=True, cached=False)
    assert three.cost() < first.cost()


def test_the_cache_returns_what_was_found_and_ignores_damage(tmp_path: Path) -> None:
    matrix = np.random.default_rng(3).integers(-7, 8, (6, 6))
    ranges = [INT8] * 5 + [(0, 0)]
    fresh = solve(matrix, ranges, effort=0.1, cached=False)
    assert not list((tmp_path / "hlsgen" / "adders").glob("*.npy"))
    assert solve(matrix, ranges, effort=0.1) == fresh
    (entry,) = (tmp_path / "hlsgen" / "adders").glob("*.npy")
    assert solve(matrix, ranges, effort=0.1) == fresh
    whole = np.load(entry)
    other = whole.copy()
    other[3] += 1
    for damaged in (other, whole[:-2], whole[:1], np.zeros(0, np.int64), whole.astype(float)):
        np.save(entry, damaged)
        assert solve(matrix, ranges, effort=0.1) == fresh
    entry.write_bytes(b"nothing of the kind")
    assert solve(matrix, ranges, effort=0.1) == fresh
    assert np.array_equal(np.load(entry), whole)


def test_blocks_of_columns_join(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("hlsgen.arith.adders.solve")
    matrix = np.random.default_rng(6).integers(-7, 8, (6, 9))
    matrix[:, 4] = 0
    ranges = [INT8, (0, 0), *[INT8] * 4]
    whole = solve(matrix, ranges, effort=0, cached=False)
    monkeypatch.setattr(module, "_MOST_DIGITS", 30)
    graph = solve(matrix, ranges, effort=0, cached=False)
    matrix[1] = 0
    assert np.array_equal(coefficients(graph), matrix)
    assert len(graph.adders) > len(whole.adders)


def test_large_entries() -> None:
    rng = np.random.default_rng(5)
    matrix = rng.integers(-(1 << 31), (1 << 31) + 1, (4, 4))
    matrix[0, 0] = 1 << 31
    graph = solve(matrix, [INT8] * 4, effort=0.1, cached=False)
    assert np.array_equal(coefficients(graph), matrix)


BIG = 1 << 31
ODD = [
    [[BIG, -BIG, 0, BIG - 1]] * 2,  # duplicate rows
    [[BIG, -BIG, BIG, 0], [3, -3, 3, 0], [-BIG + 1, BIG - 1, -BIG + 1, 0]],  # opposite columns
    [[BIG + 1], [5 - BIG], [BIG]],  # one column
    [[1 << 61, (1 << 61) - 1], [-(1 << 60) - 1, 3]],
    [[(1 << 90) // 3, -((1 << 90) // 3), (1 << 90) // 3 * 8], [7, -7, 56]],
]


@pytest.mark.parametrize("rows", ODD)
@pytest.mark.parametrize("top", [127, 32767, 1 << 40, 1 << 70])
@pytest.mark.parametrize("three", [False, True])
def test_sums_beyond_the_words_of_the_search(rows: list[list[int]], top: int, three: bool) -> None:
    """Exact and on the fewest levels, however wide; ranges that mean nothing stay as they are."""
    matrix = np.array(rows, dtype=object)
    ranges = [(-top - 1, top), (0, top), (5, 5)][: len(rows)]
    least = least_depth(matrix, three_input=three)
    for depth in (None, least):
        graph = solve(matrix, ranges, max_depth=depth, effort=0, three_input=three, cached=False)
        assert coefficients(graph).tolist() == rows
        assert graph.inputs == tuple(ranges)
        assert graph.searched == (max(abs(v) for row in rows for v in row) < 1 << 58)
    assert graph.depth <= least
    x = [hi for _, hi in ranges]
    expected = [
        sum(v * row[j] for v, row in zip(x, rows, strict=True)) for j in range(len(rows[0]))
    ]
    assert evaluate(graph, np.array([x], dtype=object)).tolist() == [expected]


def test_opposite_and_shifted_columns_of_digits_share_their_adders() -> None:
    third = (1 << 90) // 3
    graph = solve(np.array([[third, -third, 8 * third]], dtype=object), [INT8])
    alone = solve(np.array([[third]], dtype=object), [INT8])
    assert len(graph.adders) == len(alone.adders)


def test_evaluation_beyond_int64_is_exact() -> None:
    graph = AdderGraph(((0, 1 << 70),), ((Term(0), Term(0, 70, True)),), (Term(1, 3, True),))
    assert evaluate(graph, np.array([[1 << 65]], dtype=object))[0, 0] == -8 * (
        (1 << 65) - (1 << 135)
    )
    assert coefficients(graph)[0, 0] == ((1 << 70) - 1) * 8
    assert graph.ranges[1] == ((1 << 70) - (1 << 140), 0)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 2)])
def test_nothing_to_do(shape: tuple[int, int]) -> None:
    graph = solve(np.zeros(shape, dtype=int), [INT8] * shape[0])
    assert graph == AdderGraph((INT8,) * shape[0], (), (None,) * shape[1])
    assert coefficients(graph).shape == shape


def test_refusals() -> None:
    matrix = np.array([[3, 5], [7, 11]])
    with pytest.raises(OptionError, match="3 or more"):
        solve(matrix, [INT8] * 2, max_depth=1)
    with pytest.raises(OptionError, match="shape"):
        solve(matrix, [INT8])
    with pytest.raises(OptionError, match="integers"):
        solve(matrix / 2, [INT8] * 2)
    with pytest.raises(OptionError, match="lo <= hi"):
        solve(matrix, [INT8, (1, 0)])
    with pytest.raises(OptionError, match="effort"):
        solve(matrix, [INT8] * 2, effort=-1)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolMissing, match="install g\\+\\+"):
        native._compiled(True)
