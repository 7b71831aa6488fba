"""The depths of emitted designs: they suffice, in threads with bounded FIFOs, and must be there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hls_graphs import branches, differing, reference, residual, stimuli, twice, write

from hlsgen.build.gpp import FLAGS, compile_csim, run_csim
from hlsgen.emit.hls import HlsOptions, Io, design_of, emit_hls
from hlsgen.errors import HlsgenError
from hlsgen.ir.hw import HwGraph
from tests.schedule.bounded import depths, rewrite

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
STREAM = HlsOptions(io=Io.STREAM)


def bounded(
    graph: HwGraph, folder: Path, depth: dict[str, int], patience: int,
    options: HlsOptions = STREAM,
) -> list[str]:  # fmt: skip
    """Outputs that differ from `evaluate`; HlsgenError where a thread waits for ever."""
    project = write(emit_hls(graph, options), folder)
    flags = (*FLAGS, "-O0", "-pthread", rewrite(project, depth, patience))
    inputs = stimuli(graph, 6)
    executable = compile_csim(project, flags=flags, cached=False)
    return differing(run_csim(executable, graph, inputs), reference(graph, inputs))


def seen(moves: Path, graph: HwGraph, options: HlsOptions = STREAM) -> dict[int, str]:
    """The moves of a frame by process, as its thread wrote them, without those of ports."""
    design = design_of(graph, options)
    ports = {v.name for v in design.inputs + design.outputs}
    found: dict[int, str] = {}
    for line in moves.read_text().splitlines():
        process, *made = line.split(" ")
        text = " ".join(move for move in made if move[1:] not in ports)
        assert found.setdefault(int(process), text) == text
    return found


def planned(graph: HwGraph, options: HlsOptions = STREAM) -> dict[int, str]:
    """The moves that the schedule counts with: in steps, reads first."""
    found: dict[int, str] = {}
    for k, process in enumerate(design_of(graph, options).plan.processes):
        moves = process.moves()
        found[k] = " ".join(
            f"{kind}{name}"
            for _, kind, _, name in sorted(
                (step, kind, place, name)
                for kind, names, arrays in (
                    ("<", process.reads, moves.reads),
                    (">", process.writes, moves.writes),
                )
                for place, (name, steps) in enumerate(zip(names, arrays, strict=True))
                for step in steps.tolist()
            )
        )
    return found


@pytest.mark.parametrize("make", [residual, branches, twice])
def test_bounded_fifos_suffice(make: Callable[[], HwGraph], tmp_path: Path) -> None:
    assert bounded(make(), tmp_path, {}, 60) == []
    assert seen(tmp_path / "moves", make()) == planned(make())


def test_a_skip_path_without_its_depth_hangs(tmp_path: Path) -> None:
    graph = residual()
    (skip,) = [
        s.name for s in design_of(graph, STREAM).plan.streams if s.name == "Staircase_1_out_0_to2"
    ]
    with pytest.raises(HlsgenError, match="deadlock"):
        bounded(graph, tmp_path, {skip: 8}, 3)


def test_depths_are_those_of_the_schedule(tmp_path: Path) -> None:
    graph = residual()
    files = emit_hls(graph, STREAM)
    top = str(files[f"src/{graph.name}.cpp"])
    plan = design_of(graph, STREAM).plan
    assert depths(top) == {s.name: s.depth for s in plan.streams}
    assert plan.interval < plan.latency
