"""Cells: the primitives that a kernel is made of, each with an exact meaning and range.

A kernel is a small combinational netlist over integers. Wire i is driven by cell i; its bounds are
exact, so its width is the narrowest that holds every value it can take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from hlsgen.arith.format import IntFormat

Range: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Port:
    """y = the kernel's input `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Literal:
    """y = value."""

    value: int


@dataclass(frozen=True, slots=True)
class Term:
    """+-(x << shift), an operand of a sum."""

    wire: int
    shift: int = 0
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """y = constant + sum of the terms: three operands at most, the constant being one unless 0.

    Without a constant some term is positive.
    """

    terms: tuple[Term, ...]
    constant: int = 0

    @property
    def operands(self) -> int:
        """How many words are added."""
        return len(self.terms) + (self.constant != 0)

    @property
    def wires(self) -> int:
        """Low bits that need no adder: those that one operand at most reaches, not subtracted."""
        (lowest, negative, _), *others = self._ends
        return lowest if negative or not others else others[0][0]

    @property
    def lowest(self) -> int | None:
        """The term that reaches lowest; None for the constant."""
        place = self._ends[0][2]
        return place if place < len(self.terms) else None

    @property
    def _ends(self) -> list[tuple[int, bool, int]]:
        """Least bit, whether subtracted, and place of each operand, the lowest first."""
        ends = [(t.shift, t.negative, k) for k, t in enumerate(self.terms)]
        if self.constant:
            zeros = (self.constant & -self.constant).bit_length() - 1
            ends.append((zeros, False, len(ends)))
        return sorted(ends)


@dataclass(frozen=True, slots=True)
class Times:
    """y = factor * x by a multiplier of LUTs or a DSP: the tool decides."""

    wire: int
    factor: int


@dataclass(frozen=True, slots=True)
class Product:
    """y = a * b."""

    a: int
    b: int


@dataclass(frozen=True, slots=True)
class AtLeast:
    """y = 1 if x >= bound else 0."""

    wire: int
    bound: int


@dataclass(frozen=True, slots=True)
class Less:
    """y = 1 if a < b (a <= b if `or_equal`) else 0."""

    a: int
    b: int
    or_equal: bool


@dataclass(frozen=True, slots=True)
class Pick:
    """y = yes if the bit `condition` else no."""

    condition: int
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class Extremum:
    """y = max(a, b) if `greatest` else min(a, b)."""

    a: int
    b: int
    greatest: bool


@dataclass(frozen=True, slots=True)
class Clip:
    """y = min(max(x, lo), hi)."""

    wire: int
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Shift:
    """y = x >> by, rounded down.

    With `tie` = e the last bit of y is cleared where bits by-1..e of x are all 0: half-way cases go
    to the even code.
    """

    wire: int
    by: int
    tie: int | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """y = 2 * x + bit: wiring only."""

    wire: int
    bit: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """y = values[x - first]; x reaches no other place."""

    wire: int
    first: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """A bit: bit `at` of the two's complement of a wire, or its opposite."""

    wire: int
    at: int = 0
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Lut:
    """y = values[i], bit k of i being pins[k]: six pins at most, so one LUT6 for each bit of y."""

    pins: tuple[Pin, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """y = the sum of pins[k] << k: wiring only."""

    pins: tuple[Pin, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """y = bits low.. of x, as many as the width of lo..hi: the one number there that they mean."""

    wire: int
    low: int
    lo: int
    hi: int


Cell: TypeAlias = (
    Port | Literal | Sum | Times | Product | AtLeast | Less | Pick | Extremum | Clip | Shift
    | Append | Lookup | Lut | Join | Slice
)  # fmt: skip


def truth_tables(values: Sequence[int], width: int) -> list[str]:
    """Hexadecimal: bit i of table k is bit k of values[i]."""
    ones = (sum((v >> k & 1) << i for i, v in enumerate(values)) for k in range(width))
    return [f"{table:0{-(-len(values) // 4)}x}" for table in ones]


def operands(cell: Cell) -> tuple[int, ...]:  # noqa: C901 - one case a cell
    """The wires that a cell reads."""
    match cell:
        case Port() | Literal():
            return ()
        case Sum(terms=terms):
            return tuple(t.wire for t in terms)
        case Product(a, b) | Less(a, b) | Extremum(a, b):
            return a, b
        case Pick(condition, yes, no):
            return condition, yes, no
        case Append(wire, bit):
            return wire, bit
        case Times(wire=wire) | AtLeast(wire=wire) | Clip(wire=wire) | Shift(wire=wire):
            return (wire,)
        case Lookup(wire=wire) | Slice(wire=wire):
            return (wire,)
        case Lut(pins=pins) | Join(pins=pins):
            return tuple(p.wire for p in pins)
        case _:
            assert_never(cell)


def result_range(cell: Cell, ranges: list[Range]) -> Range:  # noqa: C901 - one case a cell
    """Bounds of what a cell makes, its operands being independent; not for ports."""
    x = [ranges[w] for w in operands(cell)]
    match cell:
        case Port():
            raise ValueError("a port has the range that it was declared with")
        case Literal(value):
            return value, value
        case Sum(terms, constant):
            ends = [_scaled(r, -(1 << t.shift) if t.negative else 1 << t.shift)
                    for t, r in zip(terms, x, strict=True)]  # fmt: skip
            return constant + sum(e[0] for e in ends), constant + sum(e[1] for e in ends)
        case Times(factor=factor):
            return _scaled(x[0], factor)
        case Product():
            corners = [p * q for p in x[0] for q in x[1]]
            return min(corners), max(corners)
        case AtLeast() | Less():
            return 0, 1
        case Pick():
            return min(x[1][0], x[2][0]), max(x[1][1], x[2][1])
        case Extremum(greatest=greatest):
            pick = max if greatest else min
            return pick(x[0][0], x[1][0]), pick(x[0][1], x[1][1])
        case Clip(lo=lo, hi=hi):
            return min(max(x[0][0], lo), hi), min(max(x[0][1], lo), hi)
        case Shift(by=by, tie=tie):
            low, high = x[0][0] >> by, x[0][1] >> by
            return (low if tie is None else low & ~1), high
        case Append():
            return 2 * x[0][0], 2 * x[0][1] + 1
        case Lookup(first=first, values=values):
            reached = values[x[0][0] - first : x[0][1] - first + 1]
            return min(reached), max(reached)
        case Lut(values=values):
            return min(values), max(values)
        case Join(pins):
            return 0, (1 << len(pins)) - 1
        case Slice(lo=lo, hi=hi):
            return lo, hi
        case _:
            assert_never(cell)


def _scaled(r: Range, factor: int) -> Range:
    return (r[0] * factor, r[1] * factor) if factor >= 0 else (r[1] * factor, r[0] * factor)


@dataclass(frozen=True, eq=False)
class Kernel:
    """A netlist: cells[i] drives wire i, operands before their readers; the ports come first.

    `ranges[i]` bounds wire i; `outputs` are the wires of y0, y1, ...; phases[i] counts up where
    one operator's cells end and the next one's begin.
    """

    cells: tuple[Cell, ...]
    ranges: tuple[Range, ...]
    outputs: tuple[int, ...]
    phases: tuple[int, ...]

    @property
    def ports(self) -> tuple[Range, ...]:
        """The bounds of x0, x1, ..."""
        return tuple(r for c, r in zip(self.cells, self.ranges, strict=True) if isinstance(c, Port))

    def format(self, wire: int) -> IntFormat:
        """The narrowest format that holds a wire."""
        return IntFormat.of_range(*self.ranges[wire])
