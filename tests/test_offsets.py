"""Constants move from requantisations into the sums before them, and nothing changes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hls_graphs import Builder, conv, differing, matmul, reference, stimuli

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.staircase import Affine, Wrapped
from hlsgen.arith.steps import Steps
from hlsgen.emit.rtl.offsets import absorb_offsets
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.staircase import Staircase


def quantised(b: Builder, x: str, slope: Fraction, mode: Rounding) -> str:
    """A requantisation whose constants differ from channel to channel."""
    t = b.types[x]
    rows = tuple(
        affine_steps(t.min, t.max, slope, Fraction(k, 2), 0, 15, mode) for k in range(t.shape[1])
    )
    row = np.arange(t.shape[1]).reshape(1, -1, *[1] * (len(t.shape) - 2))
    how = realise(rows, t.format, IntFormat.of_range(0, 15), "affine")
    assert isinstance(how, Affine)
    return b.add(Staircase(rows, row, how), x)


def constants(graph: HwGraph) -> list[int]:
    """What requantisations still add."""
    return [
        abs(b) + (n.op.realisation.offset << n.op.realisation.shift)
        for n in graph.nodes
        if isinstance(n.op, Staircase) and isinstance(n.op.realisation, Affine)
        for b in n.op.realisation.b
    ]


@pytest.mark.parametrize("mode", [Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.FLOOR])
def test_powers_of_two_lose_their_constant(mode: Rounding) -> None:
    b = Builder("net", image=IntType.of((1, 3, 4, 4), 0, 15))
    y = quantised(b, b.add(conv(3, 5), "image"), Fraction(1, 32), mode)
    graph = b.graph(quantised(b, b.add(conv(5, 4), y), Fraction(1, 64), mode))
    moved = absorb_offsets(graph)
    assert any(constants(graph))
    assert not any(constants(moved))
    inputs = stimuli(graph, 200)
    assert differing(reference(moved, inputs), reference(graph, inputs)) == []
    for node in moved.nodes:  # types and rows agree with the operators again
        types = tuple(moved.types[v] for v in node.inputs)
        (made,) = node.op.infer(*types)
        assert (made.min, made.max) == (moved.types[node.output].min, moved.types[node.output].max)
        if isinstance(node.op, Staircase):
            assert min(r.lo for r in node.op.rows) <= types[0].min
            assert max(r.hi for r in node.op.rows) >= types[0].max
            n = np.arange(types[0].min, types[0].max + 1)
            for k, steps in enumerate(node.op.rows):
                mine = n[(n >= steps.lo) & (n <= steps.hi)]
                got = node.op.realisation.evaluate(np.full(mine.shape, k), mine)
                assert np.array_equal(got, steps.evaluate(mine))


def test_low_bits_of_a_line_lose_their_constant_too() -> None:
    b = Builder("net", x=IntType.of((1, 6), 0, 15))
    sums = b.add(matmul(6, 4), "x")
    t = b.types[sums]
    n = np.arange(t.min, t.max + 1)
    rows = tuple(Steps.from_codes(t.min, ((n + 8 + 16 * k >> 4) & 15) - 8) for k in range(4))
    how = realise(rows, t.format, IntFormat(4, True))
    assert isinstance(how, Wrapped)
    graph = b.graph(b.add(Staircase(rows, np.arange(4).reshape(1, 4), how), sums))
    moved = absorb_offsets(graph)
    (stair,) = (n.op for n in moved.nodes if isinstance(n.op, Staircase))
    assert isinstance(stair.realisation, Wrapped)
    assert not any(stair.realisation.rise.b)
    inputs = stimuli(graph, 500)
    assert differing(reference(moved, inputs), reference(graph, inputs)) == []


def test_what_others_read_stays() -> None:
    b = Builder("net", x=IntType.of((1, 6), 0, 15))
    sums = b.add(matmul(6, 4), "x", name="sums")
    y = quantised(b, sums, Fraction(1, 32), Rounding.HALF_UP)
    shown = b.graph(y, sums)
    assert absorb_offsets(shown).nodes == shown.nodes
    other = quantised(b, sums, Fraction(1, 16), Rounding.HALF_UP)
    twice = b.graph(y, other)
    assert absorb_offsets(twice).nodes == twice.nodes


def test_odd_factors_keep_what_they_do_not_divide() -> None:
    b = Builder("net", x=IntType.of((1, 6), 0, 15))
    y = quantised(b, b.add(matmul(6, 4), "x"), Fraction(5, 128), Rounding.HALF_EVEN)
    graph = b.graph(y)
    inputs = stimuli(graph, 300)
    assert differing(reference(absorb_offsets(graph), inputs), reference(graph, inputs)) == []
