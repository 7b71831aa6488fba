"""The depths of streaming designs are proved: a schedule of their interval exists.

By monotonicity self-timed execution is never later than any schedule: so a design whose depths
admit one takes a frame in that interval, and never stops, whatever holds up its ports.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))

from hls_graphs import branches
from hls_graphs import residual as with_argmax
from rtl_stream import nets

from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.emit.rtl.stream.plan import RtlPlan
from hlsgen.ir.hw import HwGraph
from hlsgen.schedule.process import Process, Steps

FRAMES = 12  # of a pipeline that is filled by then: the last two are compared


def broken(plan: RtlPlan, processes: Sequence[Process], interval: int) -> list[str]:
    """Waits that the last frame of a paced source breaks, were it to come again and again."""
    times = plan.times(FRAMES, paced(plan, interval))
    found: list[str] = []
    writer = {name: p for p in processes for name in p.writes}
    for channel in plan.channels:
        name = channel.name
        written, read, freed = (
            last(cycles[name]) for cycles in (times.written, times.read, times.freed)
        )
        if not all(repeats(c[name], interval) for c in (times.written, times.read, times.freed)):
            found.append(f"{name} does not repeat")
        if (read < written + 1 + writer[name].stages).any():
            found.append(f"{name} is read too early")
        # Token n of the frame takes the place of token n - depth, frames earlier where negative.
        turns, place = np.divmod(np.arange(len(written)) - channel.depth, len(written))
        if (written < freed[place] + turns * interval + 1).any():
            found.append(f"{name} is written without room")
    return found


def paced(plan: RtlPlan, interval: int) -> dict[str, np.ndarray]:
    """Inputs that come evenly, a frame an interval."""
    found: dict[str, np.ndarray] = {}
    for port in plan.inputs:
        gate = np.zeros(interval, np.bool_)
        gate[np.arange(port.value.beats) * interval // port.value.beats] = True
        found[port.value.name] = gate
    return found


def last(cycles: Steps) -> Steps:
    """Those of the last frame that all ports let pass."""
    return frames(cycles)[-1]


def repeats(cycles: Steps, interval: int) -> bool:
    table = frames(cycles)
    return bool((table[-1] - table[-2] == interval).all())


def frames(cycles: Steps) -> Steps:
    each = len(cycles) // FRAMES
    return cycles[: each * FRAMES].reshape(FRAMES, -1)


@pytest.mark.parametrize(
    "make", [nets.dense, nets.residual, nets.classifier, branches, with_argmax]
)
def test_a_schedule_of_the_interval_exists(make: Callable[[], HwGraph]) -> None:
    plan = emit_stream_rtl(make(), HlsOptions(io=Io.STREAM)).plan
    assert broken(plan, plan.processes, plan.interval) == []


def test_too_shallow_a_skip_path_breaks_it() -> None:
    plan = emit_stream_rtl(nets.residual(), HlsOptions(io=Io.STREAM)).plan
    shallow = plan.with_depths({"image_by1": plan.depths["image_by1"] - 4})
    assert broken(shallow, shallow.processes, plan.interval)
