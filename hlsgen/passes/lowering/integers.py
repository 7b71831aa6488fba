"""Expressions as integer tensors: what every operator that needs integers asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import HlsgenError, Unsupported
from hlsgen.expr import tree
from hlsgen.expr.affine import MINUS_ONE, ZERO, linear_terms, peel, split_affine
from hlsgen.expr.tree import Apply, Expr, Leaf, Param
from hlsgen.ir.hw import IntType
from hlsgen.ops.hw.constant import Constant
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.movement import Take
from hlsgen.passes.lowering import grids
from hlsgen.passes.lowering.affine import Affine, Irrational
from hlsgen.passes.lowering.emission import Builder, NeedsRawInput
from hlsgen.passes.lowering.joined import outermost, waits
from hlsgen.passes.lowering.lines import Line, line_of, unclipped
from hlsgen.passes.lowering.movement import move
from hlsgen.passes.lowering.side_by_side import side_by_side
from hlsgen.passes.lowering.staircases import NotProven, bounds, listed, staircase
from hlsgen.passes.lowering.sums import weighted
from hlsgen.passes.lowering.weights import weights

MARGINS = (4, 12, 20, 36)  # bits to spare in sums with irrational factors, one attempt each
PAIR_LIMIT = 1 << 18  # combinations of several tensors that go through one table
_COMPARISONS = {Fn.GREATER, Fn.GREATER_EQUAL, Fn.LESS, Fn.LESS_EQUAL, Fn.EQUAL}


def integer(b: Builder, e: Expr) -> Affine:
    """An integer tensor n of e's rank with e = scale * n + offset, emitting what it takes."""
    if id(e) not in b.integers:
        try:
            a = _integer(b, e)
        except HlsgenError as error:
            raise error.at(b.loc) from None
        leaf = b.rank(a.leaf, len(e.shape))
        b.integers[id(e)] = (e, Affine.compact(leaf, a.scale, a.offset))
    return b.integers[id(e)][1]


def full(b: Builder, e: Expr) -> Affine:
    """The same with the integers spelled out to e's whole shape."""
    a = integer(b, e)
    return Affine(b.broadcast(a.leaf, e.shape), a.scale, a.offset)


def _integer(b: Builder, e: Expr) -> Affine:
    if waits(e):
        return _by_parts(b, e)
    if tree.has_host(e) and not tree.sources(e):
        raise Unsupported(
            "softmax followed by further layers needs softmax hardware, which belongs to a "
            "later release; only a softmax at the end of the network is taken (on the host)"
        )
    if tree.sources(e):
        return _from_input(b, e)
    if tree.is_constant(e):
        return _constant(b, e)
    return _of_one(b, e) if len(tree.leaves(e)) == 1 else _of_many(b, e)


def _from_input(b: Builder, e: Expr) -> Affine:
    """Part of the prologue if the input meets a quantiser first."""
    source = tree.sources(e)[0]
    found = peel(e)
    if tree.leaves(e) or len(tree.sources(e)) > 1 or found is None:
        raise NeedsRawInput(source.name, b.loc)
    core, scale, offset = found
    reach = bounds(b, core)
    if not (np.all(np.abs(reach.lo) < 1 << 53) and np.all(np.abs(reach.hi) < 1 << 53)):
        raise NeedsRawInput(source.name, b.loc)
    lo, hi = (np.asarray(v).astype(np.int64) for v in (reach.lo, reach.hi))
    return Affine(b.input(core, IntType.of(core.shape, lo, hi), source.name), scale, offset)


def _by_parts(b: Builder, e: Expr) -> Affine:
    """What became of the parts of a Concat, one by one, side by side."""
    axis, sizes = outermost(e)
    parts: list[Affine] = []
    start = 0
    for size in sizes:
        parts.append(full(b, move(b, e, Take(axis, tuple(range(start, start + size))))))
        start += size
    return side_by_side(b, parts, axis)


def _constant(b: Builder, e: Expr) -> Affine:
    values, unit = weights(b, e, ())
    return Affine(b.emit(Constant(values)), unit, ZERO)


