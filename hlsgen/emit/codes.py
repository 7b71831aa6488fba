"""Which integers a value can take, where they are few."""

from __future__ import annotations

from hlsgen.ir.hw import HwGraph
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose


def codes_of(graph: HwGraph, name: str) -> frozenset[int] | None:
    """All integers that a value can take, or None where no more than its range is known.

    Sound, not sharp: a value may never take some of them.
    """
    of, node = graph.types[name], graph.producer.get(name)
    if of.max - of.min <= 1:
        return frozenset((of.min, of.max))
    match None if node is None else node.op:
        case Staircase(rows=rows):
            return frozenset(int(c) for row in rows for c in row.codes)
        case Reshape() | Transpose() | Take() | MaxPool() | Concat() as op:
            assert node is not None
            border = frozenset((graph.types[node.inputs[0]].min,))  # of a window without elements
            extra = border if isinstance(op, MaxPool) and op.window.padded else frozenset[int]()
            parts = [codes_of(graph, x) for x in node.inputs]
            known = [p for p in parts if p is not None]
            return extra.union(*known) if len(known) == len(parts) else None
        case _:
            return None
