"""Element-wise expressions over tensors: the real numbers that a model computes, not yet rounded.

Leaves are integer tensors of the hardware graph (or real network inputs); everything between them
and the next quantiser is kept as it stands in the file, so that no rewriting can lose a bit.
Graphs of expressions share nodes: whoever walks them visits every node once (`rewrite`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.expr.fold import fold_constants
from hlsgen.ir.model import ModelOp, Shape
from hlsgen.ops.model.elementwise import TO_BOOL, Fn

Array = NDArray[Any]

_WHOLE_RESULT = frozenset({Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC, Fn.INT_DIV, Fn.SIGN} | TO_BOOL)
_CLOSED = frozenset({Fn.ADD, Fn.SUB, Fn.MUL, Fn.NEG, Fn.ABS, Fn.MAX, Fn.MIN, Fn.MOD})


# What a function of a tensor and itself is: a number, or the tensor (None).
_OF_ITSELF: dict[Fn | Rounding, int | None] = {
    **dict.fromkeys((Fn.EQUAL, Fn.LESS_EQUAL, Fn.GREATER_EQUAL), 1),
    **dict.fromkeys((Fn.LESS, Fn.GREATER, Fn.SUB), 0),
    **dict.fromkeys((Fn.MAX, Fn.MIN), None),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is asked of an expression all the time, computed once when it is made."""

    leaves: tuple[Leaf, ...] = ()
    sources: tuple[Source, ...] = ()
    host: bool = False
    integral: bool = False


@dataclass(frozen=True, eq=False)
class Leaf:
    """The integers of hardware value `name`."""

    name: str
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", Facts(leaves=(self,), integral=True))


@dataclass(frozen=True, eq=False)
class Source:
    """The real numbers fed to network input `name`."""

    name: str
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", Facts(sources=(self,)))


@dataclass(frozen=True, eq=False)
class Param:
    """Constants: a field (integers, float64, or Fractions, all exact) of a tensor of `shape`.

    `shape` may be larger than that of the field, where a constant tensor is the same all over.
    """

    values: Array
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", Facts(integral=_are_whole(self.values)))

    @classmethod
    def of(cls, value: object, shape: Shape | None = None) -> Param:
        """A number or an array, floats as float64, integers and truths as int64."""
        array = np.asarray(value)
        if array.dtype == object or isinstance(value, Fraction):
            array = np.asarray(value, dtype=object)
        elif array.dtype.kind == "f":
            array = array.astype(np.float64)
        elif array.dtype.kind == "u" and array.size and int(array.max()) >= 1 << 63:
            array = array.astype(object)
        else:
            array = array.astype(np.int64)
        return cls(array, array.shape if shape is None else shape)


@dataclass(frozen=True, eq=False)
class Apply:
    """fn of the arguments, element by element, with numpy broadcasting."""

    fn: Fn | Rounding
    args: tuple[Expr, ...]
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        facts = _joint(self.args, _is_whole(self.fn, self.args))
        object.__setattr__(self, "facts", facts)


@dataclass(frozen=True, eq=False)
class Count:
    """How many of the thresholds are <= arg; `thresholds` is a field with one more axis, K."""

    arg: Expr
    thresholds: Array
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", _joint((self.arg,), True))


@dataclass(frozen=True, eq=False)
class Host:
    """A model operator that stays on the host: softmax and what follows, or input reordering."""

    op: ModelOp
    args: tuple[Expr, ...]
    shape: Shape
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self) -> None:
        joint = _joint(self.args, False)
        object.__setattr__(self, "facts", Facts(joint.leaves, joint.sources, True))


Expr: TypeAlias = Leaf | Source | Param | Apply | Count | Host


def _joint(args: Sequence[Expr], integral: bool) -> Facts:
    first = args[0].facts
    if all(a.facts.leaves == () and a.facts.sources == () for a in args[1:]):
        host = any(a.facts.host for a in args)
        return Facts(first.leaves, first.sources, host, integral)
    leaf_names = {x.name: x for a in args for x in a.facts.leaves}
    source_names = {x.name: x for a in args for x in a.facts.sources}
    host = any(a.facts.host for a in args)
    return Facts(tuple(leaf_names.values()), tuple(source_names.values()), host, integral)


def _are_whole(values: Array) -> bool:
    if values.dtype.kind == "f":
        return bool(np.all(np.isfinite(values) & (values == np.floor(values))))
    return values.dtype != object or all(getattr(v, "denominator", 1) == 1 for v in values.flat)


def _is_whole(fn: Fn | Rounding, args: Sequence[Expr]) -> bool:
    if isinstance(fn, Rounding) or fn in _WHOLE_RESULT:
        return True
    if fn is Fn.WHERE:
        return args[1].facts.integral and args[2].facts.integral
    return fn in _CLOSED and all(a.facts.integral for a in args)


# -- questions ------------------------------------------------------------------------------


def is_integer(e: Expr) -> bool:
    """Whether every value of `e` is an integer, by its structure."""
    return e.facts.integral


