"""Formats of intermediate results: as wide as the exact ranges ask for, no wider."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.arith.staircase import (
    Affine,
    EstimateCorrect,
    Realisation,
    Search,
    Table,
    Thresholds,
    TwoSlope,
)
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.sum_pool import SumPool

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sum:
    """Formats of a sum of many terms: of a term, and of the widest partial sum."""

    term: IntFormat
    total: IntFormat

    @classmethod
    def of(cls, term: Range, total: Range) -> Sum:
        """Both formats of one signedness, as an adder tree wants them."""
        signed = min(*term, *total) < 0
        term_fmt, total_fmt = (_format(min(lo, 0), max(hi, 0), signed) for lo, hi in (term, total))
        return cls(term_fmt, total_fmt)

    def tree(self, count: int) -> str:
        """The C++ class that adds `count` terms."""
        signed = "true" if self.term.signed else "false"
        return f"sum_tree<{count}, {self.term.width}, {signed}, {self.total.width}>"


def _format(lo: int, hi: int, signed: bool) -> IntFormat:
    fmt = IntFormat.of_range(lo, hi)
    return IntFormat(fmt.width + 1, True) if signed and not fmt.signed else fmt


def _corners(a: Range, b: Range) -> Range:
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def _bounds(x: IntType) -> Range:
    return x.min, x.max


def _shifted(x: IntType, zero: int) -> Range:
    return x.min - zero, x.max - zero


def _joint(*ranges: Range) -> IntFormat:
    return IntFormat.of_range(min(r[0] for r in ranges), max(r[1] for r in ranges))


def accumulator(op: HwOp, *types: IntType) -> IntFormat | None:
    """The format of every partial sum, or None where nothing is accumulated."""
    bounds = op.partial_bounds(*types)
    return None if bounds is None else IntFormat.of_range(*bounds)


def numbers(op: HwOp, *types: IntType) -> dict[str, object]:
    """What a template needs to know beyond the operator and its types."""
    match op:
        case Clamp(lo, hi):
            return {"clamp_t": _joint(_bounds(types[0]), _ends(lo), _ends(hi))}
        case Extremum():
            return {"both_t": _joint(*map(_bounds, types))}
        case Conv() | MatMul():
            return _weighted(op, types[0])
        case SumPool():
            return _pooled(op, types[0])
        case Product():
            return _pair(op.zeros, types)
        case MatMulStreams():
            pair = _pair(op.zeros, types)
            total = op.partial_bounds(*types)
            term = _corners(_shifted(types[0], op.zeros[0]), _shifted(types[1], op.zeros[1]))
            return pair | _sum(Sum.of(term, total))
        case Reduce(kind=Reduction.SUM):
            total = op.partial_bounds(*types)
            assert total is not None
            return _sum(Sum.of(_bounds(types[0]), total))
        case _:
            return {}


def _ends(values: np.ndarray) -> Range:
    return int(values.min()), int(values.max())


def _sum(formats: Sum) -> dict[str, object]:
    return {"product_t": formats.term, "sum_t": formats.total, "tree": formats.tree}


def _pair(zeros: tuple[int, int], types: tuple[IntType, ...]) -> dict[str, object]:
    a, b = (_shifted(t, z) for t, z in zip(types, zeros, strict=True))
    return {"a_t": _joint(a), "b_t": _joint(b)}


def _weighted(op: Conv | MatMul, x: IntType) -> dict[str, object]:
    """Products, their tree (the bias comes last) and the operand with its border."""
    operand = _bounds(x)
    pad = op.pad_value if isinstance(op, Conv) and op.window.padded else None
    if pad is not None:
        operand = min(operand[0], pad), max(operand[1], pad)
    bare = replace(op, bias=np.zeros_like(op.bias))
    term = _corners(operand, _ends(op.weights))
    taps = int(np.prod(op.weights.shape[1:])) if isinstance(op, Conv) else op.weights.shape[0]
    border = x.min if pad is None else pad
    return _sum(Sum.of(term, bare.partial_bounds(x))) | {
        "operand_t": _joint(operand),
        "pad_value": border,
        "taps": taps,
    }


def _pooled(op: SumPool, x: IntType) -> dict[str, object]:
    pad = op.pad_value if op.window.padded else x.min
    term = min(x.min, pad), max(x.max, pad)
    return _sum(Sum.of(term, op.partial_bounds(x))) | {
        "pad_value": pad,
        "taps": int(np.prod(op.window.kernel)),
    }


@dataclass(frozen=True, slots=True)
class AffineFormats:
    """m * n + b, shifted, moved by the offset, and the code."""

    product: IntFormat
    shifted: IntFormat
    moved: IntFormat
    code: IntFormat


def affine_formats(how: Affine) -> AffineFormats:
    """Formats along a multiply-add-shift."""
    product = how.product
    if product.width <= how.shift:  # a shift by the whole width is not the same in every tool
        product = IntFormat(how.shift + 1, product.signed)
    low, high = product.lo >> how.shift, product.hi >> how.shift
    shifted = IntFormat.of_range(low, high)
    moved = IntFormat.of_range(low + how.offset, high + how.offset)
    code = IntFormat.of_range(how.qlo, how.qhi)
    return AffineFormats(product, shifted, moved, code)


def code_format(how: Realisation) -> IntFormat:
    """The format of every code that the form can hold on its way."""
    match how:
        case Affine(qlo=qlo, qhi=qhi):
            return IntFormat.of_range(qlo, qhi)
        case Thresholds():
            first = np.array(how.first, dtype=object)[:, None]
            codes = np.concatenate((first, first + np.cumsum(how.jump, axis=1)), axis=1)
            return _joint(_ends(codes))
        case Table(values=codes) | Search(codes=codes):
            return _joint(_ends(codes))
        case EstimateCorrect(estimate=estimate):
            return IntFormat.of_range(estimate.qlo, estimate.qhi + 1)
        case TwoSlope(below=below, above=above):
            return IntFormat.of_range(below.qlo, above.qhi)


def table_address(how: Table) -> IntFormat:
    """The format of n - lo."""
    return IntFormat.of_range(0, how.values.shape[1] - 1)


def estimate_address(how: EstimateCorrect) -> IntFormat:
    """The format of e - qlo."""
    return IntFormat.of_range(0, how.estimate.qhi - how.estimate.qlo)
