"""The distinct parameter sets of an expression: one row each, and its values on rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.interval import Interval
from hlsgen.expr.constant import number, rationals
from hlsgen.expr.evaluate import enclose, evaluate, evaluate_all
from hlsgen.expr.exact import Lookup, exact_integer
from hlsgen.expr.quotients import quotients
from hlsgen.expr.tree import (
    Apply,
    Count,
    Expr,
    Leaf,
    Param,
    args_of,
    is_constant,
    nodes,
    rewrite,
    with_args,
)
from hlsgen.ir.field import compress, field_of
from hlsgen.ir.hw import IntType

Array = NDArray[Any]
_EXACT = 1 << 53


@dataclass(frozen=True, eq=False)
class Rows:
    """The distinct parameter sets of an expression.

    Shapes: `row` is a field of the tensor; `params[id(node)]` has one entry (or row of
    thresholds) per distinct set; `lo`, `hi` bound the leaf over all elements of a row.
    """

    row: NDArray[np.int64]
    params: dict[int, Array]
    lo: Array
    hi: Array

    def __len__(self) -> int:
        return len(self.lo)

    @cached_property
    def wide(self) -> bool:
        """Whether inputs need more than 61 bits: Python ints then."""
        return bool(max(-self.lo.min(), self.hi.max()) >= 1 << 61)

    def ends(self) -> tuple[Array, Array]:
        """`lo` and `hi` as numbers to calculate with."""
        if self.wide:
            return self.lo, self.hi
        return self.lo.astype(np.int64), self.hi.astype(np.int64)

    def part(self, which: slice | Array) -> Rows:
        """Some of the rows; `row` stays that of all."""
        params = {name: values[which] for name, values in self.params.items()}
        return Rows(self.row, params, self.lo[which], self.hi[which])


def _numbered(values: Array) -> NDArray[np.int64]:
    """Equal values get equal small numbers."""
    if values.dtype == object:
        seen: dict[Any, int] = {}
        flat = [seen.setdefault(v, len(seen)) for v in values.flat]
        return np.array(flat, dtype=np.int64).reshape(values.shape)
    if values.size == 1:
        return np.zeros(values.shape, np.int64)
    return np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)


def _numbered_rows(table: Array) -> NDArray[np.int64]:
    flat = table.reshape(-1, table.shape[-1])
    seen: dict[Any, int] = {}
    found = [seen.setdefault(tuple(r), len(seen)) for r in flat.tolist()]
    return np.array(found, dtype=np.int64).reshape(table.shape[:-1])


def rows_of(e: Expr, x: IntType) -> Rows:
    """Group the elements of the tensor by the parameters that they meet in `e`."""
    rank = len(x.shape)
    fields: list[tuple[int, Array, NDArray[np.int64]]] = []
    for node in nodes(e):
        match node:
            case Param(values=values):
                f = field_of(values, rank)
                fields.append((id(node), f, _numbered(f)))
            case Count(thresholds=table):
                t = table.reshape((1,) * (rank + 1 - table.ndim) + table.shape)
                fields.append((id(node), t, _numbered_rows(t)))
            case _:
                pass
    joint = np.broadcast_shapes((1,) * rank, *(c.shape for _, _, c in fields))
    key = np.zeros(joint, dtype=np.int64)
    for _, _, numbers in fields:
        if numbers.size > 1:
            key = _numbered(key * (int(numbers.max()) + 1) + numbers)  # keeps the numbers small
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    params = {name: _picked(f, joint, first) for name, f, _ in fields}
    row = compress(inverse.reshape(joint).astype(np.int64))
    return Rows(row, params, *_row_bounds(row, len(first), x))


def _picked(f: Array, joint: tuple[int, ...], first: Array) -> Array:
    """The entries of a field (or rows of a table) at places of its broadcast shape."""
    rest = f.shape[len(joint) :]
    return np.broadcast_to(f, joint + rest).reshape(-1, *rest)[first]


def _row_bounds(row: Array, count: int, x: IntType) -> tuple[Array, Array]:
    if count == 1:
        return np.array([x.min], dtype=object), np.array([x.max], dtype=object)
    shape = np.broadcast_shapes(row.shape, x.lo.shape, x.hi.shape)
    where = np.broadcast_to(row, shape).ravel()
    order = np.argsort(where, kind="stable")
    starts = np.searchsorted(where[order], np.arange(count))
    lo = np.minimum.reduceat(np.broadcast_to(x.lo, shape).ravel()[order], starts)
    hi = np.maximum.reduceat(np.broadcast_to(x.hi, shape).ravel()[order], starts)
    return lo.astype(object), hi.astype(object)


def folded(e: Expr) -> Expr:
    """The expression with its rational constant parts as parameters."""

    def stop(node: Expr) -> Expr | None:
        if not is_constant(node):
            return None
        values = None if isinstance(node, Param) else rationals(node)
        return node if values is None else Param(values, node.shape)

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        return with_args(node, args)

    return rewrite(e, change, stop)


class RowValues:
    """An expression of one leaf, evaluated for (row, leaf) pairs: certified, or exact at points."""

    def __init__(self, e: Expr, rows: Rows, watch: Expr | None = None) -> None:
        self.e, self.rows, self.watch = e, rows, watch
        self._known = {id(node): constant_on(node, rows) for node in _constant_parts(e)}
        self._tables = {
            id(n): enclose(rows.params[id(n)]) for n in nodes(e) if isinstance(n, Count)
        }

    def interval(self, r: Array, lo: Array, hi: Array) -> tuple[Interval, Interval]:
        """Enclosures of the value and of the watched part over leaves [lo, hi] of rows `r`."""
        done = self.parts(r, lo, hi)
        watched = done[id(self.e if self.watch is None else self.watch)]
        return _full(done[id(self.e)], r.shape), _full(watched, r.shape)

    def direction(self, r: Array, lo: Array, hi: Array) -> tuple[Interval, Array]:
        """Enclosures of the value, and where it certainly rises only or falls only."""
        done = self.parts(r, lo, hi)
        slope = quotients(self.e, done)
        certain = (slope.lo >= 0) | (slope.hi <= 0)
        return _full(done[id(self.e)], r.shape), np.broadcast_to(certain, r.shape)

    def parts(self, r: Array, lo: Array, hi: Array) -> dict[int, Interval]:
        """Enclosures of the expression and all its parts, by id."""

        def lookup(node: Expr) -> Interval:
            if isinstance(node, Leaf):
                return enclose(lo) if hi is lo else Interval(enclose(lo).lo, enclose(hi).hi)
            return _gathered(self._tables[id(node)], r)

        known = {name: _gathered(p, r) for name, p in self._known.items()}
        return evaluate_all(self.e, lookup, known)

    def codes(self, r: Array, n: Array) -> Array:
        """Integers at single inputs: what float64 cannot decide is evaluated exactly."""
        return self.codes_and_watched(r, n)[0]

    def codes_and_watched(self, r: Array, n: Array) -> tuple[Array, Array]:
        """Integers at single inputs, and about where the watched part is there."""
        y, watched = self.interval(r, n, n)
        unsure = ~(y.lo == y.hi) | ~(np.abs(y.lo) < _EXACT)
        codes: Array = np.where(unsure, 0, y.lo).astype(np.int64)
        exact = {i: self.exact(int(r[i]), int(n[i])) for i in np.flatnonzero(unsure).tolist()}
        if any(abs(v) >= 1 << 62 for v in exact.values()):
            codes = codes.astype(object)
        for i, value in exact.items():
            codes[i] = value
        with np.errstate(invalid="ignore"):
            return codes, watched.lo / 2 + watched.hi / 2

    def exact(self, r: int, n: int) -> int:
        """The integer at one input of one row."""
        return exact_integer(self.e, self.lookup(r, n))

    def lookup(self, r: int, n: int) -> Lookup:
        """The numbers at one input of one row."""
        return lookup_on(self.rows, r, n)


def lookup_on(rows: Rows, r: int, n: int | None = None) -> Lookup:
    """The numbers of one row; those of the leaf too where `n` is given."""

    def known(node: Expr) -> Any:
        return n if isinstance(node, Leaf) else number(rows.params[id(node)][r])

    return known


def constant_on(e: Expr, rows: Rows) -> Interval:
    """A constant part on every row."""
    y = evaluate(e, lambda node: enclose(rows.params[id(node)]))
    return _full(y, (len(rows),))


def _constant_parts(e: Expr) -> list[Expr]:
    """The largest parts of `e` that are constant."""
    if is_constant(e):
        return [e]
    return [
        a
        for node in nodes(e)
        if not is_constant(node)
        for a in args_of(node)
        if isinstance(a, (Param, Apply)) and is_constant(a)
    ]


def _gathered(p: Interval, r: Array) -> Interval:
    if len(p.lo) == 1:
        return p
    return Interval.point(p.lo[r]) if p.is_point else Interval(p.lo[r], p.hi[r])


def _full(y: Interval, shape: tuple[int, ...]) -> Interval:
    if y.is_point:
        return Interval.point(np.broadcast_to(y.lo, shape))
    return Interval(np.broadcast_to(y.lo, shape), np.broadcast_to(y.hi, shape))