def _of_one(b: Builder, e: Expr) -> Affine:
    found = peel(e)
    if found is None:
        return _on_grid(b, e)
    core, scale, offset = found
    if not isinstance(core, Leaf):
        return Affine(staircase(b, core), scale, offset)
    if core.name in b.approximate:
        raise Irrational(
            "a sum of tensors with irrational factors (batch normalisation's square root) is used "
            "without a quantiser; put one behind the sum"
        )
    return Affine(core, scale, offset)


def _of_many(b: Builder, e: Expr) -> Affine:
    """Several tensors: an exact join, else a provably harmless one, else a table of all pairs."""
    refused: HlsgenError | None = None
    for margin in MARGINS:
        try:
            return _of_one(b, single(b, e, margin))
        except NotProven as error:
            refused = error
        except Unsupported as error:
            refused = error
            break
    paired = _paired(b, e)
    if paired is not None:
        return paired
    assert refused is not None
    raise refused


def single(b: Builder, e: Expr, margin: int | None = None) -> Expr:
    """The same function written over one leaf; joins of several become hardware nodes."""

    def stop(node: Expr) -> Expr | None:
        if len(tree.leaves(node)) <= 1:
            return node
        if isinstance(node, Apply) and node.fn in (Fn.ADD, Fn.SUB):
            return _sum(b, node, margin)
        return None

    def change(node: Expr, args: Sequence[Expr]) -> Expr:
        joined = tree.with_args(node, args)
        if len(tree.leaves(joined)) <= 1:
            return joined
        if not isinstance(joined, Apply):
            raise Unsupported("thresholds of several tensors")
        return _join(b, joined.fn, args, margin)

    return tree.rewrite(e, change, stop)


def _sum(b: Builder, e: Expr, margin: int | None) -> Expr:
    if id(e) not in b.sums:
        terms, rest = linear_terms(e)
        if len(terms) == 1 and len(tree.leaves(terms[0][0])) > 1:
            atom, weight = terms[0]  # a shifted function of several tensors
            return tree.affine(single(b, atom, margin), weight, rest)
        parts = [(_summand(b, atom, margin), weight) for atom, weight in terms]
        y = weighted(b, parts, rest, e.shape, margin)
        if any(leaf.name in b.approximate for leaf in tree.leaves(y)):
            return y
        b.sums[id(e)] = (e, y)
    return b.sums[id(e)][1]


def _summand(b: Builder, e: Expr, margin: int | None) -> Affine | Line:
    """An exact tensor; where sums may be rounded, a clip that no integers hold is one too."""
    inner = None if margin is None else unclipped(e)
    try:
        return integer(b, e)
    except Irrational:
        line = None if inner is None else line_of(e, inner, integer(b, inner))
        if line is None:
            raise
        return line


def _join(b: Builder, fn: Fn | Rounding, args: Sequence[Expr], margin: int | None) -> Expr:
    """A function of several tensors that is no weighted sum."""
    if fn in _COMPARISONS:
        difference = single(b, tree.apply(Fn.SUB, args[0], args[1]), margin)
        return tree.apply(fn, difference, ZERO)
    match fn:
        case Fn.MUL:
            return grids.multiplied(b, integer(b, args[0]), integer(b, args[1])).expr
        case Fn.MAX | Fn.MIN:
            pair = [integer(b, a) for a in args]
            return grids.extremum(b, pair[0], pair[1], greatest=fn is Fn.MAX).expr
        case Fn.AND | Fn.OR:
            pair = [integer(b, _truth(a)) for a in args]
            return grids.extremum(b, pair[0], pair[1], greatest=fn is Fn.OR).expr
        case Fn.XOR:
            both = single(b, tree.apply(Fn.SUB, _truth(args[0]), _truth(args[1])), margin)
            return _truth(both)
        case Fn.WHERE:
            c, yes, no = args
            picked = tree.mul(_truth(c), tree.apply(Fn.SUB, yes, no))
            return single(b, tree.add(picked, no), margin)
        case _:
            raise Unsupported(
                f"'{fn}' of two computed tensors has no integer form; quantise both to few bits "
                "and its result as well, or keep one operand constant"
            )


