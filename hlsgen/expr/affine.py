"""Reading expressions as scale * integer + offset, as weighted sums, and which way they go."""

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
    Leaf,
    Param,
    Source,
    add,
    apply,
    args_of,
    is_constant,
    is_integer,
    mul,
    nodes,
)
from hlsgen.ops.model.elementwise import Fn

ZERO = Param.of(np.int64(0))
ONE = Param.of(np.int64(1))
MINUS_ONE = Param.of(np.int64(-1))


def split_affine(  # noqa: C901 (one case a form)
    e: Expr,
) -> tuple[Expr, Expr, Expr] | None:
    """(inner, scale, offset) with e = scale * inner + offset one step down; None if not affine."""
    match e:
        case Apply(fn=Fn.ADD, args=(a, b)) if is_constant(b):
            return a, ONE, b
        case Apply(fn=Fn.ADD, args=(a, b)) if is_constant(a):
            return b, ONE, a
        case Apply(fn=Fn.SUB, args=(a, b)) if is_constant(b):
            return a, ONE, apply(Fn.NEG, b)
        case Apply(fn=Fn.SUB, args=(a, b)) if is_constant(a):
            return b, MINUS_ONE, a
        case Apply(fn=Fn.MUL, args=(a, b)) if is_constant(b):
            return a, b, ZERO
        case Apply(fn=Fn.MUL, args=(a, b)) if is_constant(a):
            return b, a, ZERO
        case Apply(fn=Fn.DIV, args=(a, b)) if is_constant(b):
            return a, apply(Fn.DIV, ONE, b), ZERO
        case Apply(fn=Fn.NEG, args=(a,)):
            return a, MINUS_ONE, ZERO
        case _:
            return None


def peel(e: Expr) -> tuple[Expr, Expr, Expr] | None:
    """(core, scale, offset) with e = scale * core + offset and core a leaf or integer-valued.

    The innermost such core is taken; None where there is none (no lattice is known).
    """
    core, scale, offset = e, ONE, ZERO
    best = (core, scale, offset) if is_integer(core) else None
    while not is_constant(core) and (step := split_affine(core)) is not None:
        core, inner_scale, inner_offset = step
        offset = add(mul(scale, inner_offset), offset)
        scale = mul(scale, inner_scale)
        if is_integer(core):
            best = (core, scale, offset)
    return best


def linear_terms(e: Expr) -> tuple[list[tuple[Expr, Expr]], Expr]:
    """([(atom, weight)], constant): e = sum of weight * atom + constant; no atom is affine."""
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


_RISING = frozenset(
    {Fn.EXP, Fn.LOG, Fn.ERF, Fn.SIGMOID, Fn.TANH, Fn.SOFTPLUS, Fn.SQRT, Fn.SIGN}
    | {Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC}
)
_BOTH_RISE = {Fn.MAX, Fn.MIN, Fn.ADD, Fn.AND, Fn.OR}
_FIRST_RISES = {Fn.SUB, Fn.GREATER, Fn.GREATER_EQUAL}

Direction = NDArray[Any]


def direction(e: Expr) -> Direction | None:
    """Field of +1 (rising in its leaf), -1 (falling); None where not monotone by structure."""
    done: dict[int, Direction | None] = {}
    for node in nodes(e):
        if not is_constant(node):
            done[id(node)] = _direction(node, done)
    return done[id(e)]


def _direction(  # noqa: C901 (one case a function)
    e: Expr, done: dict[int, Direction | None]
) -> Direction | None:
    args = args_of(e)
    moving = [a for a in args if not is_constant(a)]
    if isinstance(e, (Leaf, Source)):
        return np.ones((), np.int64)
    if isinstance(e, Apply) and e.fn is Fn.WHERE:
        return _chosen(e, done)
    known = [done[id(a)] for a in moving]
    signs = [s for s in known if s is not None]
    if len(signs) < len(known):
        return None
    match e:
        case Count():
            return signs[0]
        case Apply(fn=fn) if isinstance(fn, Rounding) or fn in _RISING:
            return signs[0]
        case Apply(fn=Fn.NEG | Fn.NOT):
            return -signs[0]
        case Apply(fn=fn) if fn in _BOTH_RISE:
            return _agreed(signs)
        case Apply(fn=fn) if fn in _FIRST_RISES:
            return _agreed(_turned(moving, signs, args, second=-1))
        case Apply(fn=Fn.LESS | Fn.LESS_EQUAL):
            return _agreed(_turned(moving, signs, args, second=1))
        case Apply(fn=Fn.MUL | Fn.DIV | Fn.INT_DIV) if len(moving) == 1:
            return _scaled(e, moving[0], signs[0])
        case _:
            return None


def _chosen(e: Apply, done: dict[int, Direction | None]) -> Direction | None:
    """Where a constant says which branch is taken: that of the branch."""
    condition = e.args[0]
    if not isinstance(condition, Param):
        return None
    up = np.ones((), np.int64)
    yes, no = (up if is_constant(a) else done[id(a)] for a in e.args[1:])
    return None if yes is None or no is None else np.where(condition.values != 0, yes, no)


def _turned(
    moving: list[Expr], signs: list[Direction], args: tuple[Expr, ...], second: int
) -> list[Direction]:
    """Directions of a difference's operands: the second one's times `second`."""
    if args[0] is args[1]:
        return [np.ones((), np.int64)]  # constant
    return [s * (-second if a is args[0] else second) for a, s in zip(moving, signs, strict=True)]


def _agreed(signs: list[Direction]) -> Direction | None:
    first = signs[0]
    if any(not np.all(s == first) for s in signs[1:]):
        return None
    return first


def _scaled(e: Apply, moving: Expr, inner: Direction) -> Direction | None:
    a, b = e.args
    if moving is b and e.fn is not Fn.MUL:
        return None
    sign = sign_field(a if moving is b else b)
    if sign is None:
        return None
    return np.where(sign == 0, 1, sign) * inner  # times zero is constant: as good as rising
