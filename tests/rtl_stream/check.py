"""Streaming SystemVerilog in a simulator, beside its schedule and what `evaluate` says."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hls_graphs import Arrays, differing, reference, stimuli

from hlsgen.build.stream_sim import StreamSimulation, compile_stream, stream_simulator
from hlsgen.build.yosys import Yosys
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import StreamRtl, emit_stream_rtl
from hlsgen.emit.rtl.stream.harness import Job, Outcome
from hlsgen.errors import ToolMissing
from hlsgen.ir.hw import HwGraph
from hlsgen.schedule.selftimed import Gate

STREAM = HlsOptions(io=Io.STREAM)


def missing() -> str:
    """What simulation lacks here."""
    try:
        found = stream_simulator()
        return "" if not isinstance(found, Yosys) or found.cxxrtl else "no headers of CXXRTL"
    except ToolMissing as error:
        return error.message


WITHOUT = missing() or ("" if shutil.which("g++") else "needs g++")
needs_simulator = pytest.mark.skipif(bool(WITHOUT), reason=WITHOUT or "never")


def simulation(graph: HwGraph, options: HlsOptions = STREAM) -> StreamSimulation:
    """Compiled as fast as can be: the networks are small."""
    return compile_stream(emit_stream_rtl(graph, options), graph, effort="-O0")


def gates(rtl: StreamRtl, rng: np.random.Generator) -> dict[str, Gate]:
    """Ports that pause: some hardly, some nearly always, in patterns of any length."""
    found: dict[str, Gate] = {}
    for port in rtl.plan.ports:
        gate = rng.random(int(rng.integers(1, 90))) < rng.choice([0.1, 0.5, 0.9, 1.0])
        gate[0] = True
        found[port.value.name] = gate
    return found


def disagreements(rtl: StreamRtl, job: Job, found: Outcome) -> list[str]:
    """Ports whose words move at other cycles than the schedule says, channels of another peak."""
    plan, times = rtl.plan, rtl.plan.times(job.frames, job.gates)
    wrong = [
        p.value.name
        for ports, cycles in ((plan.inputs, times.written), (plan.outputs, times.read))
        for p in ports
        if not np.array_equal(found.clocks[p.value.name], cycles[p.channel])
    ]
    return wrong + [c.name for c in plan.channels if found.peaks[c.name] != times.peak(c.name)]


def run_and_compare(
    sim: StreamSimulation, frames: int, runs: int, seed: int = 0
) -> tuple[list[Outcome], Arrays]:
    """Asserts that some runs, the first one without pauses, are as scheduled and evaluated."""
    rng = np.random.default_rng(seed)
    inputs = stimuli(sim.graph, frames)
    want = reference(sim.graph, inputs)
    jobs = [Job(inputs, frames, 20_000)]
    jobs += [Job(inputs, frames, 100_000, gates(sim.rtl, rng)) for _ in range(runs)]
    outcomes = sim.run(jobs)
    for job, found in zip(jobs, outcomes, strict=True):
        assert not found.stuck
        assert differing(dict(found.outputs), want) == []
        assert disagreements(sim.rtl, job, found) == []
    return outcomes, want
