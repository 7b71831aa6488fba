"""The integer graph while it grows: nodes, types, names, and what each value stands for."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hlsgen.arith.budget import Reloadable
from hlsgen.errors import HlsgenError, Loc, Unsupported
from hlsgen.expr.network import Origin
from hlsgen.expr.tree import Expr, Leaf
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.take import Take
from hlsgen.passes.lowering.affine import Affine
from hlsgen.passes.lowering.approximate import Approximation

# ap_int ends at 1024 bits, and sums and products of values have to stay below. A residual join of
# two accumulators with free float32 scales needs some 120, three products in a row without a
# quantiser some 200. A layer of float32 weights adds 40 to 50: five in a row come to this.
WIDEST = 256


class NeedsRawInput(Exception):
    """A network input is used in a way that no quantiser precedes: it needs a declared format."""

    def __init__(self, name: str, loc: Loc) -> None:
        super().__init__(name)
        self.name = name
        self.loc = loc


@dataclass(eq=False)
class Builder:
    """Everything emitted so far; the only mutable thing of the lowering.

    `loc` and `hint` are those of the model node that is being lowered. `integers` and `sums`
    remember what expressions became, by id; they hold the expressions, so that no id is reused.
    `reloadable` are the layers that the user wants so; `weighted` has all names of the layers with
    constant weights, and by which of them messages call each.
    """

    nodes: list[Node[HwOp]] = field(default_factory=list[Node[HwOp]])
    types: dict[str, IntType] = field(default_factory=dict[str, IntType])
    inputs: list[str] = field(default_factory=list[str])
    prologues: dict[str, Expr] = field(default_factory=dict[str, Expr])
    origins: list[Origin] = field(default_factory=list[Origin])
    approximate: dict[str, Approximation] = field(default_factory=dict[str, Approximation])
    integers: dict[int, tuple[Expr, Affine]] = field(default_factory=dict[int, Any])
    sums: dict[int, tuple[Expr, Expr]] = field(default_factory=dict[int, Any])
    loc: Loc = field(default_factory=lambda: Loc(""))
    hint: str = "value"
    reloadable: Mapping[str, Reloadable] = field(default_factory=dict[str, Reloadable])
    weighted: dict[str, str] = field(default_factory=dict[str, str])
    _known: dict[tuple[Any, ...], tuple[Leaf, ...]] = field(default_factory=dict[Any, Any])

    def emit(self, op: HwOp, *inputs: Leaf) -> Leaf:
        """The first output of a node, as a leaf."""
        return self.emit_all(op, *inputs)[0]

    def emit_all(self, op: HwOp, *inputs: Leaf) -> tuple[Leaf, ...]:
        """The outputs of a node: a new one, or the same node of before."""
        names = tuple(x.name for x in inputs)
        key = (type(op), names, hashlib.sha1(pickle.dumps(op), usedforsecurity=False).digest())
        if key not in self._known:
            self._known[key] = self._new(op, names)
        return self._known[key]

    def _new(self, op: HwOp, names: tuple[str, ...]) -> tuple[Leaf, ...]:
        try:
            types = op.infer(*(self.types[n] for n in names))
            _check_width(types)
        except HlsgenError as error:
            raise error.at(self.loc) from None
        outputs = tuple(self._fresh(t) for t in types)
        self.nodes.append(Node(op, names, outputs, self.loc))
        return tuple(Leaf(n, t.shape) for n, t in zip(outputs, types, strict=True))

    def _fresh(self, item: IntType, hint: str | None = None) -> str:
        hint = hint or self.hint
        name, count = hint, 1
        while name in self.types:
            count += 1
            name = f"{hint}:{count}"
        self.types[name] = item
        return name

    def input(self, prologue: Expr, item: IntType, hint: str) -> Leaf:
        """A hardware input that the host fills with the integers of `prologue`."""
        for name, known in self.prologues.items():
            if known is prologue:
                return Leaf(name, self.types[name].shape)
        name = self._fresh(item, hint)
        self.inputs.append(name)
        self.prologues[name] = prologue
        return Leaf(name, item.shape)

    def type_of(self, leaf: Leaf) -> IntType:
        """Shape and bounds of a hardware value."""
        return self.types[leaf.name]

    def rank(self, leaf: Leaf, rank: int) -> Leaf:
        """The leaf with axes of size 1 put in front."""
        if len(leaf.shape) == rank:
            return leaf
        return self.emit(Reshape((1,) * (rank - len(leaf.shape)) + leaf.shape), leaf)

    def broadcast(self, leaf: Leaf, shape: Shape) -> Leaf:
        """The leaf repeated to a full shape."""
        leaf = self.rank(leaf, len(shape))
        for axis, (have, want) in enumerate(zip(leaf.shape, shape, strict=True)):
            if have != want:
                leaf = self.emit(Take(axis, (0,) * want), leaf)
        return leaf


def _check_width(types: tuple[IntType, ...]) -> None:
    bits = max(max(-t.min, t.max).bit_length() + (t.min < 0) for t in types)
    if bits > WIDEST:
        raise Unsupported(
            f"its exact result needs integers of {bits} bits, at most {WIDEST} are built; every "
            "layer of float32 weights or scales without a quantiser between adds 40 to 50, so put "
            "quantisers (Quant, QuantizeLinear) behind the layers in front of it"
        )
