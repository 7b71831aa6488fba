"""LUTs of a kernel without a synthesis tool: a count for each kind of cell, times what it measured.

`kernel_luts` is an estimate. Its factors are least squares over designs that Yosys synthesised
(benchmarks/calibrate.py makes, measures and fits them); docs/cost-model.md states the error.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import assert_never

from hlsgen.arith.format import IntFormat
from hlsgen.emit.rtl.carry_save import constant_product
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
    Times,
    operands,
)

FACTORS = Path(__file__).with_name("cost.toml")
KINDS = (
    "additions", "bounds", "choices", "clipped", "clips", "comparisons", "constants",
    "full adders", "last adders", "limits", "negations", "products", "small bounds",
    "small tables", "tables", "tables of six", "three operands", "ties",
)  # fmt: skip


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
    """How much of each of `KINDS` a kernel has, in the unit of its kind: mostly bits."""
    found: Counter[str] = Counter()
    limits = _limits(kernel)
    for wire, cell in enumerate(kernel.cells):
        if wire in limits:
            found["limits"] += _limit_luts(kernel, wire)
            continue
        x = [kernel.ranges[w] for w in operands(cell)]
        found.update(_counts(cell, x, kernel.ranges[wire]))
        if isinstance(cell, Less):
            a, b = _places(kernel, cell.a), _places(kernel, cell.b)
            found["comparisons"] += _met(a, b, max(len(a), len(b)))
    for size in _functions(kernel):
        found["tables of six" if size == 6 else "small tables"] += 1
    return +found


def _counts(cell: Cell, x: list[Range], y: Range) -> dict[str, int]:  # noqa: C901 - one case a cell
    bits = [_bits(r) for r in x]
    match cell:
        case Port() | Literal() | Append() | Join() | Slice() | Lut() | Less():
            return {}
        case Sum():
            return _sum(cell, x, y)
        case Times(factor=factor):
            made = constant_product(bits[0], x[0][0] < 0, factor, _bits(y))
            return {"full adders": made.full, "last adders": made.last, "additions": made.chain}
        case Product():
            return {"products": bits[0] * bits[1]}
        case AtLeast():
            return {"small bounds": 1} if bits[0] <= 6 else {"bounds": 1}
        case Pick():
            return {"choices": _bits(y)}
        case Extremum():
            return {"comparisons": max(bits), "choices": _bits(y)}
        case Clip():
            return {"clips": _bits(y), "clipped": bits[0] - _bits(y)}
        case Shift(by=by, tie=tie):
            return {} if tie is None else {"ties": -(-(by - tie) // 5)}
        case Lookup(first=first, values=values):
            return {"tables": table_luts(first, values, bits[0])}
        case _:
            assert_never(cell)


def _sum(cell: Sum, x: list[Range], y: Range) -> dict[str, int]:
    """A chain needs a LUT where two bits meet that both change; otherwise it passes one on."""
    width = _bits(y)
    if cell.operands == 3:
        return {"three operands": max(0, width - cell.wires)}
    if cell.constant:
        return {"constants": max(0, width - cell.wires)}
    if len(cell.terms) == 1:
        return {"negations": width if cell.terms[0].negative else 0}
    a, b = ([0] * t.shift + _word(k, r) for k, (t, r) in enumerate(zip(cell.terms, x, strict=True)))
    return {"additions": _met(a, b, width)}


def _word(name: int, of: Range) -> list[int]:
    """A number for each bit, the sign last; 0 for what is always 0."""
    bits = [(name + 1) * 4096 + k for k in range(_bits(of))]
    return bits if of[0] < 0 else [*bits, 0]


def _places(kernel: Kernel, wire: int) -> list[int]:
    """`_word` of a wire, 0 for the bits that are the same in all words of a table."""
    word = _word(wire, kernel.ranges[wire])
    cell = kernel.cells[wire]
    if not isinstance(cell, Lookup):
        return word
    first, *others = cell.values
    return [b if any((v ^ first) >> k & 1 for v in others) else 0 for k, b in enumerate(word)]


def _met(a: list[int], b: list[int], width: int) -> int:
    """Pairs of changing bits among so many places; the last bit goes on as the sign."""
    pairs = {(a[min(k, len(a) - 1)], b[min(k, len(b) - 1)]) for k in range(width)}
    return sum(bool(p and q) for p, q in pairs)


def _limits(kernel: Kernel) -> set[int]:
    """Tables that only comparisons read: unlike codes, which rise, their bits look random."""
    readers: dict[int, list[Cell]] = {}
    for cell in kernel.cells:
        for wire in operands(cell):
            readers.setdefault(wire, []).append(cell)
    return {
        wire
        for wire, cell in enumerate(kernel.cells)
        if isinstance(cell, Lookup)
        and wire not in kernel.outputs
        and all(isinstance(c, Less) for c in readers.get(wire, ()))
    }


def _limit_luts(kernel: Kernel, wire: int) -> int:
    """None at the path of a search, five bits at most: the comparison's LUTs take the table in.

    Yosys does not find that where the place comes from elsewhere.
    """
    cell = kernel.cells[wire]
    assert isinstance(cell, Lookup)
    bits = _bits(kernel.ranges[cell.wire])
    path = isinstance(kernel.cells[cell.wire], Append | AtLeast | Less)
    return 0 if path and bits <= 5 else table_luts(cell.first, cell.values, bits)


def _functions(kernel: Kernel) -> list[int]:
    """Inputs of each different function of the small tables; those of one input are wires."""
    found: set[tuple[tuple[Pin, ...], str]] = set()
    for cell in kernel.cells:
        if isinstance(cell, Lut):
            for bit in range(_bits((min(cell.values), max(cell.values)))):
                found.add(_function_of(cell.pins, [v >> bit & 1 for v in cell.values]))
    return [len(pins) for pins, _ in found if len(pins) > 1]


def _function_of(pins: tuple[Pin, ...], table: list[int]) -> tuple[tuple[Pin, ...], str]:
    """A function without the inputs that do not matter."""
    for k in reversed(range(len(pins))):
        low = [v for i, v in enumerate(table) if not i >> k & 1]
        if low == [v for i, v in enumerate(table) if i >> k & 1]:
            pins, table = pins[:k] + pins[k + 1 :], low
    return pins, "".join(map(str, table))


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
