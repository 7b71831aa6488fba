"""All foldings that the emitter can build of each operator, with exact cycles and estimated use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.encodings.khot import Khot
from hlsgen.arith.encodings.shift import Shift
from hlsgen.arith.encodings.ternary import Ternary
from hlsgen.emit.arithmetic import FOLDED, GRAPHS, SERIAL, Arithmetic, arithmetic_of
from hlsgen.emit.encodings import Encoded, encodings
from hlsgen.emit.folding import Folding, types, work_of
from hlsgen.emit.graph_layers import graph_foldings, joined, refusal, whole_folding
from hlsgen.emit.matrices import stream_order
from hlsgen.emit.memories import MemoryKind
from hlsgen.emit.packing import Packing, unit_packing
from hlsgen.emit.processes import operator_pattern
from hlsgen.emit.streaming import Way, Work
from hlsgen.emit.streams import slide_of
from hlsgen.emit.sums import Sums, Terms, operator_sums, terms, unit_sums
from hlsgen.emit.views import Operator, Value
from hlsgen.errors import HlsgenError
from hlsgen.fold.between import helper_use
from hlsgen.fold.dominance import undominated
from hlsgen.fold.graphs import counted, graph_use, guessed
from hlsgen.fold.operators import Facts, matrix_facts, operator_use
from hlsgen.fold.use import Use
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

# The earlier of equals is taken; of the codes the first that holds the weights, the cheapest.
_MULTIPLIERS = (Arithmetic.DSP, Arithmetic.LUT)
_CODES = (Arithmetic.XNOR, Arithmetic.TERNARY, Arithmetic.SHIFT, Arithmetic.KHOT)
_FEW_WORDS = 2  # a ROM of so few words is wires or inputs of a LUT


@dataclass(frozen=True, slots=True)
class Choice:
    """How one operator may be built; `arithmetic` and `memory` are None where it has no weights."""

    pe: int
    simd: int
    arithmetic: Arithmetic | None = None
    memory: MemoryKind | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """The choices of a node; row k of `cycles` and `use` is that of choice k.

    Shapes: cycles (n), use (n, kinds of `Use`).
    """

    node: str
    choices: tuple[Choice, ...]
    cycles: NDArray[np.int64]
    use: NDArray[np.float64]

    def within(self, cycles: int) -> Candidates:
        """Those that take no more cycles a frame and that no other one beats in every resource."""
        fast = np.flatnonzero(self.cycles <= cycles)
        kept = fast[undominated(self.use[fast])]
        return self.only(kept)

    def only(self, places: NDArray[np.intp]) -> Candidates:
        """Some of them."""
        kept: list[int] = places.tolist()
        choices = tuple(self.choices[k] for k in kept)
        return Candidates(self.node, choices, self.cycles[places], self.use[places])


def candidates(
    graph: HwGraph,
    arithmetic: Mapping[str, Arithmetic],
    folding: Mapping[str, Folding],
    steps: Mapping[str, int],
    searched: Collection[str] = (),
) -> tuple[Candidates, ...]:
    """For each node what is worth a thought.

    `folding` by a node's first output and `arithmetic` by layer leave no choice where they name
    one; `steps` says by output what SIMD must be a multiple of, `searched` whose adder graphs are
    counted, those of others being guessed.
    """
    return tuple(
        _of_node(
            graph,
            node,
            arithmetics(graph, node, arithmetic),
            folding.get(node.output),
            steps.get(node.output, 1),
            searched=node.output in searched,
        )
        for node in graph.nodes
    )


def with_searched(
    layers: Sequence[Candidates],
    graph: HwGraph,
    arithmetic: Mapping[str, Arithmetic],
    folding: Mapping[str, Folding],
    steps: Mapping[str, int],
    names: Collection[str],
) -> tuple[Candidates, ...]:
    """The same choices, the adder graphs of some nodes counted; other arguments as above."""
    some = replace(graph, nodes=tuple(n for n in graph.nodes if n.output in names))
    fresh = {c.node: c for c in candidates(some, arithmetic, folding, steps, names)}
    return tuple(fresh.get(layer.node, layer) for layer in layers)


def arithmetics(
    graph: HwGraph, node: Node[HwOp], chosen: Mapping[str, Arithmetic]
) -> tuple[Arithmetic | None, ...]:
    """What may multiply in a layer; where nobody chose, each that can hold its weights."""
    if not isinstance(node.op, MatMul | Conv):
        return (None,)
    how = arithmetic_of(chosen, node)
    if how is not Arithmetic.TOOL:
        return (how,)
    if node.op.budget is not None:  # weights that are reloaded may be any
        return _MULTIPLIERS
    packs = unit_packing(graph, node, 1) is not None
    multipliers = (Arithmetic.DSP_PACKED, *_MULTIPLIERS) if packs else _MULTIPLIERS
    codes = [code for code in _CODES if _holds(graph, node, code)]
    return (*multipliers, *codes[:1], *GRAPHS)


def _holds(graph: HwGraph, node: Node[HwOp], how: Arithmetic) -> bool:
    """Whether codes of this kind can hold a layer's weights."""
    op = node.op
    assert isinstance(op, MatMul | Conv)
    try:
        match how:  # these take each weight by itself: it is enough to look at each value once
            case Arithmetic.TERNARY:
                Ternary.of(np.unique(op.weights))
            case Arithmetic.SHIFT:
                Shift.of(np.unique(op.weights))
            case Arithmetic.KHOT:
                Khot.of(np.unique(op.weights))
            case _:
                encodings(graph, {node.output: how}, {node.output: 1})
    except HlsgenError:
        return False
    return work_of(graph, node).way is not Way.WHOLE


