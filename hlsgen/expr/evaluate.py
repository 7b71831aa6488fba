"""Certified evaluation of expressions: intervals in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith import interval as iv
from hlsgen.arith.interval import Interval
from hlsgen.arith.rounding import Rounding
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source, args_of
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
_EXACT = 1 << 53  # integers up to here are float64 numbers
_LARGEST = float(np.finfo(np.float64).max)


def enclose(values: Array) -> Interval:
    """Exact numbers (int64, float64, Fractions) as the tightest float64 intervals."""
    if values.dtype.kind == "f":
        return Interval.point(values)
    if values.dtype != object:
        wide = values.size and max(-int(values.min()), int(values.max())) > _EXACT
        if not wide:
            return Interval.point(values.astype(np.float64))
        values = values.astype(object)
    middle = np.array([_nearest(v) for v in values.flat], dtype=np.float64).reshape(values.shape)
    error = np.array(
        [_above(v, m) for v, m in zip(values.flat, middle.ravel().tolist(), strict=True)],
        dtype=np.int64,
    ).reshape(values.shape)
    if not error.any():
        return Interval.point(middle)
    lo = np.where(error < 0, np.nextafter(middle, -np.inf), middle)
    return Interval(lo, np.where(error > 0, np.nextafter(middle, np.inf), middle))


def _nearest(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return _LARGEST if value > 0 else -_LARGEST


def _above(value: Any, nearest: float) -> int:
    """Sign of value - nearest."""
    exact, near = Fraction(value), Fraction(nearest)
    return (exact > near) - (exact < near)


def evaluate(
    e: Expr, lookup: Callable[[Expr], Interval], known: Mapping[int, Interval] | None = None
) -> Interval:
    """Enclosure of `e`.

    `lookup` gives the enclosures of leaves, sources, parameters and host operators, and for a
    Count node that of its thresholds (K as the last axis); `known` those of whole parts, by id.
    """
    return evaluate_all(e, lookup, known)[id(e)]


def evaluate_all(
    e: Expr, lookup: Callable[[Expr], Interval], known: Mapping[int, Interval] | None = None
) -> dict[int, Interval]:
    """Enclosures of `e` and all its parts, by id."""
    done: dict[int, Interval] = dict(known or {})
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:  # depth first without recursion: chains can be long
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if not ready and not isinstance(node, Host):
            stack.append((node, True))
            stack.extend((a, False) for a in args_of(node))
            continue
        match node:
            case Leaf() | Source() | Param() | Host():
                done[id(node)] = lookup(node)
            case Apply(fn=fn, args=args):
                done[id(node)] = function(fn, *(done[id(a)] for a in args))
            case Count(arg=arg):
                done[id(node)] = _count(done[id(arg)], lookup(node))
    return done


def _count(x: Interval, thresholds: Interval) -> Interval:
    """Thresholds certainly reached, and those possibly reached."""
    least = (thresholds.hi <= x.lo[..., None]).sum(axis=-1).astype(np.float64)
    if x.is_point and thresholds.is_point:
        return Interval.point(least)
    return Interval(least, (thresholds.lo <= x.hi[..., None]).sum(axis=-1).astype(np.float64))


_ONE = Interval.point(np.ones(()))


def _mod(a: Interval, b: Interval) -> Interval:
    return iv.sub(a, iv.mul(b, iv.rounded(iv.div(a, b), Rounding.FLOOR)))


def _pow(a: Interval, b: Interval) -> Interval:
    """a**b: whole exponents and halves one by one, all others through exp and log."""
    if not b.is_point:
        return iv.exp(iv.mul(b, iv.log(a)))
    exponents = np.unique(b.lo)
    if exponents.size == 1:
        return _power(a, float(exponents[0]))
    shape = np.broadcast_shapes(a.lo.shape, b.lo.shape)
    lo, hi = np.empty(shape), np.empty(shape)
    for n in exponents:
        y = _power(a, float(n))
        here = np.broadcast_to(b.lo == n, shape)
        lo[here] = np.broadcast_to(y.lo, shape)[here]
        hi[here] = np.broadcast_to(y.hi, shape)[here]
    return Interval(lo, hi)


def _power(a: Interval, n: float) -> Interval:
    if n in (0.5, -0.5):
        root = iv.sqrt(a)
        return root if n > 0 else iv.div(_ONE, root)
    if n.is_integer() and abs(n) <= 64:
        power = _whole_power(a, abs(int(n)))
        return power if n >= 0 else iv.div(_ONE, power)
    return iv.exp(iv.mul(Interval.point(np.asarray(n)), iv.log(a)))


def _whole_power(a: Interval, n: int) -> Interval:
    if n == 0:
        return Interval.point(np.ones_like(a.lo))
    base = a if n % 2 else iv.absolute(a)  # even powers: no sign, hence monotone
    result = base
    for _ in range(n - 1):
        result = iv.mul(result, base)
    return result


_ROUNDINGS = {
    Fn.FLOOR: Rounding.FLOOR,
    Fn.CEIL: Rounding.CEIL,
    Fn.ROUND: Rounding.HALF_EVEN,
    Fn.TRUNC: Rounding.ZERO,
}
_UNARY: dict[Fn, Callable[[Interval], Interval]] = {
    Fn.NOT: lambda a: iv.sub(_ONE, _true(a)),
    Fn.NEG: iv.neg,
    Fn.ABS: iv.absolute,
    Fn.SIGN: iv.sign,
    Fn.SQRT: iv.sqrt,
    Fn.EXP: iv.exp,
    Fn.LOG: iv.log,
    Fn.ERF: iv.erf,
    Fn.SIGMOID: iv.sigmoid,
    Fn.TANH: iv.tanh,
    Fn.SOFTPLUS: iv.softplus,
}
_BINARY: dict[Fn, Callable[[Interval, Interval], Interval]] = {
    Fn.ADD: iv.add,
    Fn.SUB: iv.sub,
    Fn.MUL: iv.mul,
    Fn.DIV: iv.div,
    Fn.INT_DIV: lambda a, b: iv.rounded(iv.div(a, b), Rounding.ZERO),
    Fn.MOD: _mod,
    Fn.POW: _pow,
    Fn.MAX: iv.maximum,
    Fn.MIN: iv.minimum,
    Fn.EQUAL: iv.equal,
    Fn.LESS: lambda a, b: iv.greater(b, a),
    Fn.LESS_EQUAL: lambda a, b: iv.greater_equal(b, a),
    Fn.GREATER: iv.greater,
    Fn.GREATER_EQUAL: iv.greater_equal,
    Fn.AND: lambda a, b: iv.minimum(_true(a), _true(b)),
    Fn.OR: lambda a, b: iv.maximum(_true(a), _true(b)),
    Fn.XOR: lambda a, b: iv.absolute(iv.sub(_true(a), _true(b))),
}


def _true(a: Interval) -> Interval:
    """1 where a is not zero."""
    return iv.sub(_ONE, iv.equal(a, Interval.point(np.zeros(()))))


def function(fn: Fn | Rounding, *args: Interval) -> Interval:
    """Enclosure of one function of enclosures."""
    if isinstance(fn, Rounding):
        return iv.rounded(args[0], fn)
    match args:
        case (a,):
            return iv.rounded(a, _ROUNDINGS[fn]) if fn in _ROUNDINGS else _UNARY[fn](a)
        case (a, b):
            return _BINARY[fn](a, b)
        case _:
            return iv.where(_true(args[0]), args[1], args[2])
