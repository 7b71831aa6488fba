"""Graphs of da4ml or alkaid as JSON; a Python that has them runs `adder_graph.py TOOL NPY DC...`.

One line for each latency option DC, with the CPU seconds that the search took. Values are kept as
sign * 2^exponent * node, so that fractional steps inside become shifts.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import numpy as np

Ref = tuple[int, int, bool]  # node, exponent, negative


def operand(op: Any) -> tuple[int, ...]:
    """Where an operation reads: alkaid has a tuple for what da4ml has two fields for."""
    return op.addr if hasattr(op, "addr") else (op.id0, op.id1)


class Graph:
    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.adders: list[list[tuple[int, int, bool]]] = []

    def add(self, a: Ref, b: Ref) -> Ref:
        """a + b; where both are negative the sum is held negated."""
        low = min(a[1], b[1])
        flip = a[2] and b[2]
        self.adders.append([(n, e - low, neg != flip) for n, e, neg in (a, b)])
        return self.inputs + len(self.adders) - 1, low, flip

    def stage(self, comb: Any, inputs: list[Ref | None]) -> list[Ref | None]:
        """One combinational stage of the peer."""
        values: list[Ref | None] = []
        for op in comb.ops:
            if op.opcode == -1:
                index = operand(op)[0] if operand(op) else int(op.data[0])
                source = inputs[index]
                shift = int(comb.inp_shifts[index])
                values.append(source and (source[0], source[1] + shift, source[2]))
            elif op.opcode in (0, 1):
                a, b = (values[k] for k in operand(op))
                shift = int(np.ravel(op.data)[0])
                b = b and (b[0], b[1] + shift, b[2] != (op.opcode == 1))
                values.append(self.add(a, b) if a and b else a or b)
            else:
                raise SystemExit(f"operation {op.opcode} is none of an adder graph")
        outputs: list[Ref | None] = []
        terms = zip(comb.out_idxs, comb.out_shifts, comb.out_negs, strict=True)
        for index, shift, negative in terms:
            value = values[index] if index >= 0 else None
            outputs.append(value and (value[0], value[1] + int(shift), value[2] != bool(negative)))
        return outputs


def main() -> None:
    tool, path, *options = sys.argv[1:]
    matrix = np.load(path).astype(np.float32)
    module = importlib.import_module(f"{tool}.cmvm")
    solve = module.solve if tool == "da4ml" else module.cmvm_solve
    solve(np.eye(2, dtype=np.float32), hard_dc=-1)  # what a first call loads is not counted
    for dc in map(int, options):
        start = time.process_time()
        found = solve(matrix, hard_dc=dc)
        cpu = time.process_time() - start
        graph = Graph(len(matrix))
        refs: list[Ref | None] = [(k, 0, False) for k in range(len(matrix))]
        for comb in getattr(found, "solutions", found):
            refs = graph.stage(comb, refs)
        told = {"inputs": [(-128, 127)] * len(matrix), "adders": graph.adders, "outputs": refs}
        print(json.dumps({"cpu": cpu, **told}))


if __name__ == "__main__":
    main()
