"""How long a cell takes: the one place of the delay model.

The figures are assumptions about a UltraScale+ part of medium speed with the nets of a part that is
half full. They were not measured; what they decide is only where registers stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from hlsgen.arith.format import IntFormat
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.emit.rtl.cells import (
    Append,
    AtLeast,
    Cell,
    Clip,
    Extremum,
    Join,
    Kernel,
    Less,
    Literal,
    Lookup,
    Lut,
    Pick,
    Port,
    Product,
    Shift,
    Slice,
    Sum,
    Times,
    operands,
)


@dataclass(frozen=True, slots=True)
class DelayModel:
    """Nanoseconds: of a LUT with its net, of one bit of a carry chain, of a register."""

    lut: float = 0.45
    carry: float = 0.015
    register: float = 0.25

    def adder(self, bits: int) -> float:
        """An adder, subtractor or comparator of so many bits."""
        return self.lut + self.carry * bits

    def levels(self, inputs: int) -> float:
        """A function of so many bits in LUTs of six."""
        return self.lut * max(1, _ceil_log(inputs, 6))


def delay(cell: Cell, kernel: Kernel, model: DelayModel) -> float:  # noqa: C901 - one case a cell
    """From the operands of a cell to its result, in nanoseconds; 0 for wiring."""
    bits = [IntFormat.of_range(*kernel.ranges[w]).width for w in operands(cell)]
    match cell:
        case Port() | Literal() | Append() | Join() | Slice():
            return 0.0
        case Sum(terms=terms):
            return _sum(cell, max(b + t.shift for b, t in zip(bits, terms, strict=True)), model)
        case Times(factor=factor):
            rows = _ceil_log(csd_weight(factor), 2)
            return rows * model.adder(bits[0] + abs(factor).bit_length())
        case Product():
            return (1 + _ceil_log(min(bits), 2)) * model.adder(sum(bits))
        case AtLeast():
            return model.levels(bits[0]) if bits[0] <= 6 else model.adder(bits[0])
        case Less():
            return model.adder(max(bits))
        case Pick() | Lut():
            return model.lut
        case Extremum():
            return model.adder(max(bits)) + model.lut
        case Clip():
            return model.adder(bits[0]) + model.lut
        case Shift(by=by, tie=tie):
            return 0.0 if tie is None else model.levels(1 + by - tie)
        case Lookup():
            return model.lut * (1 + max(0, bits[0] - 6) / 2)
        case _:
            assert_never(cell)


def _sum(cell: Sum, bits: int, model: DelayModel) -> float:
    """A single shifted operand is wiring; three operands pass a LUT more, in front of the chain."""
    if cell.operands == 1 and not cell.terms[0].negative:
        return 0.0
    return model.adder(bits - cell.wires) + model.lut * (cell.operands == 3)


def _ceil_log(value: int, base: int) -> int:
    """ceil(log_base(value)), 0 for value <= 1."""
    power, reached = 0, 1
    while reached < value:
        power, reached = power + 1, reached * base
    return power
