"""Boards as data: one TOML file each, checked when read, with a source for every number."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from hlsgen.data import boards_dir
from hlsgen.errors import Loc, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")
_Choice = TypeVar("_Choice", bound=StrEnum)

_CITED = ("part", "board_parts", "platform", "tools", "clock_ns")
_RELEASE = re.compile(r"20\d\d\.\d")
_IN_FILE = {
    "slrs": "slr",
    "memories": "memory",
    "ports": "port",
    "notes": "note",
    "sources": "source",
}


class Flow(StrEnum):
    """Which tools make the bitstream."""

    VIVADO = "vivado"
    VITIS = "vitis"


class Direction(StrEnum):
    """Which side of a processor port starts the transfers."""

    PS_TO_PL = "ps_to_pl"
    PL_TO_PS = "pl_to_ps"


@dataclass(frozen=True, slots=True)
class Resources:
    """Counts of the fabric's parts; a 36-kbit block RAM counts as two `bram18`."""

    lut: int
    ff: int
    dsp: int
    bram18: int
    uram: int
    source: str

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """LUT, FF, DSP, BRAM18, URAM."""
        return self.lut, self.ff, self.dsp, self.bram18, self.uram


@dataclass(frozen=True, slots=True)
class Slr:
    """One die of a stacked device; `usable` is what the platform's shell leaves of it."""

    name: str
    resources: Resources
    usable: Resources | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Banks of one kind; `tag` is what `--connectivity.sp` calls them, `slr` where they attach."""

    kind: str
    tag: str
    banks: int
    bank_bytes: int
    bank_gbyte_s: float
    slr: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Host:
    """The link to the host; `gbyte_s` is the peak of each direction."""

    kind: str
    gbyte_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Port:
    """An AXI port between processor and fabric; `enable` is the cell's property for it."""

    name: str
    direction: Direction
    bits: int
    widths: tuple[int, ...]
    enable: str
    source: str


@dataclass(frozen=True, slots=True)
class Processor:
    """The hard processor next to the fabric; `cell` is its block in a Vivado block design."""

    cell: str
    pynq_board: str
    axi_lite_base: int
    pl_clock_mhz: float
    source: str


@dataclass(frozen=True, slots=True)
class Note:
    """A fact for people; nothing computes with it."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Board:
    """Everything hlsgen knows about a board.

    `board_parts` are patterns for Vivado's `get_board_parts`, `platform` is the Vitis platform (""
    where there is none), `tools` the first and the last release that support it (nothing where all
    do), `sources` pairs each fact of the file's top level with its citation.
    """

    name: str
    title: str
    part: str
    board_parts: tuple[str, ...]
    flow: Flow
    platform: str
    tools: tuple[str, ...]
    clock_ns: float
    resources: Resources
    slrs: tuple[Slr, ...]
    memories: tuple[Memory, ...]
    host: Host | None
    processor: Processor | None
    ports: tuple[Port, ...]
    notes: tuple[Note, ...]
    sources: tuple[tuple[str, str], ...]

    @property
    def budget(self) -> Resources:
        """What a design may use: what the shell leaves where known, else the whole device."""
        usable = [slr.usable for slr in self.slrs if slr.usable is not None]
        return _total(usable) if usable else self.resources


def load_board(name: str) -> Board:
    """The board of that name, or the one that a TOML file describes whose path is given.

    Errors: OptionError when there is no such board, or its file is not a sound description.
    """
    if name.endswith(".toml"):
        return _read(Path(name))
    files = _files()
    if name not in files:
        near = get_close_matches(name.lower(), files, 1, 0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise OptionError(f"no board '{name}': {hint}Known: {', '.join(files)}, or a .toml file")
    return _read(files[name])


def all_boards() -> tuple[Board, ...]:
    """Every board that ships, by name."""
    return tuple(_read(path) for path in _files().values())


def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(boards_dir().glob("*.toml"))}


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of a TOML file; every getter says which key is at fault and what it needs."""

    values: dict[str, object]
    file: str
    place: str = ""

    def fault(self, key: str, message: str) -> OptionError:
        return OptionError(message, Loc(self.file, name=self.place + key))

    def wrong(self, key: str, needed: str) -> OptionError:
        got = repr(self.values[key]) if key in self.values else "nothing"
        return self.fault(key, f"needed {needed}, got {got}")

    def only(self, keys: Iterable[str]) -> None:
        known = tuple(keys)
        for key in self.values:
            if key not in known:
                near = get_close_matches(key, known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
                raise self.fault(key, f"no such key; {hint}")

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if isinstance(value, str) and value.strip():
            return value
        raise self.wrong(key, "a text")

    def count(self, key: str) -> int:
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise self.wrong(key, "a whole number of at least 0")

    def number(self, key: str) -> float:
        value = self.values.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
            return float(value)
        raise self.wrong(key, "a number above 0")

    def choice(self, key: str, kind: type[_Choice]) -> _Choice:
        for member in kind:
            if self.values.get(key) == member.value:
                return member
        raise self.wrong(key, " or ".join(f"'{member}'" for member in kind))

    def items(self, key: str, kind: type[_T], what: str) -> tuple[_T, ...]:
        value = self.values.get(key, [])
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        found = tuple(item for item in items if isinstance(item, kind))
        if len(found) < len(items):
            raise self.wrong(key, f"a list of {what}")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        return self.items(key, str, "texts")

    def tables(self, key: str) -> tuple[_Table, ...]:
        rows = cast("tuple[dict[str, object], ...]", self.items(key, dict, "tables"))
        return tuple(self._inner(f"{key}[{i}]", row) for i, row in enumerate(rows))

    def table(self, key: str) -> _Table:
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return self._inner(key, cast("dict[str, object]", value))

    def _inner(self, name: str, values: dict[str, object]) -> _Table:
        return _Table(values, self.file, f"{self.place}{name}.")


def _read(path: Path) -> Board:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise OptionError(f"cannot read this board file: {reason}", Loc(str(path))) from error
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"not TOML: {error}", Loc(str(path))) from error
    board = _board(_Table(values, path.name))
    if board.name != path.stem:
        message = f"needed '{path.stem}' as the file is called, got '{board.name}'"
        raise OptionError(message, Loc(path.name, name="name"))
    return board


