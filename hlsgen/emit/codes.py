"""Which integers a value can take, where they are few."""

from __future__ import annotations

from math import gcd

from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.ops.hw.truth_table import TruthTable


def codes_of(graph: HwGraph, name: str) -> frozenset[int] | None:
    """All integers that a value can take, or None where no more than its range is known.

    Sound, not sharp: a value may never take some of them.
    """
    of, node = graph.types[name], graph.producer.get(name)
    if name in graph.codes:
        return graph.codes[name]
    if of.max - of.min <= 1:
        return frozenset((of.min, of.max))
    match None if node is None else node.op:
        case Staircase(rows=rows):
            return frozenset(int(c) for row in rows for c in row.codes)
        case TruthTable(tables=tables):
            return frozenset(int(c) for table in tables for c in table.values)
        case Reshape() | Transpose() | Take() | MaxPool() | Concat() as op:
            assert node is not None
            border = frozenset((graph.types[node.inputs[0]].min,))  # of a window without elements
            extra = border if isinstance(op, MaxPool) and op.window.padded else frozenset[int]()
            parts = [codes_of(graph, x) for x in node.inputs]
            known = [p for p in parts if p is not None]
            return extra.union(*known) if len(known) == len(parts) else None
        case _:
            return None


def operand_codes(graph: HwGraph, node: Node[HwOp]) -> frozenset[int] | None:
    """The same of what a layer with weights multiplies by them: its border is an operand, too."""
    known, op = codes_of(graph, node.inputs[0]), node.op
    if known is not None and isinstance(op, Conv) and op.window.padded:
        return known | {op.pad_value}
    return known


def operand_step(graph: HwGraph, node: Node[HwOp]) -> int:
    """The greatest s such that all operands of a layer with weights differ by multiples of s.

    2 for bipolar operands, which are -1 and 1 and never 0; 1 for every other operator.
    """
    if not isinstance(node.op, MatMul | Conv):
        return 1
    known = operand_codes(graph, node) or frozenset[int]()
    return gcd(*(code - min(known) for code in known)) or 1
