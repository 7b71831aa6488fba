"""`--arithmetic auto`: of all ways to make a layer's products, the one with the fewest LUTs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hlsgen.emit.arithmetic import Adders, Arithmetic, arithmetic_of
from hlsgen.emit.codes import operand_step
from hlsgen.emit.matrices import ConstantMatrix, constant_matrices
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cost import kernel_luts
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

# The earlier of equals is taken. DSPs are left out: they are not counted in LUTs.
CANDIDATES = (
    Arithmetic.SHIFT_ADD, Arithmetic.LUT, Arithmetic.TABLE, Arithmetic.POPCOUNT,
    Arithmetic.COMPRESS, Arithmetic.LUTGEMM, Arithmetic.BCQ, Arithmetic.GROUPWISE,
)  # fmt: skip
_SHARED = (
    Arithmetic.SHIFT_ADD,
    Arithmetic.BCQ,
    Arithmetic.GROUPWISE,
)  # by columns, among each other
_COLUMNS = 16  # so many columns tell what all cost, where columns share nothing
_ADDERS = Adders(operands=3, slack=1)


def settled(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> Mapping[str, Arithmetic]:
    """The choices, `auto` replaced for each layer by the cheapest that it can have.

    The price is `emit.rtl.cost`'s estimate. What columns share is made whole; the others are
    counted on the first 16 columns.
    """
    if Arithmetic.AUTO not in choices.values():
        return choices
    found = {
        node.output: cheapest(graph, node)
        for node in graph.nodes
        if isinstance(node.op, MatMul | Conv) and arithmetic_of(choices, node) is Arithmetic.AUTO
    }
    kept = {name: how for name, how in choices.items() if how is not Arithmetic.AUTO}
    return kept | found


def cheapest(graph: HwGraph, node: Node[HwOp]) -> Arithmetic:
    """The candidate with the fewest estimated LUTs."""
    prices = {how: layer_luts(graph, node, how) for how in CANDIDATES}
    return min(prices, key=lambda how: prices[how])


def layer_luts(graph: HwGraph, node: Node[HwOp], how: Arithmetic) -> float:
    """Estimated LUTs of a layer's constant products, once a group; infinite where it cannot be."""
    op, step = node.op, operand_step(graph, node)
    assert isinstance(op, MatMul | Conv)
    try:
        return sum(_luts(m, how, step) for m in constant_matrices(op, graph.types[node.inputs[0]]))
    except OptionError:  # an arithmetic that these weights or operands cannot have
        return math.inf


def _luts(matrix: ConstantMatrix, how: Arithmetic, step: int) -> float:
    columns: Sequence[Sequence[int]] = matrix.weights.T.tolist()
    some = columns if how in _SHARED else columns[:_COLUMNS]
    b = Builder(matrix.ranges, _ADDERS)
    sums = product_sums(b, range(len(matrix.ranges)), some, [0] * len(some), how, step)
    return kernel_luts(b.kernel(sums)) * len(columns) / max(len(some), 1)
