"""Frames a second that fit a board: cycles by the schedule, resources by the cost model.

All figures are estimates: no vendor tool was run, nothing was placed or routed. Two networks are
real files, the others have random weights in the shapes and widths of their models. Frames are
those of all compute units of a card, cycles and resources those of one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from contest import CORPUS, machine, one_thread

one_thread()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from stream_networks import cnv, fracbnn, mobilenet, resnet8  # noqa: E402

from hlsgen.boards import load_board  # noqa: E402
from hlsgen.build.project import BuildOptions, load_network  # noqa: E402
from hlsgen.emit.hls import HlsOptions, Io  # noqa: E402
from hlsgen.errors import HlsgenError  # noqa: E402
from hlsgen.fold.choose import binding_text, fold  # noqa: E402
from hlsgen.fold.goal import Goal  # noqa: E402
from hlsgen.fold.settle import Folded  # noqa: E402
from hlsgen.ir.hw import HwGraph  # noqa: E402

CLOCK_NS = 4.0
LIMITS = {"lut": 0.8, "dsp": 0.95}  # those of the targets


def of_file(name: str) -> Callable[[Path], HwGraph]:
    return lambda corpus: load_network(corpus / name / "model.onnx", BuildOptions()).graph


# Name, network, board, frames a second to reach, and what others publish.
ROWS: tuple[tuple[str, Callable[[Path], HwGraph], str, int, str], ...] = (
    ("nn2fpga_resnet8_a8w8b16", of_file("nn2fpga_resnet8_a8w8b16"), "ultra96v2", 16_000,
     "nn2FPGA > 12,000"),
    ("nn2fpga_resnet8_a8w8b16", of_file("nn2fpga_resnet8_a8w8b16"), "u280", 300_000, ""),
    ("ResNet8 w4a8, random", lambda _: resnet8(4), "ultra96v2", 40_000, ""),
    ("tfl_mlperf_kws_dscnn", of_file("tfl_mlperf_kws_dscnn"), "ultra96v2", 40_000, ""),
    ("FracBNN's shape, w1a2, random", lambda _: fracbnn(), "ultra96v2", 10_000, "2,863"),
    ("CNV w1a1, random", lambda _: cnv(), "ultra96v2", 20_000, "1,897 (one image, 300 MHz)"),
    ("MobileNet-v1-224 w8a8, random", lambda _: mobilenet(), "u280", 0, ""),
)  # fmt: skip


def measured(make: Callable[[Path], HwGraph], board: str, corpus: Path) -> tuple[Folded, float]:
    """The fastest folding, and CPU seconds of the search, FIFO sizes and certificate included."""
    graph = make(corpus)
    options = HlsOptions(io=Io.STREAM, clock_ns=CLOCK_NS)
    started = time.process_time()
    found = fold(graph, options, load_board(board), Goal(maximise=True, max_util=LIMITS))
    return found, time.process_time() - started


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--corpus", type=Path, default=CORPUS)
    given.add_argument("--only", default="", help="rows whose network's name has this in it")
    given.add_argument("--json", type=Path, help="also write what was found to this file")
    options = given.parse_args()
    console = Console(width=200)
    table = Table("network", "board", box=None)
    for name in (
        "target",
        "frames/s",
        "units",
        "cycles",
        "LUT",
        "DSP",
        "BRAM18",
        "URAM",
        "search, CPU s",
    ):
        table.add_column(name, justify="right")
    table.add_column("certified")
    table.add_column("what binds")
    kept: list[dict[str, object]] = []
    for name, make, board, target, published in ROWS:
        if options.only not in name:
            continue
        try:
            found, seconds = measured(make, board, options.corpus)
        except HlsgenError as error:
            table.add_row(name, board, f"{target:,}", str(error))
            continue
        use = [f"{found.whole[k]:,.0f}" for k in (0, 2, 3, 4)]
        note = f"; published: {published}" if published else ""
        table.add_row(
            name, board, f"{target:,}" if target else "", f"{found.fps:,.0f}",
            str(found.units), f"{found.cycles:,}", *use, f"{seconds:.1f}",
            "yes" if found.design.plan.certified else "no", binding_text(found) + note,
        )  # fmt: skip
        kept.append({"network": name, "board": board, "cycles": found.cycles, "fps": found.fps,
                     "units": found.units, "use": found.whole.tolist(),
                     "seconds": seconds})  # fmt: skip
        console.print(f"{name} on {board}: {found.fps:,.0f} frames a second", style="dim")
    console.print(
        machine(), f"{1000 / CLOCK_NS:g} MHz assumed; LUT at most 80 %, DSP 95 %", sep="\n"
    )
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