def _of_node(
    graph: HwGraph,
    node: Node[HwOp],
    hows: Sequence[Arithmetic | None],
    fixed: Folding | None,
    step: int,
    *,
    searched: bool,
) -> Candidates:
    folded = [how for how in hows if how not in GRAPHS]
    rows = list(_folded(graph, node, folded, fixed, step)) if folded else []
    graphs = [how for how in hows if how is not None and how in GRAPHS]
    rows += _graphs(graph, node, graphs, fixed, searched=searched)
    if not rows:
        graph_foldings(graph, {node.output: graphs[0]}, {node.output: fixed} if fixed else {})
    choices, cycles, use = zip(*rows, strict=True)
    made = Candidates(
        node.output, choices, np.array(cycles), np.array([each.vector for each in use])
    )
    return made.only(undominated(np.column_stack([made.cycles.astype(float), made.use])))


def _folded(
    graph: HwGraph,
    node: Node[HwOp],
    hows: Sequence[Arithmetic | None],
    fixed: Folding | None,
    step: int,
) -> Iterator[tuple[Choice, int, Use]]:
    """Units that several clocks share."""
    todo = work_of(graph, node)
    unit = _Units(graph, node, todo)
    for pe, simd in [fixed] if fixed is not None else _foldings(todo, step):
        for how in hows:
            for memory in _memories(node, how, todo, pe, simd):
                choice = Choice(pe, simd, how, memory)
                yield choice, unit.cycles(pe, simd), unit.use(choice)


def _graphs(
    graph: HwGraph,
    node: Node[HwOp],
    hows: Sequence[Arithmetic],
    fixed: Folding | None,
    *,
    searched: bool,
) -> Iterator[tuple[Choice, int, Use]]:
    """Adder graphs, if the layer can be one."""
    if not hows:
        return
    node = joined(node)
    op = node.op
    assert isinstance(op, MatMul | Conv)
    pair = whole_folding(op)
    if fixed not in (None, pair) or refusal(graph, node):
        return
    adders = (counted if searched else guessed)(op, graph.types[node.inputs[0]])
    unit = _Units(graph, node, work_of(graph, node))
    for how in hows:
        operator = replace(unit.operator(*pair), digit=SERIAL.get(how, 0))
        use = graph_use(operator, adders) + unit.slide(pair[1])
        yield Choice(*pair, how), slowest(operator), use


