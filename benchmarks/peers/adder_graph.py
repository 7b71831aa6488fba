"""A graph of da4ml or alkaid as JSON: run by a Python that has them, `adder_graph.py TOOL NPY DC`.

Values are kept as sign * 2^exponent * node, so that fractional steps inside become shifts.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np

Ref = tuple[int, int, bool]  # node, exponent, negative


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
                source = inputs[op.id0]
                shift = int(comb.inp_shifts[op.id0])
                values.append(source and (source[0], source[1] + shift, source[2]))
            elif op.opcode in (0, 1):
                a, b = values[op.id0], values[op.id1]
                b = b and (b[0], b[1] + int(op.data), b[2] != (op.opcode == 1))
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
    tool, path, dc = sys.argv[1], sys.argv[2], int(sys.argv[3])
    matrix = np.load(path).astype(np.float32)
    solve = importlib.import_module(f"{tool}.cmvm").solve
    found = solve(matrix, hard_dc=dc)
    graph = Graph(len(matrix))
    refs: list[Ref | None] = [(k, 0, False) for k in range(len(matrix))]
    for comb in found.solutions if hasattr(found, "solutions") else [found]:
        refs = graph.stage(comb, refs)
    told = {"inputs": [(-128, 127)] * len(matrix), "adders": graph.adders, "outputs": refs}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
