"""How deep a mapped netlist is: the LUTs on its longest path, read from the JSON that Yosys writes.

Paths start and end at ports, registers, memories and DSPs. A LUT is one level. Carry chains are
counted beside: however long, a chain is one from where a path enters it to where it leaves, and it
is no level. Inverters are free, as Vivado absorbs them. (Yosys' own `ltp` counts every CARRY4 as a
level, knows no register of a vendor, and takes every output of a cell to follow every input.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

from hlsgen.errors import HlsgenError

Bits: TypeAlias = Sequence[int | str]  # numbers of nets; constants are strings
Arc: TypeAlias = tuple[int, int, int]  # a net that is followed, and the LUTs and chains on the way
CARRIES = ("CARRY4", "CARRY8")
PASSING = {"INV": ["I"], "BUF": ["I"], "MUXF7": ["I0", "I1", "S"], "MUXF8": ["I0", "I1", "S"]}


@dataclass(frozen=True, slots=True)
class Depth:
    """A path of most LUTs; of several, one that enters most carry chains."""

    lut_levels: int
    carry_chains: int


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str
    pins: Mapping[str, Bits]
    table: str  # the truth table of a LUT, the highest place first; "" if none is written


def depth(netlist: Path, top: str) -> Depth:
    """The longest path of the flattened module `top`.

    Errors: HlsgenError for a netlist that cannot be read or that has a combinational loop.
    """
    try:
        cells = _cells(netlist, top)
        carries = {b for c in cells if c.kind in CARRIES for b in c.pins["CO"]}
        driven = (pair for c in cells for pair in _driven(c, carries))
        return _longest({net: arcs for net, arcs in driven if isinstance(net, int)})
    except CycleError as error:
        raise HlsgenError(f"the netlist of {top} has a combinational loop") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HlsgenError(
            f"Yosys wrote a netlist of {top} that hlsgen cannot read ({type(error).__name__}): "
            "tried with Yosys 0.23 and 0.70"
        ) from error


def _cells(netlist: Path, top: str) -> list[_Cell]:
    """The cells of a module, each made small as soon as it is read: a netlist can be 100 MB."""

    def smaller(read: dict[str, Any]) -> Any:
        if "connections" in read and "type" in read:
            init = read.get("parameters", {}).get("INIT", "")
            return _Cell(read["type"].removeprefix("\\"), read["connections"], init)
        return None if "bits" in read and "hide_name" in read else read

    content = json.loads(netlist.read_text(encoding="utf-8"), object_hook=smaller)
    return list(content["modules"][top]["cells"].values())


def _driven(cell: _Cell, carries: set[int | str]) -> Iterator[tuple[int | str, list[Arc]]]:
    """Each net that a cell drives, and what that follows; nothing for ends of paths."""
    match cell.kind:
        case "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6":
            yield _lut(cell, "O", cell.table)
        case "LUT6_2":
            yield _lut(cell, "O6", cell.table)
            yield _lut(cell, "O5", cell.table[-32:])
        case "CARRY4" | "CARRY8":
            yield from _chain(cell, carries)
        case kind if kind in PASSING:
            (net,) = cell.pins["O"]
            yield net, _arcs(b for p in PASSING[kind] for b in cell.pins[p])
        case _:
            return


def _arcs(bits: Iterable[int | str], luts: int = 0, chains: int = 0) -> list[Arc]:
    return [(b, luts, chains) for b in bits if isinstance(b, int)]


def _lut(cell: _Cell, output: str, table: str) -> tuple[int | str, list[Arc]]:
    """Only inputs that the truth table looks at: O5 and O6 of a LUT6_2 follow different ones."""
    (net,) = cell.pins.get(output) or ("x",)
    bits = (b for k in _looked_at(table) for b in cell.pins.get(f"I{k}", ()))
    return net, _arcs(bits, luts=1)


@cache
def _looked_at(table: str) -> list[int]:
    """The inputs that some place of a truth table depends on; all six of an unknown one."""
    if not table:
        return [*range(6)]
    places = range(len(table))
    return [
        k
        for k in range(len(table).bit_length() - 1)
        if any(table[~i] != table[~(i | 1 << k)] for i in places if not i >> k & 1)
    ]


def _chain(cell: _Cell, carries: set[int | str]) -> Iterator[tuple[int | str, list[Arc]]]:
    """Sum and carry of a place follow what enters at it and below, the sum not its own DI."""
    pins = cell.pins
    first = [b for pin in ("CI", "CYINIT") for b in pins.get(pin, ()) if isinstance(b, int)]
    below = [(b, 0, int(b not in carries)) for b in first]
    for s, di, o, co in zip(pins["S"], pins["DI"], pins["O"], pins["CO"], strict=True):
        below = below + _arcs([s], chains=1)
        yield o, below
        below = below + _arcs([di], chains=1)
        yield co, below


def _longest(arcs: Mapping[int, Sequence[Arc]]) -> Depth:
    order = TopologicalSorter({net: [b for b, _, _ in a] for net, a in arcs.items()}).static_order()
    reached: dict[int, tuple[int, int]] = {}
    for net in order:
        ways = ((reached[b][0] + luts, reached[b][1] + n) for b, luts, n in arcs.get(net, ()))
        reached[net] = max(ways, default=(0, 0))
    return Depth(*max(reached.values(), default=(0, 0)))
