"""Streaming SystemVerilog beside its schedule: cycles of all words, peaks of all FIFOs, all values.

    PYTHONPATH=tests python benchmarks/stream_rtl.py [--runs N] [--frames N] [NAME ...]
    PYTHONPATH=tests python benchmarks/stream_rtl.py --networks ../shared/corpus [NAME ...]

Small networks of tests/rtl_stream run N times from reset on, every port pausing at random. With
--networks whole networks run twice, as they are folded by default: as fast as they can, and with
gaps at the inputs and outputs that stop for one to three frames' time. Values are compared
with the Python co-simulation (networks: and with csim of the HLS project), the clock of every word
at a port and the peak of every FIFO with the schedule. Exit status 1: something differs.
Needs Yosys or Verilator, and g++ (HLSGEN_RTL).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from hls_graphs import Arrays, branches, differing, reference, simulate, stimuli
from hls_graphs import residual as residual_net
from rtl_stream import nets
from rtl_stream.check import STREAM, disagreements, gates
from stream_networks import squeezenet

from hlsgen.build.project import BuildOptions, load_network
from hlsgen.build.stream_sim import StreamSimulation, compile_stream
from hlsgen.emit.hls import Io
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.emit.rtl.stream.harness import Job, Outcome
from hlsgen.emit.rtl.stream.plan import RtlPlan
from hlsgen.emit.rtl.stream.project import patience
from hlsgen.ir.hw import HwGraph
from hlsgen.schedule.selftimed import Gate
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
EXAMPLES = Path(__file__).parents[1] / "examples"
MODELS = {  # of a corpus, or an example; what they have
    "nn2fpga_resnet8_a8w8b16": "residual, strided",
    "tfl_mlperf_kws_dscnn": "depthwise, strided",
    "nemo_tcn_t": "one dimension, dilated, residual",
    "pulp_minimobilenet": "depthwise, strided",
    "ptq_qdq_u8s8_mnist8": "max pools",
    "qonnx_qk_mnist_cnn": "transposed",
    "digits_cnn": "residual, depthwise",
}
RANDOM = {"squeezenet": (squeezenet, "concat; random weights")}
_AT_ONCE = 100  # jobs of one start of the simulation


def small(name: str, graph: HwGraph, frames: int, runs: int, modelled: int) -> bool:
    """Runs with pauses: all compared by value, some by cycle and peak. Whether all was right."""
    started = _cpu()
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
    plan = sim.rtl.plan
    _row(name, _size(plan), _times(plan), runs, good, stuck, f"{exact} of {seen}", _cpu() - started)
    return good == runs and exact == seen


def whole(name: str, what: str, load: Callable[[], tuple[HwGraph, Arrays]]) -> bool:
    """Two runs of a network, beside the schedule, Python and csim. Whether all was right."""
    started = _cpu()
    graph, codes = load()
    frames = len(next(iter(codes.values())))
    want = dict(run_graph(graph, codes))
    with tempfile.TemporaryDirectory() as folder:
        csim = differing(simulate(graph, STREAM, Path(folder), codes), want)
    sim = compile_stream(emit_stream_rtl(graph, STREAM), graph, effort="-O0")
    plan, wait = sim.rtl.plan, 8 * patience(sim.rtl)
    jobs = [Job(codes, frames, wait), Job(codes, frames, wait, pauses(plan))]
    found = sim.run(jobs)
    wrong = [v for o in found for v in (["stuck"] if o.stuck else differing(dict(o.outputs), want))]
    words, peaks = agreement(sim, jobs, found)
    ends = " ".join(f"{1 + max(int(c[-1]) for c in o.clocks.values() if len(c)):,}" for o in found)
    _row(
        name, what, len(graph.nodes), _size(plan), _times(plan), ends, _said(csim), _said(wrong),
        *(f"{sum(v)} of {len(v)}" for v in (words, peaks)), _cpu() - started,
    )  # fmt: skip
    return not csim and not wrong and all(words) and all(peaks)


def pauses(plan: RtlPlan) -> dict[str, Gate]:
    """Inputs with a gap now and then; outputs that stop for one to three frames' time."""
    rng = np.random.default_rng(2)
    found: dict[str, Gate] = {p.value.name: rng.random(97) < 0.8 for p in plan.inputs}
    for port in plan.outputs:
        shut = rng.integers(plan.interval, 3 * plan.interval, 8)
        open_ = rng.integers(1, plan.interval // 8, 8)
        runs = np.stack([shut, open_], axis=1).reshape(-1)
        found[port.value.name] = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return found


def agreement(
    sim: StreamSimulation, jobs: Sequence[Job], outcomes: Sequence[Outcome]
) -> tuple[list[bool], list[bool]]:
    """Whether each word at a port moved when scheduled, each FIFO was at most as full."""
    plan = sim.rtl.plan
    words: list[bool] = []
    peaks: list[bool] = []
    for job, found in zip(jobs, outcomes, strict=True):
        times = plan.times(job.frames, job.gates)
        for ports, cycles in ((plan.inputs, times.written), (plan.outputs, times.read)):
            for p in ports:
                due, moved = cycles[p.channel], found.clocks[p.value.name]
                same = due[: len(moved)] == moved[: len(due)]
                words += same.tolist() + [False] * abs(len(due) - len(moved))
        peaks += [found.peaks[c.name] == times.peak(c.name) for c in plan.channels]
    return words, peaks


def _model(corpus: Path, name: str, frames: int) -> tuple[HwGraph, Arrays]:
    folder = next(f for f in (corpus / name, EXAMPLES / name) if f.is_dir())
    network = load_network(next(folder.glob("*.onnx")), BuildOptions(io=Io.STREAM))
    return network.graph, dict(input_codes(network, random_feeds(network, frames, 0)))


def _random(make: Callable[[], HwGraph], frames: int) -> tuple[HwGraph, Arrays]:
    graph = make()
    return graph, stimuli(graph, frames)


def _size(plan: RtlPlan) -> str:
    return f"{len(plan.units)}, {len(plan.channels)}"


def _times(plan: RtlPlan) -> str:
    return f"{plan.interval:,}, {plan.latency:,}"


def _said(wrong: Sequence[str]) -> str:
    return "equal" if not wrong else f"WRONG: {', '.join(wrong)}"


def _row(*cells: object) -> None:
    shown = (f"{c:.0f}" if isinstance(c, float) else str(c) for c in cells)
    print(" | ".join(shown), flush=True)


def _cpu() -> float:
    """CPU seconds so far, those of programs that were started included."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--modelled", type=int, default=200, help="runs compared by cycle")
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--networks", type=Path, metavar="CORPUS", help="whole networks instead")
    given = parser.parse_args()
    if given.networks is None:
        _row("network", "units, channels", "interval, first frame", "runs", "values equal", "stuck",
             "cycles and peaks equal", "CPU s")  # fmt: skip
        rows = [
            partial(small, name, SMALL[name](), given.frames, given.runs, given.modelled)
            for name in given.names or SMALL
        ]
    else:
        _row("network", "what", "operators", "units, channels", "interval, first frame",
             "clocks free, held up", "csim", "RTL", "words on their clock", "peaks equal",
             "CPU s")  # fmt: skip
        rows = [_whole(name, given) for name in given.names or [*MODELS, *RANDOM]]
    return int(sum(not row() for row in rows) > 0)


def _whole(name: str, given: argparse.Namespace) -> Callable[[], bool]:
    if name in RANDOM:
        make, what = RANDOM[name]
        return partial(whole, name, what, partial(_random, make, given.frames))
    return partial(whole, name, MODELS[name], partial(_model, given.networks, name, given.frames))


if __name__ == "__main__":
    sys.exit(main())
