"""How many clocks a frame's transfers take: on memory channels, and on the link to the host."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hlsgen.boards import Board
from hlsgen.emit.hls import Design
from hlsgen.emit.streams import port_bits

BANDWIDTH = 0.7  # of a memory's or a link's peak that long bursts reach; assumed


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes of a frame at each port of a kernel."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """The fewest clocks between frames of a unit, and what sets them ("" where nothing does)."""

    cycles: int
    by: str


def moved_by(design: Design) -> Moved:
    """What a frame of a streamed design moves."""
    sides = [tuple(v.beats * port_bits(v) // 8 for v in s) for s in (design.inputs, design.outputs)]
    return Moved(*sides)


def floor_of(board: Board, moved: Moved, clock_ns: float, units: int = 1) -> Floor:
    """The floor of each of so many units: the busiest channel, or the link that all share."""
    return max(
        Floor(0, ""),
        _channels(board, moved, clock_ns, units),
        _link(board, moved, clock_ns, units),
        key=lambda floor: floor.cycles,
    )


def _channels(board: Board, moved: Moved, clock_ns: float, units: int) -> Floor:
    """Ports take the channels in turn, unit after unit, as they are linked."""
    ports = moved.inputs + moved.outputs
    if not board.memories or not ports:
        return Floor(0, "")
    memory = max(board.memories, key=lambda m: m.banks * m.bank_gbyte_s)
    loads = [0] * memory.banks
    for k, count in enumerate(ports * units):
        loads[k % memory.banks] += count
    return Floor(_clocks(max(loads), memory.bank_gbyte_s, clock_ns), memory.kind)


def _link(board: Board, moved: Moved, clock_ns: float, units: int) -> Floor:
    """Both directions of the link have the whole rate."""
    if board.host is None:
        return Floor(0, "")
    longest = units * max(sum(moved.inputs), sum(moved.outputs))
    return Floor(_clocks(longest, board.host.gbyte_s, clock_ns), board.host.kind)


def _clocks(count: int, gbyte_s: float, clock_ns: float) -> int:
    return math.ceil(count / (BANDWIDTH * gbyte_s) / clock_ns)
