"""What the templates need to know of a layer that an adder graph makes in a stream."""

from __future__ import annotations

from typing import Any

from hlsgen.arith.adders.serial import serial_graph
from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import AdderLines, Arithmetic
from hlsgen.emit.graph_layers import stream_graph
from hlsgen.emit.jinja import wire_type
from hlsgen.emit.numbers import operand_of
from hlsgen.emit.products.parts import parts_of
from hlsgen.emit.serial_lines import SerialLines
from hlsgen.emit.views import Operator
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


def graph_numbers(operator: Operator, how: Arithmetic, sum_t: IntFormat) -> dict[str, Any]:
    """Straight-line C++ of the sums, whole or a digit of them, and what its unit declares."""
    op, x = operator.node.op, operator.x[0].type
    assert isinstance(op, MatMul | Conv)
    graph = stream_graph(op, x)
    known: dict[str, Any] = {"graph": True, "arithmetic": how.value, "serial": None}
    operand = operand_of(op, x)
    if not operator.digit:
        return known | {
            "whole": (parts_of(AdderLines(graph)),),
            "vector_t": wire_type(operand), "sums_t": wire_type(sum_t),
        }  # fmt: skip
    lines = SerialLines(serial_graph(graph, op.bias.tolist(), operator.digit))
    return known | {
        "whole": (parts_of(lines),), "serial": lines, "operand_bits": operand.width,
        "vector_t": f"{operator.function}_state", "sums_t": f"serial<{operator.digit}>::digit",
        "constant_digits": lines.constants(operator.digits),
    }  # fmt: skip
