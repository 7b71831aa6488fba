"""Compute units on dies and memory channels, and link.cfg in the documented keys of v++."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from hlsgen.boards import Board, Resources, load_board
from hlsgen.emit.alveo import FILL, compute_units, link_config, place_units
from hlsgen.errors import OptionError

# UG1393 2022.1 to 2023.2 and UG1702 2024.2: general options and [connectivity].
KEYS = {"": {"platform", "kernel_frequency"}, "connectivity": {"nk", "slr", "sp", "sc"}}


MASTERS = [f"m_axi_gmem{k}" for k in range(4)]


def need(board: Board, share: float) -> Resources:
    """A share of what SLR0 has room for."""
    slr = board.slrs[0].usable or board.slrs[0].resources
    counts = [int(share * FILL[k] * n) for k, n in zip(FILL, slr.counts, strict=True)]
    return Resources(*counts, source="test")


def parsed(text: str) -> list[tuple[str, str, str]]:
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.append((section, *line.split("=", 1)))
    return found


@pytest.mark.parametrize("name", ["u280", "u55c"])
def test_link_config(name: str) -> None:
    board = load_board(name)
    units = compute_units(MASTERS, board, ["SLR0", "SLR0", "SLR1"])
    entries = parsed(link_config("net_kernel", board, board.clock_ns, units))
    assert all(key in KEYS[section] for section, key, _ in entries)
    values = {k: [v for _, key, v in entries if key == k] for _, k, _ in entries}
    assert values["platform"] == [board.platform]
    assert values["kernel_frequency"] == ["300"]
    assert values["nk"] == ["net_kernel:3:cu_0,cu_1,cu_2"]
    assert values["slr"] == ["cu_0:SLR0", "cu_1:SLR0", "cu_2:SLR1"]
    assert len(values["sp"]) == 12
    assert values["sp"][5] == "cu_1.m_axi_gmem1:HBM[5]"
    assert len({sp.split(":")[1] for sp in values["sp"]}) == 12  # a channel for every port


def test_channels_are_shared_evenly_when_there_are_more_ports() -> None:
    units = compute_units(MASTERS, load_board("u280"), ["SLR0"] * 20)
    banks = Counter(bank for unit in units for _, bank in unit.banks)
    assert set(banks.values()) == {2, 3}
    assert len(banks) == 32
    with pytest.raises(OptionError, match=r"520 ports, HBM takes 480: give fewer --units"):
        compute_units(MASTERS, load_board("u280"), ["SLR0"] * 130)


def test_dies_are_filled_from_the_memory_on() -> None:
    board = load_board("u280")
    assert place_units(board, need(board, 0.4), 5) == ("SLR0", "SLR0", "SLR1", "SLR1", "SLR2")
    assert place_units(board, need(board, 0.6), 1) == ("SLR0",)
    turned = replace(board, slrs=board.slrs[::-1])
    assert place_units(turned, need(board, 0.6), 1) == ("SLR0",)


def test_one_scarce_part_decides() -> None:
    board = load_board("u280")
    scarce = replace(need(board, 0.1), uram=200)
    assert place_units(board, scarce, 3) == ("SLR0", "SLR1", "SLR2")
    with pytest.raises(
        OptionError, match=r"unit 3 of 4 needs .*200 uram by.*SLR2 .*56 uram: .*--slr"
    ):
        place_units(board, scarce, 4)


def test_unknown_dies_are_refused() -> None:
    with pytest.raises(OptionError, match="u280 has no SLR3: it has SLR0, SLR1, SLR2"):
        compute_units(MASTERS, load_board("u280"), ["SLR3"])
