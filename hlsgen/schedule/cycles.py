"""Which channels lie on a cycle of the design, seen without directions: only these can deadlock."""

from __future__ import annotations

from collections.abc import Sequence

from hlsgen.schedule.process import Process


def on_cycles(processes: Sequence[Process]) -> frozenset[str]:
    """Channels whose removal leaves their ends connected: those between forks and joins.

    A wait for room in a channel and for data behind it can close a circle only through such. Found
    as the edges that are no bridges, by one search in depth.
    """
    ends = _ends(processes)
    edges: dict[int, list[tuple[int, str]]] = {k: [] for k in range(len(processes))}
    for name, (source, target) in ends.items():
        edges[source].append((target, name))
        edges[target].append((source, name))
    bridges: set[str] = set()
    entered: dict[int, int] = {}
    for root in edges:
        if root not in entered:
            _search(root, edges, entered, bridges)
    return frozenset(ends) - bridges


def _ends(processes: Sequence[Process]) -> dict[str, tuple[int, int]]:
    """Writer and reader of each channel that has both, as places in the sequence."""
    writer = {name: k for k, p in enumerate(processes) for name in p.writes}
    reader = {name: k for k, p in enumerate(processes) for name in p.reads}
    return {name: (writer[name], reader[name]) for name in writer if name in reader}


def _search(
    root: int,
    edges: dict[int, list[tuple[int, str]]],
    entered: dict[int, int],
    bridges: set[str],
) -> None:
    """Adds the bridges of one component: edges below which nothing reaches above them."""
    low: dict[int, int] = {}
    stack = [(root, "", iter(edges[root]))]
    entered[root] = low[root] = len(entered)
    while stack:
        here, came, rest = stack[-1]
        step = next(rest, None)
        if step is None:
            stack.pop()
            if stack:
                above = stack[-1][0]
                low[above] = min(low[above], low[here])
                if low[here] > entered[above]:
                    bridges.add(came)
        elif step[1] != came:
            there, name = step
            if there in entered:
                low[here] = min(low[here], entered[there])
            else:
                entered[there] = low[there] = len(entered)
                stack.append((there, name, iter(edges[there])))
