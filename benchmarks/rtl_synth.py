"""LUTs and flip-flops of SystemVerilog by Yosys, beside those of da4ml and alkaid by the same flow.

Each design is first simulated as the primitives that are then counted (LUT6_2, CARRY8, and `$add`
where Yosys makes the carry chain) and compared with numpy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from contest import HERE, machine, one_thread

one_thread()

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from hlsgen.arith.affine_steps import affine_steps  # noqa: E402
from hlsgen.arith.format import IntFormat  # noqa: E402
from hlsgen.arith.realise import realise  # noqa: E402
from hlsgen.arith.rounding import Rounding  # noqa: E402
from hlsgen.build.rtl_netlist import elaborate, run_netlist  # noqa: E402
from hlsgen.build.synth import FpgaCost, synthesise  # noqa: E402
from hlsgen.build.yosys import find_yosys  # noqa: E402
from hlsgen.emit.arithmetic import Arithmetic  # noqa: E402
from hlsgen.emit.rtl.emit import Rtl, RtlOptions, emit_rtl  # noqa: E402
from hlsgen.errors import Loc  # noqa: E402
from hlsgen.ir.graph import Node  # noqa: E402
from hlsgen.ir.hw import HwGraph, HwOp, IntType  # noqa: E402
from hlsgen.ops.hw.matmul import MatMul  # noqa: E402
from hlsgen.ops.hw.staircase import Staircase  # noqa: E402

Array = NDArray[np.int64]
FOLDER = HERE.parents[1] / "shared" / "bench" / "cmvm"
LAYERS = tuple(f"qk3l_L{k}_w6" for k in range(4))
INT8 = (-128, 127)


@dataclass(frozen=True)
class Design:
    """What is built, and the figures to compare with: (da4ml, alkaid) LUTs by the same flow.

    `luts` and `ffs` are the targets; inputs are int8.
    """

    name: str
    graph: HwGraph
    want: Callable[[Array], Array]
    peers: tuple[int, int]
    luts: int
    options: RtlOptions
    ffs: int | None = None


@dataclass(frozen=True)
class Result:
    """What was measured of a design."""

    name: str
    cost: FpgaCost
    latency: int
    clock_ns: float | None
    delay_ns: float
    samples: int
    seconds: float


def network(name: str, matrices: Sequence[Array], biases: Sequence[Array]) -> HwGraph:
    """Matrix products, between them ReLU and a requantiser to 6 bits: 2^-9 to 2^-4, half up."""
    types = {"x": IntType.of((1, len(matrices[0])), *INT8)}
    nodes: list[Node[HwOp]] = []

    def add(op: HwOp, label: str) -> None:
        before = nodes[-1].output if nodes else "x"
        types[label] = op.infer(types[before])[0]
        nodes.append(Node(op, (before,), (label,), Loc(name, len(nodes), label)))

    for k, (weights, bias) in enumerate(zip(matrices, biases, strict=True)):
        if k:
            t = types[nodes[-1].output]
            step = Fraction(1, 32)
            row = affine_steps(t.min, t.max, step, Fraction(0), 0, 63, Rounding.HALF_UP)
            how = realise((row,), t.format, IntFormat.of_range(0, 63))
            add(Staircase((row,), np.zeros((1, 1), np.int64), how), f"relu{k}")
        add(MatMul(weights, bias), f"fc{k + 1}")
    return HwGraph(name, ("x",), (nodes[-1].output,), tuple(nodes), types)


def by_numpy(matrices: Sequence[Array], biases: Sequence[Array], x: Array) -> Array:
    """The same by its definition."""
    for k, (weights, bias) in enumerate(zip(matrices, biases, strict=True)):
        x = np.clip(np.floor_divide(x + 16, 32), 0, 63) if k else x
        x = x @ weights + bias
    return x


def designs(folder: Path, clock_ns: float, operands: int) -> list[Design]:
    """One matrix alone, a larger one, the network of four, and that one with registers."""

    def design(
        name: str, files: Sequence[str], peers: tuple[int, int], luts: int, *, biased: bool = False
    ) -> Design:
        matrices = [np.load(folder / f"{file}.npy").astype(np.int64) for file in files]
        rng = np.random.default_rng(0)
        ends = (-8, 8) if biased else (0, 1)  # multiples of 2^-5, the sums being multiples of 2^-9
        biases = [16 * rng.integers(*ends, m.shape[1]) for m in matrices]
        options = RtlOptions(
            clock_ns=None, operands=operands, arithmetic={"": Arithmetic.SHIFT_ADD}
        )
        graph = network(name, matrices, biases)
        return Design(name, graph, lambda x: by_numpy(matrices, biases, x), peers, luts, options)

    small = design("unif_16x16_w4", ["unif_16x16_w4"], (2121, 2300), 1500)
    large = design("unif_64x32_w6", ["unif_64x32_w6"], (22739, 24322), 15500)
    mlp = design("qk3l_mlp", LAYERS, (24056, 23207), 16500, biased=True)
    clocked = replace(mlp.options, clock_ns=clock_ns, max_latency=6)
    piped = replace(mlp, name="qk3l_mlp, clocked", options=clocked, peers=(23626, 24900), ffs=3825)
    return [small, large, mlp, piped]


def simulated(design: Design, rtl: Rtl, samples: int) -> None:
    """Stops the benchmark where the primitives differ from numpy."""
    (of,) = (design.graph.types[v] for v in design.graph.inputs)
    x = np.random.default_rng(1).integers(*INT8, (samples, *of.shape), endpoint=True)
    x[0], x[1] = INT8
    net = elaborate(rtl, find_yosys(), primitives=True)
    (got,) = run_netlist(rtl, net, design.graph, {"x": x}).values()
    if not np.array_equal(got.reshape(samples, -1), design.want(x.reshape(samples, -1))):
        sys.exit(f"{design.name}: the RTL is wrong")


def measured(design: Design, samples: int) -> Result:
    """Emits, simulates and synthesises."""
    start = time.monotonic()
    rtl = emit_rtl(design.graph, design.options)
    simulated(design, rtl, samples)
    cost = synthesise(rtl).fpga
    assert cost is not None
    took = time.monotonic() - start
    return Result(design.name, cost, rtl.latency, rtl.clock_ns, rtl.delay_ns, samples, took)


def table(rows: Sequence[tuple[Design, Result]]) -> Table:
    shown = Table(title="LUTs by Yosys, UltraScale+")
    for head in (
        "design", "LUT", "target", "da4ml", "alkaid", "of the better", "INV", "CARRY8", "FF",
        "target", "clocks", "delay ns (est.)", "samples equal", "s",
    ):  # fmt: skip
        shown.add_column(head, justify="left" if head == "design" else "right")
    for design, r in rows:
        ratio = r.cost.lut / min(design.peers)
        shown.add_row(
            design.name, f"{r.cost.lut:,}", f"< {design.luts:,}",
            *(f"{p:,}" for p in design.peers), f"{ratio:.3f}", str(r.cost.inverters),
            f"{r.cost.carry8:,}", f"{r.cost.ff:,}", f"< {design.ffs:,}" if design.ffs else "",
            f"{r.latency} of {r.clock_ns:g} ns" if r.clock_ns else "", f"{r.delay_ns:.1f}",
            str(r.samples), f"{r.seconds:.0f}",
        )  # fmt: skip
    return shown


def as_json(design: Design, r: Result) -> dict[str, object]:
    return {
        "design": r.name, "lut": r.cost.lut, "inverters": r.cost.inverters, "ff": r.cost.ff,
        "carry8": r.cost.carry8, "clocks": r.latency, "clock_ns": r.clock_ns,
        "delay_ns_estimated": r.delay_ns, "samples_equal": r.samples, "seconds": r.seconds,
        "target_lut": design.luts, "target_ff": design.ffs, "da4ml_lut": design.peers[0],
        "alkaid_lut": design.peers[1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the matrices lie")
    parser.add_argument("--only", default="", help="designs whose name begins so")
    parser.add_argument("--samples", type=int, default=500, help="simulated before counting")
    parser.add_argument("--operands", type=int, choices=(2, 3), default=3, help="of an adder")
    parser.add_argument("--clock-ns", type=float, default=4.6, help="of the design with registers")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    if not args.folder.is_dir():
        sys.exit(f"{args.folder} is not there; name the folder of the matrices with --folder")
    rows: list[tuple[Design, Result]] = []
    for design in designs(args.folder, args.clock_ns, args.operands):
        if design.name.startswith(args.only):
            rows.append((design, measured(design, args.samples)))
            print(f"{design.name}: {rows[-1][1].cost}", file=sys.stderr, flush=True)
    Console(width=160).print(table(rows))
    said = f"{machine()}, {find_yosys().version}"
    print(said)
    if args.json:
        found = {"machine": said, "designs": [as_json(*row) for row in rows]}
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
