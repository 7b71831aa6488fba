"""Neurons as truth tables: a product with constants and the quantiser behind it as one operator.

Only what is emitted changes: the integer graph keeps product and quantiser, so that the engines in
numpy and every explanation of a difference still see the sums.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hlsgen.arith.steps import Steps
from hlsgen.arith.truth_table import MOST_BITS, BitTable, IntArray, bit_table, telling_bits
from hlsgen.emit.arithmetic import Arithmetic, arithmetic_of, split_key
from hlsgen.emit.codes import operand_codes
from hlsgen.emit.matrices import constant_matrices
from hlsgen.emit.reloadable import refuse_reloadable
from hlsgen.emit.rtl.offsets import channel_rows
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.truth_table import TruthTable


def with_truth_tables(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> HwGraph:
    """The same function, the neurons that are to be tables in a `TruthTable`.

    1. A neuron is a column of a matrix product, with its row of the staircase that alone reads the
       sums, if one does; its table holds all codes that its inputs can take, as exactly as known.
    2. The other neurons of a layer keep their product and staircase; Concat and Take, which are
       wiring, put all in order again.
    Errors: OptionError for a neuron of too many bits, or a layer that has no neurons.
    """
    wanted = {node.output: some for node in graph.nodes if (some := _wanted(choices, node))}
    if not wanted:
        return graph
    gone: set[str] = set()
    made: dict[str, TruthTable] = {}
    nodes: list[Node[HwOp]] = []
    types = dict(graph.types)
    for node in graph.nodes:
        if node.output in gone:
            continue
        if node.output not in wanted:
            nodes.append(node)
            continue
        layer = neuron_layer(graph, node, made)
        nodes += _replaced(layer, wanted[node.output], types)
        gone.add(layer.output)
        made |= {n.output: n.op for n in nodes if isinstance(n.op, TruthTable)}
    return replace(graph, nodes=tuple(nodes), types=types)


def refuse_truth_tables(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> None:
    """Errors: OptionError where some layer of a streamed design is to have them."""
    for node in graph.nodes:
        if _wanted(choices, node):
            raise OptionError(
                "truth-table has all inputs of a neuron at once, and a stream folds them: give "
                "--io parallel, or another --arithmetic for this layer",
                node.loc,
            )


def _wanted(choices: Mapping[str, Arithmetic], node: Node[HwOp]) -> tuple[int, ...]:
    """The outputs of a layer that are to be tables."""
    if not isinstance(node.op, MatMul | Conv):
        return ()
    count = len(node.op.bias)
    if arithmetic_of(choices, node) is Arithmetic.TRUTH_TABLE:
        return tuple(range(count))
    found: set[int] = set()
    for key in choices:
        name, some = split_key(key)
        if some is not None and name in (node.output, node.loc.name):
            found.update(some)
    if found and max(found) >= count:
        raise OptionError(f"this layer has outputs 0 to {count - 1}, not {max(found)}", node.loc)
    return tuple(sorted(found))


@dataclass(frozen=True, eq=False)
class NeuronLayer:
    """A matrix product, the staircase behind it, and the codes that each input can take."""

    node: Node[HwOp]
    stair: Node[HwOp] | None
    rows: tuple[Steps, ...]  # of the outputs; none without a staircase
    codes: tuple[Sequence[int], ...]

    @property
    def op(self) -> MatMul:
        assert isinstance(self.node.op, MatMul)
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

    def bits(self, output: int) -> int:
        """Of all inputs of a neuron."""
        return sum(self.widths[k] for k in self._inputs(output))

    def table(self, output: int) -> BitTable:
        """A neuron as one table. Errors: OptionError where its inputs have too many bits."""
        inputs = self._inputs(output)
        bits = self.bits(output)
        if bits > MOST_BITS:
            raise OptionError(
                f"--arithmetic truth-table needs neurons of {MOST_BITS} input bits at most, output "
                f"{output} has {bits} ({len(inputs)} inputs): give this layer auto or shift-add",
                self.node.loc,
            )
        weights, bias = self.op.weights[inputs, output], self.op.bias[output]

        def neuron(x: IntArray) -> IntArray:
            sums = x @ weights + bias
            return self.rows[output].evaluate(sums) if self.rows else sums

        found = bit_table([self.codes[k] for k in inputs], neuron)
        return replace(found, pins=tuple((inputs[x], bit) for x, bit in found.pins))

    def _inputs(self, output: int) -> list[int]:
        """The inputs that a neuron reads."""
        return np.flatnonzero(self.op.weights[:, output]).tolist()


def neuron_layer(graph: HwGraph, node: Node[HwOp], made: Mapping[str, TruthTable]) -> NeuronLayer:
    """What the tables of a layer follow from; `made` are the layers that are tables already.

    Errors: OptionError for a layer that has no neurons: a convolution, or reloadable weights.
    """
    refuse_reloadable(node)
    if not isinstance(node.op, MatMul):
        raise OptionError(
            "--arithmetic truth-table is for matrix products: give this layer auto or shift-add",
            node.loc,
        )
    stair = _staircase_behind(graph, node)
    rows: tuple[Steps, ...] = ()
    if stair is not None:
        op, shape = stair.op, graph.types[stair.output].shape
        assert isinstance(op, Staircase)
        places = channel_rows(op.row, shape, len(shape) - 1)
        stair = None if places is None else stair
        rows = () if places is None else tuple(op.rows[r] for r in places)
    return NeuronLayer(node, stair, rows, tuple(_codes(graph, node, made)))


def _staircase_behind(graph: HwGraph, node: Node[HwOp]) -> Node[HwOp] | None:
    """The staircase that alone reads a value."""
    readers = graph.consumers.get(node.output, ())
    alone = len(readers) == 1 and node.output not in graph.outputs
    return readers[0] if alone and isinstance(readers[0].op, Staircase) else None


def _codes(
    graph: HwGraph, node: Node[HwOp], made: Mapping[str, TruthTable]
) -> Iterator[Sequence[int]]:
    """The codes that each input of a layer can take, as exactly as they are known."""
    (name,) = node.inputs
    assert isinstance(node.op, MatMul)
    (matrix,) = constant_matrices(node.op, graph.types[name])
    common = operand_codes(graph, node)
    for k, (lo, hi) in enumerate(matrix.ranges):
        known = {int(v) for v in made[name].tables[k].values} if name in made else common
        every = range(lo, hi + 1)
        yield every if known is None else [c for c in sorted(known) if c in every]


def _replaced(
    layer: NeuronLayer, outputs: Sequence[int], types: dict[str, IntType]
) -> Iterator[Node[HwOp]]:
    """The nodes that stand for a layer; types of new values are added."""
    node, count = layer.node, len(layer.op.bias)
    tables = TruthTable(len(layer.op.weights), tuple(layer.table(j) for j in outputs))
    (x,) = node.inputs
    if len(outputs) == count:
        if layer.stair is not None:
            del types[node.output]
        yield Node(tables, (x,), (layer.output,), node.loc)
        return
    axis = len(types[x].shape) - 1
    rest = [j for j in range(count) if j not in outputs]
    made = _fresh(f"{layer.output}_tables", types)
    (types[made],) = tables.infer(types[x])
    yield Node(tables, (x,), (made,), node.loc)
    others, codes = _rest(layer, rest, types)
    yield from others
    joined = _fresh(f"{layer.output}_joined", types)
    (types[joined],) = Concat(axis).infer(types[made], types[codes])
    yield Node(Concat(axis), (made, codes), (joined,), node.loc)
    order = tuple(np.argsort([*outputs, *rest]).tolist())
    yield Node(Take(axis, order), (joined,), (layer.output,), node.loc)


def _rest(
    layer: NeuronLayer, rest: Sequence[int], types: dict[str, IntType]
) -> tuple[list[Node[HwOp]], str]:
    """Product and staircase of the other neurons, and the name of what they make.

    The product keeps its name where it can, and with it its arithmetic.
    """
    node, op = layer.node, layer.op
    (x,) = node.inputs
    fewer = replace(op, weights=op.weights[:, rest], bias=op.bias[rest])
    if layer.stair is None:
        name = _fresh(f"{node.output}_rest", types)
        (types[name],) = fewer.infer(types[x])
        return [replace(node, op=fewer, outputs=(name,))], name
    (types[node.output],) = fewer.infer(types[x])
    stair = layer.stair.op
    assert isinstance(stair, Staircase)
    shape = types[layer.output].shape
    row = np.array(channel_rows(stair.row, shape, len(shape) - 1))[rest]
    row = row.reshape((1,) * (len(shape) - 1) + (-1,))
    name = _fresh(f"{layer.output}_rest", types)
    some = replace(stair, row=row)
    (types[name],) = some.infer(types[node.output])
    products = replace(node, op=fewer)
    return [products, replace(layer.stair, op=some, outputs=(name,))], name


def _fresh(name: str, taken: Collection[str]) -> str:
    """A name that no value has."""
    while name in taken:
        name += "_"
    return name
