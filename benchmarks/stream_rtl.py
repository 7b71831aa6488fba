"""Streaming SystemVerilog beside its schedule: cycles of all words, peaks of all FIFOs, all values.

    PYTHONPATH=tests python benchmarks/stream_rtl.py [--runs N] [--frames N] [--big CORPUS] [NAME]

Small networks of tests/rtl_stream run N times from reset on, every port pausing at random; with
--big real models of a corpus run once as fast as they can and once under back-pressure. A row says
how many runs were as the schedule has them to the cycle; values are compared with the Python
co-simulation. Exit status 1: some run was not. Needs Verilator or Yosys and g++ (HLSGEN_RTL).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hls_graphs import branches, differing, reference, stimuli
from hls_graphs import residual as residual_net
from rtl_stream import nets
from rtl_stream.check import STREAM, disagreements, gates

from hlsgen.build.project import BuildOptions, hls_options, load_network
from hlsgen.build.stream_sim import StreamSimulation, compile_stream
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.emit.rtl.stream.harness import Job
from hlsgen.emit.rtl.stream.project import patience
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.run import input_codes, run_graph
from hlsgen.sim.vectors import random_feeds

SMALL = {
    "operators side by side": nets.operators,
    "dense": nets.dense,
    "residual": nets.residual,
    "strided, depthwise, concat": nets.classifier,
    "residual with forks": residual_net,
    "branches, groups, concat": branches,
}
BIG = {  # folder of the corpus, frames a second to fold for
    "nn2fpga_resnet8_a8w8b16": 4000.0,
    "tfl_mlperf_kws_dscnn": 4000.0,
    "ptq_qdq_s8s8pc_sym_cnn_mnist_pytorch": 4000.0,
}
_AT_ONCE = 100  # jobs of one start of the simulation


def small(graph: HwGraph, frames: int, runs: int, modelled: int) -> tuple[StreamSimulation, str]:
    """Runs with pauses: all compared by value, some by cycle and peak."""
    sim = compile_stream(emit_stream_rtl(graph, STREAM), graph)
    rng = np.random.default_rng(1)
    good = exact = stuck = 0
    for first in range(0, runs, _AT_ONCE):
        inputs = stimuli(graph, frames)
        for codes in inputs.values():
            rng.shuffle(codes)
        want = reference(graph, inputs)
        count = min(_AT_ONCE, runs - first)
        wait = 100 * patience(sim.rtl)
        jobs = [Job(inputs, frames, wait, gates(sim.rtl, rng)) for _ in range(count)]
        for k, (job, found) in enumerate(zip(jobs, sim.run(jobs), strict=True), first):
            stuck += found.stuck
            good += not found.stuck and not differing(dict(found.outputs), want)
            exact += k < modelled and not disagreements(sim.rtl, job, found)
    seen = min(runs, modelled)
    return sim, _verdict(runs, good, stuck, seen, exact)


def big(model: Path, fps: float, frames: int) -> tuple[StreamSimulation, str]:
    """A real model: as fast as it can, then under back-pressure."""
    options = BuildOptions(io=Io.STREAM, target_fps=fps)
    network = load_network(model, options)
    hls: HlsOptions = hls_options(options)
    sim = compile_stream(emit_stream_rtl(network.graph, hls), network.graph)
    codes: Mapping[str, Any] = input_codes(network, random_feeds(network, frames, 0))
    want = dict(run_graph(network.graph, codes))
    rng = np.random.default_rng(2)
    held = {p.value.name: rng.random(97) < 0.6 for p in sim.rtl.plan.ports}
    wait = 4 * patience(sim.rtl)
    jobs = [Job(codes, frames, wait), Job(codes, frames, wait, held)]
    found = sim.run(jobs)
    good = sum(not o.stuck and not differing(dict(o.outputs), want) for o in found)
    exact = sum(not disagreements(sim.rtl, j, o) for j, o in zip(jobs, found, strict=True))
    return sim, _verdict(2, good, sum(o.stuck for o in found), 2, exact)


def _verdict(runs: int, good: int, stuck: int, seen: int, exact: int) -> str:
    fine = good == runs and exact == seen and not stuck
    text = f"{runs} | {good} | {stuck} | {exact} of {seen}"
    return text if fine else f"{text} | WRONG"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--modelled", type=int, default=200, help="runs compared by cycle")
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--big", type=Path, help="folder of real models")
    given = parser.parse_args()
    print("network | units, channels | interval, first frame | runs | values equal | stuck |"
          " cycles and peaks equal | seconds")  # fmt: skip
    wrong = False
    for name in given.names or [*SMALL, *(BIG if given.big else ())]:
        started = time.perf_counter()
        if name in SMALL:
            sim, verdict = small(SMALL[name](), given.frames, given.runs, given.modelled)
        else:
            sim, verdict = big(next((given.big / name).glob("*.onnx")), BIG[name], given.frames)
        plan = sim.rtl.plan
        wrong |= "WRONG" in verdict
        seconds = time.perf_counter() - started
        size = f"{len(plan.units)}, {len(plan.channels)} | {plan.interval:,}, {plan.latency:,}"
        print(f"{name} | {size} | {verdict} | {seconds:.0f}", flush=True)
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
