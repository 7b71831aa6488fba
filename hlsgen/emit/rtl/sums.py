"""Sums and constant products as adders: the arithmetic of linear operators."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from hlsgen.arith.signed_digit import csd_digits
from hlsgen.emit.arithmetic import MULTIPLIED, Arithmetic, adder_graph
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.ir import field

_MULTIPLIED = (*MULTIPLIED, Arithmetic.DSP_PACKED)


def scaled(b: Builder, wire: int, factor: int, how: Arithmetic) -> list[Term]:
    """factor * x as terms of a sum; a power of two is a shift in every arithmetic.

    Tool, DSPs and LUTs write the same `*`, without an attribute: the synthesis tool decides. All
    others take one shifted copy of the operand for each signed digit of the factor.
    """
    digits = csd_digits(int(factor))
    if how not in _MULTIPLIED or len(digits) <= 1:
        return [Term(wire, shift, sign < 0) for sign, shift in digits]
    size, shift = abs(int(factor)), digits[0][1]
    return [Term(b.times(wire, size >> shift), shift, factor < 0)]


def weighted(
    b: Builder, wires: Sequence[int], factors: Sequence[int], constant: int, how: Arithmetic
) -> int:
    """constant + sum of factors[i] * x_i."""
    pairs = zip(wires, factors, strict=True)
    return total(b, [t for wire, f in pairs for t in scaled(b, wire, f, how)], constant)


def matrix(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    how: Arithmetic,
) -> list[int]:  # fmt: skip
    """constants[j] + sum of columns[j][i] * x_i, for every j."""
    pairs = zip(columns, constants, strict=True)
    if how is not Arithmetic.SHIFT_ADD:
        return [weighted(b, wires, column, constant, how) for column, constant in pairs]
    weights = np.array(columns, dtype=object).T
    graph = adder_graph(field.to_int64(weights), [b.ranges[w] for w in wires])
    nodes = list(wires)
    for adder in graph.adders:
        nodes.append(b.sum([Term(nodes[t.node], t.shift, t.negative) for t in adder]))
    return [
        b.literal(constant)
        if t is None
        else b.sum([Term(nodes[t.node], t.shift, t.negative)], constant)
        for t, constant in zip(graph.outputs, constants, strict=True)
    ]


def total(b: Builder, terms: Sequence[Term], constant: int = 0) -> int:
    """constant + sum of the terms, as a balanced tree.

    Of the operands with the fewest adders behind them the two with the lowest top bits meet first,
    so that widths grow late. -a - b is kept as -(a + b) until something positive turns up.
    """
    if constant:
        terms = [*terms, Term(b.literal(constant))]
    heap = [(0, _top(b, t), k, t) for k, t in enumerate(terms) if b.ranges[t.wire] != (0, 0)]
    heapq.heapify(heap)
    made = len(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        term = _pair(b, first[3], second[3])
        level = 1 + max(first[0], second[0])
        heapq.heappush(heap, (level, _top(b, term), made, term))
        made += 1
    return b.sum([heap[0][3]]) if heap else b.literal(0)


def _top(b: Builder, term: Term) -> int:
    lo, hi = b.ranges[term.wire]
    return max(abs(lo), abs(hi)).bit_length() + term.shift


def _pair(b: Builder, p: Term, q: Term) -> Term:
    """p + q as one term."""
    base = min(p.shift, q.shift)
    both = p.negative and q.negative
    terms = [Term(t.wire, t.shift - base, t.negative and not both) for t in (p, q)]
    return Term(b.sum(terms), base, both)
