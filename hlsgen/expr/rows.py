"""From an integer-valued expression of one hardware tensor to exact staircases, one per channel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.interval import Interval
from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.arith.staircase import Steps
from hlsgen.errors import Unsupported
from hlsgen.expr.constant import rationals
from hlsgen.expr.evaluate import enclose, evaluate
from hlsgen.expr.exact import exact_integer
from hlsgen.expr.fold import fractions as exact
from hlsgen.expr.tree import (
    Apply,
    Count,
    Expr,
    Leaf,
    Param,
    args_of,

    is_constant,
    nodes,
    with_args,
)
from hlsgen.ir.field import compress, field_of
from hlsgen.ir.hw import IntType
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
DENSE_LIMIT = 1 << 21  # inputs evaluated one by one; beyond that, by bisection
SEGMENT_LIMIT = 1 << 23


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


def _codes(values: Array) -> NDArray[np.int64]:
    """Equal values get equal small numbers."""
    if values.dtype == object:
        seen: dict[Any, int] = {}
        flat = [seen.setdefault(v, len(seen)) for v in values.flat]
        return np.array(flat, dtype=np.int64).reshape(values.shape)
    return np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)


def _threshold_codes(table: Array) -> NDArray[np.int64]:
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
                fields.append((id(node), f, _codes(f)))
            case Count(thresholds=table):
                t = table.reshape((1,) * (rank + 1 - table.ndim) + table.shape)
                fields.append((id(node), t, _threshold_codes(t)))
            case _:
                pass
    joint = np.broadcast_shapes((1,) * rank, *(c.shape for _, _, c in fields))
    key = np.zeros(joint, dtype=np.int64)
    for _, _, codes in fields:
        key = key * (int(codes.max()) + 1) + codes
        key = _codes(key)  # keeps the numbers small
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    params = {
        name: np.broadcast_to(f, joint + f.shape[len(joint) :]).reshape(-1, *f.shape[len(joint) :])[
            first
        ]
        for name, f, _ in fields
    }
    row = compress(inverse.reshape(joint).astype(np.int64))
    return Rows(row, params, *_row_bounds(row, len(first), x))


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
    done: dict[int, Expr] = {}

    def visit(node: Expr) -> Expr:
        if id(node) not in done:
            y = node
            if isinstance(node, (Apply, Count)):
                values = rationals(node) if is_constant(node) else None
                if values is not None:
                    y = Param(values, node.shape)
                elif not is_constant(node):
                    y = with_args(node, [visit(a) for a in args_of(node)])
            done[id(node)] = y
        return done[id(node)]

    return visit(e)


def steps_of(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """The exact staircase of every row of an integer-valued expression of one leaf."""
    state = _clamped_affine(e, rows)
    if state is not None and state.mode is not None:
        return state.steps(rows)
    return _general_steps(e, rows)


@dataclass(frozen=True, eq=False)
class _Affine:
    """clip(round(slope * n + offset), low, high) + shift, per row; no rounding yet if mode None."""

    slope: Array
    offset: Array
    low: Array | None = None
    high: Array | None = None
    mode: Rounding | None = None
    shift: Array | None = None

    def steps(self, rows: Rows) -> tuple[Steps, ...]:
        assert self.mode is not None
        count = len(rows)
        slope, offset = (np.broadcast_to(v, (count,)) for v in (self.slope, self.offset))
        low, high, shift = (
            None if v is None else np.broadcast_to(v, (count,))
            for v in (self.low, self.high, self.shift)
        )
        found: list[Steps] = []
        for r in range(count):
            found.append(
                _one(
                    rows.lo[r], rows.hi[r], slope[r], offset[r],
                    None if low is None else low[r], None if high is None else high[r],
                    0 if shift is None else int(shift[r]), self.mode,
                )
            )  # fmt: skip
        return tuple(found)


def _one(
    lo: int, hi: int, slope: Fraction, offset: Fraction, low: Any, high: Any, shift: int,
    mode: Rounding,
) -> Steps:  # fmt: skip
    ends = [round_fraction(slope * n + offset, mode) for n in (lo, hi)]
    qlo = min(ends) if low is None else int(low)
    qhi = max(ends) if high is None else int(high)
    try:
        steps = affine_steps(int(lo), int(hi), slope, offset, qlo, qhi, mode)
    except ValueError as error:
        raise Unsupported(f"a quantiser needs too many steps: {error}") from error
    return steps if shift == 0 else Steps(steps.lo, steps.hi, steps.first + shift, steps.t, steps.jump)


_MODES = {
    Fn.FLOOR: Rounding.FLOOR,
    Fn.CEIL: Rounding.CEIL,
    Fn.ROUND: Rounding.HALF_EVEN,
    Fn.TRUNC: Rounding.ZERO,
}


def _clamped_affine(e: Expr, rows: Rows) -> _Affine | None:
    """The expression as one clipped, rounded, rational affine function; None if it is not one."""
    match e:
        case Leaf():
            one = np.array([Fraction(1)], dtype=object)
            return _Affine(one, one * 0)
        case Apply(fn=fn, args=(a,)) if isinstance(fn, Rounding) or fn in _MODES:
            inner = _clamped_affine(a, rows)
            mode = fn if isinstance(fn, Rounding) else _MODES[fn]
            return None if inner is None else _rounded(inner, mode)
        case Apply(fn=Fn.INT_DIV, args=(a, Param() as b)):
            inner = _clamped_affine(a, rows)
            divided = None if inner is None else _combined(Fn.DIV, inner, exact(rows.params[id(b)]))
            return None if divided is None else _rounded(divided, Rounding.ZERO)
        case Apply(fn=Fn.NEG, args=(a,)):
            inner = _clamped_affine(a, rows)
            minus = np.array([Fraction(-1)], dtype=object)
            return None if inner is None else _combined(Fn.MUL, inner, minus)
        case Apply(fn=Fn.ADD | Fn.MUL | Fn.MAX | Fn.MIN as fn, args=(Param() as b, a)):
            inner = _clamped_affine(a, rows)
            return None if inner is None else _combined(fn, inner, exact(rows.params[id(b)]))
        case Apply(
            fn=Fn.ADD | Fn.SUB | Fn.MUL | Fn.DIV | Fn.MAX | Fn.MIN as fn, args=(a, Param() as b)
        ):
            inner = _clamped_affine(a, rows)
            return None if inner is None else _combined(fn, inner, exact(rows.params[id(b)]))
        case _:
            return None


def _rounded(s: _Affine, mode: Rounding) -> _Affine | None:
    if s.mode is not None:  # already whole
        return s
    limits = [
        None if v is None else np.array([Fraction(round_fraction(f, mode)) for f in v], dtype=object)
        for v in (s.low, s.high)
    ]
    return _Affine(s.slope, s.offset, limits[0], limits[1], mode)


def _combined(fn: Fn, s: _Affine, c: Array) -> _Affine | None:
    """One more constant operation around the state."""
    if s.mode is not None:
        return _behind_rounding(fn, s, c)
    match fn:
        case Fn.ADD | Fn.SUB:
            d = c if fn is Fn.ADD else -c
            return _Affine(s.slope, s.offset + d, _plus(s.low, d), _plus(s.high, d))
        case Fn.MUL | Fn.DIV:
            if fn is Fn.DIV and (c == 0).any():
                return None
            f = c if fn is Fn.MUL else 1 / c
            low, high = (None if v is None else v * f for v in (s.low, s.high))
            negative = f < 0
            if negative.all():
                low, high = high, low
            elif negative.any() and (low is not None or high is not None):
                return None
            return _Affine(s.slope * f, s.offset * f, low, high)
        case _:
            return _limited(fn, s, c)


def _plus(v: Array | None, d: Array) -> Array | None:
    return None if v is None else v + d


def _limited(fn: Fn, s: _Affine, c: Array) -> _Affine:
    """max or min with a constant, in the coordinates of the clip."""
    pick = np.maximum if fn is Fn.MAX else np.minimum
    low, high = (None if v is None else pick(v, c) for v in (s.low, s.high))
    if fn is Fn.MAX and low is None:
        low = c
    if fn is Fn.MIN and high is None:
        high = c
    return _Affine(s.slope, s.offset, low, high, s.mode, s.shift)


def _behind_rounding(fn: Fn, s: _Affine, c: Array) -> _Affine | None:
    if any(getattr(v, "denominator", 1) != 1 for v in c.flat):
        return None
    shift = np.array([0], dtype=object) if s.shift is None else s.shift
    match fn:
        case Fn.ADD:
            return _Affine(s.slope, s.offset, s.low, s.high, s.mode, shift + c)
        case Fn.SUB:
            return _Affine(s.slope, s.offset, s.low, s.high, s.mode, shift - c)
        case Fn.MAX | Fn.MIN:
            return _limited(fn, s, c - shift)
        case _:
            return None


def _general_steps(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """Any integer-valued expression: constant stretches are found by certified bisection."""
    if max(map(abs, (*rows.lo, *rows.hi))) >= 1 << 53:
        raise Unsupported("a non-linear function of integers beyond 53 bits")
    spans = (rows.hi - rows.lo + 1).astype(np.int64)
    if int(spans.sum()) <= DENSE_LIMIT:
        return _dense(e, rows, spans)
    return _bisected(e, rows)


def _dense(e: Expr, rows: Rows, spans: NDArray[np.int64]) -> tuple[Steps, ...]:
    r = np.repeat(np.arange(len(rows)), spans)
    starts = np.cumsum(spans) - spans
    n = np.arange(len(r)) - np.repeat(starts, spans) + rows.lo.astype(np.int64)[r]
    codes = _codes_at(e, rows, r, n)
    return tuple(
        Steps.from_codes(int(rows.lo[i]), codes[starts[i] : starts[i] + spans[i]])
        for i in range(len(rows))
    )


def _interval(e: Expr, rows: Rows, r: Array, lo: Array, hi: Array) -> Interval:
    enclosed: dict[int, Interval] = {}

    def lookup(node: Expr) -> Interval:
        if isinstance(node, Leaf):
            if hi is lo:
                return Interval.point(lo.astype(np.float64))
            return Interval(lo.astype(np.float64), hi.astype(np.float64))
        if id(node) not in enclosed:
            enclosed[id(node)] = enclose(rows.params[id(node)])
        p = enclosed[id(node)]
        return Interval.point(p.lo[r]) if p.is_point else Interval(p.lo[r], p.hi[r])

    y = evaluate(e, lookup)
    full = r.shape
    if y.is_point:
        return Interval.point(np.broadcast_to(y.lo, full))
    return Interval(np.broadcast_to(y.lo, full), np.broadcast_to(y.hi, full))


def _codes_at(e: Expr, rows: Rows, r: Array, n: Array) -> NDArray[np.int64]:
    """Codes at single inputs, exact: what float64 cannot decide is evaluated exactly."""
    y = _interval(e, rows, r, n, n)
    bad = ~(y.lo == y.hi) | ~np.isfinite(y.lo)
    codes = np.where(bad, 0, y.lo).astype(np.int64)
    for i in np.flatnonzero(bad).tolist():
        codes[i] = _exact_code(e, rows, int(r[i]), int(n[i]))
    return codes


def _exact_code(e: Expr, rows: Rows, r: int, n: int) -> int:
    def lookup(node: Expr) -> Any:
        if isinstance(node, Leaf):
            return n
        value = rows.params[id(node)][r]
        return value.item() if isinstance(value, np.generic) else value

    return exact_integer(e, lookup)


def _bisected(e: Expr, rows: Rows) -> tuple[Steps, ...]:
    """Split [lo, hi] of every row until each piece has one code; single inputs exactly."""
    r = np.arange(len(rows))
    a, b = rows.lo.astype(np.int64), rows.hi.astype(np.int64)
    done: list[tuple[Array, Array, Array]] = []
    found = 0
    while len(r):
        y = _interval(e, rows, r, a, b)
        flat = (y.lo == y.hi) & np.isfinite(y.lo)
        done.append((r[flat], a[flat], y.lo[flat].astype(np.int64)))
        single = ~flat & (a == b)
        if single.any():
            done.append((r[single], a[single], _codes_at(e, rows, r[single], a[single])))
        found += int(flat.sum() + single.sum())
        rest = ~flat & ~single
        if found + 2 * int(rest.sum()) > SEGMENT_LIMIT:
            raise Unsupported(f"a function with more than {SEGMENT_LIMIT} steps")
        r, a, b = r[rest], a[rest], b[rest]
        middle = (a + b) >> 1
        r, a, b = np.tile(r, 2), np.concatenate([a, middle + 1]), np.concatenate([middle, b])
    return _joined(rows, done)


def _joined(rows: Rows, done: list[tuple[Array, Array, Array]]) -> tuple[Steps, ...]:
    r, start, code = (np.concatenate(part) for part in zip(*done, strict=True))
    order = np.lexsort((start, r))
    r, start, code = r[order], start[order], code[order]
    edges = np.searchsorted(r, np.arange(len(rows) + 1))
    result: list[Steps] = []
    for i in range(len(rows)):
        s, c = start[edges[i] : edges[i + 1]], code[edges[i] : edges[i + 1]]
        jump = np.diff(c)
        at = np.flatnonzero(jump)
        result.append(Steps(int(rows.lo[i]), int(rows.hi[i]), int(c[0]), s[at + 1], jump[at]))
    return tuple(result)
