"""`--target-fps`: the schedule of the folded design reaches it, or says what stands in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hls_graphs import branches, mlp, residual

from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph

CLOCK_NS = 4.0


def options(cycles: int) -> HlsOptions:
    return HlsOptions(io=Io.STREAM, clock_ns=CLOCK_NS, target_fps=1e9 / CLOCK_NS / (cycles + 0.5))


@pytest.mark.parametrize("cycles", [600, 900, 3000, 20000])
@pytest.mark.parametrize("make", [residual, branches])
def test_a_frame_takes_no_more_cycles_than_asked_for(
    make: Callable[[], HwGraph], cycles: int
) -> None:
    design = design_of(make(), options(cycles))
    assert design.plan.interval <= cycles
    assert design.plan.interval == max(p.work for p in design.plan.processes)


def test_slower_is_smaller() -> None:
    def products(cycles: int) -> int:
        design = design_of(residual(), options(cycles))
        return sum(o.y[0].lanes * o.x[0].lanes for o in design.operators)

    assert products(20000) < products(3000) < products(600)


def test_a_rate_out_of_reach_names_what_can_be_had() -> None:
    with pytest.raises(OptionError, match=r"no folding .* 5 clocks.* slide of .*windows"):
        design_of(residual(), options(5))


def test_parallel_designs_have_no_folding() -> None:
    with pytest.raises(OptionError, match="give --io stream"):
        design_of(mlp(), HlsOptions(target_fps=1000))
