"""Evaluates a netlist of Yosys' word-level cells, every wire over all clocks at once.

A feed-forward design has no state but delays: a flip-flop is its input one clock later. So a wire
is one array along time, and a cell one numpy operation. Source: Yosys manual, "Internal cell
library"; write_json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError

Array = NDArray[Any]  # unsigned patterns: int64, or Python ints where 62 bits do not suffice
Bit = int | str  # a net, or a constant "0", "1", "x"


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell of the JSON: its kind, parameters and connections."""

    kind: str
    parameters: Mapping[str, int]
    connections: Mapping[str, Sequence[Bit]]


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring bits of one word, or constants (`word` -1)."""

    word: int
    offset: int
    count: int
    value: int = 0


class Netlist:
    """One flat module, its cells in the order of evaluation.

    Errors: HlsgenError for a cell of unknown kind or a feedback loop.
    """

    def __init__(self, content: Mapping[str, Any], top: str) -> None:
        module = content["modules"][top]
        self.ports: dict[str, list[Bit]] = {n: p["bits"] for n, p in module["ports"].items()}
        found = [
            part
            for c in module["cells"].values()
            if c["type"] != "$scopeinfo"
            for part in _split(_cell(c))
        ]
        unknown = sorted({c.kind for c in found if c.kind not in _CELLS and c.kind != "$dff"})
        if unknown:
            raise HlsgenError(f"{top}: the netlist holds cells that are not evaluated: {unknown}")
        self.initial = _initial(module["netnames"])
        inputs = [
            b for p in module["ports"].values() if p["direction"] == "input" for b in p["bits"]
        ]
        self.cells = _ordered(found, inputs, top)

    def run(self, inputs: Mapping[str, tuple[int, Array]], outputs: Mapping[str, int],
            clocks: int) -> dict[str, Array]:  # fmt: skip
        """The elements of output ports, (clocks, elements).

        `inputs` are (bits an element, patterns (clocks, elements)); `outputs` bits an element.
        """
        words = _Words(clocks)
        for name, (width, patterns) in inputs.items():
            for i in range(patterns.shape[1]):
                words.put(self.ports[name][i * width : (i + 1) * width], patterns[:, i])
        for cell in self.cells:
            if cell.kind == "$dff":
                self._delay(cell, words)
            else:
                words.put(cell.connections["Y"], _CELLS[cell.kind](cell, words))
        return {
            name: np.stack(
                [
                    words.get(self.ports[name][i : i + width])
                    for i in range(0, len(self.ports[name]) // width * width, width)
                ],
                axis=1,
            )
            for name, width in outputs.items()
        }

    def _delay(self, cell: _Cell, words: _Words) -> None:
        data, made = cell.connections["D"], cell.connections["Q"]
        at = 0
        for run in words.runs(data):
            values = words.part(run)
            before = np.zeros_like(values)
            before[1:] = values[:-1]
            bits = made[at : at + run.count]
            before[0] = sum(self.initial.get(b, 0) << k for k, b in enumerate(bits))
            words.put(bits, before)
            at += run.count


class _Words:
    """Which word and bit every net is, and the words over time."""

    def __init__(self, clocks: int) -> None:
        self.clocks = clocks
        self.place: dict[Bit, tuple[int, int]] = {}
        self.words: list[Array] = []

    def put(self, bits: Sequence[Bit], values: Array) -> None:
        for k, bit in enumerate(bits):
            self.place[bit] = len(self.words), k
        self.words.append(values)

    def runs(self, bits: Sequence[Bit]) -> list[_Run]:
        """The bits as few runs, the lowest first; an x counts as 0."""
        found: list[_Run] = []
        for bit in bits:
            word, offset = (-1, 0) if isinstance(bit, str) else self.place[bit]
            last = found[-1] if found else None
            if last and word == last.word and (word < 0 or offset == last.offset + last.count):
                value = last.value | (bit == "1") << last.count
                found[-1] = _Run(word, last.offset, last.count + 1, value)
            else:
                found.append(_Run(word, offset, 1, int(bit == "1")))
        return found

    def part(self, run: _Run) -> Array:
        if run.word < 0:
            return np.full(self.clocks, run.value, dtype=object if run.count > 62 else np.int64)
        values = (self.words[run.word] >> run.offset) & ((1 << run.count) - 1)
        return values if run.count > 62 else values.astype(np.int64)

    def get(self, bits: Sequence[Bit]) -> Array:
        """The unsigned pattern of some bits."""
        wide = len(bits) > 62
        total: Array = np.zeros(self.clocks, dtype=object if wide else np.int64)
        at = 0
        for run in self.runs(bits):
            part = self.part(run)
            total = total + ((part.astype(object) if wide else part) << at)
            at += run.count
        return total


# -- cells --------------------------------------------------------------------------------------


def _value(cell: _Cell, words: _Words, port: str, room: int) -> Array:
    """A port as the integer that it stands for, in a type that holds `room` bits."""
    bits = cell.connections[port]
    pattern = words.get(bits)
    if room > 62:
        pattern = pattern.astype(object)
    if cell.parameters.get(f"{port}_SIGNED") and bits:
        pattern = pattern - ((pattern >> (len(bits) - 1)) << len(bits))
    return pattern


def _masked(cell: _Cell, values: Array) -> Array:
    width = len(cell.connections["Y"])
    values = values & ((1 << width) - 1)
    return values if width > 62 else values.astype(np.int64)


def _binary(of: Callable[[Array, Array], Array]) -> Callable[[_Cell, _Words], Array]:
    def evaluate(cell: _Cell, words: _Words) -> Array:
        room = 2 + len(cell.connections["Y"])
        room += len(cell.connections["A"]) + len(cell.connections["B"])
        a, b = (_value(cell, words, p, room) for p in "AB")
        return _masked(cell, np.asarray(of(a, b)).astype(a.dtype))

    return evaluate


def _unary(of: Callable[[Array], Array]) -> Callable[[_Cell, _Words], Array]:
    def evaluate(cell: _Cell, words: _Words) -> Array:
        room = 2 + max(len(cell.connections["A"]), len(cell.connections["Y"]))
        a = _value(cell, words, "A", room)
        return _masked(cell, np.asarray(of(a)).astype(a.dtype))

    return evaluate


def _all_ones(cell: _Cell, words: _Words) -> Array:
    bits = cell.connections["A"]
    return (words.get(bits) == (1 << len(bits)) - 1).astype(np.int64)


def _parity(cell: _Cell, words: _Words) -> Array:
    bits = cell.connections["A"]
    return np.asarray(sum(words.get([b]) for b in bits)) & 1


def _mux(cell: _Cell, words: _Words) -> Array:
    a, b, s = (words.get(cell.connections[p]) for p in "ABS")
    return np.where(s != 0, b, a)


def _pmux(cell: _Cell, words: _Words) -> Array:
    """A, or the word of B whose bit of S is set."""
    total, width = words.get(cell.connections["A"]), len(cell.connections["A"])
    for k, bit in enumerate(cell.connections["S"]):
        word = words.get(cell.connections["B"][k * width : (k + 1) * width])
        total = np.where(words.get([bit]) != 0, word, total)
    return total


def _indexed(cell: _Cell, words: _Words) -> Array:
    """Bits of A from place B on; A is a table, B within it."""
    table, width = cell.connections["A"], len(cell.connections["Y"])
    place = words.get(cell.connections["B"])
    if width > 1 or not all(isinstance(bit, str) for bit in table):
        return _binary(lambda a, b: a >> b)(cell, words)
    return np.array([int(bit == "1") for bit in table])[np.minimum(place, len(table) - 1)]


_CELLS: dict[str, Callable[[_Cell, _Words], Array]] = {
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


# -- reading ------------------------------------------------------------------------------------


def _cell(content: Mapping[str, Any]) -> _Cell:
    parameters = {
        name: int(value, 2)
        for name, value in content["parameters"].items()
        if isinstance(value, str) and set(value) <= {"0", "1"} and value
    }
    return _Cell(content["type"], parameters, content["connections"])


def _split(cell: _Cell) -> list[_Cell]:
    """A shift register as its single flip-flops: as one word it would read itself."""
    data, made = cell.connections.get("D", ()), cell.connections.get("Q", ())
    if cell.kind != "$dff" or not set(data) & set(made):
        return [cell]
    return [
        _Cell(cell.kind, cell.parameters, {"D": [d], "Q": [q]})
        for d, q in zip(data, made, strict=True)
    ]


def _initial(nets: Mapping[str, Any]) -> dict[Bit, int]:
    """The initial value of each net that has one."""
    found: dict[Bit, int] = {}
    for net in nets.values():
        text = net.get("attributes", {}).get("init", "")
        for bit, value in zip(net["bits"], reversed(text), strict=False):
            found[bit] = int(value == "1")
    return found


def _ordered(cells: Sequence[_Cell], inputs: Sequence[Bit], top: str) -> list[_Cell]:
    """Each cell after those that make what it reads; clocks do not count."""
    read = [_read(cell) for cell in cells]
    readers = _readers(read)
    missing = list(map(len, read))
    ready = [k for k, count in enumerate(missing) if not count]
    order: list[_Cell] = []
    known = list(dict.fromkeys(inputs))
    while known or ready:
        for bit in known:
            for k in readers.get(bit, ()):
                missing[k] -= 1
                if not missing[k]:
                    ready.append(k)
        known = []
        if ready:
            order.append(cells[ready.pop()])
            known = list(order[-1].connections["Q" if order[-1].kind == "$dff" else "Y"])
    if len(order) < len(cells):
        raise HlsgenError(f"{top}: the netlist has a feedback loop or an undriven net")
    return order


def _readers(read: Sequence[set[Bit]]) -> dict[Bit, list[int]]:
    """The cells that look at each net."""
    found: dict[Bit, list[int]] = {}
    for k, bits in enumerate(read):
        for bit in bits:
            found.setdefault(bit, []).append(k)
    return found


def _read(cell: _Cell) -> set[Bit]:
    """The nets that a cell looks at."""
    ports = (bits for port, bits in cell.connections.items() if port not in ("Y", "Q", "CLK"))
    return {bit for bits in ports for bit in bits if not isinstance(bit, str)}
