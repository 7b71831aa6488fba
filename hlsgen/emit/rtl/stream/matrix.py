"""Units that sum products or pooled elements over several steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hlsgen.emit.arithmetic import FOLDED, Arithmetic
from hlsgen.emit.folded import window_facts
from hlsgen.emit.matrices import stream_matrix
from hlsgen.emit.processes import operator_pattern
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.stream.functions import Function, Part, function
from hlsgen.emit.rtl.stream.unit import Rom, Unit, bits_for, signed_bits
from hlsgen.emit.rtl.sums import total
from hlsgen.emit.sums import Sums
from hlsgen.emit.views import Operator
from hlsgen.errors import OptionError, Unsupported
from hlsgen.ir.hw import IntArray, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool


def matrix_unit(
    operator: Operator, name: str, read: str, write: str, sums: Sums, how: Arithmetic,
    clock_ns: float,
) -> Unit:  # fmt: skip
    """A folded matrix product: SIMD inputs by PE outputs a clock, weights from a ROM.

    A unit of a single row of weights has them in its products.
    """
    op, pe, simd = operator.node.op, operator.y[0].lanes, operator.x[0].lanes
    assert isinstance(op, MatMul | Conv)
    matrix = stream_matrix(op, simd)
    outputs, inner = matrix.shape
    steps, groups = inner // simd, op.group if isinstance(op, Conv) else 1
    if outputs // groups % pe:
        raise Unsupported(
            f"{pe} lanes do not divide {outputs // groups} outputs: HLS C++ leaves some idle, "
            "streaming SystemVerilog cannot yet; take --folding LAYER=PExSIMD of divisors",
            operator.node.loc,
        )
    rows = matrix.reshape(-1, pe, steps, simd).swapaxes(1, 2).reshape(-1, pe * simd)
    bits = signed_bits(*sums.accumulated)
    operand = _operand(operator)
    if len(rows) == 1:
        f = _fixed(f"{name}_products", operator, operand, matrix, bits, how, clock_ns)
        weights = None
    else:
        _refuse_encoded(operator, how)
        weights = _rom(f"{name}_weights", "weights", rows)
        f = _dot(f"{name}_products", operator, operand, rows, pe, bits, clock_ns)
    folds = outputs // pe // groups
    return _unit(
        operator, name, read, write, f, bits, steps, folds, weights, op.bias.reshape(-1, pe)
    )


def window_unit(
    operator: Operator, name: str, read: str, write: str, sums: Sums | None, clock_ns: float
) -> Unit:
    """Windows channel by channel: depthwise convolution, sum and greatest element."""
    op, lanes = operator.node.op, operator.y[0].lanes
    assert isinstance(op, Conv | MaxPool | SumPool)
    taps = math.prod(op.window.kernel)
    operand = _operand(operator)
    weights, start = None, np.zeros((1, lanes), np.int64)
    if isinstance(op, MaxPool):
        bits = operand.format.width
        f = _each(f"{name}_taps", operator, operand, None, bits, clock_ns)
        return _unit(operator, name, read, write, f, bits, taps, 1, None, start, greatest=True)
    assert sums is not None
    bits = signed_bits(*sums.accumulated)
    rows = None
    if isinstance(op, Conv):
        rows = op.weights.reshape(-1, lanes, taps).swapaxes(1, 2).reshape(-1, lanes)
        weights, start = _rom(f"{name}_weights", "weights", rows), op.bias.reshape(-1, lanes)
    f = _each(f"{name}_taps", operator, operand, rows, bits, clock_ns)
    return _unit(operator, name, read, write, f, bits, taps, 1, weights, start)


def _unit(
    operator: Operator, name: str, read: str, write: str, f: Function, bits: int, steps: int,
    folds: int, weights: Rom | None, start: IntArray, *, greatest: bool = False,
) -> Unit:  # fmt: skip
    """The frame of all of them; `start` has a row for each output token."""
    outputs = len(start)
    rows = 1 if weights is None else len(weights.table)
    constant = bool((start == start[:1]).all())
    starts = Rom(f"{name}_start", "where sums start", start[:1] if constant else start, bits, 1)
    roms = [rom for rom in (weights, None if constant else starts) if rom is not None]
    numbers = {
        "operator": operator, "f": f, "bits": bits, "steps": steps, "folds": folds, "rows": rows,
        "row_bits": bits_for(rows), "outputs": 1 if constant else outputs,
        "output_bits": bits_for(1 if constant else outputs), "weights": weights,
        "starts": None if constant else starts, "start": starts.words[0],
        "greatest": greatest, "signed": operator.x[0].type.format.signed,
        "operand": _operand(operator),
    }  # fmt: skip
    return Unit(
        name, operator.title, name, operator_pattern(operator), (read,), (write,), 3 + f.latency,
        frame="rtl/stream/matrix.sv.j2", numbers=numbers, functions=(f,), roms=tuple(roms),
    )  # fmt: skip


def _operand(operator: Operator) -> IntType:
    """A token of what the unit reads: elements of windows with their border."""
    x = operator.x[0]
    if isinstance(operator.node.op, MatMul):
        return IntType.of((x.lanes,), x.type.min, x.type.max)
    of = window_facts(operator)
    low, high = min(x.type.min, of.border), max(x.type.max, of.border)
    return IntType.of((x.lanes,), low, high)


def _rom(name: str, note: str, rows: IntArray) -> Rom:
    return Rom(name, note, rows, signed_bits(int(rows.min()), int(rows.max())), 2)


def _refuse_encoded(operator: Operator, how: Arithmetic) -> None:
    if how in FOLDED or how is Arithmetic.SHIFT_ADD:
        raise OptionError(
            f"{how} is for HLS C++ in folded units: in streaming SystemVerilog weights from a "
            "memory are multiplied; give tool, dsp or lut, or leave out --rtl",
            operator.node.loc,
        )


def _result(lanes: int, bits: int) -> IntType:
    """A token of two's complement words."""
    return IntType.of((lanes,), -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _weight_type(rows: IntArray) -> IntType:
    """A row of weights with the bounds of all of them, of the ROM's format."""
    bits = signed_bits(int(rows.min()), int(rows.max()))
    low, high = int(rows.min()), int(rows.max())
    # the format of a vector is that of its widest element, and the ROM's words are signed
    of = IntType.of((rows.shape[1],), min(low, -1), high)
    assert of.format.width == bits
    return of


def _dot(
    name: str, operator: Operator, x: IntType, rows: IntArray, pe: int, bits: int, clock_ns: float
) -> Function:
    simd = x.size

    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        pairs = zip(ports[:simd], ports[simd:], strict=True)
        return [total(b, [Term(b.product(a, w)) for a, w in pairs], products=True)]

    parts = [
        Part("dot", (range(simd), range(o * simd, (o + 1) * simd)), (o,), weave) for o in range(pe)
    ]
    operands = {"x": x, "w": _weight_type(rows)}
    return function(name, operator.title, operands, _result(pe, bits), parts, clock_ns)


def _fixed(
    name: str, operator: Operator, x: IntType, matrix: IntArray, bits: int, how: Arithmetic,
    clock_ns: float,
) -> Function:  # fmt: skip
    columns = matrix.tolist()

    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        return product_sums(b, ports, columns, [0] * len(columns), how, 1)

    parts = [Part("matrix", (range(x.size),), range(len(columns)), weave)]
    return function(name, operator.title, {"x": x}, _result(len(columns), bits), parts, clock_ns)


def _each(
    name: str, operator: Operator, x: IntType, rows: IntArray | None, bits: int, clock_ns: float
) -> Function:
    """Lane by lane: the element, or its product with a weight."""

    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        return [b.product(*ports) if len(ports) == 2 else ports[0]]

    operands = {"x": x} if rows is None else {"x": x, "w": _weight_type(rows)}
    parts = [Part("lane", tuple((k,) for _ in operands), (k,), weave) for k in range(x.size)]
    result = x if isinstance(operator.node.op, MaxPool) else _result(x.size, bits)
    return function(name, operator.title, operands, result, parts, clock_ns)
