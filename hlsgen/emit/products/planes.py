"""Sums by sign planes of the weights: sums of neighbours with signs, shared by all columns.

The weights of a run of rows in a column are planes of signs times powers of two, and an offset.
What one plane adds to a sum, +-x_0 +-x_1 .., is looked up among the sums of these few operands with
every sign; the weights being constants, a look-up is a wire. A sum and its opposite are one entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.sign_planes import SignPlanes, fewest_planes
from hlsgen.arith.signed_digit import csd_digits
from hlsgen.emit.products.bits import column_bounds
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.cost import kernel_luts
from hlsgen.emit.rtl.sums import total
from hlsgen.errors import OptionError

_FEW = 8  # columns that tell which runs take the fewest words
_COLUMNS = 64  # sizes are chosen on so many columns, which share entries,
_ROWS = 60  # and on so many rows, a multiple of all sizes
_ENTRY = range(1, 7)  # operands of an entry

Column = Sequence[int]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Operands of an entry, and rows that share scales and an offset: a multiple of that."""

    entry: int
    run: int


def sign_planes(
    b: Builder, wires: Sequence[int], columns: Sequence[Column], constants: Sequence[int]
) -> list[int]:
    """constants[j] + sum of columns[j][k] * x_k by the fewest planes of every run of rows.

    Of entries of 1 to 6 operands those of the fewest estimated LUTs, with the runs of the fewest
    words to add.
    Errors: OptionError for weights too wide for the search of planes.
    """
    few = list(columns)[:_COLUMNS]
    ports = range(min(_ROWS, len(wires)))
    ranges = [b.ranges[wires[k]] for k in ports]

    def price(sizes: _Sizes) -> float:
        trial = Builder(ranges, b.adders)
        made = [_column(trial, ports, c[: len(ports)], 0, sizes, j) for j, c in enumerate(few)]
        return kernel_luts(trial.kernel(made))

    best = min((_run(entry, few[:_FEW]) for entry in _ENTRY), key=price)
    pairs = zip(columns, constants, strict=True)
    return [_column(b, wires, column, c, best, j) for j, (column, c) in enumerate(pairs)]


def _run(entry: int, columns: Sequence[Column]) -> _Sizes:
    """The run of 1, 2, 4, .. entries, or all of them, that gives the fewest words to add."""
    rows = len(columns[0])
    runs = [entry]
    while runs[-1] < rows:
        runs.append(2 * runs[-1])

    def words(run: int) -> int:
        planes = (p for j, c in enumerate(columns) for p in _planes(c, run, j))
        return sum(len(p.shifts) * -(-p.signs.shape[1] // entry) + p.digits for p in planes)

    return _Sizes(entry, min(reversed(runs), key=words))


def _planes(column: Column, run: int, j: int) -> list[SignPlanes]:
    """The planes of each run of rows of column j."""
    weights = np.array(column)
    try:
        return [fewest_planes(weights[k : k + run]) for k in range(0, len(weights), run)]
    except OptionError as error:
        raise OptionError(
            f"--arithmetic bcq: {error.message}, in column {j}: give this layer shift-add or lut"
        ) from error


def _column(
    b: Builder, wires: Sequence[int], column: Column, constant: int, sizes: _Sizes, j: int
) -> int:
    """One sum: twice of it where a plane counts halves, the last bit being left out then."""
    runs = _planes(column, sizes.run, j)
    halves = any(p.offset & 1 or 0 in p.shifts for p in runs)
    terms: list[Term] = []
    for k, planes in enumerate(runs):
        some = wires[k * sizes.run : (k + 1) * sizes.run]
        terms += _of_run(b, some, planes, sizes.entry)
    lo, hi = bounds = column_bounds(b, wires, column, constant)
    if halves:
        twice = b.bounded(total(b, terms, 2 * constant), 2 * lo, 2 * hi)
        return b.slice(twice, 1, *bounds)
    whole = [Term(t.wire, t.shift - 1, t.negative) for t in terms]
    return b.bounded(total(b, whole, constant), *bounds)


def _of_run(b: Builder, wires: Sequence[int], planes: SignPlanes, entry: int) -> list[Term]:
    """Twice what a run of rows adds to its column."""
    terms: list[Term] = []
    for shift, signs in zip(planes.shifts, planes.signs.tolist(), strict=True):
        for k in range(0, len(wires), entry):
            looked_up = _entry(b, wires[k : k + entry], signs[k : k + entry])
            if looked_up is not None:
                terms.append(Term(looked_up.wire, shift + looked_up.shift, looked_up.negative))
    if planes.offset:
        operands = total(b, [Term(w) for w in wires])
        terms += [Term(operands, e, sign < 0) for sign, e in csd_digits(planes.offset)]
    return terms


def _entry(b: Builder, wires: Sequence[int], signs: Sequence[int]) -> Term | None:
    """The sum of the operands with their signs, from those of the two halves; None if all are 0.

    Its first sign is plus: the other half of the table is the same entries subtracted.
    """
    if not any(signs):
        return None
    if len(signs) == 1:
        return Term(wires[0], 0, signs[0] < 0)
    middle = len(signs) // 2
    first = _entry(b, wires[:middle], signs[:middle])
    second = _entry(b, wires[middle:], signs[middle:])
    if first is None or second is None:
        return first or second
    return Term(
        b.sum([Term(first.wire), Term(second.wire, 0, first.negative != second.negative)]),
        0,
        first.negative,
    )
