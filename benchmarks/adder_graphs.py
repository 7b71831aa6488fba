"""Adder graphs of constant matrices: LUTs and CPU seconds beside those of da4ml and alkaid."""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import resource
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from contest import HERE, one_thread
from fusion import recost

one_thread()

import numpy as np  # noqa: E402

from hlsgen.arith.adders import AdderGraph, Term, coefficients, solve  # noqa: E402

FOLDER = HERE.parents[1] / "shared" / "bench" / "cmvm"
INT8 = (-128, 127)


@dataclass(frozen=True)
class Peer:
    """The better peer at one matrix and depth, and the least CPU seconds of any peer there."""

    tool: str
    luts: int
    depth: int
    cpu: float
    graph: AdderGraph | None = None


Peers = dict[tuple[str, int], Peer]


def recorded(folder: Path, names: set[str], largest: int) -> Peers:
    """From peers.csv, by matrix and hard_dc."""
    rows: dict[tuple[str, int], list[dict[str, str]]] = defaultdict(list)
    with (folder / "peers.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["ok"] != "True" or max(int(row["n_in"]), int(row["n_out"])) > largest:
                continue
            if (folder / f"{row['name']}.npy").exists() and (not names or row["name"] in names):
                rows[row["name"], int(row["hard_dc"])].append(row)
    found: Peers = {}
    for key, entries in rows.items():
        best = min(entries, key=lambda r: int(r["lut_est"]))
        cpu = min(float(r["cpu_sec"]) for r in entries)
        found[key] = Peer(best["tool"], int(best["lut_est"]), int(best["depth"]), cpu)
    return found


def run_peers(python: str, path: Path, options: list[int]) -> dict[int, Peer]:
    """Both peers run now, by a Python that has them; the peer of fewer LUTs at each hard_dc."""
    found: dict[int, list[Peer]] = defaultdict(list)
    for tool in ("da4ml", "alkaid"):
        script = str(HERE / "peers" / "adder_graph.py")
        done = subprocess.run(
            [python, script, tool, str(path), *map(str, options)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        for dc, line in zip(options, done.stdout.splitlines(), strict=True):
            told = json.loads(line)
            graph = AdderGraph(
                tuple(tuple(r) for r in told["inputs"]),
                tuple(tuple(Term(*t) for t in adder) for adder in told["adders"]),
                tuple(None if t is None else Term(*t) for t in told["outputs"]),
            )
            luts = sum(graph.adder_luts(k) for k in range(len(graph.adders)))
            found[dc].append(Peer(tool, luts, graph.depth, told["cpu"], graph))
    least = {dc: min(p.cpu for p in both) for dc, both in found.items()}
    better = {dc: min(both, key=lambda p: p.luts) for dc, both in found.items()}
    return {dc: replace(peer, cpu=least[dc]) for dc, peer in better.items()}


def timed(matrix: np.ndarray, **options: object) -> tuple[AdderGraph, float]:
    """A fresh graph and its CPU seconds, checks included."""
    start = time.process_time()
    graph = solve(matrix, [INT8] * len(matrix), cached=False, **options)  # type: ignore[arg-type]
    return graph, time.process_time() - start


class Totals:
    """LUTs of ours and of theirs, by family, summed; and the ratios of single rows."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.rows: dict[str, list[tuple[float, str]]] = defaultdict(list)

    def add(self, what: str, groups: list[str], ours: float, theirs: float) -> None:
        """One row of the table into its groups."""
        for group in groups:
            self.sums[what, group][0] += ours
            self.sums[what, group][1] += theirs
        self.rows[what].append((ours / max(theirs, 1e-3), " ".join(groups[1:3])))

    def show(self) -> None:
        """Sums as one table, then the spread of rows."""
        groups = list(dict.fromkeys(g for _, g in self.sums))
        kinds = list(dict.fromkeys(k for k, _ in self.sums))
        print("| " + " | ".join(["rows", *kinds]) + " |")
        print("| --- |" + " --- |" * len(kinds))
        for group in groups:
            cells = [self.sums.get((kind, group), [0, 0]) for kind in kinds]
            shown = [f"{a / b:.3f}" if b else "" for a, b in cells]
            print("| " + " | ".join([group, *shown]) + " |")
        for kind, rows in self.rows.items():
            ratios = [r for r, _ in rows]
            geo = math.exp(sum(math.log(max(r, 1e-9)) for r in ratios) / len(ratios))
            good, bad = sum(r <= 0.95 for r in ratios), sum(r > 1 for r in ratios)
            worst = ", ".join(f"{n} {r:.3f}" for r, n in sorted(rows, reverse=True)[:4])
            print(
                f"{kind}: {len(rows)} rows, geometric mean {geo:.3f}, {good} <= 0.95, "
                f"{bad} > 1; worst: {worst}"
            )


def compare(name: str, dc: int, peer: Peer, args: argparse.Namespace, totals: Totals) -> None:
    """One matrix at one depth."""
    path = args.folder / f"{name}.npy"
    matrix = np.load(path).astype(np.int64)
    groups = ["all", name, f"dc {dc}", name.split("_")[0]]
    own, cpu = timed(matrix, max_depth=peer.depth, effort=args.effort, seed=args.seed)
    assert np.array_equal(coefficients(own), matrix)
    totals.add("two inputs", groups, own.cost(), peer.luts)
    totals.add("CPU, two inputs", groups, cpu, peer.cpu)
    line = [name, dc, peer.depth, peer.luts, own.cost(), len(own.adders), own.depth, f"{cpu:.2f}"]
    if not args.no_three:
        three, cpu3 = timed(
            matrix, max_depth=peer.depth, effort=args.effort, seed=args.seed, three_input=True
        )
        totals.add("three inputs", groups, three.cost(), peer.luts)
        totals.add("three inputs, strict", groups, three.cost(strict=True), peer.luts)
        totals.add("CPU, three inputs", groups, cpu3, peer.cpu)
        line += [three.cost(), three.depth, f"{cpu3:.2f}"]
    if peer.graph is not None:
        assert np.array_equal(coefficients(peer.graph), matrix)
        two, fused = (recost(peer.graph, three=flag) for flag in (False, True))
        totals.add("two inputs, negations charged to both", groups, own.cost(), peer.graph.cost())
        totals.add("two inputs, peer re-costed", groups, own.cost(), two)
        line += [peer.graph.cost(), two]
        if not args.no_three:
            totals.add("three inputs, peer fused", groups, three.cost(), fused)
            line += [fused]
    print(*line, flush=True)


def single_passes(sizes: str, seed: int) -> None:
    """One greedy pass over random matrices such as 64x64w8, each in a process of its own."""
    print("| matrix | CPU s | peak MiB | adders | LUTs | depth |")
    print("|" + " --- |" * 6)
    for size in filter(None, sizes.split(",")):
        rows, columns, bits = map(int, re.fullmatch(r"(\d+)x(\d+)w(\d+)", size).groups())  # type: ignore[union-attr]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            cells = pool.submit(single_pass, rows, columns, bits, seed).result()
        print(f"| {size} | " + " | ".join(cells) + " |", flush=True)


def single_pass(rows: int, columns: int, bits: int, seed: int) -> list[str]:
    """CPU seconds (check of the graph included), memory and size of one pass, depth unbounded."""
    solve(np.array([[3, 5], [7, 1]]), [INT8] * 2, cached=False)
    most = 1 << (bits - 1)
    matrix = np.random.default_rng(seed).integers(-most, most, (rows, columns))
    graph, cpu = timed(matrix, effort=0.0)
    assert np.array_equal(coefficients(graph), matrix)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = (len(graph.adders), graph.cost(), graph.depth)
    return [f"{cpu:.2f}", f"{peak:,.0f}", *(f"{v:,}" for v in told)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="matrices and peers.csv")
    parser.add_argument("--largest", type=int, default=64, help="rows and columns at most")
    parser.add_argument("--only", default="", help="names, with commas between")
    parser.add_argument("--effort", type=float, default=1.0, help="0 is one greedy pass")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-three", action="store_true", help="without three-input adders")
    parser.add_argument(
        "--peer-python", help="a Python that has da4ml and alkaid: they run here, side by side"
    )
    parser.add_argument("--single", default="", help="only one pass over random ones: 64x64w8,...")
    args = parser.parse_args()
    if args.single:
        single_passes(args.single, args.seed)
        return
    if not (args.folder / "peers.csv").exists():
        sys.exit(f"{args.folder}: no peers.csv; name the folder with --folder")
    solve(np.array([[3, 5], [7, 1]]), [INT8] * 2, cached=False)  # compile before the clock runs
    totals = Totals()
    rows = recorded(args.folder, set(filter(None, args.only.split(","))), args.largest)
    for name in sorted({name for name, _ in rows}):
        found = {dc: peer for (other, dc), peer in sorted(rows.items()) if other == name}
        if args.peer_python:
            found = run_peers(args.peer_python, args.folder / f"{name}.npy", list(found))
        for dc, peer in found.items():
            compare(name, dc, peer, args, totals)
    totals.show()


if __name__ == "__main__":
    main()
