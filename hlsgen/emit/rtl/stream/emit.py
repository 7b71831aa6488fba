"""The files of a streaming design in SystemVerilog: units, the library they use, one top."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hlsgen.data import templates_dir
from hlsgen.emit.hls import HlsOptions, design_of
from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.rtl.stream.plan import RtlPlan, stream_rtl_plan
from hlsgen.emit.rtl.stream.unit import Channel, Holder, Unit, bits_for
from hlsgen.ir.hw import HwGraph


@dataclass(frozen=True, eq=False)
class StreamRtl:
    """The emitted design: file name to text, and what a test bench has to know of it."""

    top: str
    clock_ns: float
    plan: RtlPlan
    files: Mapping[str, str]

    @property
    def latency(self) -> int:
        """Clocks from the first word of the first frame to its last result."""
        return self.plan.latency


def emit_stream_rtl(
    graph: HwGraph, options: HlsOptions, depths: Mapping[str, int] | None = None
) -> StreamRtl:
    """The SystemVerilog of a graph whose tensors are streamed; nothing is written.

    Folding, ports and arithmetic are those of the HLS project of the same options. `depths` are
    of channels that shall have another depth than the schedule asks for: such a design may be
    slower, or stop for ever, as `self_timed` says.
    Errors: Unsupported for an operator without a form here; OptionError as `design_of`.
    """
    design = design_of(graph, options)
    plan = stream_rtl_plan(design, options.clock_ns).with_depths(depths or {})
    env = environment(options.templates)
    files: dict[str, str] = {}
    channels = {c.name: c for c in plan.channels}
    for unit in plan.units:
        if unit.frame:
            files[f"{unit.module}.sv"] = _own(unit, channels, env)
        for f in unit.functions:
            files |= f.extra
    text = env.get_template("rtl/stream/top.sv.j2").render(
        design=design, plan=plan, holder=Holder, channels=channels
    )
    files[f"{design.top}.sv"] = tidy(text)
    files |= _library(files.values(), (options.templates or templates_dir()) / "rtl" / "stream")
    return StreamRtl(design.top, options.clock_ns, plan, files)


def _own(unit: Unit, channels: Mapping[str, Channel], env: Any) -> str:
    """The module of a unit with those of its functions and constants."""
    numbers, roms = unit.numbers, unit.roms
    if unit.finish is not None:
        numbers, roms = unit.finish(channels[unit.reads[0]])
    parts = [env.get_template(unit.frame).render(unit=unit, **numbers)]
    rom = env.get_template("rtl/stream/rom.sv.j2")
    for r in roms:
        parts.append(
            rom.render(
                name=r.name, note=r.note, words=r.words, bits=r.width, style=r.style,
                registers=r.registers, address=bits_for(len(r.table)),
                each=max(1, 80 // (18 + r.width // 4)),
            )
        )  # fmt: skip
    parts += [f.text for f in unit.functions]
    return tidy("\n".join(parts))


_INSTANCE = re.compile(r"\b(\w+) (?:#\(|\w+ \()")  # the module of an instance


def _library(texts: Iterable[str], folder: Path) -> dict[str, str]:
    """The library's files whose modules are instantiated in texts, or in one another."""
    paths = {path.stem: path for path in folder.glob("*.sv")}
    found: dict[str, str] = {}
    wanted = _instantiated(texts)
    while missing := sorted(wanted & paths.keys() - found.keys()):
        found |= {name: paths[name].read_text(encoding="utf-8") for name in missing}
        wanted = _instantiated(found.values())
    return {f"{name}.sv": found[name] for name in sorted(found)}


def _instantiated(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in _INSTANCE.findall(text)}
