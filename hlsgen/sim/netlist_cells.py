"""What Yosys' word-level cells compute, as numpy operations over all copies and clocks.

Source: Yosys manual, "Internal cell library".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.sim.words import WIDE, Array, Bit, Words


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the JSON: its kind, parameters and connections."""

    kind: str
    parameters: Mapping[str, int]
    connections: Mapping[str, Sequence[Bit]]


def _value(cell: Cell, words: Words, port: str, room: int) -> Array:
    """A port as the integer that it stands for, in a type that holds `room` bits."""
    bits = cell.connections[port]
    pattern = words.get(bits)
    if room > WIDE:
        pattern = pattern.astype(object)
    if cell.parameters.get(f"{port}_SIGNED") and bits:
        pattern = pattern - ((pattern >> (len(bits) - 1)) << len(bits))
    return pattern


def _masked(cell: Cell, values: Array) -> Array:
    width = len(cell.connections["Y"])
    values = values & ((1 << width) - 1)
    return values if width > WIDE else values.astype(np.int64)


def _binary(of: Callable[[Array, Array], Array]) -> Callable[[Cell, Words], Array]:
    def evaluate(cell: Cell, words: Words) -> Array:
        room = 2 + len(cell.connections["Y"])
        room += len(cell.connections["A"]) + len(cell.connections["B"])
        a, b = (_value(cell, words, p, room) for p in "AB")
        return _masked(cell, np.asarray(of(a, b)).astype(a.dtype))

    return evaluate


def _unary(of: Callable[[Array], Array]) -> Callable[[Cell, Words], Array]:
    def evaluate(cell: Cell, words: Words) -> Array:
        room = 2 + max(len(cell.connections["A"]), len(cell.connections["Y"]))
        a = _value(cell, words, "A", room)
        return _masked(cell, np.asarray(of(a)).astype(a.dtype))

    return evaluate


def _all_ones(cell: Cell, words: Words) -> Array:
    bits = cell.connections["A"]
    return (words.get(bits) == (1 << len(bits)) - 1).astype(np.int64)


def _parity(cell: Cell, words: Words) -> Array:
    bits = cell.connections["A"]
    return np.asarray(sum(words.get([b]) for b in bits)) & 1


def _mux(cell: Cell, words: Words) -> Array:
    a, b, s = (words.get(cell.connections[p]) for p in "ABS")
    return np.where(s != 0, b, a)


def _pmux(cell: Cell, words: Words) -> Array:
    """A, or the word of B whose bit of S is set."""
    total, width = words.get(cell.connections["A"]), len(cell.connections["A"])
    for k, bit in enumerate(cell.connections["S"]):
        word = words.get(cell.connections["B"][k * width : (k + 1) * width])
        total = np.where(words.get([bit]) != 0, word, total)
    return total


def _shifted(to_left: bool) -> Callable[[Cell, Words], Array]:
    """Shifts by any amount; to the right the sign of a signed A goes on."""

    def evaluate(cell: Cell, words: Words) -> Array:
        size = len(cell.connections["A"]) + len(cell.connections["Y"])
        by = np.minimum(words.get(cell.connections["B"]), size)
        a = _value(cell, words, "A", size + int(by.max()) if to_left else size)
        return _masked(cell, a << by if to_left else a >> by)

    return evaluate


def _indexed(cell: Cell, words: Words) -> Array:
    """Bits of A from place B on; A is a table, B within it."""
    table, width = cell.connections["A"], len(cell.connections["Y"])
    place = words.get(cell.connections["B"])
    if width > 1 or not all(isinstance(bit, str) for bit in table):
        return _binary(lambda a, b: a >> b)(cell, words)
    return np.array([int(bit == "1") for bit in table])[np.minimum(place, len(table) - 1)]


CELLS: dict[str, Callable[[Cell, Words], Array]] = {
    "$add": _binary(lambda a, b: a + b),
    "$sub": _binary(lambda a, b: a - b),
    "$mul": _binary(lambda a, b: a * b),
    "$and": _binary(lambda a, b: a & b),
    "$or": _binary(lambda a, b: a | b),
    "$xor": _binary(lambda a, b: a ^ b),
    "$lt": _binary(lambda a, b: a < b),
    "$le": _binary(lambda a, b: a <= b),
    "$gt": _binary(lambda a, b: a > b),
    "$ge": _binary(lambda a, b: a >= b),
    "$eq": _binary(lambda a, b: a == b),
    "$ne": _binary(lambda a, b: a != b),
    "$logic_and": _binary(lambda a, b: (a != 0) & (b != 0)),
    "$logic_or": _binary(lambda a, b: (a != 0) | (b != 0)),
    "$shl": _shifted(to_left=True),
    "$sshl": _shifted(to_left=True),
    "$sshr": _shifted(to_left=False),
    "$neg": _unary(lambda a: -a),
    "$pos": _unary(lambda a: a),
    "$not": _unary(lambda a: ~a),
    "$logic_not": _unary(lambda a: a == 0),
    "$reduce_or": _unary(lambda a: a != 0),
    "$reduce_bool": _unary(lambda a: a != 0),
    "$reduce_and": _all_ones,
    "$reduce_xor": _parity,
    "$shiftx": _indexed,
    "$mux": _mux,
    "$pmux": _pmux,
}
