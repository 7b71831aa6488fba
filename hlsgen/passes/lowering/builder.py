"""The integer graph while it grows: emits hardware nodes and turns expressions into integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.staircase import Steps
from hlsgen.errors import HlsgenError, Loc, Unsupported
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import ONE, ZERO, is_integer, linear_terms, peel
from hlsgen.expr.rows import folded, rows_of
from hlsgen.expr.steps import steps_of
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source
from hlsgen.ir import field as fields
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ir.model import Shape
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.take import Take
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]


class NeedsRawInput(Exception):
    """A network input is used in a way that no quantiser precedes: it needs a declared format."""

    def __init__(self, name: str, loc: Loc) -> None:
        super().__init__(name)
        self.name = name
        self.loc = loc


@dataclass(frozen=True, eq=False)
class Affine:
    """scale * leaf + offset; scale and offset are constant expressions."""

    leaf: Leaf
    scale: Expr
    offset: Expr

    @property
    def expr(self) -> Expr:
        return tree.affine(self.leaf, self.scale, self.offset)

    @property
    def rank(self) -> int:
        return len(self.leaf.shape)


@dataclass(frozen=True, eq=False)
class Origin:
    """The ONNX tensor that hardware value `value` holds: tensor = scale * value + offset."""

    value: str
    tensor: str
    scale: Expr
    offset: Expr
    loc: Loc


@dataclass(eq=False)
class Builder:
    """Everything emitted so far; the only mutable thing of the lowering."""

    nodes: list[Node[HwOp]] = field(default_factory=list[Node[HwOp]])
    types: dict[str, IntType] = field(default_factory=dict[str, IntType])
    inputs: list[str] = field(default_factory=list[str])
    prologues: dict[str, Expr] = field(default_factory=dict[str, Expr])
    origins: list[Origin] = field(default_factory=list[Origin])
    loc: Loc = Loc("")
    hint: str = "value"
    _integers: dict[int, tuple[Expr, Affine]] = field(default_factory=dict[int, Any])
    _moves: dict[tuple[str, str], Leaf] = field(default_factory=dict[tuple[str, str], Leaf])

    # -- emission ---------------------------------------------------------------------------

    def emit(self, op: HwOp, *inputs: Leaf, hint: str | None = None) -> Leaf:
        """A new node; its first output as a leaf."""
        return self.emit_all(op, *inputs, hint=hint)[0]

    def emit_all(self, op: HwOp, *inputs: Leaf, hint: str | None = None) -> tuple[Leaf, ...]:
        names = [x.name for x in inputs]
        try:
            types = op.infer(*(self.types[n] for n in names))
        except HlsgenError as error:
            raise error.at(self.loc) from None
        outputs = tuple(self._fresh(hint or self.hint) for _ in types)
        self.types.update(zip(outputs, types, strict=True))
        self.nodes.append(Node(op, tuple(names), outputs, self.loc))
        return tuple(Leaf(n, t.shape) for n, t in zip(outputs, types, strict=True))

    def move(self, op: HwOp, x: Leaf) -> Leaf:
        """Emit a data movement, once for each value."""
        key = (x.name, repr(op))
        if key not in self._moves:
            self._moves[key] = self.emit(op, x)
        return self._moves[key]

    def _fresh(self, hint: str) -> str:
        name, count = hint, 1
        while name in self.types:
            count += 1
            name = f"{hint}:{count}"
        self.types[name] = IntType.of((), 0, 0)  # taken; the caller overwrites it
        return name

    def input(self, prologue: Expr, bounds: IntType, hint: str) -> Leaf:
        """A new hardware input that the host fills with the integers of `prologue`."""
        for name, known in self.prologues.items():
            if known is prologue:
                return Leaf(name, self.types[name].shape)
        name = self._fresh(hint)
        self.types[name] = bounds
        self.inputs.append(name)
        self.prologues[name] = prologue
        return Leaf(name, bounds.shape)

    def type_of(self, leaf: Leaf) -> IntType:
        return self.types[leaf.name]

    # -- expressions to integers ------------------------------------------------------------

    def integer(self, e: Expr) -> Affine:
        """An integer tensor n with e = scale * n + offset, emitting what it takes."""
        if id(e) not in self._integers:
            try:
                a = self._integer(e)
                free = Affine(a.leaf, self._field(a, a.scale), self._field(a, a.offset))
                self._integers[id(e)] = (e, free)
            except HlsgenError as error:
                raise error.at(self.loc) from None
        return self._integers[id(e)][1]

    @staticmethod
    def _field(a: Affine, e: Expr) -> Expr:
        """A constant as a field of the leaf: of its rank, varying only where it really does."""
        e = tree.free(e)
        if isinstance(e, Param):
            values = fields.compress(fields.field_of(e.values, a.rank))
            return Param(values, values.shape)
        return e

    def _integer(self, e: Expr) -> Affine:
        if tree.has_host(e) and not tree.sources(e):
            raise Unsupported(
                "softmax followed by further layers needs softmax hardware, which belongs to a "
                "later release; only a softmax at the end of the network is taken (on the host)"
            )
        if tree.sources(e):
            return self._input(e)
        if tree.is_constant(e):
            return self._constant(e)
        e = self.single(e)
        found = peel(e)
        if found is None:
            return self._on_grid(e)
        core, scale, offset = found
        if isinstance(core, Leaf):
            return Affine(core, scale, offset)
        return Affine(self.staircase(core), scale, offset)

    def _input(self, e: Expr) -> Affine:
        """Part of the prologue if the input meets a quantiser first."""
        source = tree.sources(e)[0]
        found = peel(e)
        if tree.leaves(e) or len(tree.sources(e)) > 1 or found is None:
            raise NeedsRawInput(source.name, self.loc)
        core, scale, offset = found
        bounds = self.bounds(core)
        if not (np.all(np.isfinite(bounds.lo)) and np.all(np.isfinite(bounds.hi))):
            raise NeedsRawInput(source.name, self.loc)
        lo, hi = (np.asarray(v).astype(np.int64) for v in (bounds.lo, bounds.hi))
        leaf = self.input(core, IntType.of(core.shape, lo, hi), source.name)
        return Affine(leaf, scale, offset)

    def _constant(self, e: Expr) -> Affine:
        from hlsgen.ops.hw.constant import Constant

        values, unit = self.weights(e, ())
        full = np.broadcast_to(values, e.shape)
        return Affine(self.emit(Constant(np.array(full))), unit, ZERO)

    def bounds(self, e: Expr):
        """Certified bounds of an expression over everything its leaves can be."""
        from hlsgen.arith.interval import Interval
        from hlsgen.expr.evaluate import enclose, evaluate

        def lookup(node: Expr) -> Interval:
            match node:
                case Leaf(name=name):
                    x = self.types[name]
                    return Interval(*np.broadcast_arrays(enclose(x.lo).lo, enclose(x.hi).hi))
                case Param(values=values):
                    return enclose(values)
                case Count(thresholds=thresholds):
                    return enclose(thresholds)
                case _:
                    return Interval(np.array(-np.inf), np.array(np.inf))

        return evaluate(e, lookup)

    def staircase(self, core: Expr) -> Leaf:
        """The integers of an integer-valued expression of one leaf, as one staircase node."""
        (leaf,) = tree.leaves(core)
        if leaf.shape != core.shape:
            wide = self.broadcast(leaf, core.shape)
            core = substitute(core, leaf, wide)
            leaf = wide
        core = folded(core)
        x = self.type_of(leaf)
        rows = rows_of(core, x)
        steps = steps_of(core, rows)
        if all(_is_identity(s) for s in steps):
            return leaf
        steps, row = _merge_equal(steps, rows.row)
        out = IntFormat.of_range(min(s.min_code for s in steps), max(s.max_code for s in steps))
        return self.emit(Staircase(steps, row, realise(steps, x.format, out)), leaf)

    def single(self, e: Expr) -> Expr:
        """The same function written over one leaf; joins of several become hardware nodes."""
        done: dict[int, Expr] = {}

        def visit(node: Expr) -> Expr:
            if id(node) not in done:
                done[id(node)] = node if len(tree.leaves(node)) <= 1 else self._joined(node, visit)
            return done[id(node)]

        return visit(e)

    def _joined(self, e: Expr, visit: Any) -> Expr:
        match e:
            case Apply(fn=Fn.ADD | Fn.SUB):
                terms, constant_part = linear_terms(e)
                if len(terms) == 1:  # a shifted function of several tensors
                    return tree.affine(visit(terms[0][0]), terms[0][1], constant_part)
                return self._sum(e)
            case Apply(fn=fn, args=args):
                args = tuple(visit(a) for a in args)
                joined = tree.apply(fn, *args)
                if len(tree.leaves(joined)) <= 1:
                    return joined
                return self._join(fn, args)
            case Count():
                return Count(visit(e.arg), e.thresholds, e.shape)
            case _:
                raise Unsupported("this cannot be joined from several tensors")

    def _sum(self, e: Expr) -> Expr:
        """A weighted sum of tensors as one exact integer tensor."""
        terms, constant_part = linear_terms(e)
        parts: list[tuple[Affine, Expr]] = [(self.integer(a), w) for a, w in terms]
        merged: dict[str, tuple[Leaf, Expr]] = {}
        for part, weight in parts:
            constant_part = tree.add(constant_part, tree.mul(weight, part.offset))
            factor = tree.mul(weight, part.scale)
            if part.leaf.name in merged:
                factor = tree.add(merged[part.leaf.name][1], factor)
            merged[part.leaf.name] = (part.leaf, factor)
        leaves = [leaf for leaf, _ in merged.values()]
        if len(leaves) == 1:
            return tree.affine(leaves[0], merged[leaves[0].name][1], constant_part)
        scales = [self._rational(factor, "a sum of tensors") for _, factor in merged.values()]
        rank = len(e.shape)
        scales = [fields.field_of(s, rank) for s in scales]
        unit = constant.pairwise_gcd(scales)
        factors = tuple(_whole(s / unit) for s in scales)
        zero = np.zeros((1,) * rank, np.int64)
        leaves = [self.rank(leaf, rank) for leaf in leaves]
        y = self.emit(Linear(factors, zero), *leaves)
        return tree.affine(y, Param(fields.compress(unit), e.shape), constant_part)

    def _rational(self, e: Expr, where: str) -> Array:
        values = constant.rationals(e)
        if values is None:
            raise Unsupported(
                f"an irrational factor (batch normalisation's square root) meets {where} before "
                "any quantiser; put a quantiser behind the batch normalisation, or fold it"
            )
        return values

    def _join(self, fn: Fn | Any, args: tuple[Expr, ...]) -> Expr:
        """A function of several tensors that is no weighted sum."""
        match fn, args:
            case Fn.MUL, (a, b):
                return self._product(self.integer(a), self.integer(b))
            case (Fn.MAX | Fn.MIN), (a, b):
                left, right, unit = self.common_grid(a, b)
                shape = tuple(int(n) for n in np.broadcast_shapes(a.shape, b.shape))
                left, right = (self.rank(x, len(shape)) for x in (left, right))
                y = self.emit(Extremum(fn is Fn.MAX), left, right)
                return tree.affine(y, Param(unit, shape), ZERO)
            case (Fn.GREATER | Fn.GREATER_EQUAL | Fn.LESS | Fn.LESS_EQUAL | Fn.EQUAL), (a, b):
                difference = self.single(tree.apply(Fn.SUB, a, b))
                return tree.apply(fn, difference, ZERO)
            case Fn.WHERE, (c, a, b):
                picked = tree.mul(c, tree.apply(Fn.SUB, a, b))
                return self.single(tree.add(picked, b))
            case _:
                raise Unsupported(
                    f"{fn} of two computed tensors has no integer form; quantise its result "
                    "through one tensor, or keep one operand constant"
                )

    def _product(self, a: Affine, b: Affine) -> Expr:
        rank = max(a.rank, b.rank)
        a, b = self._centred(a), self._centred(b)
        zeros = (_zero_code(a) or 0, _zero_code(b) or 0)
        y = self.emit(Product(zeros), self.rank(a.leaf, rank), self.rank(b.leaf, rank))
        return tree.affine(y, tree.mul(a.scale, b.scale), ZERO)

    def _centred(self, a: Affine) -> Affine:
        """The same tensor such that real zero is one integer code."""
        return a if _zero_code(a) is not None else self.zero_offset(a)

    # -- grids ------------------------------------------------------------------------------

    def zero_offset(self, a: Affine, axes: Sequence[int] = ()) -> Affine:
        """The same tensor as unit * n with no offset, the unit uniform along `axes`."""
        scale = fields.field_of(self._rational(a.scale, "a join"), a.rank)
        offset = fields.field_of(self._rational(a.offset, "a join"), a.rank)
        unit = constant.pairwise_gcd([scale, offset])
        if axes:
            unit = constant.gcd(unit, tuple(axes))
        return Affine(self.regrid(a.leaf, scale, offset, unit), Param(unit, a.leaf.shape), ZERO)

    def regrid(self, leaf: Leaf, scale: Array, offset: Array, unit: Array) -> Leaf:
        """(scale * leaf + offset) / unit as integers."""
        factor, bias = _whole(scale / unit), _whole(offset / unit)
        if np.all(factor == 1) and np.all(bias == 0):
            return leaf
        return self.emit(Linear((factor,), bias), leaf)

    def common_grid(self, a: Expr, b: Expr) -> tuple[Leaf, Leaf, Array]:
        """Both operands as integers in one unit without offset."""
        x, y = self.integer(a), self.integer(b)
        rank = max(x.rank, y.rank)
        scales: list[Array] = []
        offsets: list[Array] = []
        for part in (x, y):
            scales.append(fields.field_of(self._rational(part.scale, "a comparison"), rank))
            offsets.append(fields.field_of(self._rational(part.offset, "a comparison"), rank))
        unit = constant.pairwise_gcd([*scales, *offsets])
        left, right = (
            self.regrid(self.rank(p.leaf, rank), s, o, unit)
            for p, s, o in zip((x, y), scales, offsets, strict=True)
        )
        return left, right, fields.compress(unit)

    def _on_grid(self, e: Expr) -> Affine:
        """Unquantised piecewise linear functions (ReLU without a quantiser): exact integers."""
        match e:
            case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(a, b)) if tree.is_constant(b):
                return self._clamped(fn, a, b)
            case Apply(fn=Fn.MAX | Fn.MIN as fn, args=(a, b)) if tree.is_constant(a):
                return self._clamped(fn, b, a)
            case Apply(fn=Fn.MAX | Fn.MIN as fn, args=args):
                return self.integer(self._join(fn, args))
            case Apply(fn=Fn.ABS, args=(a,)):
                return self.integer(self._join(Fn.MAX, (a, tree.apply(Fn.NEG, a))))
            case Apply(fn=Fn.ADD | Fn.SUB):
                return self.integer(self._sum(e))
            case Apply(fn=Fn.MUL | Fn.DIV | Fn.NEG):
                return self._scaled(e)
            case _:
                what = e.fn if isinstance(e, Apply) else type(e).__name__
                raise Unsupported(
                    f"the real-valued result of '{what}' is used without a quantiser; put one "
                    "(Quant, QuantizeLinear) behind it"
                )

    def _scaled(self, e: Apply) -> Affine:
        from hlsgen.expr.affine import split_affine

        step = split_affine(e)
        if step is None:  # a product of two functions of one tensor
            if e.fn is not Fn.MUL:
                raise Unsupported(f"{e.fn} by a computed tensor has no integer form")
            return self.integer(self._product(self.integer(e.args[0]), self.integer(e.args[1])))
        inner, scale, offset = step
        a = self.integer(inner)
        return Affine(
            a.leaf, tree.mul(scale, a.scale), tree.add(tree.mul(scale, a.offset), offset)
        )

    def _clamped(self, fn: Fn, e: Expr, limit: Expr) -> Affine:
        """max or min of a tensor with a constant, on a grid that holds the constant."""
        a = self.integer(e)
        scale, offset, bound = (
            fields.field_of(self._rational(v, "a clip"), a.rank)
            for v in (a.scale, a.offset, limit)
        )
        unit = constant.pairwise_gcd([scale, offset, bound])
        # a positive unit keeps the order; regrid folds a negative scale into its factor
        leaf = self.regrid(a.leaf, scale, offset, unit)
        code = _whole(bound / unit)
        x = self.type_of(leaf)
        lo, hi = np.asarray(x.min, dtype=object), np.asarray(x.max, dtype=object)
        if fn is Fn.MAX:
            op = Clamp(code, fields.to_int64(np.maximum(fields.to_object(code), hi)))
        else:
            op = Clamp(fields.to_int64(np.minimum(fields.to_object(code), lo)), code)
        y = self.emit(op, leaf)
        return Affine(y, Param(fields.compress(unit), leaf.shape), ZERO)

    # -- shapes -----------------------------------------------------------------------------

    def rank(self, leaf: Leaf, rank: int) -> Leaf:
        """The leaf with axes of size 1 put in front."""
        if len(leaf.shape) == rank:
            return leaf
        return self.move(Reshape((1,) * (rank - len(leaf.shape)) + leaf.shape), leaf)

    def broadcast(self, leaf: Leaf, shape: Shape) -> Leaf:
        """The leaf repeated to a full shape."""
        leaf = self.rank(leaf, len(shape))
        for axis, (have, want) in enumerate(zip(leaf.shape, shape, strict=True)):
            if have != want:
                leaf = self.move(Take(axis, (0,) * want), leaf)
        return leaf

    # -- constants --------------------------------------------------------------------------

    def weights(self, e: Expr, kept: tuple[int, ...]) -> tuple[Array, Expr]:
        """(integers, unit) of a constant tensor; the unit varies only along the axes `kept`."""
        try:
            return self._weights(e, kept)
        except HlsgenError as error:
            raise error.at(self.loc) from None

    def _weights(self, e: Expr, kept: tuple[int, ...]) -> tuple[Array, Expr]:
        core, scale = _strip_scale(e)
        if is_integer(core):
            values = np.array(np.broadcast_to(constant.integers(core), core.shape))
        else:
            values, unit = self._real_weights(core, kept)
            scale = tree.mul(scale, Param.of(unit))
        return self._uniform(values, scale, e.shape, kept)

    def _real_weights(self, e: Expr, kept: tuple[int, ...]) -> tuple[Array, Array]:
        """Constants that are no codes: whatever they are, they are whole multiples of a unit."""
        if isinstance(e, Param) and e.values.dtype.kind == "f":
            values, unit = constant.dyadic(np.broadcast_to(e.values, e.shape))
            return np.array(values), np.array(unit, dtype=object)
        exact = constant.rationals(e)
        if exact is None:
            raise Unsupported("irrational weights (a square root folded into them) have no codes")
        full = np.broadcast_to(exact, e.shape)
        unit = constant.gcd(full, tuple(a for a in range(full.ndim) if a not in kept))
        quotient = full / unit
        values = np.empty(e.shape, dtype=object)
        values.flat[:] = [int(v) for v in quotient.flat]
        return fields.to_int64(values), unit

    def _uniform(
        self, values: Array, scale: Expr, shape: Shape, kept: tuple[int, ...]
    ) -> tuple[Array, Expr]:
        """Fold into the integers whatever of the scale varies along other axes than `kept`."""
        rank = len(shape)
        varying = field_shape(scale, rank)
        other = tuple(a for a in range(rank) if a not in kept and varying[a] > 1)
        if not other:
            return values, scale
        exact = fields.field_of(self._rational(scale, "weights"), rank)
        unit = constant.gcd(exact, other)
        factor = _whole(exact / unit)
        product = fields.to_object(values) * fields.to_object(factor)
        return fields.to_int64(product), Param(unit, shape)


def field_shape(e: Expr, rank: int) -> tuple[int, ...]:
    """Along which axes a constant expression varies (sizes > 1), aligned to `rank`."""
    shapes = [n.values.shape for n in tree.nodes(e) if isinstance(n, Param)]
    shape = np.broadcast_shapes((), *shapes)
    return (1,) * (rank - len(shape)) + tuple(int(n) for n in shape)


def varies(e: Expr, rank: int, axes: Sequence[int]) -> bool:
    """Does a constant expression vary along any of the axes?"""
    shape = field_shape(e, rank)
    return any(shape[a] > 1 for a in axes)


def substitute(e: Expr, old: Expr, new: Expr) -> Expr:
    """`e` with every occurrence of the leaf `old` (by name) replaced."""
    done: dict[int, Expr] = {}

    def visit(node: Expr) -> Expr:
        if isinstance(node, Leaf) and isinstance(old, Leaf) and node.name == old.name:
            return new
        args = tree.args_of(node)
        if not args:
            return node
        if id(node) not in done:
            done[id(node)] = tree.with_args(node, [visit(a) for a in args])
        return done[id(node)]

    return visit(e)


def zero_code(a: Affine) -> int | None:
    """The integer that stands for real zero everywhere, if there is one."""
    return _zero_code(a)


def _zero_code(a: Affine) -> int | None:
    if tree.is_number(a.offset, 0):
        return 0
    scale, offset = constant.rationals(a.scale), constant.rationals(a.offset)
    if scale is None or offset is None or (scale == 0).any():
        return None
    codes = np.asarray(-offset / scale, dtype=object)
    first = codes.flat[0]
    if first.denominator != 1 or any(c != first for c in codes.flat):
        return None
    return int(first)


def _whole(values: Array) -> Array:
    """Fractions that are whole numbers, as int64 where they fit."""
    out = np.empty(values.shape, dtype=object)
    out.flat[:] = [int(v) for v in values.flat]
    return fields.compress(fields.to_int64(out)) if out.ndim else fields.to_int64(out)


def _strip_scale(e: Expr) -> tuple[Expr, Expr]:
    """(core, scale) with e = scale * core, core integer-valued if it can be."""
    scale: Expr = ONE
    while not is_integer(e):
        match e:
            case Apply(fn=Fn.MUL, args=(a, b)):
                core, factor = (a, b) if _prefer_core(a, b) else (b, a)
            case Apply(fn=Fn.DIV, args=(core, b)):
                factor = tree.apply(Fn.DIV, ONE, b)
            case Apply(fn=Fn.NEG, args=(core,)):
                factor = Param.of(np.int64(-1))
            case _:
                break
        e, scale = replace_shape(core, e.shape), tree.mul(scale, factor)
    return e, scale


def replace_shape(e: Expr, shape: Shape) -> Expr:
    """The constant `e` regarded as broadcast to a larger shape."""
    if e.shape == shape:
        return e
    if isinstance(e, Param):
        return Param(fields.field_of(e.values, len(shape)), shape)
    if isinstance(e, Apply):
        return replace(e, shape=shape)
    return e


def _prefer_core(a: Expr, b: Expr) -> bool:
    if is_integer(a) != is_integer(b):
        return is_integer(a)
    return int(np.prod(field_shape(a, len(a.shape)))) >= int(np.prod(field_shape(b, len(b.shape))))


def _is_identity(s: Steps) -> bool:
    return len(s.t) == s.hi - s.lo and s.first == s.lo and bool(np.all(s.jump == 1))


def _merge_equal(steps: tuple[Steps, ...], row: Array) -> tuple[tuple[Steps, ...], Array]:
    """Channels with one function share one row."""
    index: dict[Any, int] = {}
    kept: list[Steps] = []
    target = np.empty(len(steps), dtype=np.int64)
    for i, s in enumerate(steps):
        key = (s.lo, s.hi, s.first, s.t.tobytes(), s.jump.tobytes()) if s.t.dtype != object else i
        if key not in index:
            index[key] = len(kept)
            kept.append(s)
        target[i] = index[key]
    return tuple(kept), fields.compress(target[row])


__all__ = ["Affine", "Builder", "Host", "NeedsRawInput", "Origin", "Source"]
