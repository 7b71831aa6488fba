"""LUTs of a kernel without a synthesis tool: a count for each kind of cell, times what it measured.

`luts` is an estimate. Its factors are least squares over designs that Yosys synthesised
(benchmarks/calibrate.py makes, measures and fits them); docs/cost-model.md states the error.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

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
    Range,
    Shift,
    Slice,
    Sum,
    Times,
    operands,
)

if TYPE_CHECKING:  # products are made by these prices, and netlists of products
    from hlsgen.emit.rtl.netlist import Netlist

FACTORS = Path(__file__).with_name("cost.toml")


def luts(net: Netlist) -> float:
    """LUTs of a whole design without its registers, estimated."""
    return sum(
        copies.count * kernel_luts(copies.kernel) for layer in net.layers for copies in layer.copies
    )


def design_counts(net: Netlist) -> Counter[str]:
    """`counts` of all kernels, each as often as it stands there."""
    found: Counter[str] = Counter()
    for copies in (c for layer in net.layers for c in layer.copies):
        for kind, count in counts(copies.kernel).items():
            found[kind] += count * copies.count
    return found


def kernel_luts(kernel: Kernel) -> float:
    """LUTs of one kernel, estimated."""
    known = factors()
    return sum(known[kind] * count for kind, count in counts(kernel).items())


@cache
def factors() -> Mapping[str, float]:
    """LUTs for one unit of each kind of `counts`."""
    with FACTORS.open("rb") as file:
        return tomllib.load(file)["luts"]


def counts(kernel: Kernel) -> Counter[str]:
    """How much of each kind of hardware a kernel has, in the unit of its kind: mostly bits."""
    found: Counter[str] = Counter()
    for wire, cell in enumerate(kernel.cells):
        x = [kernel.ranges[w] for w in operands(cell)]
        found.update(_counts(cell, x, kernel.ranges[wire]))
    return +found


def _counts(cell: Cell, x: list[Range], y: Range) -> dict[str, int]:  # noqa: C901 - one case a cell
    bits = [_bits(r) for r in x]
    match cell:
        case Port() | Literal() | Append() | Join() | Slice():
            return {}
        case Lut():
            return {"small tables": _bits(y)}
        case Sum():
            return _sum(cell, x, y)
        case Times(factor=factor):
            return {"partial products": (csd_weight(factor) - 1) * bits[0]}
        case Product():
            return {"products": bits[0] * bits[1]}
        case AtLeast():
            return {"small bounds": 1} if bits[0] <= 6 else {"bounds": bits[0]}
        case Less():
            return {"comparisons": max(bits)}
        case Pick():
            return {"choices": _bits(y)}
        case Extremum():
            return {"comparisons": max(bits), "choices": _bits(y)}
        case Clip():
            return {"clips": _bits(y), "clipped": bits[0] - _bits(y)}
        case Shift(by=by, tie=tie):
            return {} if tie is None else {"ties": by - tie}
        case Lookup(first=first, values=values):
            return {"tables": table_luts(first, values, bits[0])}
        case _:
            assert_never(cell)


def _sum(cell: Sum, x: list[Range], y: Range) -> dict[str, int]:
    """Bits that need a LUT: above those which one operand alone reaches."""
    bits = max(0, _bits(y) - cell.wires)
    negative = any(t.negative for t in cell.terms)
    match cell.operands:
        case 1:
            return {"subtractions": bits} if negative else {}  # from 0
        case 2 if cell.constant:
            return {"constants taken off": bits} if negative else {"increments": bits}
        case 2:
            return {"subtractions": bits} if negative else _addition(cell, x, bits)
        case _:
            return {"three operands": bits}


def _addition(cell: Sum, x: list[Range], bits: int) -> dict[str, int]:
    """Operands whose bits do not overlap are only put side by side."""
    lowest = cell.lowest
    assert lowest is not None
    lo, hi = x[lowest]
    apart = lo >= 0 and hi << cell.terms[lowest].shift < 1 << cell.wires
    return {} if apart else {"additions": bits}


def _bits(r: Range) -> int:
    return 0 if r == (0, 0) else IntFormat.of_range(*r).width


def table_luts(first: int, values: tuple[int, ...], bits: int) -> int:
    """LUTs of six inputs for a table: different functions of the six low bits, and 4:1 choices."""
    words = [0] * (1 << bits)
    for k, value in enumerate(values):
        words[(first + k) % len(words)] = value
    width = IntFormat.of_range(min(values), max(values)).width
    shared: set[tuple[int, ...]] = set()
    return sum(_function(tuple(v >> b & 1 for v in words), shared) for b in range(width))


def _function(bits: tuple[int, ...], shared: set[tuple[int, ...]]) -> int:
    """LUTs of a function that are not there already; `bits` is its truth table."""
    half = len(bits) // 2
    while half and bits[:half] == bits[half:]:  # the upper variable does not matter
        bits, half = bits[:half], half // 2
    if len(bits) == 1 or bits in shared:
        return 0
    shared.add(bits)
    if len(bits) <= 64:
        return int(not _is_wire(bits))
    ways = 4 if len(bits) >= 256 else 2
    size = len(bits) // ways
    return 1 + sum(_function(bits[k * size : (k + 1) * size], shared) for k in range(ways))


def _is_wire(bits: tuple[int, ...]) -> bool:
    return any(
        all(v == i >> k & 1 for i, v in enumerate(bits)) for k in range(len(bits).bit_length() - 1)
    )
