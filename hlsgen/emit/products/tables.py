"""Sums from small tables: up to six bits of the operands look up what they add to a column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from hlsgen.emit.products.bits import Bits, bits_of, column_bounds
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Pin, Term
from hlsgen.emit.rtl.cost import kernel_luts
from hlsgen.emit.rtl.sums import total
from hlsgen.errors import OptionError

LUT_INPUTS = 6
_TRIED = 8  # columns on which the size of the groups is chosen

Plane = tuple[Pin, int, int]  # a bit, which operand it is of, and what it counts there
Groups = Sequence[Sequence[Plane]]


def lutgemm(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    step: int,
) -> list[int]:  # fmt: skip
    """constants[j] + sum over bit planes p and groups g of T_jg[bit p of the operands of g] << p.

    The size of the groups is the one, of 1 to 6 operands, of the fewest estimated LUTs.
    """
    ranges = [b.ranges[w] for w in wires]
    few = list(columns)[:_TRIED]

    def price(size: int) -> float:
        trial = Builder(ranges, b.adders)
        operands = [bits_of(trial, k, step) for k in range(len(ranges))]
        groups = _by_plane(operands, size)
        zeros = [0] * len(few)
        made = _looked_up(trial, range(len(ranges)), few, zeros, operands, groups)
        return kernel_luts(trial.kernel(made))

    best = min(range(1, LUT_INPUTS + 1), key=price)
    operands = [bits_of(b, w, step) for w in wires]
    return _looked_up(b, wires, columns, constants, operands, _by_plane(operands, best))


def tables(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    step: int,
) -> list[int]:  # fmt: skip
    """constants[j] + sum over groups of T_jg[all bits of the operands of g], six bits at most.

    Errors: OptionError for an operand of more than six bits.
    """
    operands = [bits_of(b, w, step) for w in wires]
    for k, x in enumerate(operands):
        if len(x.planes) > LUT_INPUTS:
            lo, hi = b.ranges[wires[k]]
            raise OptionError(
                f"--arithmetic table needs operands of {LUT_INPUTS} bits at most, operand {k} has "
                f"{len(x.planes)} ({lo} to {hi}): give this layer lutgemm or shift-add"
            )
    return _looked_up(b, wires, columns, constants, operands, _by_operand(operands))


def _by_plane(operands: Sequence[Bits], size: int) -> list[list[Plane]]:
    """Equal bits of `size` neighbours."""
    found: list[list[Plane]] = []
    for first in range(0, len(operands), size):
        rows = [
            [(pin, k, weight) for pin, weight in operands[k].planes]
            for k in range(first, min(first + size, len(operands)))
        ]
        planes = zip_longest(*rows)
        found += [[bit for bit in plane if bit is not None] for plane in planes]
    return found


def _by_operand(operands: Sequence[Bits]) -> list[list[Plane]]:
    """All bits of as many neighbours as fit."""
    found: list[list[Plane]] = [[]]
    for k, x in enumerate(operands):
        if len(found[-1]) + len(x.planes) > LUT_INPUTS:
            found.append([])
        found[-1] += [(pin, k, weight) for pin, weight in x.planes]
    return found


def _looked_up(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    operands: Sequence[Bits], groups: Groups,
) -> list[int]:  # fmt: skip
    made: list[int] = []
    for column, constant in zip(columns, constants, strict=True):
        bounds = column_bounds(b, wires, column, constant)
        start = constant + sum(w * x.base for x, w in zip(operands, column, strict=True))
        terms: list[Term] = []
        for group in groups:
            term, least = _table(b, [(pin, column[k] * weight) for pin, k, weight in group])
            start += least
            terms += term
        made.append(b.bounded(total(b, terms, start), *bounds))
    return made


def _table(b: Builder, bits: Sequence[tuple[Pin, int]]) -> tuple[list[Term], int]:
    """The sum of coefficient * bit as a table from 0 on, and what is to be added to it.

    Opposite coefficients give one table, subtracted in one of the two columns; coefficients with a
    common power of two are shifted.
    """
    used = [(pin, c) for pin, c in bits if c]
    if not used:
        return [], 0
    shift = min((c & -c).bit_length() - 1 for _, c in used)
    negative = used[0][1] < 0
    factors = [(-c if negative else c) >> shift for _, c in used]
    values = [0]
    for factor in factors:
        values += [v + factor for v in values]
    least = min(values)
    wire = b.lut([pin for pin, _ in used], [v - least for v in values])
    return [Term(wire, shift, negative)], (-least if negative else least) << shift
