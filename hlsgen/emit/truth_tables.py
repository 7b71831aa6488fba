"""Truth tables instead of products: the graph that is emitted where neurons are tables.

Only what is emitted changes: the integer graph keeps product and quantiser, so that the engines in
numpy and every explanation of a difference still see the sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hlsgen.emit.arithmetic import Arithmetic, arithmetic_of, split_key
from hlsgen.emit.neurons import NeuronLayer, channel_axis, neuron_layer, rows_of
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose
from hlsgen.ops.hw.truth_table import TruthTable


def with_truth_tables(
    graph: HwGraph, choices: Mapping[str, Arithmetic]
) -> tuple[HwGraph, Mapping[str, Arithmetic]]:
    """The same function, the neurons that are to be tables in a `TruthTable`; choices for it.

    1. A neuron is an output of a product with constants, with its row of the staircase that alone
       reads the sums, if one does; its table holds all codes that its inputs can take, as exactly
       as known.
    2. A convolution's windows become vectors first: movements, which are wiring.
    3. The other neurons of a layer keep their product and staircase; Concat and Take, wiring as
       well, put all in order again.
    Errors: OptionError for a neuron of too many bits, or a layer that cannot have them.
    """
    wanted = _wanted(graph, choices)
    if not wanted:
        return graph, choices
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
        found = _replaced(layer, wanted[node.output], types)
        nodes += found
        gone.add(layer.output)
        how = arithmetic_of(choices, node)
        choices = {**choices, **{n.output: how for n in found if isinstance(n.op, MatMul | Conv)}}
        made |= {n.output: n.op for n in found if isinstance(n.op, TruthTable)}
    return replace(graph, nodes=tuple(nodes), types=types), choices


def refuse_truth_tables(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> None:
    """Errors: OptionError where some layer of a streamed design is to have them."""
    wanted = _wanted(graph, choices)
    for node in graph.nodes:
        if node.output in wanted:
            raise OptionError(
                "truth-table has all inputs of a neuron at once, and a stream folds them: give "
                "--io parallel, or another --arithmetic for this layer",
                node.loc,
            )


def _wanted(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> dict[str, tuple[int, ...]]:
    """The outputs that are to be tables, of each layer that has some."""
    known = {name for node in graph.nodes for name in (node.output, node.loc.name)}
    named = [split_key(key, known) for key in choices]
    found: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        if not isinstance(node.op, MatMul | Conv):
            continue
        count = len(node.op.bias)
        some = {j for name, js in named if name in (node.output, node.loc.name) for j in js or ()}
        if some and max(some) >= count:
            raise OptionError(f"this layer has outputs 0 to {count - 1}, not {max(some)}", node.loc)
        if arithmetic_of(choices, node) is Arithmetic.TRUTH_TABLE:
            some = set(range(count))
        if some:
            found[node.output] = tuple(sorted(some))
    return found


class _Draft:
    """Nodes that stand for a layer, in the making; `types` takes what they make."""

    def __init__(self, layer: NeuronLayer, types: dict[str, IntType]) -> None:
        self.layer, self.types = layer, types
        self.nodes: list[Node[HwOp]] = []

    def add(self, op: HwOp, *inputs: str, suffix: str) -> str:
        """A node for the product's place in the model; the name of what it makes."""
        name = f"{self.layer.output}_{suffix}"
        while name in self.types:
            name += "_"
        (self.types[name],) = op.infer(*(self.types[v] for v in inputs))
        self.nodes.append(Node(op, inputs, (name,), self.layer.node.loc))
        return name

    def finished(self) -> list[Node[HwOp]]:
        """The nodes, the last of which makes what the layer made."""
        *others, last = self.nodes
        del self.types[last.output]
        return [*others, replace(last, outputs=(self.layer.output,))]


def _replaced(
    layer: NeuronLayer, outputs: Sequence[int], types: dict[str, IntType]
) -> list[Node[HwOp]]:
    """The nodes that stand for a layer; types of new values are added."""
    d, op, (x,) = _Draft(layer, types), layer.op, layer.node.inputs
    tables = TruthTable(len(layer.weights), tuple(layer.table(j) for j in outputs))
    made = d.add(tables, _windows(d, op, x) if isinstance(op, Conv) else x, suffix="tables")
    if isinstance(op, Conv):
        n, _, *out = types[layer.output].shape
        made = d.add(Transpose((0, 2, 1)), made, suffix="channels")
        made = d.add(Reshape((n, len(outputs), *out)), made, suffix="image")
    rest = [j for j in range(len(op.bias)) if j not in outputs]
    if rest:
        axis = channel_axis(op, types[layer.output])
        joined = d.add(Concat(axis), made, _rest(d, rest), suffix="joined")
        order = tuple(np.argsort([*outputs, *rest]).tolist())
        d.add(Take(axis, order), joined, suffix="ordered")
    elif layer.stair is not None:
        del types[layer.node.output]
    return d.finished()


def _windows(d: _Draft, op: Conv, x: str) -> str:
    """(N, places, channels x taps): what each place of the output sees."""
    window, n = op.window, d.types[x].shape[0]
    if window.padded:
        before, after = ((0, 0, *ends) for ends in (window.pads_begin, window.pads_end))
        x = d.add(Pad(before, after, (0,) * len(before), op.pad_value), x, suffix="padded")
    image = d.types[x].shape[1:]
    numbers = np.arange(math.prod(image)).reshape(image)
    rank = len(window.kernel)
    views = np.moveaxis(window.view(numbers), 0, rank)  # (*out, C, *kernel)
    places = views.reshape(math.prod(views.shape[:rank]), -1)
    flat = d.add(Reshape((n, numbers.size)), x, suffix="flat")
    taken = d.add(Take(1, tuple(places.reshape(-1).tolist())), flat, suffix="taps")
    return d.add(Reshape((n, *places.shape)), taken, suffix="windows")


def _rest(d: _Draft, rest: Sequence[int]) -> str:
    """Product and staircase of the other neurons.

    The product keeps its name where it can, and with it its arithmetic.
    """
    layer, types = d.layer, d.types
    node, op, (x,) = layer.node, layer.op, layer.node.inputs
    if isinstance(op, Conv) and op.group > 1:
        raise OptionError(
            "truth-table is for all outputs of a grouped convolution or for none", node.loc
        )
    index = list(rest)
    weights = op.weights[:, index] if isinstance(op, MatMul) else op.weights[index]
    fewer = replace(op, weights=weights, bias=op.bias[index])
    if layer.stair is None:
        return d.add(fewer, x, suffix="rest")
    (types[node.output],) = fewer.infer(types[x])
    d.nodes.append(replace(node, op=fewer))
    stair, of = layer.stair.op, types[layer.output]
    assert isinstance(stair, Staircase)
    places = rows_of(stair, op, of)
    assert places is not None
    shape = [1] * len(of.shape)
    shape[channel_axis(op, of)] = len(rest)
    some = replace(stair, row=np.array(places)[index].reshape(shape))
    return d.add(some, node.output, suffix="rest")
