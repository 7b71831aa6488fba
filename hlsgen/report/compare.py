"""Two builds side by side: what differs, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hlsgen.report.facts import FORMAT, Layer, Report
from hlsgen.report.page import environment, number

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both builds; None where a build has none. `how` says how it was found."""

    what: str
    a: Value
    b: Value
    how: str = ""

    @property
    def differs(self) -> bool:
        return self.a != self.b

    @property
    def change(self) -> str:
        """By how much b is more than a, in percent; "" where that means nothing."""
        a, b = self.a, self.b
        if isinstance(a, str | None) or isinstance(b, str | None) or a == b or not a:
            return ""
        return f"{100 * (b - a) / a:+,.1f}%"


@dataclass(frozen=True, slots=True)
class LayerPair:
    """An operator of both builds, matched by the value that it makes, with all its figures."""

    name: str
    operator: str
    onnx_name: str
    only: str  # "a" or "b" where the other build has no such operator
    figures: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        return bool(self.only) or any(f.differs for f in self.figures)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports, and what is not the same in them."""

    a: Report
    b: Report
    same_model: bool
    figures: tuple[Difference, ...]
    options: tuple[Difference, ...]
    layers: tuple[LayerPair, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented form: only what differs, beside both folders."""
        differing = [pair for pair in self.layers if pair.differs]
        return {
            "format": FORMAT,
            "kind": "comparison",
            "a": self.a.folder,
            "b": self.b.folder,
            "same_model": self.same_model,
            "figures": [asdict(d) for d in self.figures if d.differs],
            "options": [asdict(d) for d in self.options if d.differs],
            "layers": [
                {
                    "name": pair.name,
                    "operator": pair.operator,
                    "onnx_name": pair.onnx_name,
                    "only": pair.only or None,
                    "figures": [asdict(d) for d in pair.figures if d.differs and not pair.only],
                }
                for pair in differing
            ],
        }


def compared(a: Report, b: Report) -> Comparison:
    """What differs between two builds, of one model or of two."""
    return Comparison(
        a,
        b,
        a.model_sha256 == b.model_sha256,
        tuple(_pairs(_figures(a), _figures(b))),
        tuple(_pairs(_plain(a.options), _plain(b.options))),
        tuple(_layers(a.layers, b.layers)),
    )


Figures = Mapping[str, tuple[Value, str]]


def _pairs(a: Figures, b: Figures) -> Iterator[Difference]:
    for what in dict.fromkeys([*a, *b]):
        first, second = a.get(what), b.get(what)
        how = (first or second or (None, ""))[1]
        yield Difference(what, first and first[0], second and second[0], how)


def _plain(options: Sequence[tuple[str, str]]) -> Figures:
    return {name: (value, "") for name, value in options}


def _figures(report: Report) -> dict[str, tuple[Value, str]]:
    """What a build is judged by, as far as it is known."""
    found: dict[str, tuple[Value, str]] = {
        "model": (report.model, ""),
        "verification": (report.verification.verdict, ""),
        "wrong elements": (sum(e.wrong for e in report.verification.engines), "counted"),
        "operators": (report.operators, "counted"),
        "multiplications a frame": (report.multiplications, "counted"),
        "weight bits": (report.memory.weight_bits, "counted"),
    }
    if report.streaming is not None:
        plan = report.streaming
        found |= {
            "cycles from frame to frame": (plan.interval, "schedule"),
            "cycles of the first frame": (plan.latency, "schedule"),
            "compute units": (max(len(report.board.units), 1), "counted"),
            "frames a second": (plan.frames_per_second_of_all, "estimated"),
            "FIFO bits": (report.memory.fifo_bits, "counted"),
        }
    if report.pipeline is not None:
        found |= {
            "clocks of the first frame": (report.pipeline.latency, "counted"),
            "clock of the SystemVerilog, ns": (report.pipeline.clock_ns, ""),
            "frames a second": (report.pipeline.frames_per_second, "estimated"),
        }
    for resource in report.board.resources:
        if resource.estimate is not None:
            found[f"{resource.name} estimated"] = (resource.estimate, "estimated")
        if resource.measured is not None:
            found[f"{resource.name} measured"] = (resource.measured, "measured")
    return found


def _layers(a: Sequence[Layer], b: Sequence[Layer]) -> Iterator[LayerPair]:
    """Operators in the order of the first build, then those that only the second has."""
    mine, others = {x.name: x for x in a}, {x.name: x for x in b}
    for name in dict.fromkeys([*mine, *others]):
        first, second = mine.get(name), others.get(name)
        layer = first or second
        assert layer is not None
        empty: Figures = {}
        yield LayerPair(
            name,
            layer.operator,
            layer.onnx_name,
            "" if first and second else "a" if first else "b",
            tuple(
                _pairs(
                    empty if first is None else _of_layer(first),
                    empty if second is None else _of_layer(second),
                )
            ),
        )


def _of_layer(layer: Layer) -> Figures:
    """The figures of an operator that a build can change."""
    made = layer.outputs[0]
    how = layer.arithmetic if layer.staircase is None else layer.staircase.realisation
    return {
        "format": (made.format, ""),
        "range": (f"{made.low:,} to {made.high:,}", ""),
        "made as": (how, ""),
        "PE": (layer.pe, ""),
        "SIMD": (layer.simd, ""),
        "cycles": (layer.cycles, "schedule"),
        "LUTs": (None if layer.logic is None else layer.logic.luts, "estimated"),
    }


def comparison_page(found: Comparison) -> str:
    """The HTML of a comparison."""
    known = [
        name
        for k, name in enumerate(_of_layer(found.a.layers[0]) if found.a.layers else {})
        if any(
            pair.figures[k].a is not None or pair.figures[k].b is not None for pair in found.layers
        )
    ]
    context = {"found": found, "columns": known, "said": said}
    return environment().get_template("compare.html.j2").render(context)


def said(value: Value) -> str:
    """A figure as text."""
    match value:
        case None:
            return "none"
        case str():
            return value
        case float() if abs(value) < 100:
            return f"{value:,.4g}"
        case _:
            return number(value)
