"""Which operator each process of a streamed design serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hlsgen.schedule.process import Process

if TYPE_CHECKING:
    from hlsgen.emit.hls import Design


def served(design: Design) -> dict[str, str]:
    """The operator that each process of the HLS C++ belongs to."""
    return serving(design.plan.processes, {o.function: o.node.output for o in design.operators})


def serving(processes: Sequence[Process], own: Mapping[str, str]) -> dict[str, str]:
    """The operator that each process belongs to, where `own` has those of functions.

    A helper serves the operator that reads its results, a fork the one before it. "" for what only
    serves a port.
    """
    found = {p.name: own.get(p.function, "") for p in processes}
    reader = {name: p for p in processes for name in p.reads}
    writer = {name: p for p in processes for name in p.writes}
    for p in reversed(processes):
        if not found[p.name] and len(p.writes) == 1 and p.reads:
            found[p.name] = found[reader[p.writes[0]].name]
    for p in processes:
        if not found[p.name] and p.reads:
            found[p.name] = found[writer[p.reads[0]].name]
    return found
