"""The first frames of a design against a simulator that counts tokens cycle by cycle."""

from __future__ import annotations

import pytest
from hls_graphs import residual
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.schedule.opening import opening
from hlsgen.schedule.process import Process
from hlsgen.schedule.sizes import size_fifos
from tests.schedule.stepper import run
from tests.schedule.test_sizes import Net, nets

FRAMES = 4


def agree(net: Net | tuple[Process, ...], depths: dict[str, int]) -> None:
    """Every frame of every process begins and ends when the simulator says."""
    trace = run(net, depths, FRAMES)
    assert not trace.stuck
    for process, spans in zip(net, opening(net, depths, FRAMES), strict=True):
        moved = trace.moved[process.name]
        assert [(s.first, s.last) for s in spans] == [
            (min(moved[f]), max(moved[f])) for f in range(FRAMES)
        ]


@settings(max_examples=150, deadline=None)
@given(nets(), st.integers(0, 3))
def test_spans_are_those_of_the_simulator(net: Net, more: int) -> None:
    depths = size_fifos(net, 0).depths
    agree(net, {name: depth + more for name, depth in depths.items()})


@pytest.mark.parametrize("more", [0, 1000])
def test_spans_of_an_emitted_design(more: int) -> None:
    plan = design_of(residual(), HlsOptions(io=Io.STREAM)).plan
    agree(plan.processes, {s.name: s.depth + more for s in plan.streams})


def test_the_first_frame_of_a_chain_ends_with_its_latency() -> None:
    plan = design_of(residual(), HlsOptions(io=Io.STREAM)).plan
    spans = opening(plan.processes, {s.name: s.depth for s in plan.streams}, 1)
    assert max(s[0].last for s in spans) + 1 == plan.latency
