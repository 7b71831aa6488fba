"""LUTs of one constant matrix under every arithmetic, counted by one run of Yosys each.

An empty place is an arithmetic that the matrix cannot have; "about" marks an estimate, of a design
that is not counted for its size. DSPs are counted in runs of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from contest import CORPUS, HERE, machine, one_thread

one_thread()

import numpy as np  # noqa: E402
from calibrate import Draft  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from hlsgen.arith.affine_steps import affine_steps  # noqa: E402
from hlsgen.arith.format import IntFormat  # noqa: E402
from hlsgen.arith.realise import realise  # noqa: E402
from hlsgen.arith.rounding import Rounding  # noqa: E402
from hlsgen.build.synth import batch_luts, synthesise  # noqa: E402
from hlsgen.build.yosys import find_yosys  # noqa: E402
from hlsgen.emit.arithmetic import Arithmetic  # noqa: E402
from hlsgen.emit.rtl.design_cost import luts  # noqa: E402
from hlsgen.emit.rtl.emit import Rtl, RtlOptions, emit_rtl  # noqa: E402
from hlsgen.errors import OptionError  # noqa: E402
from hlsgen.frontends import read_model  # noqa: E402
from hlsgen.ir.hw import HwGraph, IntArray, IntType  # noqa: E402
from hlsgen.ops.hw.matmul import MatMul  # noqa: E402
from hlsgen.ops.hw.staircase import Staircase  # noqa: E402
from hlsgen.passes.lower import lower  # noqa: E402

CMVM = HERE.parents[1] / "shared" / "bench" / "cmvm"
COLUMNS = (
    Arithmetic.TOOL, Arithmetic.SHIFT_ADD, Arithmetic.POPCOUNT, Arithmetic.COMPRESS,
    Arithmetic.LUTGEMM, Arithmetic.TABLE, Arithmetic.BCQ, Arithmetic.GROUPWISE,
    Arithmetic.TRUTH_TABLE,
)  # fmt: skip


def network(weights: IntArray, lo: int, hi: int) -> HwGraph:
    """One product with a constant matrix."""
    d = Draft(x=IntType.of((1, len(weights)), lo, hi))
    return d.graph(d.add(MatMul(weights, np.zeros(weights.shape[1], np.int64)), "x"))


def neurons(fan_in: int) -> HwGraph:
    """Layers of 64, 32 and 5 neurons, each of a few of the codes 0 to 3 in front of it."""
    rng = np.random.default_rng(0)
    d = Draft(x=IntType.of((1, 16), 0, 3))
    x = "x"
    for inputs, outputs in ((16, 64), (64, 32), (32, 5)):
        weights = np.zeros((inputs, outputs), np.int64)
        for column in weights.T:
            column[rng.choice(inputs, fan_in, replace=False)] = rng.integers(1, 8, fan_in)
        weights *= rng.choice([-1, 1], weights.shape)
        x = two_bits(d, d.add(MatMul(weights, rng.integers(-9, 10, outputs)), x))
    return d.graph(x)


def two_bits(d: Draft, x: str) -> str:
    """Codes 0 to 3 of the middle two thirds of each column's range."""
    t = d.types[x]
    ends = zip(
        *(np.broadcast_to(v, t.shape).reshape(-1).tolist() for v in (t.lo, t.hi)), strict=True
    )
    rows = tuple(
        affine_steps(
            t.min, t.max, Fraction(6, hi - lo), 2 - Fraction(3 * (hi + lo), hi - lo), 0, 3,
            Rounding.FLOOR,
        )
        for lo, hi in ends
    )  # fmt: skip
    how = realise(rows, t.format, IntFormat.of_range(0, 3))
    return d.add(Staircase(rows, np.arange(len(rows)).reshape(1, -1), how), x)


