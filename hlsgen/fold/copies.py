"""How many compute units a card may have, what each of them may take, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.boards import Board, Flow, Resources
from hlsgen.emit.alveo import place_units, room_for
from hlsgen.emit.hls import Design
from hlsgen.errors import OptionError
from hlsgen.fold.estimate import Estimate
from hlsgen.fold.goal import SHELL, Goal

MOST_A_DIE = 4  # units that a search puts on one: smaller ones repeat weights and shells


@dataclass(frozen=True, slots=True)
class Copies:
    """So many units of one kernel, and what each may take, its shell included.

    `spans` says that this is more than one die has.
    """

    units: int
    room: Resources
    spans: bool = False


def copies(board: Board, units: int | None, ports: int) -> tuple[Copies, ...]:
    """What can be tried, `units` of them or, where that is None, any number; the fewest first.

    Every unit lies on one die; at the very end comes one that all dies hold together, for a design
    that crosses dies loses clock. Without a number each of the `ports` of every unit has a memory
    channel of its own.
    Errors: OptionError for several units on a board that has one kernel.
    """
    _several_possible(board, units or 1)
    dies = [slr.usable or slr.resources for slr in board.slrs] or [board.budget]
    across = [Copies(1, board.budget, spans=True)] if len(dies) > 1 and units in (None, 1) else []
    channels = max((memory.banks for memory in board.memories), default=1)
    most = min(MOST_A_DIE * len(dies), max(1, channels // max(ports, 1)))
    numbers = (units,) if units else range(1, most + 1) if board.slrs else (1,)
    return (*(Copies(n, _share(dies, n)) for n in numbers), *across)


def placed(
    design: Design, found: Estimate | None, units: int, goal: Goal, board: Board
) -> tuple[str, ...]:
    """The die of each compute unit of a design, by what it is estimated to take with its shell.

    "" for a unit that no single die holds, on devices of one die, and where there is no kernel.
    Errors: OptionError where there is no room for so many.
    """
    if units > 1 and (found is None or design.kernel is None):
        why = "give --io stream" if found is None else "reloadable weights have no place in it"
        raise OptionError(f"--compute-units {units}: copies of a kernel are meant: {why}")
    _several_possible(board, units)
    if found is None or board.flow is not Flow.VITIS:
        return ("",)
    need = (SHELL[board.flow] + found.use).counts
    fill = tuple(goal.util.values())
    if units == 1 and not any(room_for(board, need, fill).values()):
        return ("",)
    hint = "give fewer --compute-units, a smaller folding, or --max-util"
    return place_units(board, need, units, fill, hint)


def _several_possible(board: Board, units: int) -> None:
    """Errors: OptionError for several units on a board that has one kernel."""
    if board.flow is not Flow.VITIS and units > 1:
        raise OptionError(
            f"--compute-units {units}: {board.name} has one kernel beside its processor; several "
            "are for Alveo cards (u280, u55c)"
        )


def _share(dies: Sequence[Resources], units: int) -> Resources:
    """What each of so many units may take: the least share of a die that holds some of them.

    Units go, one by one, to the die that leaves each of its units the most LUTs.
    """
    held = [0] * len(dies)
    for _ in range(units):
        held[max(range(len(dies)), key=lambda k: dies[k].lut // (held[k] + 1))] += 1
    shares = [[count // n for count in die.counts] for die, n in zip(dies, held, strict=True) if n]
    sources = dict.fromkeys(die.source for die in dies)
    least = [min(column) for column in zip(*shares, strict=True)]
    return Resources(*least, source="; ".join(sources))
