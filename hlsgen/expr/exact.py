"""The value of an expression at one point, as exactly as it takes to decide how it rounds.

Rational expressions are evaluated in Fractions. Others are enclosed by intervals of 80, 160, 320
and 640 bits until the final integer is certain; what is not certain then is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

from mpmath import iv, mp, mpf  # pyright: ignore[reportMissingTypeStubs]

from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.errors import ModelError, Unsupported
from hlsgen.expr.tree import Apply, Count, Expr, Host, args_of
from hlsgen.ops.model.elementwise import Fn

Number = Any  # Fraction, or an mpmath interval at the working precision
PRECISIONS = (80, 160, 320, 640)


class Undecided(Exception):
    """An interval straddles a rounding boundary at this precision."""


def exact_integer(e: Expr, lookup: Callable[[Expr], Any]) -> int:
    """The integer value of an integer-valued expression; `lookup` gives exact inputs.

    For a Count node `lookup` gives the sequence of its thresholds.
    """
    for bits in PRECISIONS:
        iv.prec = bits
        try:
            return _integer(_value(e, lookup, {}))
        except Undecided:
            continue
    raise Unsupported(
        f"a value lies so close to a rounding boundary that {PRECISIONS[-1]} bits do not decide it"
    )


def exact_rational(e: Expr, lookup: Callable[[Expr], Any]) -> Fraction | None:
    """The value as a Fraction, None if it is irrational (or not known to be rational)."""
    iv.prec = PRECISIONS[0]
    try:
        value = _value(e, lookup, {})
    except Undecided:
        return None
    return value if isinstance(value, Fraction) else None


def _value(e: Expr, lookup: Callable[[Expr], Any], done: dict[int, Number]) -> Number:
    for node in _post_order(e):
        if id(node) in done:
            continue
        match node:
            case Apply(fn=fn, args=args):
                done[id(node)] = _apply(fn, [done[id(a)] for a in args])
            case Count(arg=arg):
                x = done[id(arg)]
                done[id(node)] = Fraction(
                    sum(_at_least(x, Fraction(t)) for t in lookup(node))
                )
            case _:
                done[id(node)] = Fraction(lookup(node))
    return done[id(e)]


def _post_order(e: Expr) -> list[Expr]:
    order: list[Expr] = []
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            if not isinstance(node, Host):
                stack.extend((a, False) for a in args_of(node))
    return order


def _integer(value: Number) -> int:
    if isinstance(value, Fraction):
        if value.denominator != 1:
            raise Unsupported("an integer was expected here")
        return int(value)
    low, high = _ends(value)
    if low != high:
        raise Undecided
    return int(low)


def _ends(x: Number) -> tuple[Fraction, Fraction]:
    """Ends of an interval as exact Fractions."""
    return tuple(_fraction(end) for end in (x.a, x.b))  # pyright: ignore[reportReturnType]


def _fraction(x: Any) -> Fraction:
    end = mpf(x.mid) if hasattr(x, "mid") else mpf(x)
    if not mp.isfinite(end):
        raise Undecided
    sign, man, exp, _ = end._mpf_
    value = Fraction(int(man)) * Fraction(2) ** int(exp)
    return -value if sign else value


def _interval(x: Number) -> Any:
    if isinstance(x, Fraction):
        return iv.mpf(x.numerator) / iv.mpf(x.denominator)
    return x


def _at_least(x: Number, threshold: Fraction) -> bool:
    return _sign(_subtract(x, threshold)) >= 0


def _subtract(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a - b
    return _interval(a) - _interval(b)


def _sign(x: Number) -> int:
    if isinstance(x, Fraction):
        return (x > 0) - (x < 0)
    low, high = _ends(x)
    if low > 0:
        return 1
    if high < 0:
        return -1
    raise Undecided


def _round(x: Number, mode: Rounding) -> Number:
    if isinstance(x, Fraction):
        return Fraction(round_fraction(x, mode))
    low, high = _ends(x)
    down, up = round_fraction(low, mode), round_fraction(high, mode)
    if down != up:
        raise Undecided
    return Fraction(down)


def _root(x: Number) -> Number:
    if isinstance(x, Fraction):
        if x < 0:
            raise ModelError("square root of a negative number")
        n, d = isqrt(x.numerator), isqrt(x.denominator)
        if n * n == x.numerator and d * d == x.denominator:
            return Fraction(n, d)
    return iv.sqrt(_interval(x))


def _pow(a: Number, b: Number) -> Number:
    if isinstance(b, Fraction):
        if b.denominator == 1 and abs(b) <= 64:
            return a ** int(b) if isinstance(a, Fraction) else _interval(a) ** int(b)
        if abs(b) == Fraction(1, 2):
            return _root(a) if b > 0 else _divide(Fraction(1), _root(a))
    return iv.exp(_interval(b) * iv.log(_interval(a)))


def _divide(a: Number, b: Number) -> Number:
    if isinstance(b, Fraction):
        if b == 0:
            raise ModelError("division by zero")
        if isinstance(a, Fraction):
            return a / b
    return _interval(a) / _interval(b)


def _erf(x: Any) -> Any:
    """Enclosure of erf on an interval: mpmath's erf is correctly rounded to a few units."""
    with mp.workprec(iv.prec + 20):
        low, high = mp.erf(mpf(x.a.mid)), mp.erf(mpf(x.b.mid))
        slack = mpf(2) ** (-iv.prec - 8)
        return iv.mpf([low - slack, high + slack])


