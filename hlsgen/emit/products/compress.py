"""Sums as heaps of single bits: counters of ones first, one chain of carries last."""

from __future__ import annotations

from collections.abc import Sequence

from hlsgen.arith.format import IntFormat
from hlsgen.arith.signed_digit import csd_digits
from hlsgen.emit.products.bits import Bits, bits_of, column_bounds
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Pin, Range, Term
from hlsgen.emit.rtl.sums import total
from hlsgen.errors import OptionError

Heap = list[list[Pin]]  # the bits that count 1, 2, 4, ...


def compressed(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    step: int,
) -> list[int]:  # fmt: skip
    """constants[j] + sum of columns[j][k] * x_k: a bit for each digit of a weight and bit of x."""
    operands = [bits_of(b, w, step) for w in wires]
    return [
        _column(b, operands, column, constant, column_bounds(b, wires, column, constant))
        for column, constant in zip(columns, constants, strict=True)
    ]


def popcounts(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    step: int,
) -> list[int]:  # fmt: skip
    """constants[j] + sum of columns[j][k] * x_k = a + m * (how many of some bits are 1).

    A weight of the other sign counts the opposite bit: that is the XNOR, and only wiring.
    Errors: OptionError unless each operand has two codes and each column weights of one magnitude.
    """
    for k, wire in enumerate(wires):
        lo, hi = b.ranges[wire]
        if hi - lo > step and any(column[k] for column in columns):
            raise OptionError(
                f"--arithmetic popcount needs operands of two codes, operand {k} has "
                f"{(hi - lo) // step + 1} ({lo} to {hi}): give this layer lutgemm or compress"
            )
    for j, column in enumerate(columns):
        sizes = sorted({abs(w) for w in column if w})
        if len(sizes) > 1:
            raise OptionError(
                "--arithmetic popcount needs weights of one magnitude in each column, column "
                f"{j} has {', '.join(map(str, sizes[:4]))}: give this layer lutgemm or compress"
            )
    return compressed(b, wires, columns, constants, step)


def _column(
    b: Builder, operands: Sequence[Bits], column: Sequence[int], constant: int, bounds: Range
) -> int:
    """The heap of one column, modulo the width of its sum."""
    if bounds[0] == bounds[1]:
        return b.literal(bounds[0])
    heap: Heap = [[] for _ in range(IntFormat.of_range(*bounds).width)]
    for x, weight in zip(operands, column, strict=True):
        constant += weight * x.base
        for pin, value in x.planes:
            constant += _heaped(heap, pin, weight * value)
    for place, pins in enumerate(heap):
        if constant >> place & 1:
            pins.insert(0, Pin(b.literal(1)))
    return b.slice(_added(b, _counted(b, heap)), 0, *bounds)


def _heaped(heap: Heap, pin: Pin, weight: int) -> int:
    """Puts weight * pin on the heap: -pin as the opposite bit less 1, which is returned."""
    constant = 0
    for sign, place in csd_digits(weight):
        if sign < 0:
            constant -= 1 << place
        if place < len(heap):
            heap[place].append(Pin(pin.wire, pin.at, pin.inverted != (sign < 0)))
    return constant


def _counted(b: Builder, heap: Heap) -> Heap:
    """The heap with at most five bits in a place: six bits make a number of three.

    That is three LUTs for three bits less. A bit of an adder is one LUT for one bit less, too, but
    counters of fewer than six take more: so what is left goes to adders.
    """
    while max(map(len, heap)) >= _COUNTER:
        rest: Heap = [[] for _ in heap]
        for place, pins in enumerate(heap):
            whole = len(pins) // _COUNTER * _COUNTER
            for k in range(0, whole, _COUNTER):
                count = b.lut(pins[k : k + _COUNTER], _ONES)
                top = b.ranges[count][1].bit_length()
                for at in range(min(top, len(heap) - place)):
                    rest[place + at].append(b.pin(count, at))
            rest[place] += pins[whole:]
        heap = rest
    return heap


_COUNTER = 6
_ONES = tuple(i.bit_count() for i in range(1 << _COUNTER))


def _added(b: Builder, heap: Heap) -> int:
    """The number that a heap is: a word for each bit of its highest place."""
    words: list[Term] = []
    for row in range(max(map(len, heap))):
        places = [p for p, pins in enumerate(heap) if len(pins) > row]
        zero = Pin(b.literal(0))
        pins = [
            heap[p][row] if len(heap[p]) > row else zero for p in range(places[0], places[-1] + 1)
        ]
        words.append(Term(b.join(pins), places[0]))
    return total(b, words)
