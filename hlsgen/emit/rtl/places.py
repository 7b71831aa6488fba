"""Index tables as text: loops over copies, slices of vectors.

Copies on a grid read and write at base + sum of stride * loop variable, each with the same offsets
from there. A table that is so becomes nested loops; what is irregular is written out copy by copy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.emit.rtl.units import Element, Index, Operand, Places

_DEPTH = 6  # of nested loops


@dataclass(frozen=True, slots=True)
class Loop:
    """`count` rounds; with each one column c of a table grows by strides[c]."""

    count: int
    strides: tuple[int, ...]


def loops_of(rows: Index) -> tuple[Loop, ...] | None:
    """The loops, outermost first, that run through the rows in order; None where there are none."""
    if len(rows) <= 1:
        return ()
    step = rows[1] - rows[0]
    other = np.flatnonzero((np.diff(rows, axis=0) != step).any(axis=1))
    run = int(other[0]) + 1 if len(other) else len(rows)
    if len(rows) % run:
        return None
    heads = rows[::run]
    regular = heads[:, None, :] + np.arange(run)[None, :, None] * step
    outer = loops_of(heads) if np.array_equal(regular.reshape(rows.shape), rows) else None
    if outer is None or len(outer) == _DEPTH:
        return None
    return (*outer, Loop(run, tuple(step.tolist())))


def opened(loops: Sequence[Loop], variables: Sequence[str], label: str) -> Iterator[str]:
    """The heads of nested loops, the outermost named `label`."""
    for depth, (loop, v) in enumerate(zip(loops, variables, strict=False)):
        name = label if depth == 0 else f"at_{v}"
        head = f"for (genvar {v} = 0; {v} < {loop.count}; {v} = {v} + 1) begin : {name}"
        yield "  " * (depth + 1) + head


def closed(depth: int) -> Iterator[str]:
    """The ends of nested loops."""
    for k in reversed(range(depth)):
        yield "  " * (k + 1) + "end"


def alike(offsets: Index) -> list[Index]:
    """The rows with equal content, groups in the order of their first row."""
    found: dict[bytes, list[int]] = {}
    for row, content in enumerate(np.ascontiguousarray(offsets)):
        found.setdefault(content.tobytes(), []).append(row)
    return [np.array(rows) for rows in found.values()]


def place(base: int, strides: Sequence[tuple[int, str]]) -> str:
    """base + sum of stride * variable."""
    parts = [v if s == 1 else f"{s}*{v}" for s, v in strides if s]
    if base or not parts:
        parts.append(str(base))
    return " + ".join(parts).replace("+ -", "- ")


def runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """(first, count) of neighbours that follow each other, in order."""
    found: list[tuple[int, int]] = []
    for at in places:
        if found and at == sum(found[-1]):
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((at, 1))
    return found


def stretches(
    operands: Sequence[Operand] | Places, whole: Collection[str]
) -> Iterator[tuple[int, int]]:
    """(first, count) of neighbours on one of the buses `whole`, or of equal constants."""
    start = 0
    for n in range(1, len(operands) + 1):
        before = operands[n - 1]
        after = operands[n] if n < len(operands) else None
        if isinstance(before, Element):
            follows = after == Element(before.bus, before.index + 1) and before.bus in whole
        else:
            follows = not isinstance(after, Element) and after == before
        if not follows:
            yield start, n - start
            start = n


@dataclass(frozen=True, slots=True)
class Vector:
    """A wire that holds elements of `width` bits side by side."""

    name: str
    width: int
    size: int

    def slice(self, first: str, count: int = 1) -> str:
        """Some elements."""
        if count == self.size:
            return self.name
        if self.width == 1:
            return f"{self.name}[{first}]" if count == 1 else f"{self.name}[{first} +: {count}]"
        at = first if first.isalnum() else f"({first})"
        wide = f"{self.width}*{count}" if count > 1 else f"{self.width}"
        return f"{self.name}[{self.width}*{at} +: {wide}]"

    def part(self, first: str, width: int, low: int = 0) -> str:
        """`width` bits of one element from bit `low` on."""
        if width == self.width:
            return self.slice(first)
        if self.width * self.size == 1:
            return f"{self.name}[0]"
        at = first if first.isalnum() else f"({first})"
        start = f"{self.width}*{at}" + (f" + {low}" if low else "")
        return f"{self.name}[{start}]" if width == 1 else f"{self.name}[{start} +: {width}]"


def joined(parts: Sequence[str], indent: str, width: int = 100) -> str:
    """A concatenation, the first part in the lowest bits; a part is never broken."""
    if len(parts) == 1 and not parts[0][0].isdigit():
        return parts[0]
    lines: list[str] = []
    for part in reversed(parts):
        if lines and len(indent) + len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return "{" + f",\n{indent}".join(lines) + "}"


def pattern(value: int, width: int) -> str:
    """The two's complement bits of a constant."""
    return f"{width}'d{int(value) % (1 << width)}"


def repeated(value: int, width: int, count: int) -> str:
    """A constant so many times side by side."""
    return pattern(value, width) if count == 1 else f"{{{count}{{{pattern(value, width)}}}}}"
