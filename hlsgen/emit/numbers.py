"""Formats of intermediate results: as wide as the exact ranges ask for, no wider."""

from __future__ import annotations

from dataclasses import dataclass

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
    Wrapped,
)
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.sum_pool import SumPool

Range = tuple[int, int]


def _bounds(x: IntType) -> Range:
    return x.min, x.max


def _shifted(x: IntType, zero: int) -> Range:
    return x.min - zero, x.max - zero


def _joint(*ranges: Range) -> IntFormat:
    return IntFormat.of_range(min(r[0] for r in ranges), max(r[1] for r in ranges))


def operand_of(op: MatMul | Conv, x: IntType) -> IntFormat:
    """The format in which weights meet a layer's elements, the border of its windows included."""
    found = _weighted(op, x)["operand_t"]
    assert isinstance(found, IntFormat)
    return found


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
        case Product() | MatMulStreams():
            return _pair(op.zeros, types)
        case _:
            return {}


def _ends(values: np.ndarray) -> Range:
    return int(values.min()), int(values.max())


def _pair(zeros: tuple[int, int], types: tuple[IntType, ...]) -> dict[str, object]:
    a, b = (_shifted(t, z) for t, z in zip(types, zeros, strict=True))
    return {"a_t": _joint(a), "b_t": _joint(b)}


def _weighted(op: Conv | MatMul, x: IntType) -> dict[str, object]:
    """The operand with its border."""
    padded = isinstance(op, Conv) and op.window.padded
    pad = op.pad_value if isinstance(op, Conv) and padded else x.min
    return {
        "operand_t": _joint(_bounds(x), (pad, pad)),
        "pad_value": pad,
    }


def _pooled(op: SumPool, x: IntType) -> dict[str, object]:
    return {
        "pad_value": op.pad_value if op.window.padded else x.min,
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
        case Wrapped(low=low, mask=mask):
            return _joint(*((lo, lo + m) for lo, m in zip(low, mask, strict=True)))


def table_address(how: Table) -> IntFormat:
    """The format of n - lo."""
    return IntFormat.of_range(0, how.values.shape[1] - 1)


def estimate_address(how: EstimateCorrect) -> IntFormat:
    """The format of e - qlo."""
    return IntFormat.of_range(0, how.estimate.qhi - how.estimate.qlo)
