"""Which operator each process of a streamed design serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hlsgen.emit.hls import Design


def served(design: Design) -> dict[str, str]:
    """The operator that each process belongs to: a helper serves the one that reads its results.

    A fork serves the operator before it. "" for what only serves a port.
    """
    processes = design.plan.processes
    own = {o.function: o.node.output for o in design.operators}
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
