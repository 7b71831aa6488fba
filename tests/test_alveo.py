"""Compute units on dies and memory channels, and link.cfg in the documented keys of v++."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from hlsgen.boards import Board, load_board
from hlsgen.emit.alveo import FILL, compute_units, link_config, place_units, room_for
from hlsgen.errors import OptionError

# UG1393 2022.1 to 2023.2 and UG1702 2024.2: general options and [connectivity].
KEYS = {"": {"platform", "kernel_frequency"}, "connectivity": {"nk", "slr", "sp", "sc"}}


MASTERS = [f"m_axi_gmem{k}" for k in range(4)]


def need(board: Board, share: float) -> list[float]:
    """A share of what SLR0 has room for."""
    slr = board.slrs[0].usable or board.slrs[0].resources
    return [share * fill * n for fill, n in zip(FILL, slr.counts, strict=True)]


def parts(**counts: int) -> list[float]:
    return [float(counts.get(k, 0)) for k in ("lut", "ff", "dsp", "bram18", "uram")]


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
    with pytest.raises(OptionError, match=r"520 ports, HBM takes 480: give fewer compute units"):
        compute_units(MASTERS, load_board("u280"), ["SLR0"] * 130)


def placed(board: Board, needed: list[float], units: int) -> tuple[str, ...]:
    return place_units(board, needed, units, FILL, "give fewer")


def test_dies_are_filled_from_the_memory_on() -> None:
    board = load_board("u280")
    assert placed(board, need(board, 0.4), 5) == ("SLR0", "SLR0", "SLR1", "SLR1", "SLR2")
    assert placed(board, need(board, 0.6), 1) == ("SLR0",)
    turned = replace(board, slrs=board.slrs[::-1])
    assert placed(turned, need(board, 0.6), 1) == ("SLR0",)


def test_what_the_shell_leaves_of_each_die_counts() -> None:
    """SLR1 of the U280 has 333,000 LUTs beside the shell, of which 70 % may be taken."""
    board = load_board("u280")
    assert room_for(board, parts(lut=233_100), FILL) == {
        "SLR0": 1, "SLR1": 1, "SLR2": 1,
    }  # fmt: skip
    assert room_for(board, parts(lut=233_101), FILL)["SLR1"] == 0
    # BRAM18 of SLR1 to SLR0 is as 936 to 1,014, its DSPs as 2,877 to 2,733
    assert room_for(board, parts(bram18=800), FILL) == {"SLR0": 1, "SLR1": 0, "SLR2": 1}
    assert room_for(board, parts(dsp=2200), FILL) == {"SLR0": 0, "SLR1": 1, "SLR2": 1}


def test_one_scarce_part_decides() -> None:
    board = load_board("u280")
    scarce = [*need(board, 0.1)[:4], 200]
    assert placed(board, scarce, 3) == ("SLR0", "SLR1", "SLR2")
    with pytest.raises(
        OptionError,
        match=r"4 compute units of .*200 URAM: u280 has room for 3 \(1 on SLR0, .*: give fewer",
    ):
        placed(board, scarce, 4)


def test_a_unit_on_several_dies_is_left_to_the_tool() -> None:
    board = load_board("u280")
    text = link_config("net_kernel", board, 4.0, compute_units(MASTERS, board, [""]))
    assert "slr=" not in text
    assert "nk=net_kernel:1:cu_0\nsp=cu_0.m_axi_gmem0:HBM[0]\n" in text


def test_unknown_dies_are_refused() -> None:
    with pytest.raises(OptionError, match="u280 has no SLR3: it has SLR0, SLR1, SLR2"):
        compute_units(MASTERS, load_board("u280"), ["SLR3"])