def matrices(corpus: Path) -> Iterator[tuple[str, HwGraph]]:
    """The rows of the table."""
    rng = np.random.default_rng(0)
    model = corpus / "qonnx_tfc_w1a1" / "model.onnx"
    if model.is_file():
        sizes = [n.op for n in lower(read_model(model)).graph.nodes if isinstance(n.op, MatMul)]
        hidden = next(op for op in sizes if op.weights.shape == (64, 64))
        yield "qonnx_tfc_w1a1, 64x64 of +-1 by 0, 1", network(hidden.weights, 0, 1)
    yield "ternary 32x32 by uint4", network(rng.integers(-1, 2, (32, 32)), 0, 15)
    uniform = CMVM / "unif_16x16_w4.npy"
    if uniform.is_file():
        yield "unif_16x16_w4 by uint4", network(np.load(uniform).astype(np.int64), 0, 15)
    yield "+-1, 32x32 by 0, 1", network(rng.choice([-1, 1], (32, 32)), 0, 1)
    yield "+-1, 200x1 by 0, 1", network(rng.choice([-1, 1], (200, 1)), 0, 1)
    yield "ones, 49x1 by uint8", network(np.ones((49, 1), np.int64), 0, 255)
    yield "+-1, 16x128 by int8", network(rng.choice([-1, 1], (16, 128)), -128, 127)
    scales = rng.integers(128, 256, (2, 16)).repeat(16, axis=0)
    yield (
        "int4 32x16 in blocks of 16 by int8",
        network(rng.integers(-8, 8, (32, 16)) * scales, -128, 127),
    )
    yield "network 16-64-32-5, 4 inputs of 2 bits a neuron, quantisers and all", neurons(4)


def emitted(graph: HwGraph, how: Arithmetic, top: str) -> Rtl | None:
    """None where the matrix cannot have this arithmetic."""
    options = RtlOptions(clock_ns=None, arithmetic={"": how}, top=top)
    try:
        return emit_rtl(graph, options)
    except OptionError:
        return None


def main() -> None:
    """Emits everything, counts it at once, and prints the table."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--corpus", type=Path, default=CORPUS)
    given.add_argument("--only", default="", help="matrices whose name has this in it")
    given.add_argument("--largest", type=int, default=12000, help="estimated LUTs still counted")
    args = given.parse_args()
    table = Table("matrix", *COLUMNS)
    for k, (name, graph) in enumerate(matrices(args.corpus)):
        if args.only not in name:
            continue
        found = {how: emitted(graph, how, f"d{k}_{how.name.lower()}") for how in COLUMNS}
        made = {how: rtl for how, rtl in found.items() if rtl is not None}
        guessed = {how: luts(rtl.net) for how, rtl in made.items()}
        small = [how for how in made if guessed[how] <= args.largest]
        counted = dict(zip(small, batch_luts([made[how] for how in small]), strict=True))
        shown = {how: f"{counted[how]:,}" for how in small}
        shown |= {how: f"about {guessed[how]:,.0f}" for how in made if how not in small}
        cells = [
            f"{shown[how]} ({made[how].delay_ns:.1f})" if how in made else "" for how in COLUMNS
        ]
        table.add_row(name, *cells)
        print(name, *(f"{how} {cell}" for how, cell in zip(COLUMNS, cells, strict=True)), sep="; ")
    console = Console(width=120)
    console.print(machine(), find_yosys().version, sep="\n")
    console.print("LUTs (and nanoseconds without registers, estimated)")
    console.print(table)
    rng = np.random.default_rng(0)
    graph = network(rng.integers(-128, 128, (16, 16)), -128, 127)
    for how in (Arithmetic.DSP, Arithmetic.DSP_PACKED):
        rtl = emitted(graph, how, f"d_{how.name.lower()}")
        assert rtl is not None
        cost = synthesise(rtl, dsp=True).fpga
        assert cost is not None
        console.print(f"16x16 of 8 bits by int8, {how}: {cost.dsp} DSP, {cost.lut:,} LUT")


if __name__ == "__main__":
    main()
