"""The value of an expression at one point, as exactly as it takes to decide how it rounds.

Rational expressions are evaluated in Fractions. Others are enclosed by intervals of 80, 160, 320
and 640 bits until the final integer is certain; what is not certain then is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import mpmath  # pyright: ignore[reportMissingTypeStubs]

from hlsgen.arith.rounding import Rounding, round_fraction
from hlsgen.errors import ModelError, Unsupported
from hlsgen.expr.tree import Apply, Count, Expr, Host, args_of
from hlsgen.ops.model.elementwise import Fn

Number = Any  # Fraction, an mpmath interval at the working precision, or Nothing
Lookup = Callable[[Expr], Any]
iv: Any = mpmath.iv  # mpmath has no types
mp: Any = mpmath.mp
mpf: Any = mp.mpf
PRECISIONS = (80, 160, 320, 640)


class Undecided(Exception):
    """An interval straddles a rounding boundary at this precision."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """The value of a function outside of its domain; an error only where a result needs it."""

    reason: str


def exact_integer(e: Expr, lookup: Lookup) -> int:
    """The integer value of an integer-valued expression; `lookup` gives exact inputs.

    For a Count node `lookup` gives the sequence of its thresholds.
    """
    for bits in PRECISIONS:
        iv.prec = bits
        try:
            return _integer(_value(e, lookup))
        except Undecided:
            continue
    raise Unsupported(
        f"a value lies so close to a rounding boundary that {PRECISIONS[-1]} bits do not decide "
        "on which side; change the scale of the quantiser behind it a little"
    )


def exact_rational(e: Expr, lookup: Lookup) -> Fraction | None:
    """The value as a Fraction, None if it is irrational (or not known to be rational)."""
    iv.prec = PRECISIONS[0]
    try:
        value = _value(e, lookup)
    except Undecided:
        return None
    return _defined(value) if isinstance(value, (Fraction, Nothing)) else None


def exact_bounds(e: Expr, lookup: Lookup, bits: int) -> tuple[Fraction, Fraction]:
    """Fractions around the value, apart by about 2^-bits of its size (equal where rational)."""
    iv.prec = bits
    try:
        return _ends(_defined(_value(e, lookup)))
    except Undecided:
        raise Unsupported(f"a constant is not known to {bits} bits") from None


def _defined(value: Number) -> Number:
    if isinstance(value, Nothing):
        raise ModelError(f"{value.reason} within the range that its inputs can reach")
    return value


def _value(e: Expr, lookup: Lookup) -> Number:
    done: dict[int, Number] = {}
    for node in _post_order(e):
        match node:
            case Apply(fn=fn, args=args):
                done[id(node)] = _apply(fn, [done[id(a)] for a in args])
            case Count(arg=arg):
                x = _defined(done[id(arg)])
                done[id(node)] = Fraction(sum(_at_least(x, _number(t)) for t in lookup(node)))
            case _:
                done[id(node)] = _number(lookup(node))
    return done[id(e)]


def _number(value: Any) -> Number:
    try:
        return Fraction(value)
    except (ValueError, OverflowError):
        return Nothing(f"a constant is {value}")


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
    value = _defined(value)
    low, high = _ends(value)
    if low != high:
        raise Undecided
    if low.denominator != 1:
        raise Unsupported("an integer was expected here")
    return int(low)


def _ends(x: Number) -> tuple[Fraction, Fraction]:
    """Ends of an interval as exact Fractions."""
    if isinstance(x, Fraction):
        return x, x
    low, high = x._mpi_  # not by way of mpf, which rounds to the precision of mp
    return _fraction(low), _fraction(high)


def _fraction(x: tuple[int, int, int, int]) -> Fraction:
    """A number of mpmath in its raw form: sign, mantissa, exponent, bits."""
    sign, man, exp, _ = x
    if not man and exp:  # infinite or not a number
        raise Undecided
    value = Fraction(int(man)) * Fraction(2) ** int(exp)
    return -value if sign else value


def _interval(x: Number) -> Any:
    if isinstance(x, Fraction):
        return iv.mpf(x.numerator) / iv.mpf(x.denominator)
    return x


def _hull(low: Fraction, high: Fraction) -> Any:
    """An interval that holds both ends."""
    if low == high:
        return low
    return iv.mpf([_interval(low).a, _interval(high).b])


def _at_least(x: Number, threshold: Number) -> bool:
    return _sign(_subtract(x, _defined(threshold))) >= 0


def _subtract(a: Number, b: Number) -> Number:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a - b
    return _interval(a) - _interval(b)


def _sign(x: Number) -> int:
    low, high = _ends(x)
    if low > 0:
        return 1
    if high < 0:
        return -1
    if low == high:
        return 0
    raise Undecided


def _round(x: Number, mode: Rounding) -> Number:
    low, high = _ends(x)
    down, up = round_fraction(low, mode), round_fraction(high, mode)
    if down != up:
        raise Undecided
    return Fraction(down)


def _root(x: Number) -> Number:
    low, high = _ends(x)
    if high < 0:
        return Nothing("the square root of a negative number")
    if low < 0:
        raise Undecided
    if isinstance(x, Fraction):
        n, d = isqrt(x.numerator), isqrt(x.denominator)
        if n * n == x.numerator and d * d == x.denominator:
            return Fraction(n, d)
    return iv.sqrt(_interval(x))


def _logarithm(x: Number) -> Number:
    if isinstance(x, Fraction) and x == 1:
        return Fraction(0)
    low, high = _ends(x)
    if high <= 0:
        return Nothing("the logarithm of a number that is not positive")
    if low <= 0:
        raise Undecided
    return iv.log(_interval(x))


def _pow(a: Number, b: Number) -> Number:
    if isinstance(b, Fraction) and b.denominator in (1, 2) and abs(b) <= 64:
        base = a if b.denominator == 1 else _root(a)  # rational for squares, so never undecided
        if isinstance(base, Nothing):
            return base
        power = (base if isinstance(base, Fraction) else _interval(base)) ** abs(b.numerator)
        return power if b >= 0 else _divide(Fraction(1), power)
    if isinstance(a, Fraction) and a == 0 and _sign(b) > 0:
        return Fraction(0)
    log = _logarithm(a)
    return log if isinstance(log, Nothing) else _exponential(_ring(Fn.MUL, [b, log]))


def _exponential(x: Number) -> Number:
    return Fraction(1) if isinstance(x, Fraction) and x == 0 else iv.exp(_interval(x))


def _divide(a: Number, b: Number) -> Number:
    if _sign(b) == 0:
        return Nothing("a division by zero")
    if isinstance(a, Fraction) and (a == 0 or isinstance(b, Fraction)):
        return a / b if isinstance(b, Fraction) else Fraction(0)
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
            return _exponential(x)
        case Fn.LOG:
            return _logarithm(x)
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


def _apply(fn: Fn | Rounding, args: Sequence[Number]) -> Number:  # noqa: C901 (one case a kind)
    if fn is Fn.WHERE:  # the branch that is not taken may be undefined
        return args[0] if isinstance(args[0], Nothing) else args[1 if _true(args[0]) else 2]
    for a in args:
        if isinstance(a, Nothing):
            return a
    if isinstance(fn, Rounding):
        return _round(args[0], fn)
    if fn in _ROUNDINGS:
        return _round(args[0], _ROUNDINGS[fn])
    match fn:
        case Fn.ADD | Fn.SUB | Fn.MUL | Fn.NEG:
            return _ring(fn, args)
        case Fn.DIV | Fn.INT_DIV | Fn.MOD:
            return _quotient(fn, args)
        case Fn.POW:
            return _pow(args[0], args[1])
        case Fn.SQRT:
            return _root(args[0])
        case Fn.EQUAL | Fn.LESS | Fn.LESS_EQUAL | Fn.GREATER | Fn.GREATER_EQUAL:
            return _compare(fn, args[0], args[1])
        case Fn.EXP | Fn.LOG | Fn.TANH | Fn.SIGMOID | Fn.SOFTPLUS | Fn.ERF:
            return _transcendental(fn, args[0])
        case _:
            return _choose(fn, args)


def _quotient(fn: Fn, args: Sequence[Number]) -> Number:
    quotient = _divide(args[0], args[1])
    if fn is Fn.DIV or isinstance(quotient, Nothing):
        return quotient
    if fn is Fn.INT_DIV:
        return _round(quotient, Rounding.ZERO)
    whole = _round(quotient, Rounding.FLOOR)
    return _subtract(args[0], _ring(Fn.MUL, [whole, args[1]]))


def _ring(fn: Fn, args: Sequence[Number]) -> Number:
    if fn is Fn.MUL and any(isinstance(a, Fraction) and a == 0 for a in args):
        return Fraction(0)
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


def _true(x: Number) -> bool:
    return _sign(x) != 0


def _choose(fn: Fn, args: Sequence[Number]) -> Number:  # noqa: C901 (one case a function)
    """Functions that pick one of their arguments or count truths."""
    a = args[0]
    match fn:
        case Fn.MAX:
            return _greater(a, args[1])
        case Fn.MIN:
            return _ring(Fn.NEG, [_greater(_ring(Fn.NEG, [a]), _ring(Fn.NEG, [args[1]]))])
        case Fn.ABS:
            return _greater(a, _ring(Fn.NEG, [a]))
        case Fn.SIGN:
            return Fraction(_sign(a))
        case Fn.NOT:
            return Fraction(not _true(a))
        case Fn.AND:
            return Fraction(_true(a) and _true(args[1]))
        case Fn.OR:
            return Fraction(_true(a) or _true(args[1]))
        case Fn.XOR:
            return Fraction(_true(a) != _true(args[1]))
        case _:
            raise Unsupported(f"{fn} has no exact evaluation")


def _greater(a: Number, b: Number) -> Number:
    """max(a, b); where enclosures overlap, the enclosure of it."""
    (low_a, high_a), (low_b, high_b) = _ends(a), _ends(b)
    if low_a >= high_b:
        return a
    if low_b >= high_a:
        return b
    return _hull(max(low_a, low_b), max(high_a, high_b))
