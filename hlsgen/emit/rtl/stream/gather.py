"""Units that put the elements of a stream in another order, with constants between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.emit.processes import Pattern
from hlsgen.emit.rtl.stream.unit import Channel, Rom, Unit, bits_for
from hlsgen.errors import Unsupported
from hlsgen.schedule.process import Moves, Steps

CONSTANT = -1  # a place that takes no element


@dataclass(frozen=True, eq=False)
class Order:
    """Token k of the result is token `source[k]` of `frame` many, or CONSTANT."""

    source: Steps
    frame: int

    def counts(self) -> tuple[Steps, Steps]:
        """Tokens that have arrived before each step, and that are let go of after it.

        A token is let go of when no later step needs it and it, or a later one, was needed; the
        last step waits for all and lets go of all.
        """
        need = np.maximum.accumulate(self.source + 1)
        later = np.where(self.source == CONSTANT, self.frame, self.source)
        least = np.minimum.accumulate(later[::-1])[::-1]
        free = np.minimum(np.append(least[1:], self.frame), need)
        need[-1] = free[-1] = self.frame
        return need, free

    def pattern(self) -> Pattern:
        """Steps of a frame: one for each token of the result."""

        def moves() -> Moves:
            tokens = np.arange(1, self.frame + 1)
            need, free = (np.searchsorted(v, tokens) for v in self.counts())
            return Moves((need,), (np.arange(len(self.source)),), (free,))

        return Pattern(len(self.source), moves)


def lanes_of(source: Steps, most: int) -> int:
    """The widest token, of at most so many elements, that moves as a whole."""
    return next(d for d in range(most, 0, -1) if most % d == 0 and _aligned(source, d))


def _aligned(source: Steps, lanes: int) -> bool:
    if len(source) % lanes:
        return False
    table = source.reshape(-1, lanes)
    first = table[:, :1]
    run = (table == first + np.arange(lanes)) & (first % lanes == 0)
    return bool(((first == CONSTANT) & (table == CONSTANT) | run & (first != CONSTANT)).all())


def gather_unit(
    name: str, title: str, read: str, write: str, order: Order, lanes: int,
    given: IntFormat, wanted: IntFormat, pad: int,
) -> Unit:  # fmt: skip
    """The unit of an order of tokens; elements change from one format to a wider one."""

    def finished(ring: Channel) -> tuple[Mapping[str, Any], tuple[Rom, ...]]:
        count, address = bits_for(order.frame + ring.depth + 1), bits_for(ring.depth)
        table = Rom(
            f"{name}_order", "which token each step makes, and which it lets go of",
            _entries(order, ring.depth, count, address), 2 * count + address + 1, 1,
        )  # fmt: skip
        return {
            "lanes": lanes, "given": given, "wanted": wanted, "pad": pad, "depth": ring.depth,
            "style": ring.style, "frame": order.frame, "steps": len(order.source),
            "step_bits": bits_for(len(order.source)), "count_bits": count,
            "address_bits": address, "table": table,
        }, (table,)  # fmt: skip

    return Unit(
        name, title, name, order.pattern(), (read,), (write,), 1,
        frame="rtl/stream/gather.sv.j2", finish=finished,
    )  # fmt: skip


def _entries(order: Order, depth: int, count: int, address: int) -> Any:
    inside = order.source != CONSTANT
    index = np.where(inside, order.source, 0)
    _, free = order.counts()
    low = index | free << count
    words = [
        int(v) | int(o) << 2 * count | int(i) << 2 * count + address
        for v, o, i in zip(low, index % depth, inside, strict=True)
    ]
    return np.array(words, dtype=object)[:, None]


def constant_of(values: set[int], where: str) -> int:
    """The one constant between the elements. Errors: Unsupported where there are several."""
    if len(values) > 1:
        raise Unsupported(f"{where} has several constants: no streaming SystemVerilog form yet")
    return next(iter(values), 0)
