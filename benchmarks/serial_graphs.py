"""What digit-serial adder graphs take, counted by Yosys on the emitted SystemVerilog.

Random matrices of 8 bit weights; the graph alone, without what picks and joins digits. `logic`
maps adders to LUTs alone, `chains` to carry chains: adders are so narrow that either may be less.
hlsgen/fold/cost.toml has the factors: LUTs of `logic` for each bit of an adder.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from contest import one_thread

one_thread()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from hlsgen.build.synth import LUTS, cell_counts  # noqa: E402
from hlsgen.build.yosys import ULTRASCALE, find_yosys  # noqa: E402
from hlsgen.emit.arithmetic import SERIAL, Arithmetic  # noqa: E402
from hlsgen.emit.hls import HlsOptions, Io  # noqa: E402
from hlsgen.emit.rtl.stream.emit import StreamRtl, emit_stream_rtl  # noqa: E402
from hlsgen.errors import Loc  # noqa: E402
from hlsgen.ir.graph import Node  # noqa: E402
from hlsgen.ir.hw import HwGraph, IntType  # noqa: E402
from hlsgen.ops.hw.matmul import MatMul  # noqa: E402

SHAPES = ((9, 8), (27, 16))  # inputs, outputs
_FLOW = (
    "hierarchy -check -top {top}; proc; flatten; synth_xilinx -family xcup -flatten -noiopad "
    "-nowidelut -nodsp {carry} -top {top}; tee -q -o stat.json stat -json"
)


def layer(inputs: int, outputs: int) -> HwGraph:
    """A matrix of weights like those of trained layers, and biases."""
    rng = np.random.default_rng(0)
    weights = np.clip(np.rint(rng.normal(0, 20, (inputs, outputs))), -127, 127).astype(np.int64)
    op, x = MatMul(weights, rng.integers(-999, 999, outputs)), IntType.of((1, inputs), -128, 127)
    (y,) = op.infer(x)
    node = Node(op, ("x",), ("y",), Loc("layer.onnx", 0, "y", "MatMul"))
    return HwGraph("layer", ("x",), ("y",), (node,), {"x": x, "y": y})


def counts(rtl: StreamRtl, top: str, carry: str) -> tuple[int, int, int, int]:
    """LUTs, shift registers, flip-flops and CARRY4 of a module."""
    yosys = find_yosys()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for file, text in rtl.files.items():
            (work / file).write_text(text, encoding="utf-8")
        read = f"{ULTRASCALE}; read_verilog -sv {' '.join(rtl.files)}; "
        flow = _FLOW.format(top=top, carry=carry)
        yosys.run(f"read_verilog -lib +/xilinx/cells_sim.v; {read}{flow}", work)
        cells = cell_counts(work / "stat.json", top, yosys.version)
    kinds = LUTS, r"SRL\w+", r"FD[A-Z]+", "CARRY4"
    found = [sum(n for kind, n in cells.items() if re.fullmatch(k, kind)) for k in kinds]
    return found[0], found[1], found[2], found[3]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--digits", default="1,2,3,4", help="bits of a digit to try")
    given.add_argument("--shapes", type=int, default=len(SHAPES), help="so many of the matrices")
    options = given.parse_args()
    wanted = [int(d) for d in options.digits.split(",")]
    names = ("matrix", "bits", "clocks", "adders", "waiting", "kept")
    table = Table(*names, "logic: LUT", "SRL", "FF", "LUT/bit", "chains: LUT", "CARRY4", box=None)
    for shape in SHAPES[: options.shapes]:
        for how, bits in SERIAL.items():
            if bits in wanted:
                table.add_row(*measured(shape, how))
    Console(width=160).print(table)


def measured(shape: tuple[int, int], how: Arithmetic) -> list[str]:
    """A row of the table."""
    options = HlsOptions(io=Io.STREAM, arithmetic={"": how})
    rtl = emit_stream_rtl(layer(*shape), options)
    (unit,) = [u for u in rtl.plan.units if u.frame.endswith("serial.sv.j2")]
    graph, operator = unit.numbers["graph"], unit.numbers["operator"]
    luts, srl, ff, _ = counts(rtl, f"{unit.module}_graph", "-nocarry")
    in_chains, _, _, carry = counts(rtl, f"{unit.module}_graph", "")
    each = luts / len(graph.adders) / graph.digit
    row = [f"{shape[0]}x{shape[1]}", graph.digit, operator.digits, len(graph.adders)]
    row += [graph.waiting, graph.kept, luts, srl, ff, f"{each:.2f}", in_chains, carry]
    return [str(v) for v in row]


if __name__ == "__main__":
    main()
