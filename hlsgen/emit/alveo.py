"""Compute units on an Alveo card: which die each lies on, which memory channel each port has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsgen.boards import Board, Memory, Resources
from hlsgen.emit.jinja import environment
from hlsgen.errors import Loc, OptionError

MOST_PORTS_A_BANK = 15  # UG1393; UG1700 2025.2
# What may be filled for timing closure: finn util/platforms.py, DEFAULT_RES_LIMITS.
FILL = {"lut": 0.7, "ff": 0.5, "dsp": 0.8, "bram18": 0.8, "uram": 0.8}


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

    Errors: OptionError for a die that the board has not, and for more ports than it has room for.
    """
    known = [slr.name for slr in board.slrs]
    for slr in slrs:
        if slr not in known:
            raise OptionError(f"{board.name} has no {slr}: it has {', '.join(known) or 'no SLRs'}")
    memory = _memory(board)
    ports = len(slrs) * len(masters)
    if ports > memory.banks * MOST_PORTS_A_BANK:
        most = memory.banks * MOST_PORTS_A_BANK
        raise OptionError(f"{ports} ports, {memory.tag} takes {most}: give fewer --units")
    found: list[ComputeUnit] = []
    for u, slr in enumerate(slrs):
        first = u * len(masters)
        banks = tuple(
            (master, f"{memory.tag}[{(first + k) % memory.banks}]")
            for k, master in enumerate(masters)
        )
        found.append(ComputeUnit(f"cu_{u}", slr, banks))
    return tuple(found)


def place_units(board: Board, need: Resources, units: int) -> tuple[str, ...]:
    """A die for each unit, those at the memory first, none fuller than closes timing.

    Errors: OptionError where they do not fit, with what a die has room for.
    """
    at_memory = _memory(board).slr
    order = sorted(board.slrs, key=lambda slr: slr.name not in at_memory)
    room = {slr.name: _room(slr.usable or slr.resources) for slr in order}
    wanted = _parts(need)
    found: list[str] = []
    for _ in range(units):
        fits = [n for n, left in room.items() if all(left[k] >= wanted[k] for k in wanted)]
        if not fits:
            left = "; ".join(f"{name} {_text(parts)}" for name, parts in room.items())
            raise OptionError(
                f"unit {len(found)} of {units} needs {_text(wanted)} by the estimate of HLS, which "
                f"can be several times too high; left are {left}: give fewer --units, or say "
                "with --slr where each goes"
            )
        found.append(fits[0])
        room[fits[0]] = {k: left - wanted[k] for k, left in room[fits[0]].items()}
    return tuple(found)


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


def _parts(of: Resources) -> dict[str, int]:
    return dict(zip(FILL, of.counts, strict=True))


def _room(of: Resources) -> dict[str, int]:
    return {k: int(FILL[k] * count) for k, count in _parts(of).items()}


def _text(parts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in parts.items())
