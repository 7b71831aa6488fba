"""What a layer takes that an adder graph makes in a stream, whole or digit by digit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hlsgen.arith.adders.serial import serial_graph
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.emit.graph_layers import stream_graph
from hlsgen.emit.numbers import operand_of
from hlsgen.emit.views import Operator
from hlsgen.fold.prices import factors, luts
from hlsgen.fold.use import Use
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

_CONTROL = 40  # counters and handshakes


@dataclass(frozen=True, slots=True)
class Adders:
    """The adders of a layer, their results' bits together; digits that wait, bits shifts keep."""

    count: float
    bits: float
    waiting: float
    kept: float


# Adders a signed digit of the weights, bits of a sum above an operand's, digits that wait and
# bits that are kept, each for an adder. The first as few as in the best of ResNet8's layers with 8
# and 4 bit weights: a graph that is guessed too dear would never be searched for.
_ADDERS, _WIDER, _WAITING, _KEPT = 0.4, 3.0, 0.4, 0.5


def guessed(op: MatMul | Conv, x: IntType) -> Adders:
    """From the signed digits of the weights alone: it shows which graphs are worth a search."""
    values, counts = np.unique(op.weights, return_counts=True)
    digits = sum(
        csd_weight(int(v)) * int(n) for v, n in zip(values.tolist(), counts.tolist(), strict=True)
    )
    count = _ADDERS * digits + len(op.bias)
    width = operand_of(op, x).width
    return Adders(count, count * (width + _WIDER), _WAITING * count, _KEPT * count)


@lru_cache(maxsize=64)
def counted(op: MatMul | Conv, x: IntType) -> Adders:
    """Those of the graph that the layer gets, which is searched for."""
    graph = stream_graph(op, x)
    made = serial_graph(graph, op.bias.tolist(), 1)
    biases = len(made.adders) - len(graph.adders)
    widest = max((hi - lo).bit_length() for lo, hi in graph.ranges)
    bits = sum(graph.adder_luts(k) for k in range(len(graph.adders))) + biases * widest
    return Adders(len(made.adders), bits, made.waiting, made.kept)


def graph_use(operator: Operator, adders: Adders) -> Use:
    """Estimated resources of the unit."""
    op, (x,), (y,) = operator.node.op, operator.x, operator.y
    assert isinstance(op, MatMul | Conv)
    control = luts({"control": _CONTROL})
    if not operator.digit:
        lut = luts({"additions": adders.bits})
        return Use(lut + control, adders.bits + y.lanes * y.type.format.width + _CONTROL)
    bits, known = operator.digit, factors()
    lanes, joined = x.lanes * bits, y.lanes * operator.digits * bits
    picked = -(-operand_of(op, x.type).width // bits) + operator.digits.bit_length()
    lut = known[f"serial-{bits}"] * bits * adders.count
    lut += luts({"digits": lanes * -(-(picked - 1) // 5), "waiting": adders.waiting * bits})
    ff = (bits + 1) * adders.count + adders.kept + adders.waiting * bits + lanes + joined
    return Use(lut + control, ff + _CONTROL)
