"""Shallower FIFOs against the simulator that counts tokens, and certificates that can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hlsgen.schedule.bounded import Bounded
from hlsgen.schedule.certificate import violations
from hlsgen.schedule.descent import descend
from hlsgen.schedule.sizes import size_fifos
from tests.schedule.stepper import delayed, run
from tests.schedule.test_sizes import Net, fork_and_join, nets

MANY = 10**7


@settings(max_examples=100, deadline=None)
@given(nets(), st.integers(0, 3))
def test_less_depth_costs_no_throughput(net: Net, hold: int) -> None:
    sizing = size_fifos(net, hold)
    depths = descend(net, sizing.depths, sizing.interval, hold, MANY)
    assert all(1 <= depths[name] <= depth for name, depth in sizing.depths.items())
    trace = run(net, depths, 40)
    assert not trace.stuck
    for ends in trace.ends.values():
        assert ends[-1] - ends[-13] <= 12 * sizing.interval


@settings(max_examples=60, deadline=None)
@given(nets(), st.integers(1, 4))
def test_pipelines_that_stall_do_not_hang(net: Net, hold: int) -> None:
    sizing = size_fifos(net, hold)
    depths = descend(net, sizing.depths, sizing.interval, hold, MANY)
    for stages in range(hold + 1):
        assert not run([delayed(p, stages) for p in net], depths, 3).stuck


def test_little_more_is_left_than_the_simulator_needs() -> None:
    """A source that is as fast as can be needs no more than the paced one of the search."""
    net = fork_and_join(6, 40)
    sizing = size_fifos(net, 0)
    roomy = dict(sizing.depths) | {"short": 60, "long": 60}
    depths = descend(net, roomy, sizing.interval, 0, MANY)
    assert depths["short"] + depths["long"] <= sizing.depths["short"] + sizing.depths["long"]
    least = next(d for d in range(1, 60) if fast(net, depths | {"short": d}, sizing.interval))
    assert least <= depths["short"] < least + 6  # the delay of the long branch


def fast(net: Net, depths: dict[str, int], interval: int) -> bool:
    """Whether frames follow each other at this interval."""
    trace = run(net, depths, 12)
    return not trace.stuck and all(e[-1] - e[-5] <= 4 * interval for e in trace.ends.values())


def test_a_certificate_names_what_is_wrong() -> None:
    net = fork_and_join(6, 40)
    sizing = size_fifos(net, 0)
    bounded = Bounded(net, sizing.interval, 0)
    assert bounded.settle(sizing.depths)
    timings = bounded.timings()
    assert violations(net, timings, sizing.depths, sizing.interval) == []
    shallow = dict(sizing.depths) | {"short": 3}
    assert violations(net, timings, shallow, sizing.interval) == [
        "short: a token is written without room"
    ]
    early = replace(timings[2], reads=(timings[2].reads[0] - 1,))
    broken = (*timings[:2], early, *timings[3:])
    said = violations(net, broken, sizing.depths, sizing.interval)
    assert "long: a token is read before it is there" in said
    assert violations(net, timings, sizing.depths, sizing.interval - 7)


def test_a_budget_of_nothing_changes_nothing() -> None:
    net = fork_and_join(6, 40)
    sizing = size_fifos(net, 7)
    assert descend(net, sizing.depths, sizing.interval, 7, 0) == sizing.depths
    assert np.sum(list(sizing.depths.values())) > len(net)
