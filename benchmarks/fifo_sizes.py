"""Seconds to size all FIFOs of streamed networks: in closed form, then less behind forks.

python benchmarks/fifo_sizes.py [--only NAME] [--corpus DIR]

Tokens are those that a frame moves through all channels. Depths are summed over the channels
between forks and joins, in tokens; certified means that every token's inequalities hold for them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from contest import CORPUS, machine, one_thread

one_thread()

from stream_networks import fracbnn, mobilenet  # noqa: E402

from hlsgen.build.project import BuildOptions, load_network  # noqa: E402
from hlsgen.emit.hls import HlsOptions, Io, design_of  # noqa: E402
from hlsgen.emit.streams import HOLD, SEARCH  # noqa: E402
from hlsgen.ir.hw import HwGraph  # noqa: E402
from hlsgen.schedule.cycles import on_cycles  # noqa: E402
from hlsgen.schedule.descent import descend  # noqa: E402
from hlsgen.schedule.sizes import size_fifos  # noqa: E402

NETWORKS: dict[str, Callable[[Path], HwGraph]] = {
    "MobileNet-v1-224, random": lambda _: mobilenet(),
    "FracBNN's shape, random": lambda _: fracbnn(),
    "nn2fpga_resnet8_a8w8b16": lambda corpus: of_file(corpus / "nn2fpga_resnet8_a8w8b16"),
    "tfl_mlperf_kws_dscnn": lambda corpus: of_file(corpus / "tfl_mlperf_kws_dscnn"),
}


def of_file(folder: Path) -> HwGraph:
    return load_network(folder / "model.onnx", BuildOptions()).graph


def row(name: str, graph: HwGraph) -> str:
    processes = design_of(graph, HlsOptions(io=Io.STREAM)).plan.processes
    tokens = sum(len(steps) for p in processes for steps in p.moves().reads)
    start = time.process_time()
    sizing = size_fifos(processes, HOLD)
    closed = time.process_time() - start
    inner = on_cycles(processes)
    start = time.process_time()
    found = descend(processes, sizing.depths, sizing.interval, HOLD, SEARCH)
    searched = time.process_time() - start
    before, after = (sum(d[n] for n in inner) for d in (sizing.depths, found or sizing.depths))
    return (
        f"| {name} | {len(processes)} | {tokens:,} | {closed:.2f} | {len(inner)} | {before:,} | "
        f"{searched:.2f} | {after:,} | {'no' if found is None else 'yes'} |"
    )


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--corpus", type=Path, default=CORPUS)
    given.add_argument("--only", default="", help="networks whose name has this in it")
    options = given.parse_args()
    print(machine())
    head = ("network", "processes", "tokens", "closed form, CPU s", "channels between forks and "
            "joins", "their depths", "descent, CPU s", "depths after", "certified")  # fmt: skip
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for name, make in NETWORKS.items():
        if options.only in name:
            print(row(name, make(options.corpus)), flush=True)


if __name__ == "__main__":
    main()
