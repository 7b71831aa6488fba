"""Compute units: the search over their number against trying each, and places on the dies."""

from __future__ import annotations

import itertools
from dataclasses import astuple, replace

import numpy as np
import pytest
from hls_graphs import mlp, residual
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.boards import Board, Resources, Slr, load_board
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.errors import OptionError
from hlsgen.fold.choose import binding_text, fold, units_text
from hlsgen.fold.copies import copies, placed
from hlsgen.fold.goal import Goal
from hlsgen.fold.settle import Folded
from hlsgen.fold.transfers import moved_by

U280 = load_board("u280")
OPTIONS = HlsOptions(io=Io.STREAM, clock_ns=4.0)


def card(*luts: int) -> Board:
    """A U280 whose dies have so many LUTs, and of all else in proportion."""
    dies = [
        Slr(f"SLR{k}", Resources(n, 2 * n, n // 40, n // 150, 0, "test"), None)
        for k, n in enumerate(luts)
    ]
    whole = [sum(column) for column in zip(*(d.resources.counts for d in dies), strict=True)]
    return replace(U280, slrs=tuple(dies), resources=Resources(*whole, "test"))


def found_on(board: Board, units: int | None = None, **goal: float) -> Folded:
    return fold(mlp(), OPTIONS, board, Goal(**goal), units)


def places(found: Folded, board: Board) -> tuple[str, ...]:
    return placed(found.design, found.estimate, found.units, Goal(), board)


@pytest.mark.parametrize(
    ("luts", "units"),
    [((7500, 7000, 7700), 2), ((6300, 6000), 1), ((12500, 6100, 5900), 1), ((13000, 11_000), 2)],
)
def test_the_number_is_that_of_trying_each(luts: tuple[int, ...], units: int) -> None:
    board = card(*luts)
    best = found_on(board, maximise=True)
    tried: list[Folded] = []
    for number in range(1, 4 * len(luts) + 1):
        try:
            tried.append(found_on(board, number, maximise=True))
        except OptionError as error:
            assert f"room for {len(tried)}:" in str(error)  # noqa: PT017
    most = max(each.fps for each in tried)
    assert best.fps == pytest.approx(most)
    on_dies = [t.units for t in tried if t.fps == pytest.approx(most) and places(t, board)[0]]
    assert best.units == min(on_dies, default=1) == units
    for each in (best, *tried):
        check_dies(each, board)


def check_dies(found: Folded, board: Board) -> None:
    """What the units of each die take together is within its share."""
    on = places(found, board)
    assert len(on) == found.units
    for die in board.slrs:
        taken = on.count(die.name) * found.whole
        assert (taken <= Goal().limits(die.resources) + 1e-3).all()


def test_as_many_units_as_a_rate_needs_and_no_more() -> None:
    board = card(6200, 6200, 6200)
    single = found_on(card(6200), maximise=True)
    for factor, units in ((0.9, 1), (1.5, 2), (2.9, 3)):
        found = found_on(board, target_fps=factor * single.fps)
        assert found.units == units
        assert found.fps >= factor * single.fps
        assert units == 1 or f"{found.fps / units:,.0f} each" in units_text(found)
    with pytest.raises(OptionError, match=r"can be had \(3 compute units of [\d,]+ each; "):
        found_on(board, 3, target_fps=20 * single.fps)


def test_more_units_than_fit_say_how_many_do() -> None:
    board = card(6500, 6000, 6700)
    with pytest.raises(OptionError, match=r"40 compute units do not fit: .* there is room for 3:"):
        found_on(board, 40, maximise=True)
    with pytest.raises(OptionError, match=r"2 compute units do not fit: .* there is room for 1:"):
        found_on(card(6500), 2, target_fps=1)
    design = found_on(board, 3, maximise=True)
    with pytest.raises(
        OptionError, match=r"9 compute units of [\d,]+ LUTs.* has room for 3 \(1 on"
    ):
        placed(design.design, design.estimate, 9, Goal(), board)


def test_a_card_of_one_die() -> None:
    board = replace(card(13_000), slrs=())
    found = found_on(board, 2, maximise=True)
    assert places(found, board) == ("", "")
    with pytest.raises(OptionError, match=r"has room for 2 \(2 on its die\)"):
        placed(found.design, found.estimate, 3, Goal(), board)


def test_a_network_that_no_die_holds_spans_them() -> None:
    board, goal = card(9000, 9000, 9000), Goal(maximise=True)
    with pytest.raises(OptionError, match="does not fit"):
        fold(residual(), OPTIONS, card(9000), goal)
    found = fold(residual(), OPTIONS, board, goal)
    assert found.units == 1
    assert places(found, board) == ("",)


def test_the_link_to_the_host_is_shared() -> None:
    assert U280.host is not None
    slow = replace(U280, host=replace(U280.host, gbyte_s=0.01))
    for units in (1, 3, None):
        found = found_on(slow, units, maximise=True)
        moved = max(sum(side) for side in astuple(moved_by(found.design)))
        assert found.fps * moved <= 0.7 * 0.01e9
        assert binding_text(found) == "the PCIe moves no more"
    many = found_on(slow, 3, maximise=True)
    with pytest.raises(OptionError, match=r"can be had \(3 compute .*the PCIe moves no more"):
        found_on(slow, 3, target_fps=10 * many.fps)


def test_boards_with_one_kernel() -> None:
    zynq = load_board("ultra96v2")
    (only,) = copies(zynq, None, 2)
    assert (only.units, only.room) == (1, zynq.budget)
    with pytest.raises(OptionError, match=r"--compute-units 2: ultra96v2 has one kernel"):
        copies(zynq, 2, 2)


@given(st.lists(st.integers(1000, 9000), min_size=1, max_size=4), st.integers(1, 9))
def test_the_share_of_a_unit_is_the_best_there_is(luts: list[int], units: int) -> None:
    """Against all ways to spread them, where every kind is in proportion to the LUTs."""
    share = copies(card(*luts), units, 2)[0]
    ways = (w for w in itertools.product(range(units + 1), repeat=len(luts)) if sum(w) == units)
    best = max(min(lut // n for lut, n in zip(luts, w, strict=True) if n) for w in ways)
    assert share.room.lut == best


def test_every_port_has_a_channel_where_the_number_is_free() -> None:
    assert max(c.units for c in copies(U280, None, 2)) == 12
    assert max(c.units for c in copies(U280, None, 5)) == 6
    assert [c.units for c in copies(U280, None, 40)] == [1, 1]
    assert np.array_equal(copies(U280, 1, 2)[0].room.counts, U280.slrs[0].usable.counts)
