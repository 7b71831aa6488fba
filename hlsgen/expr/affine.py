"""Reading expressions as scale * integer + offset, and as weighted sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.expr.constant import sign_field
from hlsgen.expr.tree import (
    Apply,
    Count,
    Expr,
    Host,
    Leaf,
    Param,
    Source,
    add,
    apply,
    is_constant,
    mul,
)
from hlsgen.ops.model.elementwise import Fn

ZERO = Param.of(np.int64(0))
ONE = Param.of(np.int64(1))
_ROUNDING = {Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC, Fn.INT_DIV}
_TRUTH = {Fn.EQUAL, Fn.LESS, Fn.LESS_EQUAL, Fn.GREATER, Fn.GREATER_EQUAL}
_TRUTH |= {Fn.AND, Fn.OR, Fn.XOR, Fn.NOT, Fn.SIGN}
_CLOSED = {Fn.ADD, Fn.SUB, Fn.MUL, Fn.NEG, Fn.ABS, Fn.MAX, Fn.MIN, Fn.MOD}


def is_integer(e: Expr) -> bool:
    """Is every value of `e` an integer, by its structure?"""
    match e:
        case Leaf() | Count():
            return True
        case Param(values=values):
            return _integral(values)
        case Apply(fn=fn, args=args):
            if isinstance(fn, Rounding) or fn in _ROUNDING or fn in _TRUTH:
                return True
            if fn is Fn.WHERE:
                return is_integer(args[1]) and is_integer(args[2])
            return fn in _CLOSED and all(is_integer(a) for a in args)
        case Source() | Host():
            return False


def _integral(values: NDArray[Any]) -> bool:
    if values.dtype.kind == "f":
        return bool(np.all(np.isfinite(values) & (values == np.floor(values))))
    return values.dtype != object or all(getattr(v, "denominator", 1) == 1 for v in values.flat)


def split_affine(e: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(inner, scale, offset) with e = scale * inner + offset one step down; None if not affine."""
    match e:
        case Apply(fn=Fn.ADD, args=(a, b)) if is_constant(b):
            return a, ONE, b
        case Apply(fn=Fn.ADD, args=(a, b)) if is_constant(a):
            return b, ONE, a
        case Apply(fn=Fn.SUB, args=(a, b)) if is_constant(b):
            return a, ONE, apply(Fn.NEG, b)
        case Apply(fn=Fn.SUB, args=(a, b)) if is_constant(a):
            return b, Param.of(np.int64(-1)), a
        case Apply(fn=Fn.MUL, args=(a, b)) if is_constant(b):
            return a, b, ZERO
        case Apply(fn=Fn.MUL, args=(a, b)) if is_constant(a):
            return b, a, ZERO
        case Apply(fn=Fn.DIV, args=(a, b)) if is_constant(b):
            return a, apply(Fn.DIV, ONE, b), ZERO
        case Apply(fn=Fn.NEG, args=(a,)):
            return a, Param.of(np.int64(-1)), ZERO
        case _:
            return None


def peel(e: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(core, scale, offset) with e = scale * core + offset and core a leaf or integer-valued.

    The innermost such core is taken; None where there is none (no lattice is known).
    """
    core, scale, offset = e, ONE, ZERO
    best = (core, scale, offset) if is_integer(core) else None
    while (step := split_affine(core)) is not None and not is_constant(core):
        core, inner_scale, inner_offset = step
        offset = add(mul(scale, inner_offset), offset)
        scale = mul(scale, inner_scale)
        if is_integer(core):
            best = (core, scale, offset)
    return best


def linear_terms(e: Expr) -> tuple[list[tuple[Expr, Expr]], Expr]:
    """([(atom, weight)], constant) with e = sum of weight * atom + constant; atoms are not affine."""
    terms: list[tuple[Expr, Expr]] = []
    constant: Expr = ZERO
    stack: list[tuple[Expr, Expr]] = [(e, ONE)]
    while stack:
        node, weight = stack.pop()
        if is_constant(node):
            constant = add(constant, mul(weight, node))
            continue
        match node:
            case Apply(fn=Fn.ADD, args=(a, b)):
                stack += [(b, weight), (a, weight)]
            case Apply(fn=Fn.SUB, args=(a, b)):
                stack += [(b, apply(Fn.NEG, weight)), (a, weight)]
            case _:
                step = split_affine(node)
                if step is None:
                    terms.append((node, weight))
                    continue
                inner, scale, offset = step
                constant = add(constant, mul(weight, offset))
                stack.append((inner, mul(weight, scale)))
    return terms, constant


_RISING = {Fn.EXP, Fn.LOG, Fn.ERF, Fn.SIGMOID, Fn.TANH, Fn.SOFTPLUS, Fn.SQRT, Fn.SIGN}
_RISING |= {Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC}


def direction(e: Expr) -> NDArray[np.int64] | None:
    """Field of +1 (rising in its leaf), -1 (falling); None where not monotone by structure."""
    match e:
        case Leaf() | Source():
            return np.ones((), np.int64)
        case Count(arg=arg):
            return direction(arg)
        case Apply(fn=fn, args=(a,)) if isinstance(fn, Rounding) or fn in _RISING:
            return direction(a)
        case Apply(fn=Fn.MAX | Fn.MIN | Fn.ADD, args=(a, b)):
            return _agree(a, b, 1)
        case Apply(fn=Fn.SUB | Fn.GREATER | Fn.GREATER_EQUAL, args=(a, b)):
            return _agree(a, b, -1)
        case Apply(fn=Fn.LESS | Fn.LESS_EQUAL, args=(a, b)):
            return _agree(b, a, -1)
        case Apply(fn=Fn.NEG | Fn.NOT, args=(a,)):
            inner = direction(a)
            return None if inner is None else -inner
        case Apply(fn=Fn.MUL | Fn.DIV | Fn.INT_DIV):
            return _scaled_direction(e)
        case _:
            return None


def _agree(a: Expr, b: Expr, sign: int) -> NDArray[np.int64] | None:
    """Direction of a function that rises in a and goes as `sign` in b."""
    if is_constant(b):
        return direction(a)
    other = direction(b)
    if other is None:
        return None
    if is_constant(a):
        return sign * other
    first = direction(a)
    if first is None or not np.all(first == sign * other):
        return None
    return first


def _scaled_direction(e: Apply) -> NDArray[np.int64] | None:
    a, b = e.args
    if is_constant(a) and e.fn is Fn.MUL:
        a, b = b, a
    if not is_constant(b):
        return None
    inner, sign = direction(a), sign_field(b)
    if inner is None or sign is None:
        return None
    return np.where(sign == 0, 1, sign) * inner  # times zero is constant: as good as rising
