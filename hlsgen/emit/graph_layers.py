"""Layers of a stream whose sums an adder graph makes: whole windows come in, all sums leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hlsgen.arith.adders.graph import AdderGraph
from hlsgen.emit.arithmetic import (
    GRAPHS,
    SERIAL,
    STREAM_ADDERS,
    Arithmetic,
    adder_graph,
    arithmetic_of,
)
from hlsgen.emit.folding import Folding, work_of
from hlsgen.emit.matrices import constant_matrices, stream_order
from hlsgen.emit.streaming import Way
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntArray, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


def with_joined_groups(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> HwGraph:
    """The same function, grouped convolutions that are to be adder graphs as single matrices.

    The zeros between the groups take no adders, so that each group has a graph of its own.
    """
    nodes = (
        joined(node) if arithmetic_of(choices, node) in GRAPHS else node for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def joined(node: Node[HwOp]) -> Node[HwOp]:
    """A convolution's groups as blocks of one matrix."""
    op = node.op
    if not isinstance(op, Conv) or op.group == 1:
        return node
    return replace(node, op=replace(op, weights=block_diagonal(op), group=1))


def block_diagonal(op: Conv) -> IntArray:
    """The weights of a grouped convolution over all channels, (O, C, *kernel)."""
    outputs, each, *kernel = op.weights.shape
    wide = np.zeros((outputs, op.group, each, *kernel), op.weights.dtype)
    wide[np.arange(outputs), np.arange(outputs) // (outputs // op.group)] = op.weights
    return wide.reshape(outputs, op.group * each, *kernel)


def graph_foldings(
    graph: HwGraph, choices: Mapping[str, Arithmetic], given: Mapping[str, Folding]
) -> dict[str, Folding]:
    """The one folding of each layer that is an adder graph, by its node's output.

    Errors: OptionError for a layer that cannot be one, or where another folding is `given`.
    """
    found: dict[str, Folding] = {}
    for node in graph.nodes:
        how = arithmetic_of(choices, node)
        if how not in GRAPHS or not isinstance(node.op, MatMul | Conv):
            continue
        reason = refusal(graph, node)
        if reason:
            raise OptionError(f"{how} {reason}", node.loc)
        pair = whole_folding(node.op)
        asked = given.get(node.output, pair)
        if asked != pair:
            raise OptionError(
                f"{how} makes all {pair[0]} sums of {pair[1]} inputs at once: leave out --folding "
                f"{asked[0]}x{asked[1]} for this layer, or give it tool, dsp or lut",
                node.loc,
            )
        found[node.output] = pair
    return found


def whole_folding(op: MatMul | Conv) -> Folding:
    """All outputs, and all inputs of a vector or window."""
    return len(op.bias), op.weights.size // len(op.bias)


def refusal(graph: HwGraph, node: Node[HwOp]) -> str:
    """Why a layer without groups cannot be an adder graph, and what to do; "" where it can."""
    op, todo = node.op, work_of(graph, node)
    assert isinstance(op, MatMul | Conv)
    if op.budget is not None:
        return "has weights as wires, and these can be reloaded: give tool, dsp or lut"
    if todo.way is not Way.MATRIX:
        return "needs a whole window at once, and a volume has none in a stream: give tool"
    if whole_folding(op)[1] not in (todo.inputs, *todo.taps):
        return "needs a whole window at once, and none slides over dilated columns: give tool"
    return ""


def digit_bits(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> dict[str, int]:
    """Bits of a digit for each layer that is a digit-serial graph, by its node's output."""
    layers = [node for node in graph.nodes if isinstance(node.op, MatMul | Conv)]
    found = {node.output: SERIAL.get(arithmetic_of(choices, node), 0) for node in layers}
    return {name: bits for name, bits in found.items() if bits}


def stream_graph(op: MatMul | Conv, x: IntType) -> AdderGraph:
    """Sums of a whole window, its elements as the stream brings them; without the biases."""
    (matrix,) = constant_matrices(op, x)
    order: list[int] = stream_order(op, whole_folding(op)[1]).tolist()
    ranges = tuple(matrix.ranges[k] for k in order)
    return adder_graph(matrix.weights[order], ranges, STREAM_ADDERS)
