"""Streaming SystemVerilog does at every clock what the schedule says, and computes `evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))

from hls_graphs import stimuli
from rtl_stream import nets
from rtl_stream.check import (
    STREAM,
    needs_simulator,
    run_and_compare,
    simulation,
)

from hlsgen.build.stream_sim import compile_stream
from hlsgen.build.verilator import find_verilator
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.emit.rtl.stream.harness import Job
from hlsgen.emit.rtl.stream.plan import RtlPlan
from hlsgen.schedule.selftimed import Stuck

pytestmark = needs_simulator


def test_operators_and_networks() -> None:
    """Every kind of unit, and networks of them, ports pausing: each word, each peak, each value."""
    parts = nets.operators(), nets.dense(), nets.residual(), nets.classifier()
    graph = nets.side_by_side(*parts)
    folding = {"operators_/MatMul_0/out_0": (2, 3), "operators_/Conv_4/out_0": (2, 2)}
    sim = simulation(graph, HlsOptions(io=Io.STREAM, folding=folding))
    (first, *_), _ = run_and_compare(sim, 3, 2)
    plan = sim.rtl.plan
    ends = [first.clocks[p.value.name].reshape(3, -1)[:, -1] for p in plan.outputs]
    assert max(int(np.diff(end)[-1]) for end in ends) == plan.interval
    assert max(int(end[0]) for end in ends) + 1 == plan.latency


@pytest.mark.skipif(find_verilator() is None, reason="needs verilator")
def test_a_muted_channel_in_verilator() -> None:
    """Verilator 5.006 has extended the sign of bits that a case made; CXXRTL runs it above."""
    graph = nets.muted()
    rtl = emit_stream_rtl(graph, STREAM)
    run_and_compare(compile_stream(rtl, graph, find_verilator(), effort="-O0"), 2, 1)


def test_a_skip_path_of_too_few_places_hangs() -> None:
    """One place less than the least that works: the model says so, and the hardware does."""
    graph = nets.residual()
    rtl = emit_stream_rtl(graph, STREAM)
    skip = "image_by1"
    inputs = stimuli(graph, 2)
    least = rtl.plan.depths[skip]
    while not _hangs(rtl.plan.with_depths({skip: least - 1})):
        least -= 1
    assert least > 2
    shallow = emit_stream_rtl(graph, STREAM, depths={skip: least - 1})
    hanging = compile_stream(shallow, graph, effort="-O0")
    jobs = [Job(inputs, 2, 5_000), Job(inputs, 2, 5_000, {"image": np.array([True, False])})]
    for job, found in zip(jobs, hanging.run(jobs), strict=True):
        assert found.stuck
        with pytest.raises(Stuck):
            hanging.rtl.plan.times(2, job.gates)


def _hangs(plan: RtlPlan) -> bool:
    try:
        plan.times(2)
    except Stuck:
        return True
    return False
