"""Which encoding the weights of each streamed unit take, and what it asks of its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hlsgen.arith.encodings.encoding import Encoding
from hlsgen.arith.encodings.khot import Khot
from hlsgen.arith.encodings.sherry import FOUR, Sherry
from hlsgen.arith.encodings.shift import Shift
from hlsgen.arith.encodings.ternary import Ternary
from hlsgen.arith.encodings.xnor import Counted, Xnor, counted
from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import FOLDED, Arithmetic, arithmetic_of
from hlsgen.emit.codes import operand_codes
from hlsgen.emit.folding import types
from hlsgen.emit.matrices import stream_matrix
from hlsgen.emit.streaming import Way, way
from hlsgen.errors import HlsgenError, OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntArray
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


@dataclass(frozen=True, eq=False)
class Encoded:
    """The weights of a unit as codes; `counted` and `high`, the operand of bit 1, are of XNOR."""

    encoding: Encoding
    counted: Counted | None = None
    high: int = 0

    def cpp(self, term: IntFormat) -> str:
        """The C++ struct that makes terms of this format."""
        # A shift by the whole width or more is not the same in every tool.
        result = IntFormat(max(term.width, self.encoding.reach + 1), term.signed)
        listed = ", ".join(map(str, (result.cpp, *self.encoding.parameters)))
        return f"{self.encoding.name}<{listed}>"

    @property
    def note(self) -> str:
        """What the codes are, for people."""
        e = self.encoding
        each = "a weight" if e.group == 1 else f"for {e.group} weights"
        return f"{e.name}: {e.note}; {e.bits} bits {each}"


def input_steps(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> dict[str, int]:
    """By the name of a node's output, what its SIMD must be a multiple of.

    Errors: OptionError for a layer whose inputs that number does not divide.
    """
    found: dict[str, int] = {}
    for node in graph.nodes:
        if not isinstance(node.op, MatMul | Conv):
            continue
        if arithmetic_of(choices, node) is Arithmetic.SHERRY:
            inputs = node.op.weights.shape[0 if isinstance(node.op, MatMul) else 1]
            if inputs % FOUR:
                raise OptionError(
                    f"sherry takes inputs by fours, and there are {inputs}; try ternary", node.loc
                )
            found[node.output] = FOUR
    return found


def encodings(
    graph: HwGraph, choices: Mapping[str, Arithmetic], simd: Mapping[str, int]
) -> dict[str, Encoded]:
    """The units with encoded weights, by the name of the node's output.

    Errors: OptionError where an encoding cannot hold the weights of a layer, or its unit is not of
    the kind that multiplies so.
    """
    found: dict[str, Encoded] = {}
    for node in graph.nodes:
        if isinstance(node.op, MatMul | Conv):
            how = arithmetic_of(choices, node)
            if how in FOLDED:
                try:
                    found[node.output] = _encoded(graph, node, how, simd[node.output])
                except HlsgenError as error:
                    raise error.at(node.loc) from None
    return found


def _encoded(graph: HwGraph, node: Node[HwOp], how: Arithmetic, simd: int) -> Encoded:
    op = node.op
    assert isinstance(op, MatMul | Conv)
    form = way(op, types(graph, node.inputs), types(graph, node.outputs))
    if form is Way.WHOLE:
        raise OptionError(f"{how} is for folded units, and a volume is not folded; try lut")
    if form is Way.CHANNELS and how in (Arithmetic.SHERRY, Arithmetic.XNOR):
        raise OptionError(f"{how} adds several products a clock, depthwise units one; try ternary")
    match how:
        case Arithmetic.KHOT:
            return Encoded(Khot.of(op.weights))
        case Arithmetic.SHIFT:
            return Encoded(Shift.of(op.weights))
        case Arithmetic.TERNARY:
            return Encoded(Ternary.of(op.weights))
        case Arithmetic.SHERRY:
            if simd % FOUR:
                raise OptionError(f"sherry takes four inputs at once; SIMD must be so, got {simd}")
            return Encoded(Sherry.of(stream_matrix(op)))
        case _:
            low, high = _two_codes(graph, node, op)
            return Encoded(Xnor(simd), counted(stream_matrix(op), (low, high)), high)


def _two_codes(graph: HwGraph, node: Node[HwOp], op: MatMul | Conv) -> tuple[int, int]:
    """The only two codes that the operand can take."""
    known = operand_codes(graph, node)
    if known is None or len(known) > 2:
        x = graph.types[node.inputs[0]]
        taken = f"from {x.min} to {x.max}" if known is None else ", ".join(map(str, sorted(known)))
        border = " (its border included)" if isinstance(op, Conv) and op.window.padded else ""
        raise OptionError(
            f"xnor needs an operand of two codes, and {node.inputs[0]!r}{border} takes {taken}; "
            "try ternary"
        )
    return min(known), max(known) if len(known) == 2 else min(known) + 1


def unit_numbers(unit: Encoded | None, bias: IntArray, term: IntFormat) -> dict[str, Any]:
    """What the templates need to know of a unit's weights."""
    if unit is None:
        return {"encoded": None, "group": 1, "ones": None}
    found: dict[str, Any] = {"encoded": unit.cpp(term), "encoded_note": unit.note}
    found |= {"group": unit.encoding.group, "ones": unit.counted, "high": unit.high}
    if unit.counted is not None:
        found["start"] = bias.astype(object) + unit.counted.start
        same = np.unique(unit.counted.scale)
        found["scale"] = int(same[0]) if len(same) == 1 else None
    return found
