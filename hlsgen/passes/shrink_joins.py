"""Joins of two tensors with the smallest constants that still round every pair right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.realise import prove
from hlsgen.arith.signed_digit import least_weight
from hlsgen.arith.slope import fit_affine
from hlsgen.arith.staircase import Affine
from hlsgen.arith.steps import Steps
from hlsgen.ir import field as fields
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.staircase import Staircase

IntArray = NDArray[Any]
NARROW = 1 << 12  # the narrower operand is enumerated up to this many values
POINTS = 1 << 22  # and so are its steps
ROWS = 256  # distinct functions of one join
LARGEST_SHIFT = 40


def shrink_joins(graph: HwGraph) -> HwGraph:
    """Replace factors of a two-tensor sum by smaller ones, where a staircase rounds the sum.

    1. A sum f1*a + f2*b that only one staircase reads may carry any factors m1, m2 with which the
       staircase clip((m1*a + m2*b + c) >> n) returns the same code for every pair (a, b).
    2. n is raised from below; m1, m2 are the nearest integers to the exact ratios times 2**n; c is
       taken from the interval that all steps of all rows of pairs leave open (staircases.md, 4.1).
    3. The proof is the enumeration itself: for every value of the narrower operand, both sides of
       every step and both ends of the wider one.
    4. Nothing changes where no smaller constants are found within the limits of this file.
    """
    nodes = list(graph.nodes)
    types = dict(graph.types)
    for i, node in enumerate(nodes):
        match node.op:
            case Linear(factors=(_, _)) if node.output not in graph.outputs:
                _try(graph, nodes, types, i)
            case _:
                continue
    return replace(graph, nodes=tuple(nodes), types=types)


def _try(graph: HwGraph, nodes: list[Node[HwOp]], types: dict[str, IntType], index: int) -> None:
    join = nodes[index]
    readers = graph.consumers.get(join.output, ())
    if len(readers) != 1 or not isinstance(readers[0].op, Staircase):
        return
    place = next(i for i, node in enumerate(nodes) if node is readers[0])
    operands = tuple(types[name] for name in join.inputs)
    assert isinstance(join.op, Linear)
    found = _shrunk(join.op, readers[0].op, operands)
    if found is None:
        return
    linear, staircase = found
    nodes[index] = replace(join, op=linear)
    nodes[place] = replace(readers[0], op=staircase)
    (types[join.output],) = linear.infer(*operands)


@dataclass(frozen=True, eq=False)
class _Row:
    """One function of a pair: code = steps(f1*a + f2*b + bias), f1 > 0; `flip` if a is negated."""

    steps: Steps
    f1: int
    f2: int
    bias: int


def _shrunk(
    join: Linear, stairs: Staircase, operands: tuple[IntType, ...]
) -> tuple[Linear, Staircase] | None:
    spans = [t.max - t.min + 1 for t in operands]
    narrow = 0 if spans[0] < spans[1] else 1
    how = stairs.realisation
    if spans[narrow] > NARROW or any(s.monotone != 1 for s in stairs.rows):
        return None
    if isinstance(how, Affine) and how.tie is not None:
        return None  # ties: small factors already, or none exist
    wide = 1 - narrow
    rows, place = _rows(join, stairs, wide)
    if rows is None or len(rows) > ROWS:
        return None
    if max(len(r.steps.t) for r in rows) * spans[narrow] > POINTS:
        return None
    fitted = _fit(rows, operands[wide], operands[narrow])
    if fitted is None:
        return None
    factors, offsets, shift = fitted
    old = sum(int(np.abs(f).max()).bit_length() for f in join.factors)
    new = sum(max(abs(m[k]) for m in factors).bit_length() for k in range(2))
    if new + 2 > old:
        return None
    return _rebuilt(stairs, operands, wide, place, factors, offsets, shift)


def _rows(
    join: Linear, stairs: Staircase, wide: int
) -> tuple[list[_Row] | None, NDArray[np.int64]]:
    """Distinct combinations of factors, bias and staircase, and which one an element meets."""
    parts = [join.factors[wide], join.factors[1 - wide], join.bias, stairs.row]
    shape = np.broadcast_shapes(*(p.shape for p in parts))
    spread = [np.broadcast_to(p, shape).ravel() for p in parts]
    seen: dict[tuple[int, ...], int] = {}
    index = np.empty(spread[0].size, dtype=np.int64)
    for i, key in enumerate(zip(*spread, strict=True)):
        index[i] = seen.setdefault(tuple(int(v) for v in key), len(seen))
    place = fields.compress(index.reshape(shape))
    if any(f1 <= 0 or f2 == 0 for f1, f2, _, _ in seen):
        return None, place
    return [_Row(stairs.rows[r], f1, f2, bias) for f1, f2, bias, r in seen], place


@dataclass(frozen=True, eq=False)
class _Points:
    """m1*a + m2*b + c must be >= k * 2**n at `below`, and < k * 2**n at `above`: (a, b, k) each."""

    below: tuple[IntArray, IntArray, IntArray]
    above: tuple[IntArray, IntArray, IntArray]

    def interval(self, m1: int, m2: int, shift: int) -> tuple[int, int]:
        """The offsets c that satisfy all points: lo <= c < hi."""
        a, b, k = self.below
        lo = int(((k << shift) - m1 * a - m2 * b).max()) if a.size else -(1 << 62)
        a, b, k = self.above
        hi = int(((k << shift) - m1 * a - m2 * b).min()) if a.size else 1 << 62
        return lo, hi


def _points(row: _Row, x: IntType, y: IntType, lowest: int, highest: int) -> _Points:
    b = np.arange(y.min, y.max + 1, dtype=np.int64)[:, None]
    codes = row.steps.codes
    target = row.steps.t.astype(np.int64)[None, :] - row.f2 * b - row.bias
    t = -((-target) // row.f1)  # least a with f1 * a >= target
    before = (t <= x.min).sum(axis=1)  # steps that lie below the range of a
    upto = (t <= x.max).sum(axis=1)
    live = (t > x.min) & (t <= x.max)
    wide_b = np.broadcast_to(b, t.shape)
    after = np.broadcast_to(codes[None, 1:], t.shape)
    prior = np.broadcast_to(codes[None, :-1] + 1, t.shape)
    flat = b[:, 0]
    first, last = codes[before], codes[upto]
    low, high = first > lowest, last < highest
    return _Points(
        (
            np.concatenate([t[live], np.full(int(low.sum()), x.min)]),
            np.concatenate([wide_b[live], flat[low]]),
            np.concatenate([after[live], first[low]]),
        ),
        (
            np.concatenate([t[live] - 1, np.full(int(high.sum()), x.max)]),
            np.concatenate([wide_b[live], flat[high]]),
            np.concatenate([prior[live], last[high] + 1]),
        ),
    )


def _fit(
    rows: Sequence[_Row], x: IntType, y: IntType
) -> tuple[list[tuple[int, int]], list[int], int] | None:
    """Factors and offset of every row at the least shift that serves them all."""
    lowest = min(r.steps.min_code for r in rows)
    highest = max(r.steps.max_code for r in rows)
    if any(abs(int(v)) >= 1 << 61 for r in rows for v in (r.steps.lo, r.steps.hi)):
        return None
    points = [_points(r, x, y, lowest, highest) for r in rows]
    slopes = [_slope(r.steps) for r in rows]
    if any(s is None for s in slopes):
        return None
    for shift in range(LARGEST_SHIFT):
        factors: list[tuple[int, int]] = []
        offsets: list[int] = []
        for row, p, slope in zip(rows, points, slopes, strict=True):
            assert slope is not None
            m1, m2 = (round(f * slope * 2**shift) for f in (row.f1, row.f2))
            lo, hi = p.interval(m1, m2, shift)
            if lo >= hi or m1 <= 0:
                break
            factors.append((m1, m2))
            offsets.append(least_weight(lo, hi - 1))
        else:
            return factors, offsets, shift
    return None


def _slope(steps: Steps) -> Fraction | None:
    """Codes per unit of the sum, as near as the steps tell: the middle of what they allow."""
    if len(steps.t) < 2:
        return None
    form = fit_affine([steps], steps.min_code, steps.max_code)
    return None if form is None else Fraction(form.m[0], 1 << form.shift)


def _rebuilt(
    stairs: Staircase, operands: tuple[IntType, ...], wide: int, place: NDArray[np.int64],
    factors: list[tuple[int, int]], offsets: list[int], shift: int,
) -> tuple[Linear, Staircase]:  # fmt: skip
    columns = [np.array([m[k] for m in factors], dtype=np.int64)[place] for k in range(2)]
    if wide == 1:
        columns.reverse()
    linear = Linear(tuple(map(fields.compress, columns)), np.zeros((1,) * place.ndim, np.int64))
    (sums,) = linear.infer(*operands)
    lowest = min(s.min_code for s in stairs.rows)
    highest = max(s.max_code for s in stairs.rows)
    rows = tuple(_steps(c, shift, sums, lowest, highest) for c in offsets)
    count = len(rows)
    form = Affine(
        (1,) * count, tuple(offsets), shift, lowest, highest, (sums.min,) * count,
        (sums.max,) * count,
    )  # fmt: skip
    prove(rows, form)
    return linear, Staircase(rows, place, form)


def _steps(c: int, shift: int, sums: IntType, lowest: int, highest: int) -> Steps:
    """clip((n + c) >> shift, lowest, highest) for every sum n."""
    first = min(max((sums.min + c) >> shift, lowest), highest)
    last = min(max((sums.max + c) >> shift, lowest), highest)
    k = np.arange(first + 1, last + 1, dtype=np.int64)
    t = (k << shift) - c
    return Steps(sums.min, sums.max, first, t, np.ones(len(t), dtype=np.int64))
