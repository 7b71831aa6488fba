"""Requantisation that may be a few codes off, where that saves adders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.realise import prove
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.slope import fit_affine
from hlsgen.arith.staircase import Affine
from hlsgen.arith.steps import Steps, int_array
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.staircase import Staircase


def coarsen(graph: HwGraph, codes: int) -> HwGraph:
    """The graph with cheaper staircases, each within `codes` codes of what it replaces.

    1. A staircase becomes a multiply-add-shift with the fewest signed digits among all lines that
       stay within `codes` codes of every row, over the whole input range of the row.
    2. It keeps to the codes between the first and the last of its row, so no range behind it grows.
    3. It is taken only where its estimated cost is less. The new integers are the meaning of the
       node from then on: every engine and every emitted language has to equal them.
    """
    return replace(graph, nodes=tuple(_coarser(node, codes) for node in graph.nodes))


def coarsened(exact: HwGraph, graph: HwGraph) -> tuple[str, ...]:
    """The values whose staircases differ."""
    pairs = zip(exact.nodes, graph.nodes, strict=True)
    return tuple(new.output for old, new in pairs if old.op is not new.op)


def _coarser(node: Node[HwOp], codes: int) -> Node[HwOp]:
    match node.op:
        case Staircase(rows=rows, realisation=now) as op:
            qlo, qhi = min(r.min_code for r in rows), max(r.max_code for r in rows)
            how = fit_affine(rows, qlo, qhi, slack=codes)
            if how is None or how.cost().total >= now.cost().total:
                return node
            made = tuple(_steps(how, r) for r in range(len(rows)))
            prove(made, how)
            assert farthest(rows, made) <= codes
            return replace(node, op=replace(op, rows=made, realisation=how))
        case _:
            return node


def _steps(how: Affine, row: int) -> Steps:
    """The staircase that a row of a multiply-add-shift computes."""
    unit = 1 << how.shift
    slope, start = Fraction(how.m[row], unit), Fraction(how.b[row], unit) + how.offset
    lo, hi = how.lo[row], how.hi[row]
    return affine_steps(lo, hi, slope, start, how.qlo, how.qhi, Rounding.FLOOR)


def farthest(old: Sequence[Steps], new: Sequence[Steps]) -> int:
    """How many codes the rows are apart anywhere: both are constant between their steps."""
    return max(_apart(a, b) for a, b in zip(old, new, strict=True))


def _apart(a: Steps, b: Steps) -> int:
    places = np.concatenate((int_array([a.lo]), a.t, b.t))
    return int(np.abs(a.evaluate(places) - b.evaluate(places)).max())
