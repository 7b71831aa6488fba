"""Compute units on an Alveo card: which die each lies on, which memory channel each port has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsgen.boards import Board, Memory, Resources, Slr
from hlsgen.emit.jinja import environment
from hlsgen.errors import Loc, OptionError

MOST_PORTS_A_BANK = 15  # UG1393; UG1700 2025.2
# What may be filled for timing closure: finn util/platforms.py, DEFAULT_RES_LIMITS.
FILL = (0.7, 0.5, 0.8, 0.8, 0.8)
KINDS = ("LUTs", "flip-flops", "DSPs", "BRAM18", "URAM")


@dataclass(frozen=True, slots=True)
class ComputeUnit:
    """An instance of the kernel; `banks` pairs each AXI master with a memory channel."""

    name: str
    slr: str
    banks: tuple[tuple[str, str], ...]


def compute_units(
    masters: Sequence[str], board: Board, slrs: Sequence[str]
) -> tuple[ComputeUnit, ...]:
    """One unit on each of these dies; its masters take the channels of the first memory in turn.

    A die "" leaves the place to v++, for a unit that needs more than one.

    Errors: OptionError for a die that the board has not, and for more ports than it has room for.
    """
    known = [slr.name for slr in board.slrs]
    for slr in slrs:
        if slr and slr not in known:
            raise OptionError(f"{board.name} has no {slr}: it has {', '.join(known) or 'no SLRs'}")
    memory = _memory(board)
    ports = len(slrs) * len(masters)
    if ports > memory.banks * MOST_PORTS_A_BANK:
        most = memory.banks * MOST_PORTS_A_BANK
        raise OptionError(f"{ports} ports, {memory.tag} takes {most}: give fewer compute units")
    found: list[ComputeUnit] = []
    for u, slr in enumerate(slrs):
        first = u * len(masters)
        banks = tuple(
            (master, f"{memory.tag}[{(first + k) % memory.banks}]")
            for k, master in enumerate(masters)
        )
        found.append(ComputeUnit(f"cu_{u}", slr, banks))
    return tuple(found)


def room_for(board: Board, need: Sequence[float], fill: Sequence[float]) -> dict[str, int]:
    """How many units that each take so much every die holds, those at the memory first.

    Shapes: `need` and `fill`, the share of a die that may be taken, by kind as Resources.counts.
    """
    at_memory = _memory(board).slr
    dies = board.slrs or (Slr("", board.resources, None),)
    order = sorted(dies, key=lambda slr: slr.name not in at_memory)
    return {slr.name: _held(slr.usable or slr.resources, need, fill) for slr in order}


def place_units(
    board: Board, need: Sequence[float], units: int, fill: Sequence[float], hint: str
) -> tuple[str, ...]:
    """A die for each unit: that of the fewest with room, of equals those at the memory first.

    Errors: OptionError where they do not fit, with how many do and the `hint` what to do.
    """
    room = room_for(board, need, fill)
    most = sum(room.values())
    if most < units:
        each = ", ".join(f"{n:,.0f} {kind}" for kind, n in zip(KINDS, need, strict=True) if n)
        dies = ", ".join(f"{count} on {slr or 'its die'}" for slr, count in room.items())
        raise OptionError(
            f"{units} compute units of {each}: {board.name} has room for {most} ({dies}): {hint}"
        )
    held = dict.fromkeys(room, 0)
    for _ in range(units):
        held[min((slr for slr in room if held[slr] < room[slr]), key=lambda slr: held[slr])] += 1
    return tuple(slr for slr, count in held.items() for _ in range(count))


def _held(die: Resources, need: Sequence[float], fill: Sequence[float]) -> int:
    """How often what is needed fits the part of a die that may be taken."""
    rows = zip(die.counts, need, fill, strict=True)
    return min(int((share * count + 1e-3) // wanted) for count, wanted, share in rows if wanted)


def link_config(
    kernel: str, board: Board, clock_ns: float, units: Sequence[ComputeUnit],
    templates: Path | None = None,
) -> str:  # fmt: skip
    """The configuration that v++ links with."""
    context = {"kernel": kernel, "board": board, "mhz": int(1000 / clock_ns), "units": units}
    return environment(templates).get_template("vitis/link.cfg.j2").render(context)


def _memory(board: Board) -> Memory:
    if not board.memories:
        raise OptionError("needed a [[memory]], got none", Loc(f"{board.name}.toml"))
    return board.memories[0]
