"""Goals: what is asked for is reached on the design itself, or refused with what can be had."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import branches, mlp, residual

from hlsgen.arith.budget import Reloadable
from hlsgen.boards import load_board
from hlsgen.build.project import BuildOptions, build
from hlsgen.cli.given import build_options
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.errors import OptionError
from hlsgen.fold.choose import fold
from hlsgen.fold.goal import SHELL, Goal
from hlsgen.fold.settle import Folded
from hlsgen.fold.transfers import Floor, Moved, floor_of
from hlsgen.fold.use import KINDS
from hlsgen.ir.hw import HwGraph

CLOCK_NS = 4.0
BOARD = load_board("ultra96v2")
OPTIONS = HlsOptions(io=Io.STREAM, clock_ns=CLOCK_NS)


def fps(cycles: float) -> float:
    return 1e9 / CLOCK_NS / cycles


def folded(graph: HwGraph, goal: Goal) -> Folded:
    return fold(graph, OPTIONS, BOARD, goal)


@pytest.mark.parametrize("cycles", [900, 3000, 20000])
@pytest.mark.parametrize("make", [residual, branches])
def test_a_frame_takes_no_more_cycles_than_asked_for(
    make: Callable[[], HwGraph], cycles: int
) -> None:
    found = folded(make(), Goal(fps(cycles + 0.5)))
    plan = found.design.plan
    assert plan.interval == max(p.work for p in plan.processes) == found.cycles <= cycles
    whole = found.estimate.use.vector + found.shell
    assert (whole <= found.limits).all()


def test_slower_is_smaller() -> None:
    luts = [folded(residual(), Goal(fps(n + 0.5))).estimate.use.lut for n in (20000, 3000, 900)]
    assert luts == sorted(luts)
    assert luts[0] < luts[2]


def test_least_of_one_kind_takes_more_of_others() -> None:
    some, no_dsp = (folded(residual(), Goal(fps(3000), minimise=k)) for k in ("lut", "dsp"))
    assert no_dsp.estimate.use.dsp < some.estimate.use.dsp
    assert no_dsp.estimate.use.lut > some.estimate.use.lut


def test_the_share_of_the_board_is_kept() -> None:
    shell = SHELL[BOARD.flow].vector / np.maximum(BOARD.budget.counts, 1)
    small = Goal(maximise=True, max_util={"": 0.16, "dsp": shell[2] + 4 / 360})
    found = folded(residual(), small)
    whole = found.estimate.use.vector + found.shell
    assert (whole <= found.limits).all()
    assert found.limits[0] == pytest.approx(0.16 * 70560)
    assert found.estimate.use.dsp <= 4
    more = folded(residual(), Goal(maximise=True, max_util={"": 0.3}))
    assert more.cycles < found.cycles


def test_a_rate_out_of_reach_names_what_can_be_had() -> None:
    with pytest.raises(OptionError, match=r"5 are wanted; [\d,]+ frames a second can be had"):
        folded(residual(), Goal(fps(5)))


def test_a_board_too_small_says_which_part() -> None:
    with pytest.raises(OptionError, match=r"does not fit: its smallest folding takes \d+% of the"):
        folded(residual(), Goal(maximise=True, max_util={"lut": 0.1}))


@pytest.mark.parametrize(
    ("make", "share", "cycles"), [(residual, 0.15, 864), (branches, 0.13, 675)]
)
def test_turns_that_overshoot_are_mended(
    make: Callable[[], HwGraph], share: float, cycles: int
) -> None:
    """Turns of search and check alone stop at 3,552 clocks, and find no design for the other."""
    found = folded(make(), Goal(maximise=True, max_util={"lut": share}))
    assert found.cycles <= cycles
    assert found.fits
    asked = folded(make(), Goal(fps(found.cycles + 0.5), max_util={"lut": share}))
    assert asked.cycles <= found.cycles
    assert asked.fits


def test_what_the_user_named_stays() -> None:
    graph = mlp()
    name = graph.nodes[0].output
    found = fold(graph, OPTIONS_WITH(name), BOARD, Goal(maximise=True))
    assert found.options.folding[name] == (3, 4)
    (layer,) = [x for x in found.estimate.layers if x.node == name]
    assert (layer.pe, layer.simd) == (3, 4)


def OPTIONS_WITH(name: str) -> HlsOptions:
    return HlsOptions(io=Io.STREAM, clock_ns=CLOCK_NS, folding={name: (3, 4)})


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({"target_fps": 9.0, "maximise": True}, "give one of them"),
        ({"minimise": "lut"}, "needs --target-fps"),
        ({"max_util": ["lut=1.5"]}, "over 0, up to 1"),
        ({"max_util": ["nan"]}, "over 0, up to 1"),
        ({"max_util": ["gates=0.5"]}, "no resource 'gates'"),
        ({"max_util": ["much"]}, "needed is 0.7, or dsp=0.7"),
        ({"target_fps": float("nan")}, "must not be negative"),
    ],
)
def test_goals_that_mean_nothing_are_refused(goal: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build_options("ultra96", "stream", 0, "", None, None, None, 1, 0, csim=False, **goal)


def test_parallel_designs_have_no_folding(tmp_path) -> None:
    model = Path(__file__).parents[2] / "examples" / "digits_mlp" / "digits_mlp.onnx"
    with pytest.raises(OptionError, match="give --io stream"):
        build(model, tmp_path / "p", BuildOptions(goal=Goal(1000.0), csim=False))


def test_compute_units_are_copies_of_a_kernel(tmp_path) -> None:
    """Without a kernel there is one unit whatever the goal, and without a goal one on the card."""
    model = Path(__file__).parents[2] / "examples" / "digits_mlp" / "digits_mlp.onnx"
    u280 = BuildOptions(board="u280", io=Io.STREAM, csim=False, samples=1)
    ports = replace(u280, reloadable={"": Reloadable(None, 0)})
    for options, said in (
        (replace(u280, io=Io.PARALLEL, compute_units=2), "copies of a kernel .*--io stream"),
        (replace(ports, compute_units=2), "copies of a kernel .*reloadable weights"),
        (replace(u280, board="ultra96", compute_units=2), "ultra96 has one kernel"),
    ):
        with pytest.raises(OptionError, match=f"--compute-units 2: {said}"):
            build(model, tmp_path / "p", options)
    built = build(model, tmp_path / "p", replace(ports, goal=Goal(maximise=True)))
    assert built.folded is not None
    assert built.folded.units == 1
    build(model, tmp_path / "p", u280)
    units = json.loads((tmp_path / "p" / "project.json").read_text())["compute_units"]
    assert [(u["name"], u["slr"]) for u in units] == [("cu_0", "SLR0")]


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_numbers_of_units(text: str) -> None:
    assert build_options(*_GIVEN, csim=False, compute_units="3").compute_units == 3
    assert build_options(*_GIVEN, csim=False, compute_units="auto").compute_units is None
    with pytest.raises(OptionError, match="needed is a number of 1 or more, or auto"):
        build_options(*_GIVEN, csim=False, compute_units=text)


_GIVEN = ("u280", "stream", 0, "", None, None, None, 1, 0)


def test_transfers_bound_the_rate() -> None:
    """Ultra96: one memory of 4.26 GB/s for all ports; U280: a bank of 14.375 GB/s a port."""
    moved = Moved((3000,), (10,))
    assert floor_of(BOARD, moved, 4.0).cycles == -(-3010 // (0.7 * 4.26 * 4.0))
    u280 = load_board("u280")
    assert floor_of(u280, moved, 4.0) == Floor(-(-3000 // (0.7 * 14.375 * 4.0)), "HBM2")
    # 20 units have 40 ports for 32 banks: bank 0 serves the inputs of units 0 and 16
    assert floor_of(u280, moved, 4.0, 20).cycles >= -(-6000 // (0.7 * 14.375 * 4.0))
    # the link of 15.75 GB/s serves the inputs of all units
    assert floor_of(u280, moved, 4.0, 12) == Floor(-(-36000 // (0.7 * 15.75 * 4.0)), "PCIe")
    assert len(KINDS) == 5
