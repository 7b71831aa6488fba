"""What a streaming design is made of: channels, and units that move tokens between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from hlsgen.emit.processes import Pattern
from hlsgen.emit.rtl.stream.functions import Function
from hlsgen.ir.hw import IntArray
from hlsgen.schedule.process import Process


class Holder(StrEnum):
    """What holds the tokens of a channel."""

    FIFO = "fifo"
    RING = "ring"  # a line buffer inside the unit that reads it
    OUTLET = "outlet"  # a FIFO whose oldest token shows: an output port


@dataclass(frozen=True, slots=True)
class Channel:
    """Tokens of `bits` from one unit to another; `depth` places, those under way included."""

    name: str
    bits: int
    note: str = ""
    holder: Holder = Holder.FIFO
    depth: int = 0

    @property
    def style(self) -> str:
        """The memory that such a shape fits: LUTs up to 64 words or some thousand bits."""
        small = self.depth <= 64 or self.depth * self.bits <= 4096
        return "distributed" if small else "block"


@dataclass(frozen=True, eq=False)
class Rom:
    """Constants word by word; element 0 of a word in its lowest bits, `bits` an element."""

    name: str
    note: str
    table: IntArray  # (words, elements)
    bits: int
    registers: int

    @property
    def width(self) -> int:
        return self.table.shape[1] * self.bits

    @property
    def style(self) -> str:
        """LUTs for up to 64 words or some thousand bits, else block memory."""
        words = len(self.table)
        return "distributed" if words <= 64 or words * self.width <= 8192 else "block"

    @property
    def words(self) -> list[str]:
        """Each word in hexadecimal."""
        mask = (1 << self.bits) - 1
        return [
            f"{sum((int(v) & mask) << k * self.bits for k, v in enumerate(row)):x}"
            for row in self.table.tolist()
        ]


@dataclass(frozen=True, eq=False)
class Unit:
    """Hardware of one process.

    `module` is instantiated with `parameters`: one of templates/rtl/stream, or this unit's own,
    which the template `frame` writes from `numbers`. `stages` are clocks from a step to the push of
    what it makes. `finish` has numbers and constants that depend on the depth of the channel read.
    `spread` has the same steps, as late as will do: channels are sized for it, for what comes early
    only waits.
    """

    name: str
    title: str
    module: str
    pattern: Pattern
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    stages: int
    parameters: Mapping[str, int | str] = field(default_factory=dict[str, "int | str"])
    frame: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    functions: tuple[Function, ...] = ()
    roms: tuple[Rom, ...] = ()
    finish: Callable[[Channel], tuple[Mapping[str, Any], tuple[Rom, ...]]] | None = None
    spread: Pattern | None = None

    @property
    def process(self) -> Process:
        """The unit as the schedule sees it."""
        pattern = self.pattern
        return Process(
            self.name, pattern.work, self.reads, self.writes, pattern.moves, self.module,
            self.stages,
        )  # fmt: skip


def bits_for(count: int) -> int:
    """Bits of an index below `count`; one at least."""
    return max(1, (count - 1).bit_length())


def period(*tables: IntArray) -> int:
    """The fewest rows after which all tables (rows, ...) repeat; it divides their number."""
    rows = len(tables[0])
    for count in (d for d in range(1, rows + 1) if rows % d == 0):
        if all(_repeats(t, count) for t in tables):
            return count
    return rows


def _repeats(table: IntArray, count: int) -> bool:
    folded = table.reshape(-1, count, *table.shape[1:])
    return bool(np.all(folded == folded[:1]))


def signed_bits(lo: int, hi: int) -> int:
    """Width of the two's complement that holds these."""
    return max((-lo - 1).bit_length() if lo < 0 else 0, hi.bit_length() if hi > 0 else 0) + 1
