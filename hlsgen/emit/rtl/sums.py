"""Sums and constant products as adders: the arithmetic of linear operators."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    terms = [t for wire, f in pairs for t in scaled(b, wire, f, how)]
    return total(b, terms, constant, products=how is not Arithmetic.SHIFT_ADD)


def matrix(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    how: Arithmetic,
) -> list[int]:  # fmt: skip
    """constants[j] + sum of columns[j][i] * x_i, for every j."""
    pairs = zip(columns, constants, strict=True)
    if how is not Arithmetic.SHIFT_ADD:
        return [weighted(b, wires, column, constant, how) for column, constant in pairs]
    weights = np.array(columns, dtype=object).T
    wires, weights, constants = _without_known(b, wires, weights, constants)
    if b.adders.operands == 3:
        return _with_constants(b, wires, weights, constants)
    return _added(b, wires, weights, constants)


def _without_known(
    b: Builder, wires: Sequence[int], weights: NDArray[Any], constants: Sequence[int]
) -> tuple[Sequence[int], NDArray[Any], Sequence[int]]:
    """Operands that never change join the constants: the search takes them for numbers that do."""
    values = [b.value(w) for w in wires]
    known = [k for k, v in enumerate(values) if v is not None]
    free = [k for k, v in enumerate(values) if v is None]
    moved = np.array([values[k] for k in known], dtype=object) @ weights[known]
    joined = [int(c + d) for c, d in zip(constants, moved, strict=True)] if known else constants
    return [wires[k] for k in free], weights[free], joined


def _with_constants(
    b: Builder, wires: Sequence[int], weights: NDArray[Any], constants: Sequence[int]
) -> list[int]:
    """Constants as inputs of the adder graph, each in a column of its own.

    As a third operand a constant costs a two-input adder nothing; the search finds where.
    """
    rows = [weights]
    ones = list(wires)
    for j, constant in enumerate(constants):
        if constant and weights[:, j].any():
            low = constant & -constant
            ones.append(b.literal(constant // low))
            rows.append(np.array([[low * (k == j) for k in range(len(constants))]], dtype=object))
    rest = [0 if weights[:, j].any() else c for j, c in enumerate(constants)]
    return _added(b, ones, np.concatenate(rows), rest)


def _added(
    b: Builder, wires: Sequence[int], weights: NDArray[Any], constants: Sequence[int]
) -> list[int]:
    """constants[j] + sum over i of x_i * weights[i, j] as one adder graph."""
    return [
        b.literal(constant) if term is None else b.sum([term], constant)
        for term, constant in zip(graph_terms(b, wires, weights), constants, strict=True)
    ]


def graph_terms(b: Builder, wires: Sequence[int], weights: NDArray[Any]) -> list[Term | None]:
    """The sums over i of x_i * weights[i, j] as an adder graph gives them; None for 0."""
    graph = adder_graph(field.to_int64(weights), [b.ranges[w] for w in wires], b.adders)
    nodes = list(wires)
    for adder in graph.adders:
        nodes.append(b.sum([Term(nodes[t.node], t.shift, t.negative) for t in adder]))
    return [None if t is None else Term(nodes[t.node], t.shift, t.negative) for t in graph.outputs]


def total(b: Builder, terms: Sequence[Term], constant: int = 0, *, products: bool = False) -> int:
    """constant + sum of the terms, as a balanced tree.

    Of the operands with the fewest adders behind them those with the lowest top bits meet first, so
    that widths grow late. -a - b is kept as -(a + b) until something positive turns up. `products`
    are added in pairs on every target: DSPs can take that over.
    """
    if constant:
        terms = [*terms, Term(b.literal(constant))]
    heap = [(0, _top(b, t), k, t) for k, t in enumerate(terms) if b.ranges[t.wire] != (0, 0)]
    heapq.heapify(heap)
    made = len(heap)
    most = 2 if products else b.adders.operands
    while len(heap) > 1:
        # An even count leaves one adder of two operands: the first, where it delays least.
        count = 2 if len(heap) % 2 == 0 else most
        group = [heapq.heappop(heap) for _ in range(count)]
        term = _group(b, [term for *_, term in group])
        level = 1 + max(entry[0] for entry in group)
        heapq.heappush(heap, (level, _top(b, term), made, term))
        made += 1
    return b.sum([heap[0][3]]) if heap else b.literal(0)


def _top(b: Builder, term: Term) -> int:
    lo, hi = b.ranges[term.wire]
    return max(abs(lo), abs(hi)).bit_length() + term.shift


def _group(b: Builder, group: Sequence[Term]) -> Term:
    """The sum of two or three terms as one term."""
    base = min(t.shift for t in group)
    flip = all(t.negative for t in group)
    terms = [Term(t.wire, t.shift - base, t.negative and not flip) for t in group]
    return Term(b.sum(terms), base, flip)
