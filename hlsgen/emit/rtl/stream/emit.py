"""The files of a streaming design in SystemVerilog: units, the library they use, one top."""

from __future__ import annotations

from collections.abc import Mapping
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
    folder = (options.templates or templates_dir()) / "rtl" / "stream"
    files |= {name: (folder / name).read_text(encoding="utf-8") for name in _library(plan, folder)}
    text = env.get_template("rtl/stream/top.sv.j2").render(
        design=design, plan=plan, holder=Holder, channels=channels
    )
    files[f"{design.top}.sv"] = tidy(text)
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


_NEEDS = {
    "map": ("stream_map", "stream_loop", "stream_delay"),
    "gather": ("stream_gather",),
    "places": ("stream_places",),
    "serial": ("stream_digits", "serial_add", "serial_past", "serial_split", "serial_join"),
    "stream_windows": ("stream_due",),
    "matrix": ("stream_matrix", "stream_accumulate", "stream_greatest", "stream_loop",
               "stream_delay"),
}  # fmt: skip


def _library(plan: RtlPlan, folder: Path) -> list[str]:
    """The library's files that the design needs: those whose modules its texts name."""
    needed = {"stream_counts.sv", "stream_channel.sv", "stream_outlet.sv"}
    for unit in plan.units:
        frame = Path(unit.frame).name.removesuffix(".sv.j2")
        own = _NEEDS.get(frame or unit.module, ())
        for module in (unit.module, *own, "stream_loop", "stream_delay"):
            if (folder / f"{module}.sv").is_file():
                needed.add(f"{module}.sv")
    return sorted(needed)