def _board(table: _Table) -> Board:
    table.only(_IN_FILE.get(key, key) for key in _names(Board))
    board = Board(
        name=table.text("name"),
        title=table.text("title"),
        part=table.text("part"),
        board_parts=table.texts("board_parts"),
        flow=table.choice("flow", Flow),
        platform=table.text("platform") if "platform" in table.values else "",
        tools=table.texts("tools"),
        clock_ns=table.number("clock_ns"),
        resources=_resources(table.table("resources")),
        slrs=tuple(_slr(row) for row in table.tables("slr")),
        memories=tuple(_memory(row) for row in table.tables("memory")),
        host=_host(table.table("host")) if "host" in table.values else None,
        processor=_processor(table.table("processor")) if "processor" in table.values else None,
        ports=tuple(_port(row) for row in table.tables("port")),
        notes=tuple(_note(row) for row in table.tables("note")),
        sources=_sources(table),
    )
    _check(board, table)
    return board


def _check(board: Board, table: _Table) -> None:
    if board.slrs:
        dies = _total([slr.resources for slr in board.slrs])
        if dies.counts != board.resources.counts:
            needed = f"the sum of the SLRs {dies.counts} (lut, ff, dsp, bram18, uram)"
            raise table.fault("resources", f"needed {needed}, got {board.resources.counts}")
    known = [slr.name for slr in board.slrs]
    for i, memory in enumerate(board.memories):
        for slr in memory.slr:
            if slr not in known:
                needed = f"SLRs of this board ({', '.join(known) or 'it has none'})"
                raise table.fault(f"memory[{i}].slr", f"needed {needed}, got '{slr}'")
    if board.tools and (len(board.tools) != 2 or not all(map(_RELEASE.fullmatch, board.tools))):
        raise table.wrong("tools", "the first and the last release, such as ['2022.1', '2025.1']")
    if board.flow is Flow.VITIS and not board.platform:
        raise table.fault("platform", "needed a Vitis platform, as flow is 'vitis', got nothing")


def _total(parts: list[Resources]) -> Resources:
    return Resources(
        lut=sum(part.lut for part in parts),
        ff=sum(part.ff for part in parts),
        dsp=sum(part.dsp for part in parts),
        bram18=sum(part.bram18 for part in parts),
        uram=sum(part.uram for part in parts),
        source="sum of: " + "; ".join(dict.fromkeys(part.source for part in parts)),
    )


def _sources(table: _Table) -> tuple[tuple[str, str], ...]:
    cited = table.table("source")
    cited.only(_CITED)
    return tuple((key, cited.text(key)) for key in _CITED if key in table.values)


def _resources(table: _Table) -> Resources:
    table.only(_names(Resources))
    return Resources(
        lut=table.count("lut"),
        ff=table.count("ff"),
        dsp=table.count("dsp"),
        bram18=table.count("bram18"),
        uram=table.count("uram"),
        source=table.text("source"),
    )


def _slr(table: _Table) -> Slr:
    table.only(_names(Slr))
    usable = _resources(table.table("usable")) if "usable" in table.values else None
    return Slr(table.text("name"), _resources(table.table("resources")), usable)


def _memory(table: _Table) -> Memory:
    table.only(_names(Memory))
    return Memory(
        kind=table.text("kind"),
        tag=table.text("tag"),
        banks=table.count("banks"),
        bank_bytes=table.count("bank_bytes"),
        bank_gbyte_s=table.number("bank_gbyte_s"),
        slr=table.texts("slr"),
        source=table.text("source"),
    )


def _host(table: _Table) -> Host:
    table.only(_names(Host))
    return Host(table.text("kind"), table.number("gbyte_s"), table.text("source"))


def _processor(table: _Table) -> Processor:
    table.only(_names(Processor))
    return Processor(
        cell=table.text("cell"),
        pynq_board=table.text("pynq_board"),
        axi_lite_base=table.count("axi_lite_base"),
        pl_clock_mhz=table.number("pl_clock_mhz"),
        source=table.text("source"),
    )


def _port(table: _Table) -> Port:
    table.only(_names(Port))
    return Port(
        name=table.text("name"),
        direction=table.choice("direction", Direction),
        bits=table.count("bits"),
        widths=table.items("widths", int, "whole numbers"),
        enable=table.text("enable"),
        source=table.text("source"),
    )


def _note(table: _Table) -> Note:
    table.only(_names(Note))
    return Note(table.text("text"), table.text("source"))


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
