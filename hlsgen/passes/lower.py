"""From what the file says to integers: the lowering of a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from hlsgen.arith.declared import Declared, parse_format
from hlsgen.arith.rounding import Rounding
from hlsgen.errors import HlsgenError, ModelError, OptionError, Unsupported
from hlsgen.expr import network, tree
from hlsgen.expr.affine import is_integer, peel
from hlsgen.expr.network import InputPort, Network, OutputPort
from hlsgen.expr.tree import Apply, Expr, Host, Leaf, Param, Source
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ir.model import Model, ModelType
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.builder import Builder, NeedsRawInput
from hlsgen.passes.lowering.rules import lower_node
from hlsgen.passes.shrink_joins import shrink_joins

INTEGER_NETWORK_FORMAT = "int16"


@dataclass(frozen=True, slots=True)
class LowerOptions:
    """`inputs` declares formats of network inputs by name, such as {"x": uint8}.

    `ranges` are the least and greatest values at hand of inputs that nobody declared: the default
    format takes as many of its bits before the point as they need.
    """

    inputs: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    ranges: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )


def lower(
    model: Model,
    options: LowerOptions | None = None,
    observe: Callable[[int, int], None] | None = None,
) -> Network:
    """The integer network that equals the model in exact arithmetic, on every input.

    1. Every tensor is an exact expression of integer tensors until a quantiser makes it one.
    2. What stands in front of a quantiser becomes one staircase per channel.
    3. Inputs that meet a quantiser first are quantised on the host by exactly that quantiser;
       others take their declared format, or the default one, and say so in `notes`.
    4. What follows the last quantiser stays an expression: the epilogue.
    """
    options = options or LowerOptions()
    _check_names(model, options)
    declared = dict(options.inputs)
    notes: list[str] = []
    while True:
        try:
            network = _Lowering(model, declared, notes, observe).run()
            return replace(network, graph=shrink_joins(network.graph))
        except NeedsRawInput as need:
            if need.name in declared:
                raise Unsupported("input used both raw and quantised", need.loc) from None
            default = _default_format(model, options.ranges.get(need.name))
            declared[need.name] = parse_format(default)
            notes.append(
                f"input '{need.name}' has no quantiser and no declared format: taken as {default} "
                f"(rounded and saturated); --input {need.name}=FORMAT says otherwise"
            )


def _check_names(model: Model, options: LowerOptions) -> None:
    for name in options.inputs:
        if name not in model.inputs:
            raise OptionError(
                f"--input {name}: the model has no such input; it has {', '.join(model.inputs)}"
            )


def _default_format(model: Model, span: tuple[float, float] | None) -> str:
    """fixed<16,6>, int16 for a network of whole numbers; wider before the point for larger data."""
    if _whole_numbers(model):
        return INTEGER_NETWORK_FORMAT
    integer_bits = 6
    while span is not None and integer_bits < 16:
        if -(2 ** (integer_bits - 1)) <= span[0] and span[1] < 2 ** (integer_bits - 1):
            break
        integer_bits += 1
    return f"fixed<16,{integer_bits}>"


def _whole_numbers(model: Model) -> bool:
    """An integer network in plain operators: every constant is a whole number."""
    return all(
        bool(np.all(v == np.floor(v))) for v in model.constants.values() if v.dtype.kind == "f"
    )


class _Lowering:
    def __init__(
        self,
        model: Model,
        declared: Mapping[str, Declared],
        notes: list[str],
        observe: Callable[[int, int], None] | None,
    ) -> None:
        self.model = model
        self.declared = declared
        self.notes = notes
        self.observe = observe
        self.builder = Builder()
        self.rounded: dict[str, Expr] = {}
        self.env: dict[str, Expr] = {}

    def run(self) -> Network:
        for name in self.model.inputs:
            self.env[name] = self._input(name, self.model.types[name])
        for name, values in self.model.constants.items():
            self.env[name] = Param.of(values)
        for count, node in enumerate(self.model.nodes):
            self._node(node)
            if self.observe is not None:
                self.observe(count + 1, len(self.model.nodes))
        outputs = tuple(self._output(name) for name in self.model.outputs)
        return self._network(outputs)

    def _input(self, name: str, t: ModelType) -> Expr:
        """A declared or integer input is hardware at once; another waits for its quantiser."""
        source = Source(name, t.shape)
        if name in self.declared:
            return self._declared(source, self.declared[name], t)
        if t.is_integer:
            if t.dtype == "bool":
                return self.builder.input(source, IntType.of(t.shape, 0, 1), name)
            codes = parse_format(t.dtype).codes
            return self.builder.input(source, IntType.of(t.shape, codes.lo, codes.hi), name)
        return source

    def _declared(self, source: Source, how: Declared, t: ModelType) -> Expr:
        scaled = tree.mul(source, Param.of(np.array(1 / how.unit, dtype=object)))
        low, high = Param.of(np.int64(how.codes.lo)), Param.of(np.int64(how.codes.hi))
        whole = tree.apply(Rounding.HALF_UP, scaled)
        codes = tree.apply(Fn.MIN, tree.apply(Fn.MAX, whole, low), high)
        leaf = self.builder.input(
            codes, IntType.of(t.shape, how.codes.lo, how.codes.hi), source.name
        )
        unit = Param.of(np.array(Fraction(how.unit), dtype=object))
        if not t.is_integer:
            self.rounded[source.name] = tree.mul(codes, unit)
        return tree.affine(leaf, unit, Param.of(np.int64(0)))

    def _node(self, node: Node) -> None:
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
        t = self.model.types[name]
        b = self.builder
        producer = self.model.producer.get(name)
        if producer is not None:
            b.loc = producer.loc
        b.hint = name
        epilogue = self._cut(self.env[name])
        return OutputPort(name, t.shape, t.dtype, epilogue)

    def _cut(self, e: Expr) -> Expr:
        """The expression over hardware values only: whatever is an integer goes into hardware."""
        done: dict[int, Expr] = {}

        def visit(node: Expr) -> Expr:
            if id(node) not in done:
                done[id(node)] = self._cut_node(node, visit)
            return done[id(node)]

        return visit(e)

    def _cut_node(self, e: Expr, visit: Callable[[Expr], Expr]) -> Expr:
        b = self.builder
        if isinstance(e, Leaf) or tree.is_constant(e):
            return e
        if not tree.has_host(e) or tree.sources(e):
            found = peel(e) if not tree.sources(e) else None
            if tree.sources(e) or found is not None:
                return b.integer(e).expr
            if len(tree.leaves(e)) > 1 and isinstance(e, Apply) and e.fn in (Fn.ADD, Fn.SUB):
                joined = b.single(e)
                return joined if len(tree.leaves(joined)) == 1 else self._descend(joined, visit)
        return self._descend(e, visit)

    def _descend(self, e: Expr, visit: Callable[[Expr], Expr]) -> Expr:
        return tree.with_args(e, [visit(a) for a in tree.args_of(e)])

    def _network(self, outputs: tuple[OutputPort, ...]) -> Network:
        b = self.builder
        wanted = dict.fromkeys(leaf.name for o in outputs for leaf in tree.leaves(o.epilogue))
        if not wanted:
            raise ModelError("no output depends on any input: there is nothing to build")
        nodes = _live(b.nodes, set(wanted))
        read = {name for node in nodes for name in node.inputs} | set(wanted)
        inputs = tuple(n for n in b.inputs if n in read)
        types = {
            name: b.types[name]
            for name in (*inputs, *(v for node in nodes for v in node.outputs))
        }
        graph = HwGraph(self.model.name, inputs, tuple(wanted), nodes, types)
        ports = tuple(
            InputPort(n, tree.sources(b.prologues[n])[0].name, b.prologues[n]) for n in inputs
        )
        origins = tuple(
            network.Origin(o.value, o.tensor, o.scale, o.offset, o.loc)
            for o in b.origins
            if o.value in types
        )
        return Network(
            self.model, graph, ports, outputs, origins, self.rounded, tuple(self.notes)
        )


def _live(nodes: list[Node[HwOp]], wanted: set[str]) -> tuple[Node[HwOp], ...]:
    """The nodes that some output needs, in order."""
    kept: list[Node[HwOp]] = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


__all__ = ["Host", "LowerOptions", "is_integer", "lower"]
