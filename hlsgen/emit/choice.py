"""`--arithmetic auto`: of all ways to make a layer's products, the one with the fewest LUTs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from hlsgen.emit.arithmetic import Adders, Arithmetic, arithmetic_of, key_of
from hlsgen.emit.codes import operand_step
from hlsgen.emit.matrices import ConstantMatrix, constant_matrices
from hlsgen.emit.neurons import NeuronLayer, neuron_layer
from hlsgen.emit.products.lookup import looked_up
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cost import kernel_luts
from hlsgen.emit.rtl.stairs import stair
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase

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
    counted on the first 16 columns. Then neurons of few input bits become truth tables where that
    is cheaper than their products and their quantisers.
    """
    if Arithmetic.AUTO not in choices.values():
        return choices
    found: dict[str, Arithmetic] = {}
    for node in graph.nodes:
        if isinstance(node.op, MatMul | Conv) and arithmetic_of(choices, node) is Arithmetic.AUTO:
            how = cheapest(graph, node)
            tables = cheaper_as_tables(graph, node, how)
            whole = len(tables) == len(node.op.bias)
            found[node.output] = Arithmetic.TRUTH_TABLE if whole else how
            if tables and not whole:
                found[key_of(node.output, tables)] = Arithmetic.TRUTH_TABLE
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


def cheaper_as_tables(graph: HwGraph, node: Node[HwOp], how: Arithmetic) -> tuple[int, ...]:
    """The outputs of a layer that take fewer LUTs as truth tables than with products by `how`.

    Three sets are compared: none, each neuron that is no dearer by itself, and all of few bits.
    """
    op = node.op
    if not isinstance(op, MatMul | Conv) or op.budget is not None:
        return ()
    layer = neuron_layer(graph, node, {})
    few = layer.few
    if not few or (isinstance(op, Conv) and op.group > 1 and len(few) < len(op.bias)):
        return ()
    matrices = constant_matrices(op, graph.types[node.inputs[0]])
    ranges = [r for matrix in matrices for r in matrix.ranges]
    step = operand_step(graph, node)

    def luts(tables: Collection[int], others: Sequence[int]) -> float:
        b = Builder(ranges, _ADDERS)
        made = [looked_up(b, range(len(ranges)), layer.table(j)) for j in tables]
        return kernel_luts(b.kernel([*made, *_codes(b, layer, others, how, step)]))

    def total(tables: Collection[int]) -> float:
        return luts(tables, [j for j in range(len(layer.op.bias)) if j not in tables])

    less = [j for j in few if luts([j], []) <= luts([], [j])]
    sets = ((), few) if isinstance(op, Conv) and op.group > 1 else ((), less, few)
    return tuple(min(sets, key=total))


def _codes(
    b: Builder, layer: NeuronLayer, outputs: Sequence[int], how: Arithmetic, step: int
) -> list[int]:
    """Products and quantisers of some neurons."""
    columns = layer.weights[:, list(outputs)].T.tolist()
    constants = layer.op.bias[list(outputs)].tolist()
    wires = range(len(layer.weights))
    sums = product_sums(b, wires, columns, constants, how, step) if columns else []
    if layer.stair is None:
        return sums
    op = layer.stair.op
    assert isinstance(op, Staircase)
    places = {id(row): r for r, row in enumerate(op.rows)}
    rows = [places[id(layer.rows[j])] for j in outputs]
    return [
        stair(b, s, op.realisation, r, Arithmetic.TOOL) for s, r in zip(sums, rows, strict=True)
    ]
