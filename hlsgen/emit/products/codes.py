"""How far apart the codes of a tensor are: bipolar values are -1 and 1, never 0."""

from __future__ import annotations

from math import gcd

from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose


def operand_step(graph: HwGraph, node: Node[HwOp]) -> int:
    """The greatest s such that all operands of a layer with weights differ by multiples of s.

    1 for every other operator.
    """
    if not isinstance(node.op, MatMul | Conv):
        return 1
    step, code = _codes(graph, node.inputs[0])
    if isinstance(node.op, Conv) and node.op.window.padded:
        step = gcd(step, node.op.pad_value - code)
    return max(step, 1)


def _codes(graph: HwGraph, value: str) -> tuple[int, int]:
    """Such a step of a tensor, and one of its codes; a step of 1 where nothing is known."""
    node = graph.producer.get(value)
    x = graph.types[value]
    match node:
        case Node(op=Staircase(rows=rows)):
            codes = [int(c) for row in rows for c in row.codes]
            return gcd(*(c - codes[0] for c in codes)), codes[0]
        case Node(op=Reshape() | Transpose() | Take() | MaxPool(), inputs=(before,)):
            return _codes(graph, before)
        case _:
            return 1, x.min
