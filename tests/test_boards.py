"""Board files: what ships loads and adds up; what is wrong is refused in one line with place."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hlsgen.boards import Flow, all_boards, load_board
from hlsgen.data import boards_dir, templates_dir
from hlsgen.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = sorted(path.stem for path in boards_dir().glob("*.toml"))
PROMISED = {"ultra96", "ultra96v2", "u280", "u55c", "pynq-z2", "zcu104", "kv260"}


def test_what_ships() -> None:
    assert set(NAMES) >= PROMISED
    assert [board.name for board in all_boards()] == NAMES
    assert templates_dir().is_dir()


@pytest.mark.parametrize("name", NAMES)
def test_board_loads_and_adds_up(name: str) -> None:
    board = load_board(name)
    assert board.resources.ff == 2 * board.resources.lut  # true of every Xilinx fabric since 2010
    dies = [slr.resources.counts for slr in board.slrs]
    if dies:
        assert tuple(map(sum, zip(*dies, strict=True))) == board.resources.counts
    pairs = zip(board.budget.counts, board.resources.counts, strict=True)
    assert all(0 <= budget <= whole for budget, whole in pairs)
    assert all(memory.banks * memory.bank_bytes >= 2**29 for memory in board.memories)
    assert (board.processor is None) == (board.flow is Flow.VITIS)
    assert bool(board.platform) == (board.flow is Flow.VITIS)
    assert len({port.enable for port in board.ports}) == len(board.ports)
    assert {port.bits in port.widths for port in board.ports} <= {True}


def _numbers_without_source(table: dict[str, object], place: str = "") -> Iterator[str]:
    """Places of tables that hold a number but no source; the top level has a [source] table."""
    numbers = [key for key, value in table.items() if isinstance(value, int | float)]
    source = table.get("source")
    if isinstance(source, dict):
        yield from (f"{place}{key}" for key in numbers if not source.get(key))
    elif numbers and not source:
        yield place
    for key, value in table.items():
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, dict):
                yield from _numbers_without_source(row, f"{place}{key}.")


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source_and_no_address(name: str) -> None:
    text = (boards_dir() / f"{name}.toml").read_text()
    assert list(_numbers_without_source(tomllib.loads(text))) == []
    assert "://" not in text
    for line in text.splitlines():
        if "recalled" in line:
            assert "not re-read" in line


def test_known_boards_hold_the_published_figures() -> None:
    ultra96v2, u280 = load_board("ultra96v2"), load_board("u280")
    assert ultra96v2.part == "xczu3eg-sbva484-1-i"
    assert ultra96v2.resources.counts == (70_560, 141_120, 360, 432, 0)
    assert load_board("ultra96").resources == ultra96v2.resources
    assert u280.resources.counts == (1_303_680, 2_607_360, 9_024, 4_032, 960)
    assert u280.budget.counts == (1_069_000, 2_150_000, 8_490, 2_974, 960)
    assert sum(m.banks * m.bank_gbyte_s for m in u280.memories if m.tag == "HBM") == 460


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ultra96-v2", "no board 'ultra96-v2': did you mean 'ultra96v2'? Known: "),
        ("U280", "no board 'U280': did you mean 'u280'? Known: "),
        ("virtex", "no board 'virtex': Known: kv260, pynq-z2, u280, u55c, ultra96, ultra96v2"),
        ("nowhere/my.toml", "nowhere/my.toml: cannot read this board file: No such file"),
    ],
)
def test_unknown_board(name: str, expected: str) -> None:
    assert _error(name).startswith(expected)


def test_a_board_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (boards_dir() / "kv260.toml").read_text()
    path.write_text(text.replace('name = "kv260"', 'name = "mine"', 1))
    assert load_board(str(path)) == replace(load_board("kv260"), name="mine")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "lut = 1303680",
            'lut = "many"',
            "resources.lut: needed a whole number of at least 0, got",
        ),
        ("lut = 1303680", "lut = -1", "resources.lut: needed a whole number of at least 0, got -1"),
        ("lut = 1303680", "lut = true", "resources.lut: needed a whole number of at least 0, got"),
        ("lut = 1303680", "", "resources.lut: needed a whole number of at least 0, got nothing"),
        ("lut = 1303680", "lut = 1303681", "resources: needed the sum of the SLRs (1303680, "),
        ("lut = 1303680", "luts = 1303680", "resources.luts: no such key; did you mean 'lut'?"),
        ("lut = 1303680", "lut = ", "not TOML: Invalid value (at line "),
        ("clock_ns = 3.33", "clock_ns = 0", "clock_ns: needed a number above 0, got 0"),
        ("clock_ns = 3.33", "clock_ns = nan", "clock_ns: needed a number above 0, got nan"),
        ('flow = "vitis"', 'flow = "vivid"', "flow: needed 'vivado' or 'vitis', got 'vivid'"),
        ('name = "u280"', 'name = "u281"', "name: needed 'u280' as the file is called, got"),
        ('slr = ["SLR0"]', 'slr = ["SLR9"]', "memory[0].slr: needed SLRs of this board (SLR0, "),
        ("[[memory]]", "[memory]", "not TOML: Cannot overwrite"),
        ('platform = "xilinx', 'platfrom = "xilinx', "platfrom: no such key; did you mean 'pl"),
        ('clock_ns = "300', 'clock = "300', "source.clock: no such key; did you mean 'clock_ns'?"),
        ('part = "finn', 'part = "" # finn', "source.part: needed a text, got ''"),
        ('board_parts = ["', 'board_parts = [3, "', "board_parts: needed a list of texts, got [3"),
        ("[resources]", "[resource]", "resource: no such key; did you mean 'resources'?"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    path = tmp_path / "u280.toml"
    text = (boards_dir() / "u280.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    message = _error(str(path))
    assert "u280.toml: " in message
    assert message.split("u280.toml: ", 1)[1].startswith(expected)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert _error(str(path)).endswith("cannot read this board file: not UTF-8 text")


def _error(name: str) -> str:
    with pytest.raises(OptionError) as caught:
        load_board(name)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_status == 2
    return message