def _transcendental(fn: Fn, x: Number) -> Number:
    zero = isinstance(x, Fraction) and x == 0
    y = _interval(x)
    match fn:
        case Fn.EXP:
            return Fraction(1) if zero else iv.exp(y)
        case Fn.LOG:
            return Fraction(0) if isinstance(x, Fraction) and x == 1 else iv.log(y)
        case Fn.TANH:
            return Fraction(0) if zero else 1 - 2 / (iv.exp(2 * y) + 1)
        case Fn.SIGMOID:
            return Fraction(1, 2) if zero else 1 / (1 + iv.exp(-y))
        case Fn.SOFTPLUS:
            return iv.log(1 + iv.exp(y))
        case Fn.ERF:
            return Fraction(0) if zero else _erf(y)
        case _:
            raise Unsupported(f"{fn} has no exact evaluation")


def _compare(fn: Fn, a: Number, b: Number) -> Fraction:
    s = _sign(_subtract(a, b))
    truth = {
        Fn.EQUAL: s == 0,
        Fn.LESS: s < 0,
        Fn.LESS_EQUAL: s <= 0,
        Fn.GREATER: s > 0,
        Fn.GREATER_EQUAL: s >= 0,
    }
    return Fraction(truth[fn])


_ROUNDINGS = {
    Fn.FLOOR: Rounding.FLOOR,
    Fn.CEIL: Rounding.CEIL,
    Fn.ROUND: Rounding.HALF_EVEN,
    Fn.TRUNC: Rounding.ZERO,
}


def _apply(fn: Fn | Rounding, args: Sequence[Number]) -> Number:
    if isinstance(fn, Rounding):
        return _round(args[0], fn)
    if fn in _ROUNDINGS:
        return _round(args[0], _ROUNDINGS[fn])
    match fn:
        case Fn.ADD | Fn.SUB | Fn.MUL | Fn.NEG:
            return _ring(fn, args)
        case Fn.DIV:
            return _divide(*args)
        case Fn.INT_DIV:
            return _round(_divide(*args), Rounding.ZERO)
        case Fn.MOD:
            return _subtract(args[0], _round(_divide(*args), Rounding.FLOOR) * args[1])
        case Fn.POW:
            return _pow(*args)
        case Fn.SQRT:
            return _root(args[0])
        case Fn.EQUAL | Fn.LESS | Fn.LESS_EQUAL | Fn.GREATER | Fn.GREATER_EQUAL:
            return _compare(fn, *args)
        case Fn.EXP | Fn.LOG | Fn.TANH | Fn.SIGMOID | Fn.SOFTPLUS | Fn.ERF:
            return _transcendental(fn, args[0])
        case _:
            return _choose(fn, args)


def _ring(fn: Fn, args: Sequence[Number]) -> Number:
    if not all(isinstance(a, Fraction) for a in args):
        args = [_interval(a) for a in args]
    match fn:
        case Fn.ADD:
            return args[0] + args[1]
        case Fn.SUB:
            return args[0] - args[1]
        case Fn.MUL:
            return args[0] * args[1]
        case _:
            return -args[0]


def _choose(fn: Fn, args: Sequence[Number]) -> Number:
    """Functions that pick one of their arguments or count truths."""
    a = args[0]
    match fn:
        case Fn.MAX:
            return a if _not_less(a, args[1]) else args[1]
        case Fn.MIN:
            return args[1] if _not_less(a, args[1]) else a
        case Fn.ABS:
            return a if _not_less(a, Fraction(0)) else _ring(Fn.NEG, [a])
        case Fn.SIGN:
            return Fraction(_sign(a))
        case Fn.NOT:
            return Fraction(1) - a
        case Fn.AND:
            return min(a, args[1])
        case Fn.OR:
            return max(a, args[1])
        case Fn.XOR:
            return Fraction(a != args[1])
        case Fn.WHERE:
            return args[1] if a == 1 else args[2]
        case _:
            raise Unsupported(f"{fn} has no exact evaluation")


def _not_less(a: Number, b: Number) -> bool:
    try:
        return _sign(_subtract(a, b)) >= 0
    except Undecided:
        # equal within the precision: the enclosures overlap, so either one's enclosure may differ
        # from the true maximum by less than the width that the final rounding will judge
        low_a, high_a = _ends(_interval(a))
        low_b, high_b = _ends(_interval(b))
        if (low_a, high_a) == (low_b, high_b):
            return True
        raise
