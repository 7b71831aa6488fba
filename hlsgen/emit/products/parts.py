"""Straight-line C++ of many wires as several functions.

Compilers take more than linear time in one function: g++ -O1 was ended after 8 minutes in one of
54,000 lines. A part computes wires from those of earlier parts, which it finds in a struct: so each
keeps its own exact type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from hlsgen.emit.arithmetic import Wire

_MOST = 500  # wires in one function
_NAME = re.compile(r"\bt\d+(?:_at)?\b")  # of a wire in an expression


class Lines(Protocol):
    """Sums as straight-line C++: wires in order, and the expression of each sum."""

    @property
    def wires(self) -> list[Wire]: ...
    @property
    def outputs(self) -> list[str]: ...
    @property
    def note(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One function: its wires, the names of those that later parts read, sums by their number."""

    wires: tuple[Wire, ...]
    kept: frozenset[str]
    outputs: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """All sums of a matrix; `kept` are the wires that parts share, by their types."""

    note: str
    parts: tuple[Part, ...]
    kept: tuple[tuple[str, tuple[str, ...]], ...]


def parts_of(lines: Lines, most: int = _MOST) -> Parts:
    """One function where the wires are few; else each sum beside the wires that only it needs."""
    wires, outputs = lines.wires, lines.outputs
    if len(wires) <= most:
        return Parts(lines.note, (Part(tuple(wires), frozenset(), tuple(enumerate(outputs))),), ())
    wires = _by_sums(wires, outputs)
    home = {wire.name: k // most for k, wire in enumerate(wires)}
    ends = [max((home[n] for n in _NAME.findall(text)), default=0) for text in outputs]
    read = [(n, home[w.name]) for w in wires for n in _NAME.findall(w.text)]
    kept = {name for name, part in read if home[name] < part}
    parts: list[Part] = []
    for k, first in enumerate(range(0, len(wires), most)):
        own = wires[first : first + most]
        made = tuple(replace(w, text=_from_struct(w.text, home, k)) for w in own)
        sums = tuple((j, text) for j, text in enumerate(outputs) if ends[j] == k)
        parts.append(Part(made, frozenset(w.name for w in own) & kept, sums))
    shared = sorted((w.type, k, w.name) for k, w in enumerate(wires) if w.name in kept)
    grouped = groupby(shared, key=lambda item: item[0])
    types = tuple((kind, tuple(name for *_, name in some)) for kind, some in grouped)
    return Parts(lines.note, tuple(parts), types)


def _from_struct(text: str, home: Mapping[str, int], part: int) -> str:
    """Wires of earlier parts as members of the struct."""
    return _NAME.sub(lambda name: name[0] if home[name[0]] == part else f"w.{name[0]}", text)


def _by_sums(wires: Sequence[Wire], outputs: Sequence[str]) -> list[Wire]:
    """The same wires, each right before the first that reads it, for sum after sum."""
    by_name = {wire.name: wire for wire in wires}
    done: dict[str, Wire] = {}
    for text in outputs:
        for name in _NAME.findall(text):
            for found in _needed(by_name[name], by_name, done):
                done[found.name] = found
    return list(done.values())


def _needed(last: Wire, by_name: Mapping[str, Wire], done: Mapping[str, Wire]) -> Iterator[Wire]:
    """What a wire reads and is not done, then the wire itself."""
    stack = [(last, False)]
    while stack:
        wire, ready = stack.pop()
        if wire.name in done:
            continue
        if ready:
            yield wire
            continue
        stack.append((wire, True))
        stack += [(by_name[n], False) for n in reversed(_NAME.findall(wire.text))]