def leaves(e: Expr) -> tuple[Leaf, ...]:
    """The distinct hardware values that `e` reads."""
    return e.facts.leaves


def sources(e: Expr) -> tuple[Source, ...]:
    """The distinct network inputs that `e` reads."""
    return e.facts.sources


def has_host(e: Expr) -> bool:
    """Whether some of it stays on the host."""
    return e.facts.host


def is_constant(e: Expr) -> bool:
    """Whether it reads neither hardware nor inputs."""
    return not (e.facts.leaves or e.facts.sources or e.facts.host)


def is_number(e: Expr, number: int) -> bool:
    """Whether `e` is this constant in every element."""
    return isinstance(e, Param) and bool(np.all(e.values == number))


def args_of(e: Expr) -> tuple[Expr, ...]:
    """What a node is computed from."""
    match e:
        case Apply(args=args) | Host(args=args):
            return args
        case Count(arg=arg):
            return (arg,)
        case Leaf() | Source() | Param():
            return ()


# -- walking --------------------------------------------------------------------------------


def nodes(e: Expr) -> Iterator[Expr]:
    """Every distinct node below and including `e`, arguments first."""
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((a, False) for a in args_of(node))


def rewrite(
    e: Expr,
    change: Callable[[Expr, Sequence[Expr]], Expr],
    stop: Callable[[Expr], Expr | None] = lambda node: None,
) -> Expr:
    """`change` of every node and its changed arguments; where `stop` gives a result, that."""
    done: dict[int, Expr] = {}
    stack: list[tuple[Expr, bool]] = [(e, False)]
    while stack:  # no recursion: chains can be long
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done[id(node)] = change(node, [done[id(a)] for a in args_of(node)])
            continue
        early = stop(node)
        if early is not None:
            done[id(node)] = early
            continue
        stack.append((node, True))
        stack.extend((a, False) for a in reversed(args_of(node)))
    return done[id(e)]


def with_args(e: Expr, args: Sequence[Expr]) -> Expr:
    """The same node over other arguments."""
    if all(new is old for new, old in zip(args, args_of(e), strict=True)):
        return e
    match e:
        case Apply(fn=fn):
            return apply(fn, *args)
        case Count(thresholds=thresholds):
            return Count(args[0], thresholds, args[0].shape)
        case Host(op=op, shape=shape):
            return Host(op, tuple(args), shape)
        case Leaf() | Source() | Param():
            return e


def free(e: Expr) -> Expr:
    """A constant without the shape it was regarded with: it broadcasts anew."""

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        match node:
            case Param(values=values):
                return node if values.shape == node.shape else Param(values, values.shape)
            case Apply(fn=fn):
                return apply(fn, *args)
            case _:
                return with_args(node, args)

    return rewrite(e, change)


def substitute(e: Expr, old: Leaf, new: Expr) -> Expr:
    """`e` with the leaf `old` (by name) replaced."""

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        if isinstance(node, Leaf):
            return new if node.name == old.name else node
        return with_args(node, args)

    return rewrite(e, change, lambda node: node if is_constant(node) else None)


# -- making ---------------------------------------------------------------------------------


def apply(fn: Fn | Rounding, *args: Expr) -> Expr:
    """fn(args); constants are folded where that is exact and cheap."""
    shape = tuple(int(n) for n in np.broadcast_shapes(*(a.shape for a in args)))
    for a, other in (args, args[::-1]) if fn in (Fn.MAX, Fn.MIN) else ():
        if a.shape == shape and _is_endless(other, fn):
            return a
    if len(args) == 2 and args[0] is args[1] and fn in _OF_ITSELF:
        value = _OF_ITSELF[fn]
        return args[0] if value is None else Param(np.full((1,) * len(shape), value), shape)
    params = [a.values for a in args if isinstance(a, Param)]
    if len(params) == len(args) and isinstance(fn, Fn):
        folded = fold_constants(fn, params)
        if folded is not None:
            return Param(folded, shape)
    return Apply(fn, args, shape)


def _is_endless(e: Expr, fn: Fn | Rounding) -> bool:
    """Whether this constant limits nothing: minus infinity for a maximum."""
    if not isinstance(e, Param) or e.values.dtype.kind != "f":
        return False
    return bool((np.isneginf if fn is Fn.MAX else np.isposinf)(e.values).all())


def add(a: Expr, b: Expr) -> Expr:
    """The sum a + b."""
    return apply(Fn.ADD, a, b)


def mul(a: Expr, b: Expr) -> Expr:
    """The product a * b."""
    return apply(Fn.MUL, a, b)


def affine(leaf: Expr, scale: Expr, offset: Expr) -> Expr:
    """scale * leaf + offset, with neutral elements left out."""
    scale, offset = free(scale), free(offset)
    y = leaf if is_number(scale, 1) else mul(leaf, scale)
    return y if is_number(offset, 0) else add(y, offset)
