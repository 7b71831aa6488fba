"""Neurons: outputs of a product with constants, each a function of the codes that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from hlsgen.arith.steps import Steps
from hlsgen.arith.truth_table import MOST_BITS, BitTable, IntArray, bit_table, telling_bits
from hlsgen.emit.codes import operand_codes
from hlsgen.emit.matrices import constant_matrices, weight_matrices
from hlsgen.emit.reloadable import refuse_reloadable
from hlsgen.emit.rtl.offsets import channel_rows
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.truth_table import TruthTable

Codes: TypeAlias = tuple[int, ...] | range


@dataclass(frozen=True, eq=False)
class NeuronLayer:
    """A product with constants, the staircase behind it, and the codes that each input can take.

    Shapes: weights (inputs, outputs): of a vector, or of a window of all channels.
    """

    node: Node[HwOp]
    stair: Node[HwOp] | None
    rows: tuple[Steps, ...]  # of the outputs; none without a staircase
    weights: IntArray
    codes: tuple[Codes, ...]

    @property
    def op(self) -> MatMul | Conv:
        assert isinstance(self.node.op, MatMul | Conv)
        return self.node.op

    @property
    def output(self) -> str:
        """The value that the tables make."""
        return self.node.output if self.stair is None else self.stair.output

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Bits that each input takes."""
        most = 1 << MOST_BITS
        return tuple(
            len(telling_bits(c)) if len(c) <= most else (len(c) - 1).bit_length()
            for c in self.codes
        )

    @property
    def few(self) -> list[int]:
        """The outputs that can be tables."""
        return np.flatnonzero(self.bits <= MOST_BITS).tolist()

    @cached_property
    def bits(self) -> IntArray:
        """Of all inputs of each neuron."""
        return np.array(self.widths) @ (self.weights != 0)

    def table(self, output: int) -> BitTable:
        """A neuron as one table. Errors: OptionError where its inputs have too many bits."""
        inputs = self._inputs(output)
        bits = int(self.bits[output])
        if bits > MOST_BITS:
            raise OptionError(
                f"--arithmetic truth-table needs neurons of {MOST_BITS} input bits at most, output "
                f"{output} has {bits} ({len(inputs)} inputs): give this layer auto or shift-add",
                self.node.loc,
            )
        weights, bias = self.weights[inputs, output], self.op.bias[output]

        def neuron(x: IntArray) -> IntArray:
            sums = x @ weights + bias
            return self.rows[output].evaluate(sums) if self.rows else sums

        found = bit_table([self.codes[k] for k in inputs], neuron)
        return replace(found, pins=tuple((inputs[x], bit) for x, bit in found.pins))

    def _inputs(self, output: int) -> list[int]:
        """The inputs that a neuron reads."""
        return np.flatnonzero(self.weights[:, output]).tolist()


def neuron_layer(graph: HwGraph, node: Node[HwOp], made: Mapping[str, TruthTable]) -> NeuronLayer:
    """What the tables of a layer follow from; `made` are the layers that are tables already.

    Errors: OptionError for reloadable weights.
    """
    refuse_reloadable(node)
    op, stair = node.op, _staircase_behind(graph, node)
    assert isinstance(op, MatMul | Conv)
    places: list[int] | None = None
    rows: tuple[Steps, ...] = ()
    if stair is not None and isinstance(stair.op, Staircase):
        places = rows_of(stair.op, op, graph.types[node.output])
        rows = tuple(stair.op.rows[r] for r in places or ())
    found = None if places is None else stair
    return NeuronLayer(node, found, rows, _dense(op), tuple(_codes(graph, node, made)))


def channel_axis(op: MatMul | Conv, of: IntType) -> int:
    """The axis of a layer's outputs."""
    return 1 if isinstance(op, Conv) else len(of.shape) - 1


def rows_of(stair: Staircase, op: MatMul | Conv, of: IntType) -> list[int] | None:
    """The row of the staircase that each output of a layer meets, if it meets one."""
    return channel_rows(stair.row, of.shape, channel_axis(op, of))


def _dense(op: MatMul | Conv) -> IntArray:
    """The weights of all groups as one matrix."""
    matrices = weight_matrices(op)
    if len(matrices) == 1:
        return matrices[0]
    inner, outer = matrices[0].shape
    found = np.zeros((inner * len(matrices), outer * len(matrices)), dtype=op.weights.dtype)
    for g, matrix in enumerate(matrices):
        found[g * inner : (g + 1) * inner, g * outer : (g + 1) * outer] = matrix
    return found


def _staircase_behind(graph: HwGraph, node: Node[HwOp]) -> Node[HwOp] | None:
    """The staircase that alone reads a value."""
    readers = graph.consumers.get(node.output, ())
    alone = len(readers) == 1 and node.output not in graph.outputs
    return readers[0] if alone and isinstance(readers[0].op, Staircase) else None


def _codes(graph: HwGraph, node: Node[HwOp], made: Mapping[str, TruthTable]) -> Iterator[Codes]:
    """The codes that each input of a layer can take, as exactly as they are known."""
    (name,) = node.inputs
    op = node.op
    assert isinstance(op, MatMul | Conv)
    source = made.get(name) if isinstance(op, MatMul) else None
    common = operand_codes(graph, node)
    matrices = constant_matrices(op, graph.types[name])
    for k, (lo, hi) in enumerate(r for matrix in matrices for r in matrix.ranges):
        known = common if source is None else {int(v) for v in source.tables[k].values}
        every = range(lo, hi + 1)
        yield every if known is None else tuple(c for c in sorted(known) if c in every)
