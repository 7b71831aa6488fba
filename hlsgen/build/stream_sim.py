"""Simulation of streaming SystemVerilog: by Verilator, or by Yosys' CXXRTL and g++."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.build.rtl_sim import Simulator, write_files
from hlsgen.build.verilator import Verilator, find_verilator, verilate
from hlsgen.build.yosys import Yosys, find_yosys
from hlsgen.compiler import cache_dir, compiler, digest, kept, run_compiler
from hlsgen.emit.rtl.stream.emit import StreamRtl
from hlsgen.emit.rtl.stream.harness import (
    Job,
    Outcome,
    emit_stream_harness,
    packed_job,
    read_outcomes,
)
from hlsgen.emit.rtl.stream.project import patience
from hlsgen.errors import HlsgenError, OptionError, ToolMissing, VerificationFailed
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.verify import Engine

FLAGS = ("-std=c++14", "-w")
_WATCH = "HLSGEN_WATCH"
_AGAIN = 4  # how many frames run again with ports that are held up at random


@dataclass(frozen=True, eq=False)
class StreamSimulation:
    """A compiled simulation of a streaming design."""

    executable: Path
    rtl: StreamRtl
    graph: HwGraph

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Every job from reset on. Errors: HlsgenError where the program stops."""
        with tempfile.TemporaryDirectory(prefix="hlsgen-rtl-") as name:
            given, made = Path(name) / "jobs", Path(name) / "results"
            given.write_bytes(b"".join(packed_job(self.rtl, self.graph, job) for job in jobs))
            done = subprocess.run(
                [str(self.executable), str(given), str(made)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                said = (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"
                raise HlsgenError(f"RTL simulation stopped: {said}")
            return list(read_outcomes(self.rtl, self.graph, made.read_bytes(), jobs))


def stream_simulator() -> Simulator:
    """What simulates streams: $HLSGEN_RTL (verilator or cxxrtl), else Yosys.

    Verilator only where it is named: Yosys is what hlsgen[rtl] brings, and small designs are ready
    sooner with it; for large ones Verilator's simulation is the faster one.
    Errors: ToolMissing where it is not installed; OptionError for yosys, whose netlists hlsgen
    evaluates only where nothing feeds back.
    """
    wanted = os.environ.get("HLSGEN_RTL", "cxxrtl")
    if wanted not in ("verilator", "cxxrtl"):
        raise OptionError(f"HLSGEN_RTL={wanted}: streams are simulated by verilator or cxxrtl")
    if wanted == "cxxrtl":
        return find_yosys()
    verilator = find_verilator()
    if verilator is None:
        raise ToolMissing("HLSGEN_RTL=verilator: it is not on PATH; install it or set VERILATOR")
    return verilator


def compile_stream(
    rtl: StreamRtl,
    graph: HwGraph,
    simulator: Simulator | None = None,
    *,
    effort: str = "-O1",
) -> StreamSimulation:
    """The design as an executable; equal designs are compiled once.

    `effort` is of the C++ compiler: -O0 is ready sooner and runs longer.
    Errors: ToolMissing without a simulator or g++; HlsgenError with the tool's first error.
    """
    simulator = simulator or stream_simulator()
    program = compiler("RTL simulation")
    kind = "verilator" if isinstance(simulator, Verilator) else "cxxrtl"
    files = {**rtl.files, **emit_stream_harness(rtl, kind)}
    named = (part for item in sorted(files.items()) for part in item)
    target = cache_dir("rtl") / digest([simulator.version, program, effort, *FLAGS, *named])

    def make(fresh: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="new-", dir=fresh.parent) as name:
            work = Path(name)
            write_files(work, files)
            match simulator:
                case Verilator():
                    watch = (f"-D{_WATCH}", "--x-initial", "0")
                    made = verilate(simulator, rtl.top, rtl.files, work, *watch, effort=effort)
                case Yosys():
                    made = _cxxrtl(simulator, rtl, work, [program, effort])
            made.replace(fresh)

    return StreamSimulation(kept(target, "the RTL simulation", make), rtl, graph)


def _cxxrtl(yosys: Yosys, rtl: StreamRtl, work: Path, command: list[str]) -> Path:
    yosys.run(
        f"verilog_defines -D{_WATCH}; read_verilog -sv {' '.join(rtl.files)}; "
        f"hierarchy -check -top {rtl.top}; proc; flatten; opt -fast; clean -purge; "
        "write_cxxrtl -g0 -O6 design.cc",
        work,
    )
    paths = [f"-I{folder}" for folder in yosys.cxxrtl]
    run_compiler(
        [*command, *FLAGS, *paths, "harness.cpp", "-o", "simulation"], "the RTL", folder=work
    )
    return work / "simulation"


def stream_engine(rtl: StreamRtl, graph: HwGraph) -> Engine:
    """Output codes for input codes by a simulator of the emitted SystemVerilog."""
    return partial(run_stream, compile_stream(rtl, graph))


def run_stream(
    simulation: StreamSimulation, inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The outputs for inputs with a leading sample axis, frame after frame.

    The first frames are run again with gaps and back-pressure; nothing may change.
    Errors: VerificationFailed where the design does not go on, or where gaps change a result.
    """
    graph, plan = simulation.graph, simulation.rtl.plan
    count = max((len(inputs[name]) for name in graph.inputs), default=1)
    wait = patience(simulation.rtl)
    rng = np.random.default_rng(0)
    gates = {p.value.name: rng.random(61 + 2 * k) < 0.5 for k, p in enumerate(plan.ports)}
    few = min(count, _AGAIN)
    plain, held = simulation.run([Job(inputs, count, wait), Job(inputs, few, 8 * wait, gates)])
    for outcome, how in ((plain, ""), (held, " under back-pressure")):
        if outcome.stuck:
            raise VerificationFailed(f"RTL simulation: no port moves{how}: deadlock")
    for name in graph.outputs:
        if not np.array_equal(plain.outputs[name][:few], held.outputs[name]):
            raise VerificationFailed(f"RTL simulation: {name} changes under back-pressure")
    return dict(plain.outputs)
