"""Several products with one operand in one DSP of a folded unit, and sums of them in a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import Arithmetic, arithmetic_of
from hlsgen.emit.folding import types
from hlsgen.emit.numbers import operand_of
from hlsgen.emit.streaming import Way, way
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntArray
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

# Signed factors of a DSP48E2. Source: AMD UG579.
_WIDE, _NARROW = 27, 18


@dataclass(frozen=True, slots=True)
class Packing:
    """The weights w[k] of `count` outputs as one factor, sum of w[k] * 2^(k * field).

    Its product with x is the sum of x * w[k] * 2^(k * field), and so it is for sums over a `chunk`
    of inputs, which a chain of DSPs adds up. Every such sum fits the signed field, so the lowest
    one is the low bits as they are; what it borrowed from the next one, 1 where it is negative, is
    added back; and so on upwards.
    """

    count: int
    field: int
    chunk: int

    def rounded(self, outputs: int) -> int:
        """So many outputs that every DSP is full."""
        return -(-outputs // self.count) * self.count

    @property
    def cpp(self) -> str:
        """The C++ struct that multiplies so."""
        return f"packed<{self.count}, {self.field}, {self.chunk}>"


def packing(operand: IntFormat, weights: IntArray, simd: int) -> Packing | None:
    """As many products as a DSP holds, as many sums in a chain as divide SIMD; None where one."""
    if operand.width + (not operand.signed) > _NARROW:
        return None
    ends = int(weights.min()), int(weights.max())
    corners = [a * b for a in ends for b in (operand.lo, operand.hi)]
    low, high = min(*corners, -1), max(*corners, 0)
    single = IntFormat.of_range(low, high).width
    # One bit beside those of the highest weight: the sum of the lower ones may borrow from it.
    free = _WIDE - 1 - IntFormat.of_range(min(ends[0], -1), ends[1]).width
    count = 1 + max(0, free) // single
    if count < 2:
        return None
    field = free // (count - 1)
    top = 1 << field - 1
    most = min(top // -low, (top - 1) // high if high else simd)
    return Packing(count, field, max(n for n in range(1, simd + 1) if simd % n == 0 and n <= most))


def packings(
    graph: HwGraph, choices: Mapping[str, Arithmetic], simd: Mapping[str, int]
) -> dict[str, Packing]:
    """How products of folded units share DSPs, by the name of a node's output.

    Errors: OptionError for a layer of which no two products fit, or that is not such a unit.
    """
    found: dict[str, Packing] = {}
    for node in graph.nodes:
        if not isinstance(node.op, MatMul | Conv):
            continue
        if arithmetic_of(choices, node) is Arithmetic.DSP_PACKED:
            made = unit_packing(graph, node, simd[node.output])
            if made is None:
                raise OptionError(
                    "dsp-packed in a stream is for matrix units whose weights are known and of "
                    "which two products fit a DSP; try dsp",
                    node.loc,
                )
            found[node.output] = made
    return found


def unit_packing(graph: HwGraph, node: Node[HwOp], simd: int) -> Packing | None:
    """How a layer's products may share DSPs at this SIMD."""
    op, x = node.op, types(graph, node.inputs)
    assert isinstance(op, MatMul | Conv)
    if op.budget is not None or way(op, x, types(graph, node.outputs)) is not Way.MATRIX:
        return None
    return packing(operand_of(op, x[0]), op.weights, simd)
