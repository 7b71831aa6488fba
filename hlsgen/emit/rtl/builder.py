"""Builds kernels cell by cell: equal cells are one cell, needless cells are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hlsgen.emit.arithmetic import Adders
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
    Pin,
    Port,
    Product,
    Range,
    Shift,
    Slice,
    Sum,
    Term,
    Times,
    operands,
    result_range,
)

Form = dict[int, int]  # port -> coefficient; -1 is the constant


class Builder:
    """A kernel in the making.

    Wires that are linear in the ports know their coefficients, so that the bounds of 8x - x are
    those of 7x; the bounds of all others follow from their operands' alone.
    """

    def __init__(self, ports: Sequence[Range], adders: Adders) -> None:
        self.adders = adders
        self.cells: list[Cell] = []
        self.ranges: list[Range] = []
        self.phases: list[int] = []
        self.phase = 0  # of the cells to come
        self._known: dict[Cell, int] = {}
        self._forms: dict[int, Form] = {}
        for k, r in enumerate(ports):
            self._forms[self._put(Port(k), r)] = {k: 1}

    def kernel(self, outputs: Sequence[int]) -> Kernel:
        """The finished kernel, without the cells that no output needs."""
        used = [isinstance(c, Port) for c in self.cells]
        for wire in outputs:
            used[wire] = True
        for wire in reversed(range(len(self.cells))):
            if used[wire]:
                for operand in operands(self.cells[wire]):
                    used[operand] = True
        place: dict[int, int] = {}
        for wire, keep in enumerate(used):
            if keep:
                place[wire] = len(place)
        cells = tuple(_moved(self.cells[w], place) for w in place)
        ranges = tuple(self.ranges[w] for w in place)
        phases = tuple(self.phases[w] for w in place)
        return Kernel(cells, ranges, tuple(place[w] for w in outputs), phases)

    def _put(self, cell: Cell, bounds: Range) -> int:
        wire = len(self.cells)
        self.cells.append(cell)
        self.ranges.append(bounds)
        self.phases.append(self.phase)
        self._known[cell] = wire
        return wire

    def add(self, cell: Cell) -> int:
        """The wire of a cell: an older one if it is the same."""
        if cell in self._known:
            return self._known[cell]
        bounds = result_range(cell, self.ranges)
        form = self._form(cell)
        if form is not None:
            exact = self._form_range(form)
            bounds = max(bounds[0], exact[0]), min(bounds[1], exact[1])
        if bounds[0] == bounds[1] and not isinstance(cell, Literal):
            return self.literal(bounds[0])
        wire = self._put(cell, bounds)
        if form is not None:
            self._forms[wire] = form
        return wire

    def bounded(self, wire: int, lo: int, hi: int) -> int:
        """The wire, from now on known to stay within these bounds as well."""
        low, high = self.ranges[wire]
        self.ranges[wire] = max(low, lo), min(high, hi)
        return wire

    def _form(self, cell: Cell) -> Form | None:
        match cell:
            case Literal(value):
                return {-1: value}
            case Sum(terms, constant):
                total: Form = {-1: constant}
                for term in terms:
                    form = self._forms.get(term.wire)
                    if form is None:
                        return None
                    factor = -(1 << term.shift) if term.negative else 1 << term.shift
                    for port, value in form.items():
                        total[port] = total.get(port, 0) + factor * value
                return total
            case Times(wire, factor):
                form = self._forms.get(wire)
                return None if form is None else {p: v * factor for p, v in form.items()}
            case _:
                return None

    def _form_range(self, form: Form) -> Range:
        lo = hi = 0
        for port, factor in form.items():
            a, b = (1, 1) if port < 0 else self.ranges[port]
            lo += factor * (a if factor >= 0 else b)
            hi += factor * (b if factor >= 0 else a)
        return lo, hi

    # -- one method a primitive; each leaves out what the bounds make needless

    def literal(self, value: int) -> int:
        return self.add(Literal(int(value)))

    def value(self, wire: int) -> int | None:
        """The constant on a wire, if it is one; a port may have a single value, too."""
        lo, hi = self.ranges[wire]
        return lo if lo == hi else None

    def sum(self, terms: Sequence[Term], constant: int = 0) -> int:
        """constant + sum of the terms; what Sum does not allow is refused."""
        kept: list[Term] = []
        for term in terms:
            value = self.value(term.wire)
            if value is None:
                kept.append(term)
            else:
                constant += (-value if term.negative else value) << term.shift
        if not kept:
            return self.literal(constant)
        if kept == [Term(kept[0].wire)] and constant == 0:
            return kept[0].wire
        kept.sort(key=lambda t: (t.negative, t.wire, t.shift))  # equal sums are one cell
        cell = Sum(tuple(kept), constant)
        positive = constant or len(kept) == 1 or not kept[0].negative
        if cell.operands > 3 or not positive:
            raise ValueError(f"no adder: {cell}")
        return self.add(cell)

    def times(self, wire: int, factor: int) -> int:
        value = self.value(wire)
        if value is not None or factor == 0:
            return self.literal((value or 0) * factor)
        return wire if factor == 1 else self.add(Times(wire, factor))

    def product(self, a: int, b: int) -> int:
        for x, y in ((a, b), (b, a)):
            value = self.value(x)
            if value is not None:
                return self.times(y, value)
        return self.add(Product(min(a, b), max(a, b)))

    def at_least(self, wire: int, bound: int) -> int:
        lo, hi = self.ranges[wire]
        if bound <= lo or bound > hi:
            return self.literal(int(bound <= lo))
        return self.add(AtLeast(wire, bound))

    def less(self, a: int, b: int, *, or_equal: bool = False) -> int:
        (alo, ahi), (blo, bhi) = self.ranges[a], self.ranges[b]
        equal = int(or_equal)
        if ahi < blo + equal:
            return self.literal(1)
        if alo >= bhi + equal:
            return self.literal(0)
        bound = self.value(a)
        if bound is not None:
            return self.at_least(b, bound + 1 - equal)
        return self.add(Less(a, b, or_equal))

    def pick(self, condition: int, yes: int, no: int) -> int:
        value = self.value(condition)
        if value is not None:
            return yes if value else no
        return yes if yes == no else self.add(Pick(condition, yes, no))

    def extremum(self, a: int, b: int, *, greatest: bool) -> int:
        (alo, ahi), (blo, bhi) = self.ranges[a], self.ranges[b]
        if a == b or (alo >= bhi if greatest else ahi <= blo):
            return a
        if blo >= ahi if greatest else bhi <= alo:
            return b
        return self.add(Extremum(min(a, b), max(a, b), greatest))

    def clip(self, wire: int, lo: int, hi: int) -> int:
        low, high = self.ranges[wire]
        return wire if lo <= low and high <= hi else self.add(Clip(wire, lo, hi))

    def shift(self, wire: int, by: int, tie: int | None = None) -> int:
        return wire if by == 0 and tie is None else self.add(Shift(wire, by, tie))

    def append(self, wire: int, bit: int) -> int:
        return bit if self.value(wire) == 0 else self.add(Append(wire, bit))

    def lookup(self, wire: int, first: int, values: Sequence[int]) -> int:
        """values[x - first] for the values that x can take."""
        lo, hi = self.ranges[wire]
        reached = tuple(int(v) for v in values[lo - first : hi - first + 1])
        if len(reached) != hi - lo + 1:
            raise ValueError(f"a table of {len(values)} from {first} on does not hold {lo}..{hi}")
        if lo == hi:
            return self.literal(reached[0])
        if reached == tuple(range(reached[0], reached[0] + len(reached))):
            return self.sum([Term(wire)], reached[0] - lo)
        return self.add(Lookup(wire, lo, reached))

    def pin(self, wire: int, at: int = 0, *, inverted: bool = False) -> Pin:
        """Bit `at` of a wire: of its source where the wire only joins bits."""
        cell = self.cells[wire]
        if isinstance(cell, Join):
            if at >= len(cell.pins):
                return Pin(self.literal(0), 0, inverted)
            pin = cell.pins[at]
            return Pin(pin.wire, pin.at, pin.inverted != inverted)
        value = self.value(wire)
        if value is not None:
            return Pin(self.literal((value >> at & 1) != inverted))
        return Pin(wire, at, inverted)

    def lut(self, pins: Sequence[Pin], values: Sequence[int]) -> int:
        """values[i], bit k of i being pins[k]; pins that change nothing are left out."""
        table = np.array(values, dtype=object).reshape((2,) * len(pins)).transpose()
        axes = sorted(range(len(pins)), key=lambda k: (pins[k].wire, pins[k].at))
        table, kept = table.transpose(axes), list[Pin]()
        for pin in (pins[k] for k in axes):
            axis = len(kept)
            no, yes = (np.asarray(table.take(v != pin.inverted, axis=axis)) for v in (0, 1))
            known = self.value(pin.wire)
            if known is not None:
                table = yes if known else no
            elif np.array_equal(no, yes):
                table = no
            else:
                table = np.stack((no, yes), axis=axis)
                kept.append(Pin(pin.wire, pin.at))
        reached = tuple(int(v) for v in table.transpose().reshape(-1))
        if not kept:
            return self.literal(reached[0])
        if reached == (0, 1):
            return self.join(kept)
        return self.add(Lut(tuple(kept), reached))

    def join(self, pins: Sequence[Pin]) -> int:
        """The number that the bits are, the first the lowest."""
        wire = pins[0].wire
        if tuple(pins) == tuple(Pin(wire, k) for k in range(self._width(wire))):
            return wire
        return self.add(Join(tuple(pins)))

    def _width(self, wire: int) -> int:
        """Bits of a wire that is never negative; 0 for others."""
        lo, hi = self.ranges[wire]
        return max(1, hi.bit_length()) if lo >= 0 else 0

    def slice(self, wire: int, low: int, lo: int, hi: int) -> int:
        """The number within lo..hi that the bits from `low` on are."""
        whole = low == 0 and self.ranges[wire] == (lo, hi)
        return wire if whole else self.add(Slice(wire, low, lo, hi))


def _moved(cell: Cell, place: dict[int, int]) -> Cell:  # noqa: C901 - one case a cell
    """The same cell on renumbered wires."""
    match cell:
        case Port() | Literal():
            return cell
        case Sum(terms, constant):
            return Sum(tuple(Term(place[t.wire], t.shift, t.negative) for t in terms), constant)
        case Times(wire, factor):
            return Times(place[wire], factor)
        case Product(a, b):
            return Product(place[a], place[b])
        case AtLeast(wire, bound):
            return AtLeast(place[wire], bound)
        case Less(a, b, or_equal):
            return Less(place[a], place[b], or_equal)
        case Pick(condition, yes, no):
            return Pick(place[condition], place[yes], place[no])
        case Extremum(a, b, greatest):
            return Extremum(place[a], place[b], greatest)
        case Clip(wire, lo, hi):
            return Clip(place[wire], lo, hi)
        case Shift(wire, by, tie):
            return Shift(place[wire], by, tie)
        case Append(wire, bit):
            return Append(place[wire], place[bit])
        case Lookup(wire, first, values):
            return Lookup(place[wire], first, values)
        case Slice(wire, low, lo, hi):
            return Slice(place[wire], low, lo, hi)
        case Lut(pins, values):
            return Lut(tuple(Pin(place[p.wire], p.at, p.inverted) for p in pins), values)
        case Join(pins):
            return Join(tuple(Pin(place[p.wire], p.at, p.inverted) for p in pins))
