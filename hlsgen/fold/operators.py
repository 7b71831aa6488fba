"""What the own function of each operator takes, at the width that its streams have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.encodings.encoding import Encoding
from hlsgen.arith.format import IntFormat
from hlsgen.arith.unit_cost import Cost, multiply_cost
from hlsgen.emit.arithmetic import GRAPHS, Arithmetic
from hlsgen.emit.encodings import Encoded
from hlsgen.emit.memories import MemoryKind, bram18, in_luts, ram_luts
from hlsgen.emit.numbers import operand_of
from hlsgen.emit.packing import Packing
from hlsgen.emit.streaming import Way, way
from hlsgen.emit.sums import Sums, SumTree
from hlsgen.emit.views import Operator
from hlsgen.fold.graphs import counted, graph_use
from hlsgen.fold.matrix import MatrixUnit, cheaper_memory
from hlsgen.fold.prices import dsp_tiles, luts, selected
from hlsgen.fold.use import Use, total
from hlsgen.ir.hw import IntArray
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool

_CONTROL = 30  # counters of a loop nest and the handshakes of its streams
_WHOLE = 150  # the loop nests of an operator that holds whole tensors


def operator_use(
    operator: Operator,
    sums: Sums | None,
    how: Arithmetic,
    unit: Encoded | None,
    memory: MemoryKind | None,
    packed: Packing | None = None,
) -> Use:
    """Estimated resources of an operator's own function.

    `how`, `unit`, `packed` and `memory` are of layers with weights; `memory` None is what the tool
    chooses.
    """
    op, x, y = operator.node.op, operator.x, operator.y
    if how in GRAPHS and isinstance(op, MatMul | Conv):
        return graph_use(operator, counted(op, x[0].type))
    match way(op, tuple(v.type for v in x), tuple(v.type for v in y)):
        case Way.MATRIX:
            assert sums is not None
            return matrix_facts(operator, sums, unit, packed).unit(y[0].lanes, how, memory).use
        case Way.WHOLE:
            return _whole(operator)
        case Way.CHANNELS:
            own = _channels(operator, sums, how, unit, memory)
            bits = sum(v.lanes * v.type.format.width for v in x + y)
            return own + Use(luts({"control": _CONTROL}), 2.0 * bits)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a matrix unit is whatever its PE: `unit` makes it one."""

    outputs: int
    groups: int
    steps: int
    simd: int
    group: int
    operand_bits: int
    weight_bits: int
    bias_bits: int
    term_bits: int
    tree_bits: int
    acc_bits: int
    encoding: Encoding | None
    packing: Packing | None

    def unit(self, pe: int, how: Arithmetic, memory: MemoryKind | None) -> MatrixUnit:
        """A unit of so many outputs a clock."""
        folds = -(-self.outputs // self.groups // pe)
        rom, words = self.groups * folds * self.steps, self.simd // self.group
        return MatrixUnit(
            pe=pe,
            simd=self.simd,
            words=words,
            rom_words=rom,
            bias_words=self.groups * folds,
            held=self.steps if folds > 1 else 0,
            operand_bits=self.operand_bits,
            weight_bits=self.weight_bits,
            bias_bits=self.bias_bits,
            term_bits=self.term_bits,
            tree_bits=self.tree_bits,
            acc_bits=self.acc_bits,
            arithmetic=how,
            encoding=self.encoding,
            memory=memory or cheaper_memory(rom, pe * words * self.weight_bits),
            packing=self.packing,
        )


def matrix_facts(
    operator: Operator, sums: Sums, unit: Encoded | None, packed: Packing | None
) -> Facts:
    """The facts of a folded matrix unit."""
    op, (x,) = operator.node.op, operator.x
    assert isinstance(op, MatMul | Conv)
    assert sums.tree is not None
    outputs = len(op.bias)
    inner = op.weights.size // outputs
    operand = operand_of(op, x.type)
    return Facts(
        outputs=outputs,
        groups=op.group if isinstance(op, Conv) else 1,
        steps=inner // x.lanes,
        simd=x.lanes,
        group=1 if unit is None else unit.encoding.group,
        operand_bits=_factor_bits(operand),
        weight_bits=_signed_bits(op.weights) if unit is None else unit.encoding.bits,
        bias_bits=_signed_bits(op.bias),
        term_bits=IntFormat.of_range(*sums.term).width,
        tree_bits=adder_bits(sums.tree),
        acc_bits=IntFormat.of_range(*sums.accumulated).width,
        encoding=None if unit is None else unit.encoding,
        packing=packed,
    )


def adder_bits(tree: SumTree) -> int:
    """Widths of all adders of a tree together."""
    formats = iter(tree.formats)

    def below(terms: int) -> int:
        width = next(formats).width
        if terms == 1:
            return 0
        return width + below(terms // 2) + below(terms - terms // 2)

    return below(tree.terms)


def _factor_bits(fmt: IntFormat) -> int:
    """Bits of a factor of a signed multiplier."""
    return fmt.width + (not fmt.signed)


def _signed_bits(values: IntArray) -> int:
    return IntFormat.of_range(int(values.min(initial=-1)), int(values.max(initial=0))).width


def _channels(
    operator: Operator,
    sums: Sums | None,
    how: Arithmetic,
    unit: Encoded | None,
    memory: MemoryKind | None,
) -> Use:
    """An operator that handles every channel by itself, `lanes` of them a clock."""
    op, y, lanes = operator.node.op, operator.y[0], operator.y[0].lanes
    width = operator.x[0].type.format.width
    acc = 0 if sums is None else IntFormat.of_range(*sums.accumulated).width
    match op:
        case Conv():
            return _depthwise(op, operator, acc, how, unit, memory)
        case SumPool():
            return _pieces(additions=lanes * acc)
        case MaxPool():
            return _pieces(comparisons=lanes * width, choices=lanes * width)
        case Concat():
            ways = len(operator.x)
            return _pieces(choices=selected(ways, lanes * y.type.format.width))
        case Reduce(kind=kind):
            return _reduction(operator, kind, acc or width)
        case _:
            return _element(operator, acc) * lanes


def _element(operator: Operator, acc: int) -> Use:
    """One lane of an operator that works element by element."""
    x = [v.type.format.width for v in operator.x]
    match operator.node.op:
        case Staircase(realisation=how):
            return _of(how.cost())
        case Linear(factors=factors, bias=bias):
            each = [_of(multiply_cost(_distinct(f), b)) for f, b in zip(factors, x, strict=True)]
            adders = max(0, len(x) - 1 + int(bool(np.any(bias))))
            return total([*each, _pieces(additions=adders * acc)])
        case Clamp():
            wide = operator.y[0].type.format.width
            return _pieces(comparisons=2 * x[0], choices=2 * wide)
        case Extremum():
            return _pieces(comparisons=max(x), choices=max(x))
        case Product():
            return Use(dsp=dsp_tiles(x[0] + 1, x[1] + 1))
        case _:  # what only hands its beats on
            return Use()


def _depthwise(
    op: Conv, operator: Operator, acc: int, how: Arithmetic, unit: Encoded | None,
    memory: MemoryKind | None,
) -> Use:  # fmt: skip
    """One product a channel and clock: a matrix unit of SIMD 1 whose outputs have own operands."""
    (x,), (y,) = operator.x, operator.y
    operand = operand_of(op, x.type)
    weight_bits = _signed_bits(op.weights) if unit is None else unit.encoding.bits
    taps, chunks = math.prod(op.window.kernel), y.channels // y.lanes
    made = MatrixUnit(
        pe=y.lanes,
        simd=1,
        words=1,
        rom_words=chunks * taps,
        bias_words=chunks,
        held=0,
        operand_bits=_factor_bits(operand),
        weight_bits=weight_bits,
        bias_bits=_signed_bits(op.bias),
        term_bits=acc,
        tree_bits=0,
        acc_bits=acc,
        arithmetic=how,
        encoding=None if unit is None else unit.encoding,
        memory=memory or cheaper_memory(chunks * taps, y.lanes * weight_bits),
    )
    return made.use


def _reduction(operator: Operator, kind: Reduction, width: int) -> Use:
    """Sums or extremes of all channels in a memory, `lanes` of them at once."""
    x = operator.x[0]
    words, bits = x.channels // x.lanes, x.lanes * width
    kept = buffer(words, bits) if words > 1 else Use(ff=float(bits))
    if kind is Reduction.SUM:
        return kept + _pieces(additions=bits)
    return kept + _pieces(comparisons=bits, choices=bits)


def _whole(operator: Operator) -> Use:
    """An operator that reads whole tensors, computes an element a clock, and writes."""
    held = (buffer(v.beats, v.lanes * v.type.format.width) for v in operator.x + operator.y)
    multiplies = isinstance(operator.node.op, Conv)
    return total([*held, Use(luts({"control": _WHOLE}), 2.0 * _WHOLE, float(multiplies))])


def buffer(words: int, bits: int) -> Use:
    """A memory of one write and one read port, where the tools put it: in LUTs or in block RAM."""
    found, blocks = ram_luts(words, bits), bram18(words, bits)
    return Use(found, float(bits)) if in_luts(found, blocks) else Use(ff=float(bits), bram18=blocks)


def _of(cost: Cost) -> Use:
    """The estimate of a requantiser's form."""
    return Use(cost.lut, 0.0, cost.dsp, cost.bram18)


def _distinct(values: IntArray) -> Sequence[int]:
    return sorted({int(v) for v in values.flat})


def _pieces(**found: float) -> Use:
    return Use(luts(Counter(found)))