def _foldings(todo: Work, step: int) -> Iterator[Folding]:
    outputs = [-(-todo.outputs // f) for f in range(1, todo.outputs + 1)]
    if not todo.pads:
        outputs = [pe for pe in outputs if todo.outputs % pe == 0]
    inputs = [n for n in range(1, todo.inputs + 1) if todo.inputs % n == 0]
    for pe in sorted(set(outputs)):
        for simd in [n for n in (*inputs, *todo.taps) if n % step == 0] or inputs:
            yield pe, simd


def _memories(
    node: Node[HwOp], how: Arithmetic | None, todo: Work, pe: int, simd: int
) -> tuple[MemoryKind | None, ...]:
    op = node.op
    if how is None or todo.way is Way.WHOLE or (isinstance(op, MatMul | Conv) and op.budget):
        return (None,)
    assert isinstance(op, MatMul | Conv)
    few = op.weights.size <= _FEW_WORDS * pe * simd
    return (MemoryKind.LUTRAM,) if few else (MemoryKind.LUTRAM, MemoryKind.BRAM)


def slowest(operator: Operator) -> int:
    """Clocks a frame of the operator or of the process that makes its windows."""
    helper = slide_of(operator)
    sliding = 0 if helper is None else helper.pattern.work
    return max(operator_pattern(operator).work, sliding)


class _Units:
    """One node at every width: what does not depend on all of a choice is worked out once."""

    def __init__(self, graph: HwGraph, node: Node[HwOp], todo: Work) -> None:
        self.graph, self.node, self.todo, self.form = graph, node, todo, todo.way
        self.cycles = cache(self._cycles)
        self.sums = cache(self._sums)
        self.encoded = cache(self._encoded)
        self.facts = cache(self._facts)
        self.packed = cache(self._packed)
        self.terms = cache(self._terms)
        self.slide = cache(self._slide)

    def operator(self, pe: int, simd: int) -> Operator:
        """The node as the emitter would see it."""
        # What holds whole tensors takes beats as they come: one by one at worst.
        taken = {Way.MATRIX: simd, Way.CHANNELS: pe, Way.WHOLE: 1}[self.form]
        x = tuple(
            Value(f"x{k}", f"x{k}", name, of, taken)
            for k, (name, of) in enumerate(
                zip(self.node.inputs, types(self.graph, self.node.inputs), strict=True)
            )
        )
        y = tuple(
            Value(f"y{k}", f"y{k}", name, of, pe)
            for k, (name, of) in enumerate(
                zip(self.node.outputs, types(self.graph, self.node.outputs), strict=True)
            )
        )
        return Operator("unit", "", (), self.node, x, y)

    def _cycles(self, pe: int, simd: int) -> int:
        """Clocks a frame of its slowest process."""
        return slowest(self.operator(pe, simd))

    def _encoded(self, how: Arithmetic, simd: int) -> Encoded | None:
        if how not in FOLDED:
            return None
        made = encodings(self.graph, {self.node.output: how}, {self.node.output: simd})
        return made.get(self.node.output)

    def _sums(self, how: Arithmetic | None, simd: int) -> Sums | None:
        unit = None if how is None else self.encoded(how, simd)
        op = self.node.op
        budget = op.budget if isinstance(op, MatMul | Conv) else None
        if self.form is not Way.MATRIX or budget is not None:
            return operator_sums(self.operator(1, simd), self.form, unit)
        found = self.packed(how, simd)
        chunk = 1 if found is None else found.chunk
        return unit_sums(self.terms(simd > self.todo.inputs), simd, unit, chunk)

    def _packed(self, how: Arithmetic | None, simd: int) -> Packing | None:
        packs = how is Arithmetic.DSP_PACKED
        return unit_packing(self.graph, self.node, simd) if packs else None

    def _terms(self, across: bool) -> Terms:
        """What a matrix adds up as it is streamed, taps one by one or several at once."""
        op = self.node.op
        assert isinstance(op, MatMul | Conv)
        found = terms(op, *types(self.graph, self.node.inputs))
        assert found is not None
        return found.reordered(stream_order(op, self.todo.inputs + across))

    def _facts(self, how: Arithmetic, simd: int) -> Facts:
        """The matrix unit; single multiplications have the same facts, whoever makes them."""
        sums = self.sums(how, simd)
        assert sums is not None
        unit, packed = self.encoded(how, simd), self.packed(how, simd)
        return matrix_facts(self.operator(1, simd), sums, unit, packed)

    def _slide(self, lanes: int) -> Use:
        helper = slide_of(self.operator(lanes, lanes))
        return Use() if helper is None else helper_use(helper)

    def use(self, choice: Choice) -> Use:
        """What the operator takes, with the process that makes its windows."""
        how = choice.arithmetic
        if self.form is Way.MATRIX:
            assert how is not None
            facts = self.facts(Arithmetic.TOOL if how in _MULTIPLIERS else how, choice.simd)
            return facts.unit(choice.pe, how, choice.memory).use + self.slide(choice.simd)
        own = operator_use(
            self.operator(choice.pe, choice.simd),
            self.sums(None, choice.simd),
            how or Arithmetic.TOOL,
            None if how is None else self.encoded(how, choice.simd),
            choice.memory,
        )
        return own + self.slide(choice.pe)
