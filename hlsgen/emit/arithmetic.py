"""How products with constant weights are made in hardware; no choice changes a result bit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hlsgen.arith.adders.graph import AdderGraph, Range, Term
from hlsgen.arith.adders.solve import least_depth, solve
from hlsgen.arith.format import IntFormat
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.emit.jinja import wire_type
from hlsgen.emit.matrices import constant_matrices
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntArray, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


class Arithmetic(StrEnum):
    """Who multiplies: what the synthesis tool likes, DSPs, LUT multipliers, or shifts and adds.

    The others are in `hlsgen.emit.products`: several products a DSP, counters of ones, counters of
    all bits that a sum consists of, tables of bit planes, tables of operands, sign planes of the
    weights, factors behind the sums of blocks. TRUTH_TABLE makes a neuron one table of all its
    input bits, its quantiser included, or those neurons of a layer that a choice names,
    LAYER[0,2-5] (emit/truth_tables.py). Those in FOLDED keep weights as codes (arith/encodings),
    for units that streams fold; those in SERIAL are adder graphs of streams that take so many bits
    of every number a clock (arith/adders/serial.py). AUTO is the cheapest that a layer of a
    parallel design can have (emit/choice.py); emission never sees it.
    """

    TOOL = "tool"
    DSP = "dsp"
    LUT = "lut"
    SHIFT_ADD = "shift-add"
    DSP_PACKED = "dsp-packed"
    POPCOUNT = "popcount"
    COMPRESS = "compress"
    LUTGEMM = "lutgemm"
    TABLE = "table"
    BCQ = "bcq"
    GROUPWISE = "groupwise"
    TRUTH_TABLE = "truth-table"
    KHOT = "khot"
    SHIFT = "shift"
    TERNARY = "ternary"
    SHERRY = "sherry"
    XNOR = "xnor"
    SERIAL_1 = "serial-1"
    SERIAL_2 = "serial-2"
    SERIAL_3 = "serial-3"
    SERIAL_4 = "serial-4"
    SERIAL_6 = "serial-6"
    SERIAL_8 = "serial-8"
    AUTO = "auto"


FOLDED = (
    Arithmetic.KHOT, Arithmetic.SHIFT, Arithmetic.TERNARY, Arithmetic.SHERRY, Arithmetic.XNOR
)  # fmt: skip

SERIAL = {  # bits of a digit
    Arithmetic.SERIAL_1: 1, Arithmetic.SERIAL_2: 2, Arithmetic.SERIAL_3: 3,
    Arithmetic.SERIAL_4: 4, Arithmetic.SERIAL_6: 6, Arithmetic.SERIAL_8: 8,
}  # fmt: skip
GRAPHS = (Arithmetic.SHIFT_ADD, *SERIAL)  # adder graphs, of whole windows in a stream
MULTIPLIED = (Arithmetic.TOOL, Arithmetic.DSP, Arithmetic.LUT)  # one `*` a product
DEFAULT = ""  # the key that stands for every layer without an entry of its own


def arithmetic_of(choices: Mapping[str, Arithmetic], node: Node[HwOp]) -> Arithmetic:
    """The choice for a node: by its first output, by its ONNX node, or the default."""
    for key in (node.output, node.loc.name, DEFAULT):
        if key in choices:
            return choices[key]
    return Arithmetic.TOOL


def check_arithmetic(graph: HwGraph, choices: Mapping[str, Arithmetic]) -> None:
    """Errors: OptionError for a layer that is not there or that multiplies by no constants."""
    weighted = {n.output: n for n in graph.nodes if isinstance(n.op, MatMul | Conv)}
    by_onnx = {node.loc.name: node for node in weighted.values()}
    known = {n.output for n in graph.nodes} | {n.loc.name for n in graph.nodes}
    for key, how in choices.items():
        name, some = split_key(key, known)
        if some is not None and how is not Arithmetic.TRUTH_TABLE:
            raise OptionError(
                f"--arithmetic {key}={how}: single outputs can be truth-table and nothing else"
            )
        if name == DEFAULT or name in weighted or name in by_onnx:
            continue
        layers = ", ".join(str(n.loc.name or n.output) for n in weighted.values()) or "none"
        what = "has no constant weights" if name in known else "is no layer of this network"
        raise OptionError(f"--arithmetic {name}=...: {name!r} {what}; those with weights: {layers}")


def split_key(key: str, known: Collection[str] = ()) -> tuple[str, tuple[int, ...] | None]:
    """A key of the choices as layer and outputs, LAYER[0,2-5]; None stands for all outputs.

    A name in `known` is a layer's whatever it looks like.
    """
    found = None if key in known else re.fullmatch(r"(.+)\[(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)\]", key)
    if found is None:
        return key, None
    some: list[int] = []
    for run in found[2].split(","):
        first, _, last = run.partition("-")
        some += range(int(first), int(last or first) + 1)
    return found[1], tuple(some)


def key_of(layer: str, outputs: Sequence[int]) -> str:
    """The key of some outputs of a layer."""
    runs: list[list[int]] = []
    for j in sorted(outputs):
        if runs and runs[-1][-1] == j - 1:
            runs[-1][1:] = [j]
        else:
            runs.append([j])
    return f"{layer}[{','.join('-'.join(map(str, run)) for run in runs)}]"


def check_parallel(node: Node[HwOp], how: Arithmetic) -> None:
    """Errors: OptionError for an arithmetic that only units of streams have."""
    if (how in FOLDED or how in SERIAL) and isinstance(node.op, MatMul | Conv):
        raise OptionError(
            f"{how} is for the units of streams: give --io stream, or shift-add, which "
            "makes the most of constant weights",
            node.loc,
        )


@dataclass(frozen=True, slots=True)
class Wire:
    """A value as C++: its name, type and expression; `bound` is who computes it, `op impl`."""

    name: str
    type: str
    text: str
    bound: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class AdderLines:
    """An adder graph as straight-line C++: one line an adder, one an output."""

    graph: AdderGraph

    @property
    def inputs(self) -> int:
        """Elements of v; node k below is v[k], the others are t0, t1, ..."""
        return len(self.graph.inputs)

    @property
    def wires(self) -> list[Wire]:
        """The adders in order, each as wide as its exact range."""
        found: list[Wire] = []
        for k, adder in enumerate(self.graph.adders):
            node = self.inputs + k
            kind = "sub" if any(t.negative for t in adder) else "add"
            of = wire_type(IntFormat.of_range(*self.graph.ranges[node]))
            found.append(Wire(self._name(node), of, self._sum(adder, of), (kind, "fabric")))
        return found

    @property
    def outputs(self) -> list[str]:
        """The expression of each output; 0 for a column of zeros."""
        return ["0" if term is None else self._output(term) for term in self.graph.outputs]

    @property
    def note(self) -> str:
        """What it costs, for people."""
        graph = self.graph
        return (
            f"shifts and adds: {len(graph.adders)} adders on {graph.depth} levels, "
            f"{graph.cost()} LUTs by their exact widths (an estimate)"
            + ("" if graph.searched else "; none shared: the weights exceed the search's 62 bits")
        )

    def _name(self, node: int) -> str:
        return f"v[{node}]" if node < self.inputs else f"t{node - self.inputs}"

    def _output(self, term: Term) -> str:
        lo, hi = (v << term.shift for v in self.graph.ranges[term.node])
        of = wire_type(IntFormat.of_range(*((-hi, -lo) if term.negative else (lo, hi))))
        text = self._term(term, of)
        return f"-({of}){text}" if term.negative else text

    def _sum(self, adder: tuple[Term, ...], of: str) -> str:
        first, *rest = sorted(adder, key=lambda t: t.negative)
        text = self._term(first, of)
        for term in rest:
            text += (" - " if term.negative else " + ") + self._term(term, of)
        return text

    def _term(self, term: Term, of: str) -> str:
        """The type of the result holds the exact sum: what wraps on the way is none of its bits."""
        name = self._name(term.node)
        return f"(({of}){name} << {term.shift})" if term.shift else name


def adder_lines(op: MatMul | Conv, x: IntType) -> tuple[AdderLines, ...]:
    """Shifts and adds for each matrix of an operator."""
    return tuple(
        AdderLines(adder_graph(m.weights, m.ranges, HLS_ADDERS)) for m in constant_matrices(op, x)
    )


_FULL_EFFORT = 1 << 14  # signed digits of a matrix that is searched with all effort


@dataclass(frozen=True, slots=True)
class Adders:
    """What a back-end builds adder graphs of.

    An adder takes `operands` words at most, 2 or 3; a graph has at most `slack` levels of adders
    more than the least that its matrix needs, None for no bound. `effort` is the most that is
    searched with, as for `solve`.
    """

    operands: int = 2
    slack: int | None = None
    effort: float = 1.0


# Two words: the HLS tool schedules a + b + c its own way, which was never measured here. Others who
# fused adders for it saw no gain (hls4ml, pull request 1518).
HLS_ADDERS = Adders()
# Registers follow the levels of a stream's graph, so that it has hardly more than it needs.
STREAM_ADDERS = Adders(operands=2, slack=2)


def adder_graph(weights: IntArray, ranges: Sequence[Range], adders: Adders) -> AdderGraph:
    """The adder graph that a back-end builds a layer from.

    The effort falls with the size of the matrix, so that the search of a large one takes seconds
    to minutes, and not hours, for the last few per cent.
    """
    digits = sum(csd_weight(int(v)) for v in weights.flat)
    effort = min(adders.effort, (_FULL_EFFORT / max(digits, 1)) ** 2)
    three = adders.operands == 3
    depth = None
    if adders.slack is not None:
        live = np.array([r != (0, 0) for r in ranges])[:, None]
        depth = adders.slack + least_depth(weights * live, three_input=three)
    return solve(weights, ranges, max_depth=depth, effort=effort, three_input=three)
