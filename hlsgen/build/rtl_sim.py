"""Simulation of the emitted SystemVerilog: by Verilator or Yosys' CXXRTL as an executable."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.build.rtl_netlist import elaborate, run_netlist
from hlsgen.build.verilator import Verilator, find_verilator, verilate
from hlsgen.build.yosys import Yosys, find_yosys
from hlsgen.compiler import cache_dir, compiler, digest, kept, run_compiler
from hlsgen.emit.rtl.emit import Rtl
from hlsgen.emit.rtl.harness import emit_harness
from hlsgen.emit.vectors import pack_named, unpack
from hlsgen.errors import HlsgenError, OptionError, ToolMissing, VerificationFailed, reason_of
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.verify import Engine

FLAGS = ("-std=c++14", "-O0", "-w")
_GAP_SAMPLES = 64  # how many samples are run again with empty clocks between them


Simulator = Verilator | Yosys


def rtl_engine(rtl: Rtl, graph: HwGraph) -> Engine:
    """Output codes for input codes by a simulator of the emitted SystemVerilog.

    $HLSGEN_RTL names it: verilator, cxxrtl (Yosys and g++) or yosys (its netlist, evaluated here).
    Without it Verilator is taken where it is installed, else yosys.
    """
    wanted = os.environ.get("HLSGEN_RTL", "auto")
    if wanted not in ("auto", "verilator", "cxxrtl", "yosys"):
        raise OptionError(f"HLSGEN_RTL={wanted}: needed is verilator, cxxrtl or yosys")
    verilator = find_verilator() if wanted in ("auto", "verilator") else None
    if verilator is not None:
        return partial(run_rtl, compile_rtl(rtl, verilator), graph)
    if wanted == "verilator":
        raise ToolMissing("HLSGEN_RTL=verilator: it is not on PATH; install it or set VERILATOR")
    yosys = find_yosys()
    if wanted == "cxxrtl":
        return partial(run_rtl, compile_rtl(rtl, yosys), graph)
    return partial(run_netlist, rtl, elaborate(rtl, yosys), graph)


@dataclass(frozen=True, eq=False)
class RtlSimulation:
    """A compiled simulation of a design."""

    executable: Path
    simulator: str


def compile_rtl(rtl: Rtl, simulator: Simulator) -> RtlSimulation:
    """The design as an executable; equal designs are compiled once.

    Errors: ToolMissing without a simulator or g++; HlsgenError with the tool's first error.
    """
    program = compiler("RTL simulation")
    kind = "verilator" if isinstance(simulator, Verilator) else "cxxrtl"
    files = {**rtl.files, **emit_harness(rtl, kind)}
    named = (part for item in sorted(files.items()) for part in item)
    target = cache_dir("rtl") / digest([simulator.version, program, *FLAGS, *named])

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="new-", dir=fresh.parent) as name:
            work = Path(name)
            write_files(work, files)
            match simulator:
                case Verilator():
                    made = verilate(simulator, rtl.top, rtl.files, work)
                case Yosys():
                    made = _cxxrtl(simulator, rtl, work, program)
            made.replace(fresh)

    return RtlSimulation(kept(target, "the RTL simulation", make), simulator.version)


def run_rtl(
    simulation: RtlSimulation, graph: HwGraph, inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The outputs for inputs with a leading sample axis, a sample a clock.

    The first samples are run again with empty clocks between them; nothing may change.
    Errors: VerificationFailed where out_valid comes at another clock than the latency says, or
    where an empty clock changes a result; HlsgenError where files cannot be.
    """
    count = max((len(inputs[name]) for name in graph.inputs), default=1)
    types = [graph.types[name] for name in graph.outputs]
    with tempfile.TemporaryDirectory(prefix="hlsgen-rtl-") as folder:
        source = Path(folder) / "in.bin"
        try:
            source.write_bytes(pack_named(graph, graph.inputs, inputs))
        except OSError as error:
            raise HlsgenError(
                f"cannot write vectors for RTL simulation: {reason_of(error)}"
            ) from error
        data = _run(simulation, source, Path(folder) / "out.bin", count, gaps=False)
        few = min(count, _GAP_SAMPLES)
        again = _run(simulation, source, Path(folder) / "gaps.bin", few, gaps=True)
    if data[: len(again)] != again:
        raise VerificationFailed("RTL simulation: results change when in_valid has gaps")
    return dict(zip(graph.outputs, unpack(data, types), strict=True))


def _run(simulation: RtlSimulation, source: Path, target: Path, count: int, *, gaps: bool) -> bytes:
    done = subprocess.run(
        [str(simulation.executable), str(source), str(target), str(count), str(int(gaps))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"
        kind = VerificationFailed if done.returncode == 1 else HlsgenError
        raise kind(f"RTL simulation stopped: {said}")
    return target.read_bytes()


def _cxxrtl(yosys: Yosys, rtl: Rtl, work: Path, program: str) -> Path:
    sources = " ".join(name for name in rtl.files)
    yosys.run(
        f"read_verilog -sv {sources}; hierarchy -check -top {rtl.top}; proc; flatten; opt_expr; "
        "opt_clean; write_cxxrtl -g0 -O4 design.cc",
        work,
    )
    paths = [f"-I{folder}" for folder in yosys.cxxrtl]
    run_compiler(
        [program, *FLAGS, *paths, "harness.cpp", "-o", "simulation"], "the RTL", folder=work
    )
    return work / "simulation"


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Puts texts into a folder."""
    try:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HlsgenError(f"cannot write the RTL: {reason_of(error)}") from error
