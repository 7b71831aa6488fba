"""Fits the cost model of the SystemVerilog back-end to what Yosys counts, and shows its error.

Small designs of every kind are synthesised, many in one run of Yosys, each a module that keeps its
borders. The factors are non-negative least squares of relative errors on all designs but those of
the last kinds: whole networks, which no factor has seen, and a fifth of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from contest import HERE, one_thread

one_thread()

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scipy.optimize import nnls  # noqa: E402

from hlsgen.arith.affine_steps import affine_steps  # noqa: E402
from hlsgen.arith.format import IntFormat  # noqa: E402
from hlsgen.arith.realise import realise  # noqa: E402
from hlsgen.arith.rounding import Rounding  # noqa: E402
from hlsgen.arith.steps import Steps  # noqa: E402
from hlsgen.build.synth import batch_luts  # noqa: E402
from hlsgen.emit.arithmetic import Arithmetic  # noqa: E402
from hlsgen.emit.rtl.cost import FACTORS, KINDS  # noqa: E402
from hlsgen.emit.rtl.design_cost import design_counts  # noqa: E402
from hlsgen.emit.rtl.emit import Rtl, RtlOptions, emit_rtl  # noqa: E402
from hlsgen.errors import Loc  # noqa: E402
from hlsgen.ir.graph import Node  # noqa: E402
from hlsgen.ir.hw import HwGraph, HwOp, IntType  # noqa: E402
from hlsgen.ops.hw.clamp import Clamp  # noqa: E402
from hlsgen.ops.hw.extremum import Extremum  # noqa: E402
from hlsgen.ops.hw.linear import Linear  # noqa: E402
from hlsgen.ops.hw.matmul import MatMul  # noqa: E402
from hlsgen.ops.hw.product import Product  # noqa: E402
from hlsgen.ops.hw.reduce import Reduce, Reduction  # noqa: E402
from hlsgen.ops.hw.staircase import Staircase  # noqa: E402

Rng = np.random.Generator
UNSEEN = "network"  # the family that is never fitted to


@dataclass(frozen=True)
class Design:
    """A small network and how its products are made."""

    family: str
    graph: HwGraph
    arithmetic: Arithmetic


@dataclass(frozen=True)
class Measured:
    """What Yosys counted of a design, and what the model counts."""

    family: str
    seed: int
    luts: int
    counts: Counter[str]


class Draft:
    """A graph, node by node."""

    def __init__(self, **inputs: IntType) -> None:
        self.types, self.inputs = dict(inputs), tuple(inputs)
        self.nodes: list[Node[HwOp]] = []

    def add(self, op: HwOp, *inputs: str) -> str:
        name = f"v{len(self.nodes)}"
        (self.types[name],) = op.infer(*(self.types[i] for i in inputs))
        loc = Loc("calibrate.py", len(self.nodes), name)
        self.nodes.append(Node(op, inputs, (name,), loc))
        return name

    def graph(self, *outputs: str) -> HwGraph:
        return HwGraph("d", self.inputs, outputs, tuple(self.nodes), self.types)


def integers(rng: Rng, count: int, least: int, most: int) -> IntType:
    """A vector of integers of random width and sign."""
    bits, signed = int(rng.integers(least, most + 1)), bool(rng.integers(2))
    fmt = IntFormat(bits, signed)
    return IntType.of((1, count), fmt.lo, fmt.hi)


def weights(rng: Rng, kind: str, k: int, m: int) -> np.ndarray:
    """Constants of +-1, of -1, 0, 1, or of a random width."""
    if kind != "any":
        return rng.choice([-1, 1] if kind == "binary" else [-1, 0, 1], (k, m))
    top = 1 << int(rng.integers(1, 8))
    return rng.integers(-top, top + 1, (k, m))


def matrix(rng: Rng, kind: str) -> HwGraph:
    k, m = int(rng.integers(3, 25)), int(rng.integers(2, 17))
    d = Draft(x=integers(rng, k, 1, 8))
    return d.graph(d.add(MatMul(weights(rng, kind, k, m), rng.integers(-99, 99, m)), "x"))


def narrow(rng: Rng, kind: str) -> HwGraph:
    """Operands of so few bits that tables and counters are worth a look."""
    k, m = int(rng.integers(6, 33)), int(rng.integers(1, 9))
    d = Draft(x=integers(rng, k, 1, 4))
    return d.graph(d.add(MatMul(weights(rng, kind, k, m), rng.integers(-99, 99, m)), "x"))


def staircase(rng: Rng, d: Draft, x: str, form: str, bits: int) -> str:
    """A requantiser with other constants in each column, as Affine, thresholds, ..."""
    t = d.types[x]
    lo, hi = (0, (1 << bits) - 1) if rng.integers(2) else (-(1 << bits - 1), (1 << bits - 1) - 1)
    unit = Fraction(hi - lo, max(t.max - t.min, 1))

    def steps() -> Steps:
        slope = (unit * Fraction(int(rng.integers(50, 400)), 100)).limit_denominator(1 << 18)
        start = Fraction(int(rng.integers(-50, 50)), 13)
        return affine_steps(t.min, t.max, slope, start, lo, hi, Rounding.HALF_EVEN)

    rows = tuple(steps() for _ in range(t.shape[1]))
    how = realise(rows, t.format, IntFormat.of_range(lo, hi), form)
    return d.add(Staircase(rows, np.arange(t.shape[1]).reshape(1, -1), how), x)


def halves(rng: Rng, _: str) -> HwGraph:
    """Quotients by powers of two, half to even, of x and of -x."""
    d = Draft(x=integers(rng, int(rng.integers(4, 13)), 6, 12))
    made: list[str] = []
    for sign in (1, -1):
        y = d.add(Linear((np.full((1, d.types["x"].shape[1]), sign),), np.zeros((1, 1), int)), "x")
        t = d.types[y]
        slope = Fraction(1, 1 << int(rng.integers(1, 5)))
        steps = affine_steps(t.min, t.max, slope, Fraction(0), -99, 99, Rounding.HALF_EVEN)
        how = realise((steps,), t.format, IntFormat.of_range(-99, 99), "affine")
        made.append(d.add(Staircase((steps,), np.zeros((1, 1), int), how), y))
    return d.graph(*made)


def requantiser(rng: Rng, form: str) -> HwGraph:
    d = Draft(x=integers(rng, int(rng.integers(2, 9)), 6, 11 if form == "table" else 16))
    few = form in ("thresholds", "search")
    return d.graph(staircase(rng, d, "x", form, int(rng.integers(2, 6 if few else 9))))


def pairs(rng: Rng, kind: str) -> HwGraph:
    """Operators on two vectors, element by element, and reductions."""
    n = int(rng.integers(4, 13))
    d = Draft(x=integers(rng, n, 3, 12), z=integers(rng, n, 2, 8))

    def field(values: Any) -> np.ndarray:
        return np.array(values, dtype=np.int64).reshape(1, -1)

    match kind:
        case "linear":
            factors = tuple(field(rng.integers(1, 200, n)) for _ in range(2))
            return d.graph(d.add(Linear(factors, field(rng.integers(-500, 500, n))), "x", "z"))
        case "clamp":
            x = d.types["x"]
            span = x.max - x.min
            low, high = field([x.min + 1 + span // 8] * n), field([x.max - 1 - span // 5] * n)
            return d.graph(d.add(Clamp(low, high), "x"), d.add(Extremum(True), "x", "z"))
        case "product":
            return d.graph(d.add(Product((0, 0)), "x", "z"))
        case _:
            greatest = d.add(Reduce(Reduction.MAX, (1,), True), "x")
            return d.graph(greatest, d.add(Reduce(Reduction.SUM, (1,), True), "z"))


def network(rng: Rng, kind: str) -> HwGraph:
    """Two or three layers of products with requantisation between them."""
    k, layers = int(rng.integers(8, 33)), int(rng.integers(2, 4))
    d = Draft(x=integers(rng, k, 2, 8))
    x = "x"
    for layer in range(layers):
        m = int(rng.integers(5, 25))
        x = d.add(MatMul(weights(rng, kind, k, m), rng.integers(-99, 99, m)), x)
        if layer < layers - 1:
            x = staircase(rng, d, x, "auto", int(rng.integers(2, 7)))
        k = m
    return d.graph(x)


Maker = Callable[[Rng, str], HwGraph]
ADDERS, TOOL = Arithmetic.SHIFT_ADD, Arithmetic.TOOL
BOTH = (ADDERS, TOOL)
TABLES = (Arithmetic.TABLE, Arithmetic.COMPRESS, Arithmetic.LUTGEMM)
FAMILIES: Sequence[tuple[Maker, str, Arithmetic]] = (
    *((matrix, kind, how) for kind in ("any", "any", "binary", "ternary") for how in BOTH),
    *((narrow, kind, how) for kind in ("any", "ternary") for how in TABLES),
    *((requantiser, form, how) for form in ("affine", "two_slope") for how in BOTH),
    *((requantiser, form, TOOL) for form in ("thresholds", "table", "search", "estimate")),
    *((pairs, kind, TOOL) for kind in ("linear", "clamp", "product", "reduce")),
    (pairs, "linear", ADDERS),
    *((network, kind, how) for kind in ("any", "ternary") for how in BOTH),
    (halves, "even", TOOL),
)


def designs(seed: int) -> Iterator[Design]:
    """One of each family."""
    for place, (make, kind, how) in enumerate(FAMILIES):
        rng = np.random.default_rng([seed, place])
        family = f"{make.__name__} {kind}, {how.value}"
        yield Design(family, make(rng, kind), how)


def emitted(seed: int) -> list[tuple[Design, Rtl]]:
    """All families of a seed, each with a name of its own."""
    made: list[tuple[Design, Rtl]] = []
    for k, design in enumerate(designs(seed)):
        options = RtlOptions(clock_ns=None, arithmetic={"": design.arithmetic}, top=f"d{k}")
        made.append((design, emit_rtl(design.graph, options)))
    return made


def measure(seeds: int, path: Path, *, run: bool) -> list[Measured]:
    """All designs of the seeds; what `path` does not hold yet is counted, unless not to be run."""
    known: dict[str, list[int | None]] = json.loads(path.read_text()) if path.is_file() else {}
    measured: list[Measured] = []
    for seed in range(seeds):
        made = emitted(seed)
        luts = known.setdefault(str(seed), [])
        luts += [None] * (len(made) - len(luts))
        missing = [k for k, count in enumerate(luts) if count is None]
        if missing and run:  # the slow part: minutes of Yosys
            for k, count in zip(missing, batch_luts([made[k][1] for k in missing]), strict=True):
                luts[k] = count
            path.write_text(json.dumps(known))
            print(f"seed {seed}: {len(missing)} designs counted", file=sys.stderr)
        measured += [
            Measured(design.family, seed, count, design_counts(rtl.net))
            for (design, rtl), count in zip(made, luts, strict=True)
            if count is not None
        ]
    return measured


def fit(measured: Sequence[Measured]) -> dict[str, float]:
    """LUTs for one unit of each kind, none below zero: the least relative errors."""
    kinds = KINDS
    unmet = [kind for kind in kinds if not any(m.counts[kind] for m in measured)]
    if unmet:
        raise SystemExit(f"no design has {', '.join(unmet)}: give more seeds")
    table = np.array([[m.counts[kind] for kind in kinds] for m in measured], dtype=float)
    luts = np.array([m.luts for m in measured], dtype=float)
    weight = 1 / np.maximum(luts, 30)  # a LUT more or less in a tiny design is no great error
    found: Any = nnls(table * weight[:, None], luts * weight)[0]
    return {kind: float(value) for kind, value in zip(kinds, found, strict=True)}


def predicted(m: Measured, factors: dict[str, float]) -> float:
    return sum(factors.get(kind, 0.0) * count for kind, count in m.counts.items())


def held_back(m: Measured) -> bool:
    """Designs that no factor has seen."""
    return m.family.startswith(UNSEEN) or m.seed % 5 == 0


def show(measured: Sequence[Measured], factors: dict[str, float]) -> None:
    """Errors by family, fitted and held back."""
    table = Table("family", "designs", "LUT", "estimate / measured", "mean error", "worst")
    for column in table.columns[1:]:
        column.justify = "right"
    for held in (False, True):
        part = [m for m in measured if held_back(m) is held]
        table.add_section()
        for family in (*sorted({m.family for m in part}), ""):
            rows = [m for m in part if m.family == family or not family]
            luts, guess = sum(m.luts for m in rows), sum(predicted(m, factors) for m in rows)
            errors = [abs(predicted(m, factors) / max(m.luts, 1) - 1) for m in rows]
            label = family or ("all, held back" if held else "all, fitted")
            table.add_row(
                label, str(len(rows)), f"{luts:,}", f"{guess / luts:.3f}", f"{np.mean(errors):.1%}",
                f"{max(errors):.1%}",
            )  # fmt: skip
    Console(width=120).print(table)


def plot(measured: Sequence[Measured], factors: dict[str, float], path: Path) -> None:
    """Estimate against measurement, one point a design."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(6.4, 6))
    axes = figure.subplots()
    ends = [10.0, 2.0 * max(m.luts for m in measured)]
    axes.fill_between(
        ends, [0.9 * v for v in ends], [1.1 * v for v in ends], alpha=0.15, label="10 %"
    )
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    for held, marker, label in ((False, ".", "fitted"), (True, "x", "held back")):
        part = [m for m in measured if held_back(m) is held and m.luts]
        axes.scatter(
            [m.luts for m in part], [predicted(m, factors) for m in part], s=18, marker=marker,
            label=f"{label} ({len(part)})",
        )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="LUTs counted by Yosys",
        ylabel="LUTs estimated", title="Cost model of the SystemVerilog back-end",
    )  # fmt: skip
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Measures (or reads what was measured), fits, shows, and writes the factors."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=20, help="designs of each family")
    options.add_argument("--measured", type=Path, default=HERE / "calibration.json")
    options.add_argument(
        "--known", action="store_true", help="take what was measured, run no Yosys"
    )
    options.add_argument("--write", action="store_true", help="store the factors in hlsgen")
    options.add_argument("--plot", type=Path, help="an SVG or PNG file (needs matplotlib)")
    given = options.parse_args()
    measured = measure(given.seeds, given.measured, run=not given.known)
    factors = fit([m for m in measured if not held_back(m)])
    show(measured, factors)
    for kind, value in factors.items():
        print(f"{kind} = {value:.3f}")
    if given.write:
        head = FACTORS.read_text(encoding="utf-8").partition("[luts]")[0]
        lines = (f'"{kind}" = {value:.3f}' for kind, value in factors.items())
        FACTORS.write_text(head + "[luts]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    if given.plot:
        plot(measured, factors, given.plot)


if __name__ == "__main__":
    main()
