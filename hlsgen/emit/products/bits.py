"""Operands as bits: what a vector's elements are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Pin, Range


@dataclass(frozen=True, slots=True)
class Bits:
    """x = base + the sum of weight * pin over `planes`."""

    base: int
    planes: tuple[tuple[Pin, int], ...]


def bits_of(b: Builder, wire: int, step: int) -> Bits:
    """An operand whose codes are `step` apart: one bit where it has two codes, whichever they are.

    Otherwise the bits of its two's complement, the sign counting negative.
    """
    lo, hi = b.ranges[wire]
    if lo == hi:
        return Bits(lo, ())
    if hi - lo == step:
        at = ((lo ^ hi) & -(lo ^ hi)).bit_length() - 1
        return Bits(lo, ((b.pin(wire, at, inverted=not hi >> at & 1), step),))
    of = IntFormat.of_range(lo, hi)
    weights = [1 << k for k in range(of.width)]
    if of.signed:
        weights[-1] = -weights[-1]
    return Bits(0, tuple((b.pin(wire, k), w) for k, w in enumerate(weights)))


def column_bounds(b: Builder, wires: Sequence[int], column: Sequence[int], constant: int) -> Range:
    """The exact bounds of constant + sum of column[k] * x_k."""
    ends = [[w * v for v in b.ranges[x]] for x, w in zip(wires, column, strict=True)]
    return constant + sum(map(min, ends)), constant + sum(map(max, ends))
