"""Element-wise expressions over tensors: the real numbers that a model computes, not yet rounded.

Leaves are integer tensors of the hardware graph (or real network inputs); everything between them
and the next quantiser is kept as it stands in the file, so that no rewriting can lose a bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.ir.field import compress
from hlsgen.ir.model import ModelOp, Shape
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Leaf:
    """The integers of hardware value `name`."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Source:
    """The real numbers fed to network input `name`."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Param:
    """Constants: a field (integers, float64, or Fractions, all exact) of a tensor of `shape`."""

    values: Array
    shape: Shape

    @classmethod
    def of(cls, value: object, shape: Shape | None = None) -> Param:
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(np.float64)
        elif array.dtype.kind in "bui":
            array = array.astype(np.int64)
        return cls(array, array.shape if shape is None else shape)


@dataclass(frozen=True, eq=False)
class Apply:
    """fn of the arguments, element by element, with numpy broadcasting."""

    fn: Fn | Rounding
    args: tuple[Expr, ...]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Count:
    """How many of the thresholds are <= arg; `thresholds` is a field with one more axis, K."""

    arg: Expr
    thresholds: Array
    shape: Shape


@dataclass(frozen=True, eq=False)
class Host:
    """A model operator that stays on the host: softmax and what follows, or input reordering."""

    op: ModelOp
    args: tuple[Expr, ...]
    shape: Shape


Expr = Leaf | Source | Param | Apply | Count | Host


def args_of(e: Expr) -> tuple[Expr, ...]:
    match e:
        case Apply(args=args) | Host(args=args):
            return args
        case Count(arg=arg):
            return (arg,)
        case Leaf() | Source() | Param():
            return ()


def with_args(e: Expr, args: Sequence[Expr]) -> Expr:
    """The same node over other arguments."""
    match e:
        case Apply(fn=fn):
            return apply(fn, *args)
        case Count(thresholds=thresholds):
            return Count(args[0], thresholds, args[0].shape)
        case Host(op=op, shape=shape):
            return Host(op, tuple(args), shape)
        case Leaf() | Source() | Param():
            return e


def nodes(e: Expr) -> Iterator[Expr]:
    """Every distinct node below and including `e`."""
    seen: set[int] = set()
    stack = [e]
    while stack:
        top = stack.pop()
        if id(top) in seen:
            continue
        seen.add(id(top))
        yield top
        stack.extend(args_of(top))


def leaves(e: Expr) -> tuple[Leaf, ...]:
    """The distinct hardware values that `e` reads."""
    found = {n.name: n for n in nodes(e) if isinstance(n, Leaf)}
    return tuple(found.values())


def sources(e: Expr) -> tuple[Source, ...]:
    found = {n.name: n for n in nodes(e) if isinstance(n, Source)}
    return tuple(found.values())


def has_host(e: Expr) -> bool:
    return any(isinstance(n, Host) for n in nodes(e))


def is_constant(e: Expr) -> bool:
    return not any(isinstance(n, (Leaf, Source, Host)) for n in nodes(e))


FOLD_LIMIT = 1 << 11  # constants up to this size are folded to Fractions at once


def apply(fn: Fn | Rounding, *args: Expr) -> Expr:
    """fn(args); constants are folded where that is exact and cheap."""
    shape = tuple(int(n) for n in np.broadcast_shapes(*(a.shape for a in args)))
    params = [a for a in args if isinstance(a, Param)]
    if len(params) == len(args) and fn in _RATIONAL:
        folded = _fold_integers(fn, params)
        if folded is None:
            size = int(np.prod(np.broadcast_shapes(*(p.values.shape for p in params))))
            folded = _fold(fn, params) if size <= FOLD_LIMIT else None
        if folded is not None:
            return Param(folded, shape)
    return Apply(fn, args, shape)


_SMALL = 1 << 30  # products of two such integers stay within int64


def _fold_integers(fn: Fn | Rounding, params: list[Param]) -> Array | None:
    values = [p.values for p in params]
    for v in values:
        if v.dtype.kind != "i" or (v.size and max(-int(v.min()), int(v.max())) >= _SMALL):
            return None
    match fn:
        case Fn.ADD:
            return values[0] + values[1]
        case Fn.SUB:
            return values[0] - values[1]
        case Fn.MUL:
            return values[0] * values[1]
        case Fn.NEG:
            return -values[0]
        case Fn.MAX:
            return np.maximum(values[0], values[1])
        case Fn.MIN:
            return np.minimum(values[0], values[1])
        case _:
            return None


_RATIONAL = {Fn.ADD, Fn.SUB, Fn.MUL, Fn.DIV, Fn.NEG, Fn.MAX, Fn.MIN}


def _fold(fn: Fn | Rounding, params: list[Param]) -> Array | None:
    values = [exact(p.values) for p in params]
    match fn:
        case Fn.ADD:
            y = values[0] + values[1]
        case Fn.SUB:
            y = values[0] - values[1]
        case Fn.MUL:
            y = values[0] * values[1]
        case Fn.DIV:
            if (values[1] == 0).any():
                return None
            y = values[0] / values[1]
        case Fn.NEG:
            y = -values[0]
        case Fn.MAX:
            y = np.maximum(values[0], values[1])
        case Fn.MIN:
            y = np.minimum(values[0], values[1])
        case _:
            return None
    return compress(np.asarray(y, dtype=object))


def exact(values: Array) -> Array:
    """The same numbers as Fractions (None where not finite is an error of the caller)."""
    if values.dtype == object:
        return values
    out = np.empty(values.shape, dtype=object)
    out.flat[:] = [Fraction(v) for v in values.ravel().tolist()] if values.size else []
    return out


def add(a: Expr, b: Expr) -> Expr:
    return apply(Fn.ADD, a, b)


def mul(a: Expr, b: Expr) -> Expr:
    return apply(Fn.MUL, a, b)


def affine(leaf: Expr, scale: Expr, offset: Expr) -> Expr:
    """scale * leaf + offset, with neutral elements left out."""
    y = leaf if is_number(scale, 1) else mul(leaf, scale)
    return y if is_number(offset, 0) else add(y, offset)


def is_number(e: Expr, number: int) -> bool:
    """Is `e` this constant in every element?"""
    return isinstance(e, Param) and bool(np.all(e.values == number))


def free(e: Expr) -> Expr:
    """A constant without the shape it was regarded with: it broadcasts anew along its size-1 axes."""
    match e:
        case Param(values=values):
            return e if values.shape == e.shape else Param(values, values.shape)
        case Apply(fn=fn, args=args):
            return apply(fn, *(free(a) for a in args))
        case _:
            return e
