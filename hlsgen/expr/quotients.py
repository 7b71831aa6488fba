"""Difference quotients: certified bounds of (f(y) - f(x)) / (y - x) for all x < y of an interval.

Where the bounds do not straddle 0 the function only rises, or only falls, there. Unlike bounds of a
derivative they hold for steps and kinks, too: rounding has quotients from 0 to infinity.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith import interval as iv
from hlsgen.arith.interval import Interval
from hlsgen.arith.rounding import Rounding
from hlsgen.expr.evaluate import function
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, args_of, nodes
from hlsgen.ops.model.elementwise import Fn

Values = Mapping[int, Interval]
_ONE = Interval.point(np.ones(()))
_ZERO = Interval.point(np.zeros(()))
_ANY = Interval(np.array(-np.inf), np.array(np.inf))
_RISING = Interval(np.array(0.0), np.array(np.inf))
_STEPPED = {Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC, Fn.SIGN}  # rise, by steps


def quotients(e: Expr, values: Values) -> Interval:
    """Bounds of the quotients of `e` with respect to its leaves.

    Shapes: those of `values`, which has the enclosure of `e` and of all its parts, by id, over
    the interval of the leaves.
    """
    done: dict[int, Interval | None] = {}  # None: constant, all quotients are 0
    for node in nodes(e):
        match node:
            case Leaf():
                done[id(node)] = _ONE
            case Apply(fn=fn, args=args):
                found = [done.get(id(a)) for a in args]
                if all(s is None for s in found):
                    done[id(node)] = None
                    continue
                own = values[id(node)]
                slope = _slope(fn, [values[id(a)] for a in args], own, found)
                done[id(node)] = _select(own.lo == own.hi, _ZERO, slope)
            case Count(arg=arg):
                inner = done.get(id(arg))
                own = values[id(node)]
                stepped = None if inner is None else _stepped(inner)
                done[id(node)] = stepped and _select(own.lo == own.hi, _ZERO, stepped)
            case Host():
                done[id(node)] = _ANY if any(done.get(id(a)) for a in args_of(node)) else None
            case _:
                done[id(node)] = None
    return done[id(e)] or _ZERO


def _slope(
    fn: Fn | Rounding, x: list[Interval], own: Interval, slopes: list[Interval | None]
) -> Interval:
    """The quotients of fn(x), given those of its arguments."""
    match fn, slopes:
        case Rounding(), (Interval() as a,):
            return _stepped(a)
        case Fn(), (Interval() as a,):
            return _unary(fn, x[0], own, a)
        case Fn.ADD | Fn.SUB | Fn.MUL | Fn.DIV, (a, b):
            return _arithmetic(fn, x, own, a, b)
        case Fn.MAX | Fn.MIN, (a, b):
            return _extreme(fn, x, a or _ZERO, b or _ZERO)
        case Fn.WHERE, (c, a, b):
            return _where(x[0], c is None, a or _ZERO, b or _ZERO)
        case Fn.POW, (Interval() as a, None):
            return iv.mul(_power(x[0], x[1]), a)
        case Fn.INT_DIV, (Interval() as a, None):
            return _stepped(iv.div(a, x[1]))
        case _:
            return _ANY  # truth values and remainders: unless they are constant, see above


def _unary(fn: Fn, x: Interval, own: Interval, a: Interval) -> Interval:  # noqa: C901 (one case each)
    if fn in _STEPPED:
        return _stepped(a)
    match fn:
        case Fn.NEG:
            return iv.neg(a)
        case Fn.ABS:
            sign = iv.sign(x)
            return iv.mul(Interval(sign.lo, sign.hi), a)
        case Fn.EXP:
            outer = own
        case Fn.LOG:
            outer = _where_positive(x, iv.div(_ONE, x))
        case Fn.SQRT:
            root = _rises(iv.div(_ONE, iv.mul(Interval.point(np.array(2.0)), own)))
            outer = _select(x.lo >= 0, root, _ANY)
        case Fn.TANH:
            outer = _rises(iv.sub(_ONE, _square(own)))
        case Fn.SIGMOID:
            outer = _rises(iv.mul(own, iv.sigmoid(iv.neg(x))))
        case Fn.SOFTPLUS:
            outer = iv.sigmoid(x)
        case Fn.ERF:
            bell = iv.exp(iv.neg(_square(x)))
            outer = iv.mul(Interval(*_TWO_OVER_ROOT_PI), bell)
        case _:
            outer = _ANY
    return iv.mul(outer, a)


_TWO_OVER_ROOT_PI = (
    np.array(2 / np.sqrt(np.pi) * (1 - iv.SLACK)),
    np.array(2 / np.sqrt(np.pi) * (1 + iv.SLACK)),
)


def _arithmetic(
    fn: Fn, x: list[Interval], own: Interval, a: Interval | None, b: Interval | None
) -> Interval:
    """f(y) g(y) - f(x) g(x) = (f(y) - f(x)) g(y) + f(x) (g(y) - g(x)), likewise for the others."""
    match fn:
        case Fn.ADD | Fn.SUB:
            b = b if b is None or fn is Fn.ADD else iv.neg(b)
            return _sum(a, b)
        case Fn.MUL:
            return _sum(a and iv.mul(a, x[1]), b and iv.mul(b, x[0]))
        case _:
            return iv.div(_sum(a, b and iv.neg(iv.mul(own, b))), x[1])


def _sum(a: Interval | None, b: Interval | None) -> Interval:
    if a is None or b is None:
        return a or b or _ZERO
    with np.errstate(all="ignore"):
        return iv.add(a, b)


def _extreme(fn: Fn, x: list[Interval], a: Interval, b: Interval) -> Interval:
    """The one that is taken, or either."""
    first, second = x[0].lo >= x[1].hi, x[1].lo >= x[0].hi
    if fn is Fn.MIN:
        first, second = second, first
    return _select(first, a, _select(second, b, _hull(a, b)))


def _where(c: Interval, fixed: bool, a: Interval, b: Interval) -> Interval:
    """The branch taken; a condition that may change is a jump of any height."""
    no, yes = (c.lo == 0) & (c.hi == 0), (c.lo > 0) | (c.hi < 0)
    return _select(no, b, _select(yes, a, _hull(a, b) if fixed else _ANY))


def _power(x: Interval, n: Interval) -> Interval:
    """The derivative n x^(n - 1) for a constant n: x^n is smooth where x > 0, or n whole."""
    less = iv.sub(n, _ONE)
    outer = iv.mul(n, function(Fn.POW, x, less))
    return _select((x.lo > 0) | ((n.lo == n.hi) & (n.lo == np.rint(n.lo))), outer, _ANY)


def _square(x: Interval) -> Interval:
    size = iv.absolute(x)
    return iv.mul(size, size)


def _rises(s: Interval) -> Interval:
    return Interval(np.maximum(s.lo, 0.0), s.hi)


def _stepped(s: Interval) -> Interval:
    return _select(s.lo >= 0, _RISING, _select(s.hi <= 0, iv.neg(_RISING), _ANY))


def _where_positive(x: Interval, s: Interval) -> Interval:
    return _select(x.lo > 0, s, _ANY)


def _hull(a: Interval, b: Interval) -> Interval:
    return Interval(np.minimum(a.lo, b.lo), np.maximum(a.hi, b.hi))


def _select(condition: NDArray[np.bool_], a: Interval, b: Interval) -> Interval:
    return Interval(np.where(condition, a.lo, b.lo), np.where(condition, a.hi, b.hi))
