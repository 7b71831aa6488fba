"""The first frames as bars over time: when each process, or pipeline layer, holds which frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hlsgen.report.facts import Layer, Pipeline, Report, Span, Streaming
from hlsgen.report.picture import shortened

LABEL, BARS, SIDE = 250.0, 620.0, 170.0  # widths: names, time, figures at the right
ROW, HEAD = 17.0, 34.0
_LEAST = 1.5  # width of a bar that would not be seen
_TICKS = 8
_FULL = 0.99999


@dataclass(frozen=True, slots=True)
class Bar:
    """A frame in a row; x and width in the drawing's units."""

    frame: int
    x: float
    width: float
    full: str


@dataclass(frozen=True, slots=True)
class Row:
    """A process: its label, its bars, a figure beside them; `helper` only serves an operator."""

    label: str
    full: str
    y: float
    bars: tuple[Bar, ...]
    figure: str
    share: str
    slowest: bool
    helper: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A line at a time, in cycles and in seconds."""

    x: float
    text: str
    time: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows under ticks; `unit` is what their numbers count."""

    width: float
    height: float
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class _Entry:
    label: str
    full: str
    spans: Sequence[Span]
    figure: str
    share: str
    slowest: bool
    helper: bool


def timeline(report: Report) -> Timeline | None:
    """The drawing; None where nobody computed when tokens move."""
    by_name = {layer.name: layer for layer in report.layers}
    if report.streaming is not None and not report.streaming.no_spans:
        clock = _clock(report)
        return _drawn(_processes(report.streaming, by_name), clock, "cycles")
    if report.pipeline is not None:
        return _drawn(_stages(report.pipeline, report.layers), report.pipeline.clock_ns, "clocks")
    return None


def _clock(report: Report) -> float:
    assert report.streaming is not None
    return 1e9 / (report.streaming.interval * report.streaming.frames_per_second)


def _processes(plan: Streaming, layers: Mapping[str, Layer]) -> list[_Entry]:
    found: list[_Entry] = []
    for p in plan.processes:
        layer = layers.get(p.layer)
        served = p.name if layer is None else layer.onnx_name or layer.name
        label = served if layer is None else f"{p.role or layer.operator}  {served}"
        share = p.work / plan.interval
        found.append(
            _Entry(
                label, f"{label}: {p.work:,} cycles a frame", p.spans, f"{p.work:,}",
                f"{share:.0%}", share > _FULL, bool(p.role),
            )
        )  # fmt: skip
    return found


def _stages(pipeline: Pipeline, layers: Sequence[Layer]) -> list[_Entry]:
    found: list[_Entry] = []
    for stage in pipeline.stages:
        mine = [x for x in layers if x.name in stage.operators]
        label = " + ".join(f"{x.operator} {x.onnx_name}" for x in mine) or stage.name
        share = stage.luts / pipeline.luts if pipeline.luts else 0.0
        figure = f"{stage.luts:,.0f}"
        found.append(_Entry(label, label, stage.spans, figure, f"{share:.0%}", False, False))
    return found


def _drawn(entries: Sequence[_Entry], clock_ns: float, unit: str) -> Timeline:
    end = max((s.last + 1 for e in entries for s in e.spans), default=1)
    scale = BARS / end
    rows = tuple(
        Row(
            shortened(e.label, 36), e.full, HEAD + k * ROW, _bars(e, scale, unit), e.figure,
            e.share, e.slowest, e.helper,
        )
        for k, e in enumerate(entries)
    )  # fmt: skip
    step = _step(end)
    ticks = tuple(
        Tick(LABEL + t * scale, f"{t:,}", duration(t * clock_ns)) for t in range(0, end + 1, step)
    )
    height = HEAD + ROW * len(rows) + 8
    return Timeline(LABEL + BARS + SIDE, height, rows, ticks, unit)


def _bars(entry: _Entry, scale: float, unit: str) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            k + 1,
            LABEL + s.first * scale,
            max((s.last + 1 - s.first) * scale - 0.5, _LEAST),
            f"{entry.label}, frame {k + 1}: {unit} {s.first:,} to {s.last:,}",
        )
        for k, s in enumerate(entry.spans)
    )


def _step(end: int) -> int:
    """1, 2 or 5 times a power of ten, so that there are at most some ticks."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if end / (step * factor) <= _TICKS:
                return step * factor
        step *= 10


def duration(ns: float) -> str:
    """Nanoseconds in the unit that reads best."""
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= limit:
            return f"{ns / limit:.3g} {unit}"
    return f"{ns:.3g} ns"
