"""Levels of a mapped netlist: by hand, as two versions of Yosys wrote it, and from a real run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_rtl_ops import needs_yosys

from hlsgen.build.levels import Depth, depth
from hlsgen.build.synth import synthesise
from hlsgen.emit.rtl.emit import Rtl
from hlsgen.emit.rtl.netlist import Netlist
from hlsgen.errors import HlsgenError

RECORDED = Path(__file__).parent / "netlists"
AND2, SECOND = "1000", "1100"  # tables of I0 & I1, and of I1 alone


def of(folder: Path, *cells: tuple[str, dict[str, list[int | str]], str]) -> Depth:
    """The depth of a netlist of cells (kind, pins, table)."""
    written: dict[str, Any] = {
        f"c{k}": {"type": kind, "connections": pins, "parameters": {"INIT": table} if table else {}}
        for k, (kind, pins, table) in enumerate(cells)
    }
    path = folder / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": {}, "cells": written}}}))
    return depth(path, "top")


def carry(ci: int | str, di: int, s: int, o: int, co: int) -> dict[str, list[int | str]]:
    """A CARRY4 of which only the first place is used."""
    return {"CI": [ci], "CYINIT": ["0"], "DI": [di, "0"], "S": [s, "0"], "O": [o, "x"],
            "CO": [co, "x"]}  # fmt: skip


@pytest.mark.parametrize("name", ["yosys_0_23.json", "yosys_0_70.json"])
def test_recorded_netlists(name: str) -> None:
    """Two stages of three-input adders: one LUT makes a carry, a second one sums, then a chain.

    An `ltp` that takes every output of a LUT6_2 to follow every input counts a LUT for each bit.
    """
    assert depth(RECORDED / name, "top") == Depth(2, 1)


def test_luts_count_and_inverters_do_not(tmp_path: Path) -> None:
    chain = [
        ("LUT2", {"I0": [1], "I1": [2], "O": [3]}, AND2),
        ("INV", {"I": [3], "O": [4]}, ""),
        ("LUT2", {"I0": [4], "I1": [2], "O": [5]}, AND2),
    ]
    assert of(tmp_path, *chain) == Depth(2, 0)
    register = ("FDRE", {"D": [9], "Q": [4]}, "")
    assert of(tmp_path, chain[0], register, chain[2]) == Depth(1, 0)
    assert of(tmp_path) == Depth(0, 0)


def test_inputs_that_a_table_ignores(tmp_path: Path) -> None:
    first = ("LUT2", {"I0": [1], "I1": [2], "O": [3]}, AND2)
    assert of(tmp_path, first, ("LUT2", {"I0": [3], "I1": [2], "O": [4]}, SECOND)) == Depth(1, 0)
    assert of(tmp_path, first, ("LUT2", {"I0": [3], "I1": [2], "O": [4]}, "")) == Depth(2, 0)


def test_a_chain_is_one_from_its_entrance_to_its_exit(tmp_path: Path) -> None:
    lut = ("LUT1", {"I0": [1], "O": [2]}, "10")
    first = ("CARRY4", carry("0", 1, 2, 10, 11), "")
    second = ("CARRY4", carry(11, 3, 4, 20, 21), "")
    assert of(tmp_path, lut, first, second) == Depth(1, 1)
    again = ("CARRY4", carry("0", 3, 20, 30, 31), "")
    assert of(tmp_path, lut, first, second, again) == Depth(1, 2)
    behind = ("LUT1", {"I0": [20], "O": [5]}, "10")
    assert of(tmp_path, lut, first, second, behind) == Depth(2, 1)


def test_a_sum_does_not_follow_its_own_di(tmp_path: Path) -> None:
    lut = ("LUT1", {"I0": [1], "O": [2]}, "10")
    behind = ("LUT1", {"I0": [10], "O": [5]}, "10")
    assert of(tmp_path, lut, ("CARRY4", carry("0", 2, 3, 10, 11), ""), behind) == Depth(1, 1)


def test_loops_and_other_netlists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HlsgenError, match="combinational loop"):
        of(
            tmp_path,
            ("LUT1", {"I0": [1], "O": [2]}, "10"),
            ("LUT1", {"I0": [2], "O": [1]}, "10"),
        )
    for text in ("", "{}", '{"modules": {"top": {"cells": {"c": 1}}}}'):
        (tmp_path / "netlist.json").write_text(text)
        with pytest.raises(HlsgenError, match="cannot read"):
            depth(tmp_path / "netlist.json", "top")


@needs_yosys
def test_a_tree_that_is_known() -> None:
    """37 inputs need three levels of LUTs of six inputs; an adder beside is one, and a chain."""
    text = (
        "module top(input wire [36:0] a, input wire [8:0] b, output wire x, output wire [9:0] y);\n"
        "  assign x = ^a;\n  assign y = a[8:0] + b;\nendmodule\n"
    )
    net = Netlist("top", "top", (), (), ())
    cost = synthesise(Rtl("top", 0, None, 0.0, (), (), {"top.sv": text}, net)).fpga
    assert cost is not None
    assert (cost.lut_levels, cost.carry_chains) == (3, 0)
