"""One integer function per channel: requantisation, activation, batch norm, all in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import FORMS, realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.staircase import Realisation
from hlsgen.arith.steps import Steps
from hlsgen.ir.field import to_int64
from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class Staircase(HwOp):
    """y = c_r(x) with r = row at the element's place; c_r jumps where `rows[r]` says.

    Shapes: `row` is a field of the tensor: which of the functions an element goes through.
    Formats: x within [rows[r].lo, rows[r].hi].
    `realisation` computes the same integers with shifts, products or comparators; it was checked
    over the whole input range when it was chosen.
    """

    rows: tuple[Steps, ...]
    row: IntArray
    realisation: Realisation

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        lo = to_int64(np.array([r.min_code for r in self.rows], dtype=object))
        hi = to_int64(np.array([r.max_code for r in self.rows], dtype=object))
        return (IntType.of(x.shape, lo[self.row], hi[self.row]),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        x = inputs[0]
        return (self.realisation.evaluate(np.broadcast_to(self.row, x.shape), x),)

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        x = IntType.of((1, 3, 2, 4), -500, 499)
        row = np.arange(3).reshape(1, 3, 1, 1)
        functions = [_quantisers(slopes) for slopes in ((1, 1, 1), (3, -5, 7), (1, 2, 4))]
        for rows in (*functions, _leaky(3), _quantisers((5, 3, 6), 0, 255), *_wrapping()):
            out = IntFormat.of_range(min(r.min_code for r in rows), max(r.max_code for r in rows))
            for form in FORMS:
                yield cls(rows, row, realise(rows, x.format, out, form)), (x,)


def _quantisers(slopes: tuple[int, ...], low: int = -8, high: int = 7) -> tuple[Steps, ...]:
    """clip(round(slope * n / 64 + 1/3), low, high): ties for some slopes, none for others."""
    return tuple(
        affine_steps(-500, 499, Fraction(s, 64), Fraction(1, 3), low, high, Rounding.HALF_EVEN)
        for s in slopes
    )


def _leaky(count: int) -> tuple[Steps, ...]:
    """A leaky ReLU in front of a quantiser: two slopes, one function a row."""
    n = np.arange(-500, 500)
    slopes = np.where(n < 0, 0.01, 0.1)
    return tuple(
        Steps.from_codes(-500, np.floor(n * slopes * (r + 1) + 0.4).clip(-20, 60).astype(np.int64))
        for r in range(count)
    )


def _wrapping() -> tuple[tuple[Steps, ...], ...]:
    """Overflow that wraps: alike in all rows, and of other widths, signs and directions in each."""

    def wrapped(slope: int, bits: int, low: int) -> Steps:
        codes = np.arange(-500, 500) * slope + 19 >> 6
        return Steps.from_codes(-500, ((codes - low) & ((1 << bits) - 1)) + low)

    alike = tuple(wrapped(slope, 4, -8) for slope in (16, 13, -3))
    relu = Steps.from_codes(-500, np.maximum(np.arange(-500, 500), 0) >> 2 & 15)
    return alike, (wrapped(6, 3, 0), wrapped(-16, 4, -8), wrapped(1, 0, 0)), (relu,) * 3
