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
    gates,
    modelled,
    needs_simulator,
    run_and_compare,
    simulation,
)

from hlsgen.build.stream_sim import compile_stream
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.emit.rtl.stream.harness import Job
from hlsgen.schedule.selftimed import Stuck

pytestmark = needs_simulator


def test_every_operator() -> None:
    """Every kind of unit, its port pausing at random: each word, each peak, each value."""
    graph = nets.operators()
    folding = {"/Conv_3/out_0": (2, 2), "/MatMul_0/out_0": (2, 3)}
    run_and_compare(simulation(graph, HlsOptions(io=Io.STREAM, folding=folding)), 4, 12)


@pytest.mark.parametrize("make", [nets.dense, nets.residual, nets.classifier])
def test_networks(make) -> None:
    sim = simulation(make())
    (first, *_), _ = run_and_compare(sim, 4, 8)
    plan = sim.rtl.plan
    ends = [first.clocks[p.value.name].reshape(4, -1)[:, -1] for p in plan.outputs]
    assert {int(np.diff(end)[-1]) for end in ends} == {plan.sizing.interval}
    assert max(int(end[0]) for end in ends) + 1 == plan.sizing.latency


def test_a_skip_path_of_too_few_places_hangs() -> None:
    """One place less than the least that works: the model says so, and the hardware does."""
    graph = nets.residual()
    rtl = emit_stream_rtl(graph, STREAM)
    (skip,) = [c.name for c in rtl.plan.channels if c.name == "image_to2"]
    inputs = stimuli(graph, 2)
    least = rtl.plan.depths[skip]
    while least > 1 and not _hangs(rtl.plan, least - 1, skip, inputs, graph):
        least -= 1
    assert least > 2
    options = {skip: least - 1}
    hanging = compile_stream(emit_stream_rtl(graph, STREAM, depths=options), graph, effort="-O0")
    rng = np.random.default_rng(3)
    jobs = [Job(inputs, 2, 5_000), Job(inputs, 2, 5_000, gates(rtl, rng))]
    for job, found in zip(jobs, hanging.run(jobs), strict=True):
        assert found.stuck
        with pytest.raises(Stuck):
            modelled(hanging.rtl, job)


def _hangs(plan, depth, skip, inputs, graph) -> bool:
    shallow = emit_stream_rtl(graph, STREAM, depths={skip: depth})
    try:
        modelled(shallow, Job(inputs, 2, 0))
    except Stuck:
        return True
    return False
