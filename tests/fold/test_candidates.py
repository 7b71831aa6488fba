"""Candidates against the designs that they become: cycles of the schedule, resources added up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import branches, differing, reference, residual, simulate, stimuli

from hlsgen.boards import load_board
from hlsgen.emit.folding import work_of
from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.emit.serving import served
from hlsgen.emit.streaming import Way
from hlsgen.fold.candidates import candidates
from hlsgen.fold.choose import fold
from hlsgen.fold.estimate import estimate
from hlsgen.fold.goal import Goal
from hlsgen.ir.hw import HwGraph

OPTIONS = HlsOptions(io=Io.STREAM, clock_ns=4.0)


def drawn(graph: HwGraph, seed: int) -> tuple[HlsOptions, dict[str, int], np.ndarray]:
    """Options that make a choice drawn for each operator, its cycles, and the use of all."""
    rng = np.random.default_rng(seed)
    layers = candidates(graph, {}, {}, {}, [node.output for node in graph.nodes])
    places = [int(rng.integers(len(layer.choices))) for layer in layers]
    picked = [(layer, k, layer.choices[k]) for layer, k in zip(layers, places, strict=True)]
    options = HlsOptions(
        io=Io.STREAM,
        folding={layer.node: (c.pe, c.simd) for layer, _, c in picked},
        arithmetic={layer.node: c.arithmetic for layer, _, c in picked if c.arithmetic},
        memory={layer.node: c.memory for layer, _, c in picked if c.memory},
    )
    use = np.sum([layer.use[k] for layer, k, _ in picked], axis=0)
    return options, {layer.node: int(layer.cycles[k]) for layer, k, _ in picked}, use


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [residual, branches])
def test_cycles_and_use_are_those_of_the_design(make, seed: int) -> None:
    graph = make()
    options, cycles, use = drawn(graph, seed)
    design = design_of(graph, options)
    serves = served(design)
    works: dict[str, int] = dict.fromkeys(cycles, 0)
    for process in design.plan.processes:
        if process.function.startswith("n0") or process.function.startswith("slide"):
            node = serves[process.name]
            works[node] = max(works[node], process.work)
    whole = {n.output for n in graph.nodes if work_of(graph, n).way is Way.WHOLE}
    assert {n: c for n, c in works.items() if n not in whole} == {
        n: c for n, c in cycles.items() if n not in whole
    }
    assert all(works[n] <= cycles[n] for n in whole)  # these take beats as neighbours make them
    assert design.plan.interval == max(works.values())
    found = estimate(design)
    own = np.sum([layer.own.vector for layer in found.layers], axis=0)
    assert (own <= use + 1e-6).all()  # use has the windows besides
    assert (use <= found.use.vector + 1e-6).all()
    parts = [layer.own.vector + layer.between.vector for layer in found.layers]
    assert np.allclose(np.sum(parts, axis=0) + found.ports.vector, found.use.vector)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_folded_design_makes_the_same_integers(tmp_path: Path) -> None:
    graph = residual()
    found = fold(graph, OPTIONS, load_board("ultra96v2"), Goal(250e6 / 700))
    assert any(layer.memory == "bram" for layer in found.estimate.layers) or found.cycles <= 700
    inputs = stimuli(graph, 6)
    got = simulate(graph, found.options, tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []
