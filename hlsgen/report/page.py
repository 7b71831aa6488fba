"""A report as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import hlsgen
from hlsgen.data import templates_dir
from hlsgen.report import picture, timeline
from hlsgen.report.facts import FRAMES, Fifo, Process, Report, Resource


@cache
def environment() -> Environment:
    """Templates of pages; all text is escaped, for names in ONNX files may be anything."""
    env = Environment(
        loader=FileSystemLoader(templates_dir() / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    filters: dict[str, Any] = {
        "num": number,
        "plain": "{:g}".format,
        "bits": bits,
        "duration": timeline.duration,
        "shape": shape,
        "short": picture.shortened,
    }
    known: dict[str, Any] = {
        "version": hlsgen.__version__, "share": share, "borders_of": borders_of,
        "kind_of": picture.kind_of,
        "FRAMES": FRAMES, "WIDTH": picture.WIDTH, "HEIGHT": picture.HEIGHT, "ROW": timeline.ROW,
        "HEAD": timeline.HEAD,
    }  # fmt: skip
    env.filters.update(filters)
    env.globals.update(known)
    return env


def page(report: Report) -> str:
    """The HTML of a report."""
    load = loads(report)
    streamed = report.streaming is not None
    context: dict[str, Any] = {
        "report": report,
        "options": dict(report.options),
        "clock_ns": float(dict(report.options)["clock_ns"]),
        "m_counts": None if report.measured is None else dict(report.measured.counts),
        "weight_count": sum(x.weights.count for x in report.layers if x.weights is not None),
        "load": load,
        "load_says": _LOAD[streamed] if load else "",
        "slowest_word": "bottleneck" if streamed else "most LUTs",
        "bottleneck": bottleneck(report),
        "first": next((x.index for x in report.layers if load.get(x.name, 0.0) > 0.9999), 0),
        "picture": picture.picture(report, load),
        "timeline": timeline.timeline(report),
        "overlaps": not streamed,
        "figure_head": ("cycles", "busy") if streamed else ("LUTs, est.", "share"),
        "io": Streams.of(report),
    }
    return environment().get_template("page.html.j2").render(context)


_LOAD = {
    True: "its busiest process, as a share of the interval",
    False: "its estimated LUTs, as a share of the largest layer's",
}


def loads(report: Report) -> dict[str, float]:
    """How near each operator is to the bottleneck, 1 for that itself."""
    if report.streaming is not None:
        found: dict[str, float] = {}
        for p in report.streaming.processes:
            if p.layer:
                found[p.layer] = max(found.get(p.layer, 0.0), p.work / report.streaming.interval)
        return found
    costs = {x.name: x.logic.luts for x in report.layers if x.logic is not None}
    most = max(costs.values(), default=0.0)
    return {name: luts / most for name, luts in costs.items()} if most else {}


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What bounds the design: the first layer of those at the bound, why, and all of them."""

    name: str
    why: str
    labels: tuple[str, ...]


def bottleneck(report: Report) -> Bottleneck:
    """Of a streamed design what takes the most cycles, of a parallel one the most LUTs."""
    onnx = {layer.name: layer.onnx_name or layer.name for layer in report.layers}
    plan = report.streaming
    if plan is not None:
        slow = [p for p in plan.processes if p.name in plan.bottlenecks]
        labels = tuple(f"{p.role} of {onnx[p.layer]}" if p.role and p.layer else
                       onnx.get(p.layer, p.name) for p in slow)  # fmt: skip
        names = list(dict.fromkeys(onnx.get(p.layer, p.name) for p in slow))
        also = f", and {len(names) - 1} other layers" if len(names) > 1 else ""
        first = f"its {slow[0].role}" if slow[0].role else "its own function"
        return Bottleneck(names[0], f"{first}{also}", labels)
    stages = () if report.pipeline is None else report.pipeline.stages
    if report.pipeline is None or not stages:
        return Bottleneck("none", "no layer takes logic", ())
    most = max(stages, key=lambda s: s.luts)
    part = most.luts / report.pipeline.luts if report.pipeline.luts else 0.0
    name = onnx.get(most.operators[0], most.name) if most.operators else most.name
    return Bottleneck(name, f"{part:.0%} of the LUTs, by estimate", (name,))


@dataclass(frozen=True, slots=True)
class Streams:
    """Processes and FIFOs by the operator that they belong to."""

    processes: Mapping[str, tuple[Process, ...]]
    fifos: Mapping[str, tuple[Fifo, ...]]

    @classmethod
    def of(cls, report: Report) -> Streams:
        """A FIFO belongs to the operator that reads it."""
        plan = report.streaming
        processes = () if plan is None else plan.processes
        fifos = () if plan is None else plan.fifos
        served = {p.name: p.layer for p in processes}
        names = [layer.name for layer in report.layers]
        return cls(
            {name: tuple(p for p in processes if p.layer == name) for name in names},
            {name: tuple(f for f in fifos if served[f.reader] == name) for name in names},
        )

    def fifo_bits(self, name: str) -> int:
        """Bits of all FIFOs in front of an operator."""
        return sum(f.bits * f.depth for f in self.fifos[name])


def number(value: float) -> str:
    """Whole numbers in groups of three; what is not whole is rounded."""
    return f"{value:,.0f}"


def shape(sizes: tuple[int, ...]) -> str:
    """Sizes of a tensor."""
    return "x".join(map(str, sizes)) or "scalar"


def bits(value: int) -> str:
    """Bits in the unit that reads best (1 Kibit = 1,024 bits, as block RAMs are counted)."""
    for limit, unit in ((1 << 20, "Mibit"), (1 << 10, "Kibit")):
        if value >= limit:
            return f"{value / limit:,.1f} {unit}"
    return f"{value:,} bits"


def share(amount: float, of: float) -> float:
    """Percent of a whole, at most all of it."""
    return min(100.0 * amount / of, 100.0) if of else 0.0


def borders_of(resource: Resource) -> list[float]:
    """Where dies end in a bar of the whole budget, in percent; the last one's end is the bar's."""
    ends: list[float] = []
    total = 0
    for slr in resource.slrs[:-1]:
        total += slr.amount
        ends.append(share(total, resource.budget))
    return ends
