"""The network as a drawing: a box for each operator, lines for values between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hlsgen.report.facts import Layer, Report, Tensor
from hlsgen.report.layering import Layering, Place, columns, layered

WIDTH, HEIGHT = 216, 56  # of an operator's box
RANK = 80  # from one layer's top to the next
FRAME = 980.0, 740.0  # what a page shows of it at once in the size that is meant
_TOP, _MARGIN = 16.0, 12.0
_LETTERS, _VALUE_LETTERS = 30, 21  # of a name and of a shape with its format, in a box
_KINDS = {
    "Conv": "product", "MatMul": "product", "MatMulStreams": "product", "Product": "product",
    "Staircase": "staircase", "Clamp": "staircase",
    "MaxPool": "pool", "SumPool": "pool", "Reduce": "pool", "ArgMax": "pool", "TopK": "pool",
    "Linear": "join", "Extremum": "join",
    "Concat": "move", "Constant": "move", "Pad": "move", "Reshape": "move", "Take": "move",
    "Transpose": "move",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """An operator or a port; x, y of its upper left corner; `load` of 1 is the bottleneck."""

    key: str
    kind: str
    title: str
    name: str
    value: str
    full: str
    x: float
    y: float
    load: float
    target: str


@dataclass(frozen=True, slots=True)
class Line:
    """A value on its way from one box to another."""

    path: str
    full: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and lines between (0, 0) and (width, height)."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def picture(report: Report, load: Mapping[str, float]) -> Picture:
    """The drawing of a report; `load` is by the name of an operator's first output."""
    edges = _edges(report)
    ends = frozenset(f"out {b.name}" for b in report.outputs)
    found = layered([(a, b) for a, b, _ in edges], ends)
    sheet = _Sheet(found, columns(found, RANK, FRAME))
    at = {p.key: sheet.corner(p) for p in found.places if p.key}
    lines = tuple(
        Line(sheet.path([found.places[k] for k in way]), value)
        for (_, _, value), way in zip(edges, found.ways, strict=True)
    )
    return Picture(sheet.width, sheet.height, tuple(_boxes(report, at, load)), lines)


class _Sheet:
    """Columns of layers side by side, and lines between what stands there."""

    def __init__(self, found: Layering, starts: list[int]) -> None:
        ends = [*starts[1:], len(found.rows)]
        self.starts = starts
        spans = list(zip(starts, ends, strict=True))
        self.column = [c for c, (a, b) in enumerate(spans) for _ in range(a, b)]
        self.shift: list[float] = []
        self.left: list[float] = []
        self.width = _MARGIN
        for a, b in spans:
            left, right = found.width(a, b)
            self.shift.append(self.width - left)
            self.left.append(self.width)
            self.width += right - left
        self.width += _MARGIN
        most = max(b - a for a, b in spans)
        self.height = 2 * _TOP + RANK * (most - 1) + HEIGHT

    def middle(self, place: Place) -> tuple[float, float]:
        """The middle of the upper side."""
        column = self.column[place.rank]
        return place.x + self.shift[column], _TOP + RANK * (place.rank - self.starts[column])

    def corner(self, place: Place) -> tuple[float, float]:
        x, y = self.middle(place)
        return x - WIDTH / 2, y

    def path(self, way: Sequence[Place]) -> str:
        """A smooth line from the lower side of the first box to the upper side of the last."""
        x, y = self.middle(way[0])
        text = f"M{x:.1f},{y + HEIGHT:.1f}"
        bend = (RANK - HEIGHT) / 2
        for before, place in pairwise(way):
            x, y = self.middle(before)
            to, top = self.middle(place)
            if self.column[before.rank] == self.column[place.rank]:
                under = y + HEIGHT + bend
                text += f"C{x:.1f},{under:.1f} {to:.1f},{top - bend:.1f} {to:.1f},{top:.1f}"
            else:
                between = self.left[self.column[place.rank]]
                text += (
                    f"V{y + HEIGHT + bend:.1f}H{between:.1f}V{top - bend:.1f}H{to:.1f}V{top:.1f}"
                )
            if place is not way[-1]:
                text += f"V{top + HEIGHT:.1f}"
        return text


def _edges(report: Report) -> list[tuple[str, str, str]]:
    """From, to, and what the line holds, for every use of a value."""
    maker = {port.name: f"in {port.name}" for b in report.inputs for port in b.ports}
    maker |= {t.name: layer.name for layer in report.layers for t in layer.outputs}
    said = {t.name: _says(t) for b in report.inputs for t in b.ports}
    said |= {t.name: _says(t) for layer in report.layers for t in layer.outputs}
    edges = [
        (maker[v], layer.name, said[v]) for layer in report.layers
        for v in dict.fromkeys(layer.inputs) if v in maker
    ]  # fmt: skip
    ends = [(maker[t.name], f"out {b.name}", said[t.name]) for b in report.outputs for t in b.ports]
    return edges + ends


def _says(t: Tensor) -> str:
    shape = "x".join(map(str, t.shape)) or "scalar"
    return f"{t.name}: {shape} {t.format}, {t.low:,} to {t.high:,}"


def _boxes(
    report: Report, at: Mapping[str, tuple[float, float]], load: Mapping[str, float]
) -> list[Box]:
    inputs = [(f"in {b.ports[0].name}", "input", _value(b.ports[0]), b.name) for b in report.inputs]
    outputs = [
        (f"out {b.name}", "output", "on the host" if b.on_host else "", b.name)
        for b in report.outputs
    ]
    first, last = (
        [
            Box(key, "port", title, shortened(name), value, name, *at[key], 0.0, "borders")
            for key, title, value, name in ports
            if key in at
        ]
        for ports in (inputs, outputs)
    )
    made = [_box(layer, at[layer.name], load) for layer in report.layers if layer.name in at]
    return [*first, *made, *last]


def _box(layer: Layer, at: tuple[float, float], load: Mapping[str, float]) -> Box:
    kind = kind_of(layer.operator)
    title = f"{layer.operator} {layer.detail.split(',')[0]}" if kind == "product" else ""
    return Box(
        layer.name, kind, title or layer.operator, shortened(layer.onnx_name or layer.name),
        _value(layer.outputs[0]), f"{layer.operator} {layer.onnx_name}", *at,
        load.get(layer.name, 0.0), f"layer-{layer.index}",
    )  # fmt: skip


def kind_of(operator: str) -> str:
    """The colour of an operator: what sort of hardware it is."""
    return _KINDS.get(operator, "other")


def _value(t: Tensor) -> str:
    return shortened(f"{'x'.join(map(str, t.shape)) or 'scalar'} {t.format}", _VALUE_LETTERS)


def shortened(name: str, letters: int = _LETTERS) -> str:
    """A long name with its middle left out: ONNX names differ at their ends."""
    if len(name) <= letters:
        return name
    head = (letters - 1) // 3
    return f"{name[:head]}…{name[len(name) - (letters - 1 - head) :]}"
