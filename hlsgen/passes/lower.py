"""From what the file says to integers: the lowering of a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hlsgen.arith.budget import Reloadable
from hlsgen.arith.declared import Declared
from hlsgen.errors import HlsgenError, Loc, ModelError, OptionError, Unsupported
from hlsgen.expr import tree
from hlsgen.expr.affine import peel
from hlsgen.expr.network import InputPort, Network, OutputPort
from hlsgen.expr.tree import Apply, Expr, Leaf, Param
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.coarsen import coarsen, coarsened
from hlsgen.passes.lowering.emission import Builder, NeedsRawInput
from hlsgen.passes.lowering.inputs import Spread, assumed, choices, network_input
from hlsgen.passes.lowering.integers import integer, single
from hlsgen.passes.lowering.reloadable import check_reloadable
from hlsgen.passes.lowering.rules import lower_node
from hlsgen.passes.shrink_joins import shrink_joins


@dataclass(frozen=True, slots=True)
class LowerOptions:
    """What the user says of the network inputs, by name, and what may be approximated.

    `inputs` declares formats, such as {"x": uint8}. `data` tells what values are at hand; it
    only matters where a format has to be assumed. `reloadable` names layers whose weights are
    replaced later, "" all of them: their ranges come from a budget. `approximate` is how many codes
    a requantisation may be off where that saves adders.
    """

    inputs: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    data: Mapping[str, Spread] = field(default_factory=dict[str, Spread])
    reloadable: Mapping[str, Reloadable] = field(default_factory=dict[str, Reloadable])
    approximate: int = 0


def lower(
    model: Model,
    options: LowerOptions | None = None,
    observe: Callable[[int, int], None] | None = None,
) -> Network:
    """The integer network that equals the model in exact arithmetic, on every input.

    1. Every tensor is an exact expression of integer tensors until a quantiser makes it one.
    2. What stands in front of a quantiser becomes one staircase per channel.
    3. Inputs that meet a quantiser first are quantised on the host by exactly that quantiser;
       others take their declared format, or an assumed one, and say so in `notes`.
    4. What follows the last quantiser stays an expression: the epilogue.
    """
    options = options or LowerOptions()
    _check_names(model, options.inputs)
    declared = dict(options.inputs)
    notes: list[str] = []
    while True:
        try:
            network = _Lowering(model, declared, notes, observe, options.reloadable).run()
            network = replace(network, graph=shrink_joins(network.graph))
            return _approximated(network, options.approximate) if options.approximate else network
        except NeedsRawInput as need:
            if need.name in declared:
                raise Unsupported("input used both raw and quantised", need.loc) from None
            declared[need.name], note = assumed(model, need.name, options.data.get(need.name))
            notes.append(note)


def _approximated(network: Network, codes: int) -> Network:
    graph = coarsen(network.graph, codes)
    names = coarsened(network.graph, graph)
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    note = (
        f"--approximate {codes}: {len(names)} requantisations are cheaper and at most {codes} "
        f"{'code' if codes == 1 else 'codes'} off{': ' if names else ''}{shown}"
    )
    return replace(network, graph=graph, exact=network.graph, notes=(*network.notes, note))


def _check_names(model: Model, inputs: Mapping[str, Declared]) -> None:
    for name in inputs:
        if name not in model.inputs:
            raise OptionError(
                f"--input {name}: the model has no such input; it has {', '.join(model.inputs)}"
            )


class _Lowering:
    """One run over the nodes of a model."""

    def __init__(
        self,
        model: Model,
        declared: Mapping[str, Declared],
        notes: Sequence[str],
        observe: Callable[[int, int], None] | None,
        reloadable: Mapping[str, Reloadable],
    ) -> None:
        self.model = model
        self.declared = declared
        self.notes = notes
        self.observe = observe
        self.builder = Builder(loc=Loc(model.file), reloadable=reloadable)
        self.rounded: dict[str, Expr] = {}
        self.env: dict[str, Expr] = {}

    def run(self) -> Network:
        """The whole network."""
        for name in self.model.inputs:
            item = self.model.types[name]
            e, rounded = network_input(self.builder, name, item, self.declared.get(name))
            self.env[name] = e
            if rounded is not None:
                self.rounded[name] = rounded
        for name, values in self.model.constants.items():
            self.env[name] = Param.of(values)
        for count, node in enumerate(self.model.nodes):
            self._node(node)
            if self.observe is not None:
                self.observe(count + 1, len(self.model.nodes))
        check_reloadable(self.builder)
        return self._network(tuple(self._output(name) for name in self.model.outputs))

    def _node(self, node: Node[ModelOp]) -> None:
        b = self.builder
        b.loc, b.hint = node.loc, node.output
        args = [self.env[name] for name in node.inputs]
        types = tuple(self.model.types[name] for name in node.outputs)
        try:
            results = lower_node(b, node.op, args, types, node.outputs)
        except HlsgenError as error:
            raise error.at(node.loc) from None
        self.env.update(zip(node.outputs, results, strict=False))

    # -- the end of the network -------------------------------------------------------------

    def _output(self, name: str) -> OutputPort:
        item = self.model.types[name]
        b = self.builder
        producer = self.model.producer.get(name)
        b.loc = Loc(self.model.file, name=name) if producer is None else producer.loc
        b.hint = name
        epilogue = tree.rewrite(self.env[name], tree.with_args, self._in_hardware)
        return OutputPort(name, item.shape, item.dtype, epilogue)

    def _in_hardware(self, e: Expr) -> Expr | None:
        """The expression over hardware values if it is one of integers; None: look further down."""
        b = self.builder
        if tree.is_constant(e):
            return e
        if isinstance(e, Leaf):
            return self._apart(e)
        if tree.sources(e):
            return self._whole(e)
        if tree.has_host(e):
            return None
        if peel(e) is not None and (len(tree.leaves(e)) == 1 or tree.is_integer(e)):
            return self._whole(e)
        if len(tree.leaves(e)) > 1 and isinstance(e, Apply) and e.fn in (Fn.ADD, Fn.SUB):
            try:
                joined = single(b, e)
            except Unsupported:  # the host adds what no integers hold
                return None
            return joined if len(tree.leaves(joined)) == 1 else None
        return None

    def _whole(self, e: Expr) -> Expr:
        a = integer(self.builder, e)
        return tree.affine(self._apart(a.leaf), a.scale, a.offset)

    def _apart(self, leaf: Leaf) -> Leaf:
        """An output that is an input passes through a node of its own."""
        b = self.builder
        if leaf.name not in b.inputs:
            return leaf
        rank = len(leaf.shape)
        one = np.ones((1,) * rank, np.int64)
        return b.emit(Linear((one,), one - 1), leaf)

    def _network(self, outputs: tuple[OutputPort, ...]) -> Network:
        b = self.builder
        wanted = dict.fromkeys(leaf.name for o in outputs for leaf in tree.leaves(o.epilogue))
        nodes = _live(b.nodes, set(wanted))
        read = {name for node in nodes for name in node.inputs} | set(wanted)
        inputs = tuple(n for n in b.inputs if n in read)
        if not inputs:
            raise ModelError(
                "no output depends on any input: there is nothing to build", Loc(self.model.file)
            )
        made = (*inputs, *(v for node in nodes for v in node.outputs))
        types = {name: b.types[name] for name in made}
        chosen = {name: choices(b.prologues[name]) for name in inputs}
        codes = {name: among for name, among in chosen.items() if among is not None}
        graph = HwGraph(self.model.name, inputs, tuple(wanted), nodes, types, codes)
        ports = tuple(
            InputPort(n, tree.sources(b.prologues[n])[0].name, b.prologues[n]) for n in inputs
        )
        origins = tuple(o for o in b.origins if o.value in types)
        return Network(self.model, graph, ports, outputs, origins, self.rounded, tuple(self.notes))


def _live(nodes: list[Node[HwOp]], wanted: set[str]) -> tuple[Node[HwOp], ...]:
    """The nodes that some output needs, in order."""
    kept: list[Node[HwOp]] = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))
