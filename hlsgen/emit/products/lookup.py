"""Truth tables as LUTs of six inputs: tables of tables where few of their columns differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.arith.steps import int_array
from hlsgen.arith.truth_table import BitTable
from hlsgen.emit.products.tables import LUT_INPUTS
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Pin

Values = NDArray[Any]


def looked_up(b: Builder, wires: Sequence[int], table: BitTable) -> int:
    """The wire of a table's value.

    1. A table of six bits or fewer is a LUT for each bit of its value.
    2. A larger one is decomposed (Ashenhurst, Roth and Karp): some of its bits select one of only m
       different columns; their number, ceil(log2 m) bits from LUTs of their own, takes the place of
       these bits. The set of bits is the one after which the estimate is least.
    3. Or each bit of the value has a table of its own; and one of those, where nothing else is
       less, has its last bit choose between two halves.
    """
    pins = [b.pin(wires[x], at) for x, at in table.pins]
    made = _built(b, pins, _planned(tuple(table.values.tolist())))
    return b.bounded(made, int(table.values.min()), int(table.values.max()))


@dataclass(frozen=True, eq=False)
class _Plan:
    """How a table is made, and in how many LUTs: at once where it has no `parts`.

    `numbers` of the columns that the `bound` bits select stand for these bits in the one part, as
    its lowest. Without `numbers` the parts are the value's bits, or two halves if it has one bit.
    """

    values: Values
    luts: int
    parts: tuple[_Plan, ...] = ()
    bound: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()


@lru_cache(1 << 12)
def _planned(values: tuple[int, ...]) -> _Plan:
    """Prices, both back-ends and every pipeline that is tried ask for the same tables."""
    return _plan(int_array(values))


def _plan(values: Values) -> _Plan:
    if len(values) <= 1 << LUT_INPUTS:
        return _Plan(values, _format(values).width)
    return min(_plans(values), key=lambda plan: plan.luts)


def _plans(values: Values) -> Iterator[_Plan]:
    found = min(_decompositions(values), key=lambda d: d.luts, default=None)
    if found is not None:
        rest = _plan(_columns(values, found.bound, found.numbers))
        yield _Plan(values, found.bits + rest.luts, (rest,), found.bound, found.numbers)
    if not _is_bit(values):
        width = _format(values).width
        parts = tuple(_plan((values >> k & 1).astype(np.int64)) for k in range(width))
        yield _Plan(values, sum(p.luts for p in parts), parts)
    elif found is None:
        middle = len(values) // 2
        parts = _plan(values[:middle]), _plan(values[middle:])
        yield _Plan(values, 1 + sum(p.luts for p in parts), parts)


def _is_bit(values: Values) -> bool:
    return int(values.min()) >= 0 and int(values.max()) <= 1


def _format(values: Values) -> IntFormat:
    return IntFormat.of_range(int(values.min()), int(values.max()))


@dataclass(frozen=True, slots=True)
class _Decomposition:
    """A set of bits, the numbers of their columns in `bits` bits, and all LUTs, estimated."""

    bound: tuple[int, ...]
    numbers: tuple[int, ...]
    bits: int
    luts: float


def _decompositions(values: Values) -> Iterator[_Decomposition]:
    """Sets that leave fewer bits than there were: grown bit by bit from those of fewest columns."""
    count, width = len(values).bit_length() - 1, _format(values).width
    distinct, small = np.unique(values, return_inverse=True)
    small = small.astype(np.min_scalar_type(len(distinct)))  # compared as bytes
    kept: list[tuple[int, ...]] = [(k,) for k in range(count)]
    for _ in range(1, LUT_INPUTS):
        grown = {tuple(sorted((*s, k))) for s in kept for k in range(count) if k not in s}
        found = {bound: _columns_of(small, count, bound) for bound in sorted(grown)}
        different = {bound: len({*columns}) for bound, columns in found.items()}
        kept = sorted(found, key=lambda bound: different[bound])[:_KEPT]
        for bound in kept:
            bits = (different[bound] - 1).bit_length()
            left = count - len(bound) + bits
            if left < count:
                numbers = {c: n for n, c in enumerate(dict.fromkeys(found[bound]))}
                estimate = bits + width * _estimate(left)
                yield _Decomposition(bound, tuple(numbers[c] for c in found[bound]), bits, estimate)


_KEPT = 8  # sets of each size that are grown further


def _columns_of(small: Values, count: int, bound: tuple[int, ...]) -> list[bytes]:
    """The columns that the bound bits select."""
    columns = np.ascontiguousarray(small[_order(count, bound)])
    return columns.view(f"V{columns[0].nbytes}").reshape(-1).tolist()


def _estimate(bits: int) -> float:
    """LUTs of a function of so many bits without structure: 1, 3, 5, 11, 21, ..."""
    return 1 if bits <= LUT_INPUTS else (4 / 3) * 2 ** (bits - LUT_INPUTS)


@lru_cache(1 << 12)
def _order(count: int, bound: tuple[int, ...]) -> Values:
    """Places of a table as (bound bits, free bits), the first of each the lowest."""
    free = [k for k in range(count) if k not in bound]

    def spread(bits: Sequence[int]) -> Values:
        index = np.arange(1 << len(bits))
        return sum((((index >> k) & 1) << at for k, at in enumerate(bits)), start=0 * index)

    return (spread(bound)[:, None] + spread(free)).astype(np.uint16)


def _columns(values: Values, bound: tuple[int, ...], numbers: tuple[int, ...]) -> Values:
    """The table of a column's number (its lowest bits) and of the bits that are not bound."""
    columns = values[_order(len(values).bit_length() - 1, bound)]
    first = [numbers.index(n) for n in range(max(numbers) + 1)]
    size = 1 << max(numbers).bit_length()
    first += [first[n - size // 2] for n in range(len(first), size)]  # numbers that none has
    return columns[first].T.reshape(-1)


def _built(b: Builder, pins: Sequence[Pin], plan: _Plan) -> int:
    """The wire of a planned table."""
    if not plan.parts:
        return b.lut(pins, plan.values.tolist())
    if plan.numbers:
        number = b.lut([pins[k] for k in plan.bound], plan.numbers)
        bits = [b.pin(number, k) for k in range(max(plan.numbers).bit_length())]
        free = [pin for k, pin in enumerate(pins) if k not in plan.bound]
        return _built(b, [*bits, *free], plan.parts[0])
    if _is_bit(plan.values):
        low, high = (b.pin(_built(b, pins[:-1], part)) for part in plan.parts)
        return b.lut([low, high, pins[-1]], [0, 1, 0, 1, 0, 0, 1, 1])
    found = [b.pin(_built(b, pins, part)) for part in plan.parts]
    of = _format(plan.values)
    return b.slice(b.join(found), 0, of.lo, of.hi)
