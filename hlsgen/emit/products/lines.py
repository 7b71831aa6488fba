"""Product sums as C++: the cells of a kernel, one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit.arithmetic import HLS_ADDERS, Arithmetic, Wire
from hlsgen.emit.jinja import literal, wire_type
from hlsgen.emit.matrices import ConstantMatrix
from hlsgen.emit.products.lookup import looked_up
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import (
    Cell,
    Join,
    Kernel,
    Literal,
    Lut,
    Pin,
    Port,
    Slice,
    Sum,
    Term,
    Times,
    truth_tables,
)
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw.truth_table import TruthTable

_INT = 31  # bits that an int of C++ holds besides its sign


def kernel_of(matrix: ConstantMatrix, how: Arithmetic, step: int) -> Kernel:
    """The cells that multiply a vector by a matrix."""
    b = Builder(matrix.ranges, HLS_ADDERS)
    columns = matrix.weights.T.tolist()
    return b.kernel(
        product_sums(b, range(len(matrix.ranges)), columns, [0] * len(columns), how, step)
    )


def lookups_of(op: TruthTable, x: IntType) -> Kernel:
    """The cells of neurons that read a vector of these integers."""
    b = Builder([(x.min, x.max)] * op.inputs, HLS_ADDERS)
    return b.kernel([looked_up(b, range(op.inputs), table) for table in op.tables])


@dataclass(frozen=True, eq=False)
class KernelLines:
    """A kernel over v[0], v[1], ... as straight-line C++; wire k is t<k>."""

    kernel: Kernel
    how: str

    @property
    def wires(self) -> list[Wire]:
        """What is computed, operands first."""
        found: list[Wire] = []
        for k, cell in enumerate(self.kernel.cells):
            if not isinstance(cell, Port | Literal):
                found += self._wires(k, cell)
        return found

    @property
    def outputs(self) -> list[str]:
        """The expression of each sum."""
        return [self._name(w) for w in self.kernel.outputs]

    @property
    def note(self) -> str:
        """What it consists of, for people."""
        count = Counter(type(c) for c in self.kernel.cells)
        luts = sum(
            self.kernel.format(k).width
            for k, c in enumerate(self.kernel.cells)
            if isinstance(c, Lut)
        )
        parts = [
            f"multiplications {count[Times]}" if count[Times] else "",
            f"tables {count[Lut]} (LUTs {luts})" if count[Lut] else "",
            f"adders {count[Sum]}" if count[Sum] or not count[Lut] else "",
        ]
        return f"{self.how}: " + ", ".join(p for p in parts if p)

    def _wires(self, k: int, cell: Cell) -> list[Wire]:
        of = self.kernel.format(k)
        name, kind = self._name(k), wire_type(of)
        match cell:
            case Sum(terms, constant):
                return [Wire(name, kind, self._sum(terms, constant, kind))]
            case Times(wire, factor):
                constant = wire_type(IntFormat.of_range(factor, factor))
                text = f"{self._name(wire)} * ({constant}){literal(factor)}"
                return [Wire(name, kind, text, ("mul", "dsp"))]
            case Lut(pins=pins):
                place = Wire(f"{name}_at", wire_type(IntFormat(len(pins), False)), self._join(pins))
                return [place, Wire(name, kind, self._looked_up(cell, of, place.name))]
            case Join(pins):
                return [Wire(name, kind, self._join(pins))]
            case Slice(wire, low):
                shifted = f"({self._name(wire)} >> {low})" if low else self._name(wire)
                return [Wire(name, kind, f"({of.cpp}){shifted}")]
            case _:
                raise ValueError(f"products are not made of {type(cell).__name__}")

    def _name(self, wire: int) -> str:
        match self.kernel.cells[wire]:
            case Port(index):
                return f"v[{index}]"
            case Literal(value):
                return literal(value)
            case _:
                return f"t{wire}"

    def _sum(self, terms: Sequence[Term], constant: int, of: str) -> str:
        """The type of the result holds the exact sum: what wraps on the way is none of its bits."""
        text = ""
        for term in terms:
            name = self._name(term.wire)
            value = f"(({of}){name} << {term.shift})" if term.shift else name
            sign = "-" if term.negative else "+"
            text += f" {sign} {value}" if text else f"-({of}){value}" if term.negative else value
        sign = "-" if constant < 0 else "+"
        return f"{text} {sign} {literal(abs(constant))}" if constant else text

    def _join(self, pins: Sequence[Pin]) -> str:
        of = IntFormat(len(pins), False)
        return " | ".join(_placed([self._pin(p) for p in pins], of))

    def _pin(self, pin: Pin) -> str:
        value = self.kernel.cells[pin.wire]
        if isinstance(value, Literal):
            return str((value.value >> pin.at & 1) ^ pin.inverted)
        text = f"hlsgen_bit({self._name(pin.wire)}, {pin.at})"
        return f"!{text}" if pin.inverted else text

    def _looked_up(self, cell: Lut, of: IntFormat, place: str) -> str:
        """A bit each; the uppermost of a signed number counts negative."""
        tables = truth_tables(cell.values, of.width)
        bits = _placed([f"hlsgen_lut(0x{table}ULL, {place})" for table in tables], of)
        if not of.signed:
            return " | ".join(bits)
        return f"({' | '.join(bits[:-1])}) - ({bits[-1]})" if bits[1:] else f"-{bits[0]}"


def _placed(bits: Sequence[str], of: IntFormat) -> list[str]:
    """Bits, which are ints of C++, where they stand in a number of this format."""
    cast = f"({wire_type(of)})" if of.width > _INT else ""
    return [f"{cast}{text} << {k}" if k else text for k, text in enumerate(bits)]
