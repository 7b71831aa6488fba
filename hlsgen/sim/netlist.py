"""Evaluates a netlist of Yosys' word-level cells, every wire over all clocks at once.

A feed-forward design has no state but delays: a flip-flop is its input one clock later. So a wire
is one array along time, and a cell one numpy operation. Modules stay modules: all instances of one
whose inputs are known are evaluated together, as further rows of the arrays, so that a kernel costs
as many numpy operations as it has cells, however many copies there are. Source: Yosys manual,
"Internal cell library"; write_json.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from hlsgen.errors import HlsgenError
from hlsgen.sim.netlist_cells import CELLS, Cell
from hlsgen.sim.words import WIDE, Array, Bit, Words

_ROWS = 1 << 14  # elements of one wire that are evaluated at a time, about: they stay in the cache


class Netlist:
    """A design of feed-forward modules.

    Errors: HlsgenError for a cell of unknown kind or a feedback loop.
    """

    def __init__(self, content: Mapping[str, Any], top: str) -> None:
        self.modules: dict[str, _Module] = {}
        self._read(content["modules"], top)
        self.top = self.modules[top]

    def _read(self, content: Mapping[str, Any], name: str) -> None:
        """A module after those that it holds."""
        cells = content[name]["cells"].values()
        for kind in dict.fromkeys(c["type"] for c in cells):
            if kind in content and kind not in self.modules:
                self._read(content, kind)
        self.modules[name] = _Module(name, content[name], self.modules)

    @property
    def words(self) -> int:
        """How many wires the top module holds, about."""
        return sum(map(len, self.top.steps))

    def run(self, inputs: Mapping[str, tuple[int, Array]], outputs: Mapping[str, int],
            clocks: int) -> dict[str, Array]:  # fmt: skip
        """The elements of output ports, (clocks, elements).

        `inputs` are (bits an element, patterns (clocks, elements)); `outputs` bits an element.
        """
        words = Words((1, clocks), self.top.last)
        for name, (width, patterns) in inputs.items():
            port = self.top.ports[name]
            for i in range(patterns.shape[1]):
                words.put(port[i * width : (i + 1) * width], patterns[None, :, i])
        self.top.evaluate(words)
        found: dict[str, Array] = {}
        for name, width in outputs.items():
            port = self.top.ports[name]
            places = range(0, len(port) // width * width, width)
            found[name] = np.stack([words.get(port[i : i + width])[0] for i in places], axis=1)
        return found


class _Module:
    """A module, its cells in the order of evaluation.

    A step is one cell, or all instances of one kind that are ready at the same time.
    """

    def __init__(self, name: str, content: Mapping[str, Any], known: Mapping[str, _Module]) -> None:
        self.name, self.known = name, known
        self.ports: dict[str, list[Bit]] = {n: p["bits"] for n, p in content["ports"].items()}
        way = {n: p["direction"] for n, p in content["ports"].items()}
        self.inputs = tuple(n for n in self.ports if way[n] == "input")
        self.outputs = tuple(n for n in self.ports if way[n] == "output")
        cells = [
            part
            for c in content["cells"].values()
            if c["type"] != "$scopeinfo"
            for part in _split(_cell(c))
        ]
        unknown = {c.kind for c in cells} - {"$dff"} - CELLS.keys() - known.keys()
        if unknown:
            raise HlsgenError(
                f"{name}: the netlist holds cells that are not evaluated: {sorted(unknown)}"
            )
        self.initial = _initial(content["netnames"])
        self.steps = _ordered(cells, [b for n in self.inputs for b in self.ports[n]], name, known)
        self.last = self._last_reads()
        self.pieces = {n: self._pieces(self.ports[n]) for n in self.inputs}

    def reads(self, cell: Cell) -> Iterator[Sequence[Bit]]:
        return _reads(cell, self.known)

    def _last_reads(self) -> dict[Bit, int]:
        """The last step that reads each net; outputs are kept."""
        last: dict[Bit, int] = {}
        for step, cells in enumerate(self.steps):
            for cell in cells:
                for bits in self.reads(cell):
                    last |= dict.fromkeys(bits, step)
        kept = len(self.steps)
        return last | dict.fromkeys((b for n in self.outputs for b in self.ports[n]), kept)

    def _pieces(self, port: Sequence[Bit]) -> list[slice]:
        """An input port in words: one, or as its readers cut it where it is too wide for one."""
        if len(port) <= WIDE:
            return [slice(0, len(port))]
        place = {bit: k for k, bit in enumerate(port)}
        cuts = {0, len(port)}
        for cell in (c for step in self.steps for c in step):
            for bits in self.reads(cell):
                at = [place.get(b, -2) for b in bits]
                for before, here in pairwise([-2, *at, -2]):
                    if here != before + 1:
                        cuts |= {here, before + 1}
        ends = sorted(c for c in cuts if 0 <= c <= len(port))
        return [slice(a, b) for a, b in pairwise(ends)]

    def evaluate(self, words: Words) -> None:
        """Every net from those of the input ports."""
        for step, cells in enumerate(self.steps):
            kind = cells[0].kind
            if kind in self.known:
                self._instances(self.known[kind], cells, words)
            elif kind == "$dff":
                self._delay(cells[0], words)
            else:
                words.put(cells[0].connections["Y"], CELLS[kind](cells[0], words))
            words.forget(step)

    def _instances(self, module: _Module, cells: Sequence[Cell], words: Words) -> None:
        """Some copies of a module at a time, side by side."""
        count = max(1, _ROWS // (words.shape[0] * words.shape[1]))
        for k in range(0, len(cells), count):
            self._side_by_side(module, cells[k : k + count], words)

    def _side_by_side(self, module: _Module, cells: Sequence[Cell], words: Words) -> None:
        rows, clocks = words.shape
        inner = Words((len(cells) * rows, clocks), module.last)
        for name in module.inputs:
            for piece in module.pieces[name]:
                parts = [words.get(c.connections[name][piece]) for c in cells]
                inner.put(module.ports[name][piece], np.concatenate(parts))
        module.evaluate(inner)
        for name in module.outputs:
            at = 0
            for run in inner.runs(module.ports[name]):
                values = inner.part(run)
                for k, cell in enumerate(cells):
                    bits = cell.connections[name][at : at + run.count]
                    words.put(bits, values[k * rows : (k + 1) * rows])
                at += run.count

    def _delay(self, cell: Cell, words: Words) -> None:
        data, made = cell.connections["D"], cell.connections["Q"]
        at = 0
        for run in words.runs(data):
            values = words.part(run)
            before = np.zeros_like(values)
            before[:, 1:] = values[:, :-1]
            bits = made[at : at + run.count]
            before[:, 0] = sum(self.initial.get(b, 0) << k for k, b in enumerate(bits))
            words.put(bits, before)
            at += run.count


# -- reading ------------------------------------------------------------------------------------


def _cell(content: Mapping[str, Any]) -> Cell:
    parameters = {
        name: int(value, 2)
        for name, value in content["parameters"].items()
        if isinstance(value, str) and set(value) <= {"0", "1"} and value
    }
    return Cell(content["type"], parameters, content["connections"])


def _split(cell: Cell) -> list[Cell]:
    """A shift register as its single flip-flops: as one word it would read itself."""
    data, made = cell.connections.get("D", ()), cell.connections.get("Q", ())
    if cell.kind != "$dff" or not set(data) & set(made):
        return [cell]
    return [
        Cell(cell.kind, cell.parameters, {"D": [d], "Q": [q]})
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


def _ordered(
    cells: Sequence[Cell], inputs: Sequence[Bit], name: str, modules: Mapping[str, _Module]
) -> list[list[Cell]]:
    """Each cell after those that make what it reads; clocks do not count."""
    waiting = _Waiting(cells, modules)
    waiting.known(dict.fromkeys(inputs))
    steps: list[list[Cell]] = []
    while step := waiting.step():
        steps.append([cells[k] for k in step])
        for cell in steps[-1]:
            waiting.known(_made(cell, modules))
    if sum(map(len, steps)) < len(cells):
        raise HlsgenError(f"{name}: the netlist has a feedback loop or an undriven net")
    return steps


class _Waiting:
    """Cells that wait for their operands, and those that are ready."""

    def __init__(self, cells: Sequence[Cell], modules: Mapping[str, _Module]) -> None:
        self.kinds = [c.kind if c.kind in modules else "" for c in cells]
        read = [{b for bits in _reads(c, modules) for b in bits if isinstance(b, int)}
                for c in cells]  # fmt: skip
        self.readers = _readers(read)
        self.missing = list(map(len, read))
        self.single: list[int] = []
        self.groups: dict[str, list[int]] = {}
        for k, count in enumerate(self.missing):
            if not count:
                self._ready(k)

    def known(self, bits: Iterable[Bit]) -> None:
        """These nets are there."""
        for bit in bits:
            for k in self.readers.get(bit, ()):
                self.missing[k] -= 1
                if not self.missing[k]:
                    self._ready(k)

    def _ready(self, k: int) -> None:
        kind = self.kinds[k]
        (self.groups.setdefault(kind, []) if kind else self.single).append(k)

    def step(self) -> list[int]:
        """The next: a single cell while there is one, then the kind of which most are ready."""
        if self.single:
            return [self.single.pop()]
        if not self.groups:
            return []
        return self.groups.pop(max(self.groups, key=lambda kind: len(self.groups[kind])))


def _readers(read: Sequence[set[int]]) -> dict[Bit, list[int]]:
    """The cells that look at each net."""
    found: dict[Bit, list[int]] = {}
    for k, bits in enumerate(read):
        for bit in bits:
            found.setdefault(bit, []).append(k)
    return found


def _reads(cell: Cell, modules: Mapping[str, _Module]) -> Iterator[Sequence[Bit]]:
    """What a cell looks at: the nets of an operand or of a word of it."""
    if cell.kind not in modules:
        yield from (b for port, b in cell.connections.items() if port not in ("Y", "Q", "CLK"))
        return
    for port in modules[cell.kind].inputs:
        for piece in modules[cell.kind].pieces[port]:
            yield cell.connections[port][piece]


def _made(cell: Cell, modules: Mapping[str, _Module]) -> Iterator[Bit]:
    """The nets that a cell drives."""
    kind = cell.kind
    ports = modules[kind].outputs if kind in modules else ("Q",) if kind == "$dff" else ("Y",)
    for port in ports:
        yield from cell.connections[port]
