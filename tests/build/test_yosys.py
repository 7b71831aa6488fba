"""Yosys as a tool: found or missed, old, silent, killed, or saying something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsgen.build import yosys as module
from hlsgen.build.rtl_sim import rtl_engine
from hlsgen.build.synth import synthesise
from hlsgen.build.verilator import find_verilator
from hlsgen.build.yosys import find_yosys
from hlsgen.emit.rtl.emit import Rtl
from hlsgen.emit.rtl.netlist import Netlist
from hlsgen.emit.rtl.pipeline import Schedule
from hlsgen.errors import HlsgenError, OptionError, ToolMissing
from hlsgen.ir.hw import HwGraph

EMPTY = Netlist("top", "top", (), (), ())
NOW = Schedule(0, (), (), (), 0.0, 0)
RTL = Rtl("top", 0, None, 0.0, (), (), {"top.sv": "module top; endmodule\n"}, EMPTY, NOW)
GRAPH = HwGraph("top", (), (), (), {})


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str = "yosys") -> Path:
    """A program of this name on PATH, the only one."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("YOSYS", raising=False)
    return path


VERSION = 'if [ "$1" = -V ]; then echo "Yosys 0.40 (git sha1 0)"; exit 0; fi'


def test_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("YOSYS", raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"pip install 'hlsgen\[rtl\]'"):
        find_yosys()


def test_named_but_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS", "/nowhere/yosys")
    with pytest.raises(ToolMissing, match="YOSYS=/nowhere/yosys is no program"):
        find_yosys()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('echo "Yosys 0.9 (git sha1 1979e0b)"', "Yosys 0.9, too old"),
        ('echo "Hello"', "does not say which Yosys it is"),
        ("kill -9 $$", "does not say which Yosys it is .*signal 9"),
    ],
)
def test_old_or_odd(body: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(tmp_path, monkeypatch, body)
    with pytest.raises(ToolMissing, match=said):
        find_yosys()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("kill -9 $$", "ended by signal 9"),
        ('echo "top.sv:1: ERROR: syntax error" >&2; exit 1', "syntax error"),
        ('echo "{}" > stat.json', "no cell counts"),
    ],
)
def test_synthesis_that_fails(
    body: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(tmp_path, monkeypatch, f"{VERSION}\n{body}")
    with pytest.raises(HlsgenError, match=said):
        synthesise(RTL)


def test_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stat = (
        '{"modules": {"\\\\top": {"num_cells_by_type": {"LUT2": 3, "LUT6": 4, "LUT6_2": 10, '
        '"INV": 1, "FDRE": 5, "FDSE": 1, "CARRY4": 7, "CARRY8": 2, "DSP48E2": 2, '
        '"RAMB36E2": 1, "BUFG": 1}}}}'
    )
    netlist = '{"modules": {"top": {"cells": {}}}}'
    written = f"cat > stat.json <<'E'\n{stat}\nE\ncat > netlist.json <<'E'\n{netlist}\nE"
    stand_in(tmp_path, monkeypatch, f"{VERSION}\n{written}")
    cost = synthesise(RTL).fpga
    assert cost is not None
    assert (cost.lut, cost.inverters, cost.ff) == (17, 1, 6)
    assert (cost.carry4, cost.carry8, cost.dsp, cost.bram18) == (11, 6, 2, 2)


def test_a_library_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(tmp_path, monkeypatch, VERSION)
    with pytest.raises(OptionError, match="--liberty"):
        synthesise(RTL, tmp_path / "none.lib")
    (tmp_path / "cells.lib").write_text("nothing")
    with pytest.raises(OptionError, match="no Liberty file"):
        synthesise(RTL, tmp_path / "cells.lib")


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("Hello", "does not say that it is Verilator"),
        ("Verilator 4.038 2020-07-11 rev", "verilator is Verilator 4.038, too old"),
    ],
)
def test_a_verilator_that_will_not_do(
    says: str, error: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(tmp_path, monkeypatch, f"echo {says}", "verilator")
    monkeypatch.delenv("VERILATOR", raising=False)
    with pytest.raises(ToolMissing, match=error):
        find_verilator()


@pytest.mark.parametrize(
    ("does", "error"),
    [("kill -9 $$", "ended by signal 9"), ("true", "compiled the RTL and left no simulation")],
)
def test_a_verilator_that_leaves_nothing(
    does: str, error: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    version = "Verilator 5.006 2023-01-22"
    stand_in(
        tmp_path, monkeypatch, f'[ "$1" = --version ] && echo {version} || {does}', "verilator"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HLSGEN_RTL", "verilator")
    monkeypatch.delenv("VERILATOR", raising=False)
    with pytest.raises(HlsgenError, match=error):
        rtl_engine(RTL, GRAPH)


def test_an_unknown_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HLSGEN_RTL", "modelsim")
    with pytest.raises(OptionError, match="HLSGEN_RTL=modelsim"):
        rtl_engine(RTL, GRAPH)