def _truth(e: Expr) -> Expr:
    """1 where e is not 0."""
    match e:
        case Apply(fn=fn) if fn in _COMPARISONS or fn in (Fn.AND, Fn.OR, Fn.XOR, Fn.NOT):
            return e
        case _:
            return tree.apply(Fn.NOT, tree.apply(Fn.EQUAL, e, ZERO))


def _paired(b: Builder, e: Expr) -> Affine | None:
    """Any integer-valued function of a few narrow tensors: a table over all combinations."""
    found = peel(e)
    if found is None:
        return None
    core, scale, offset = found
    leaves = tree.leaves(core)
    types = [b.type_of(x) for x in leaves]
    spans = [t.max - t.min + 1 for t in types]
    if int(np.prod(np.array(spans, dtype=object))) > PAIR_LIMIT:
        return None
    strides = [int(np.prod(np.array(spans[i + 1 :], dtype=object))) for i in range(len(spans))]
    rank = len(core.shape)
    factors = tuple(np.full((1,) * rank, s, np.int64) for s in strides)
    bias = np.full((1,) * rank, -sum(s * t.min for s, t in zip(strides, types, strict=True)))
    ranked = [b.rank(x, rank) for x in leaves]
    index = b.emit(Linear(factors, bias), *ranked)
    for leaf, stride, span, t in zip(leaves, strides, spans, types, strict=True):
        core = tree.substitute(core, leaf, _digit(index, stride, span, t.min))
    return Affine(staircase(b, core), scale, offset)


def _digit(index: Leaf, stride: int, span: int, least: int) -> Expr:
    """floor(index / stride) mod span + least."""
    n = _number(span)
    high = tree.apply(Rounding.FLOOR, tree.apply(Fn.DIV, index, _number(stride)))
    return tree.add(tree.apply(Fn.MOD, high, n), _number(least))


def _number(value: int) -> Param:
    return Param.of(np.int64(value))


def _on_grid(b: Builder, e: Expr) -> Affine:
    """A real-valued function of one tensor without a quantiser: exact integers in some unit."""
    match e:
        case Apply(fn=Fn.ADD | Fn.SUB | Fn.MUL | Fn.DIV | Fn.NEG) if step := split_affine(e):
            inner, scale, offset = step
            a = integer(b, inner)
            offset = tree.add(tree.mul(scale, a.offset), offset)
            return Affine(a.leaf, tree.mul(scale, a.scale), offset)
        case Apply(fn=Fn.ADD | Fn.SUB):
            return integer(b, _sum(b, e, None))
        case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(x, limit)) if tree.is_constant(limit):
            return grids.clamped(b, fn, integer(b, x), limit)
        case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(limit, x)) if tree.is_constant(limit):
            return grids.clamped(b, fn, integer(b, x), limit)
        case _:
            return _by_list(b, e)


def _by_list(b: Builder, e: Expr) -> Affine:
    found = listed(b, e)
    if found is not None:
        return found
    match e:
        case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(x, y)):
            greatest = fn is Fn.MAX
            return grids.extremum(b, integer(b, x), integer(b, y), greatest=greatest)
        case Apply(fn=Fn.ABS, args=(x,)):
            minus = tree.mul(x, MINUS_ONE)
            return grids.extremum(b, integer(b, x), integer(b, minus), greatest=True)
        case Apply(fn=Fn.MUL, args=(x, y)):
            return grids.multiplied(b, integer(b, x), integer(b, y))
        case Apply(fn=Fn.WHERE, args=args):
            return integer(b, _join(b, Fn.WHERE, args, None))
        case _:
            what: Any = e.fn if isinstance(e, Apply) else type(e).__name__
            raise Unsupported(
                f"the real-valued result of '{what}' is used without a quantiser, and no integers "
                "hold it; put one (Quant, QuantizeLinear) behind it"
            )
