"""Single codes of a model in exact arithmetic: for the elements that float64 cannot decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr import tree
from hlsgen.expr.exact import exact_integer
from hlsgen.expr.tree import Expr, Param
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model import movement, pool, reduce
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import Elementwise, Fn
from hlsgen.ops.model.linear import Conv, ConvTranspose, MatMul
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.threshold import CountThresholds
from hlsgen.sim import batch

Array = NDArray[Any]
Place = tuple[int, ...]
_SUMS = (pool.SumPool, reduce.ReduceSum)


class Pointwise:
    """Exact values of single elements, from the codes of the layers in front of them.

    `known` holds exact numbers by name (network inputs, codes), with a sample axis.
    """

    def __init__(self, model: Model, known: Mapping[str, Array]) -> None:
        self.model = model
        self.known = known
        self._taps: dict[str, Array] = {}

    def code(self, node: Node[ModelOp], sample: int, place: Place) -> int:
        """The integer that a node which ends a layer gives at one place."""
        e = self._node(node, sample, place)
        return exact_integer(e, _leaf)

    def element(self, name: str, sample: int, place: Place) -> Expr:
        """An element as a scalar expression of constants."""
        array = self.known.get(name)
        if array is None and name in self.model.constants:
            array, sample = self.model.constants[name][None], 0
        if array is not None:
            value: Any = array[(sample if array.shape[0] > 1 else 0, *place)]
            return _number(Fraction(value.item() if hasattr(value, "item") else value))
        return self._node(self.model.producer[name], sample, place)

    def _input(self, node: Node[ModelOp], i: int, sample: int, place: Place) -> Expr:
        """The element of input i that broadcasts to `place`."""
        shape = self.model.types[node.inputs[i]].shape
        return self.element(node.inputs[i], sample, _within(shape, place))

    def _node(  # noqa: C901 (one case a kind of operator)
        self, node: Node[ModelOp], sample: int, place: Place
    ) -> Expr:
        match node.op:
            case Elementwise(fn=fn):
                args = [self._input(node, i, sample, place) for i in range(len(node.inputs))]
                return tree.apply(fn, *args)
            case Quantize():
                return self._quantized(node, node.op, sample, place)
            case Dequantize():
                q, scale, zero = (self._input(node, i, sample, place) for i in range(3))
                return tree.mul(tree.apply(Fn.SUB, q, zero), scale)
            case CountThresholds(axis=axis):
                return self._counted(node, axis, sample, place)
            case Cast(dtype=dtype):
                x = self._input(node, 0, sample, place)
                return x if dtype.startswith(("float", "bfloat")) else tree.apply(Fn.TRUNC, x)
            case Conv() | ConvTranspose() | MatMul() | pool.SumPool() | reduce.ReduceSum():
                return self._sum(node, sample, place)
            case pool.MaxPool() | reduce.ReduceMax():
                return self._extreme(node, Fn.MAX, sample, place)
            case reduce.ReduceMin():
                return self._extreme(node, Fn.MIN, sample, place)
            case _:
                return self._moved(node, sample, place)

    def _quantized(self, node: Node[ModelOp], op: Quantize, sample: int, place: Place) -> Expr:
        x, scale, zero = (self._input(node, i, sample, place) for i in range(3))
        v = tree.apply(Fn.DIV, x, scale)
        if op.zero_point_inside:
            v = tree.apply(op.rounding, tree.add(v, zero))
        else:
            v = tree.add(tree.apply(op.rounding, v), zero)
        low, high = _number(Fraction(op.qmin)), _number(Fraction(op.qmax))
        return tree.apply(Fn.MIN, tree.apply(Fn.MAX, v, low), high)

    def _counted(self, node: Node[ModelOp], axis: int, sample: int, place: Place) -> Expr:
        table = self.model.constants[node.inputs[1]]
        row = table[place[axis] if table.shape[0] > 1 else 0]
        x = self._input(node, 0, sample, place)
        return tree.Count(x, np.array([Fraction(t.item()) for t in row], dtype=object), ())

    # -- many elements ----------------------------------------------------------------------

    def _places(self, node: Node[ModelOp], i: int, place: Place) -> list[Place | None]:
        """Which elements of input i meet at `place`, found by moving their numbers there."""
        name = node.inputs[i]
        shape = self.model.types[name].shape
        key = f"{i}:{node.output}"
        if key not in self._taps:
            numbers = np.arange(1, int(np.prod(shape)) + 1, dtype=np.int64).reshape(1, *shape)
            self._taps[key] = _members(node, i, numbers, self.model)
        members = self._taps[key][place]
        return [
            None if n <= 0 else tuple(int(v) for v in np.unravel_index(int(n) - 1, shape))
            for n in members.tolist()
        ]

    def _sum(self, node: Node[ModelOp], sample: int, place: Place) -> Expr:
        total = Fraction(0)
        for x_place, w_place in self._pairs(node, place):
            term = _rational(self.element(node.inputs[0], sample, x_place))
            if term and w_place is not None:
                term *= _rational(self.element(node.inputs[1], sample, w_place))
            total += term
        return _number(total)

    def _pairs(self, node: Node[ModelOp], place: Place) -> Iterator[tuple[Place, Place | None]]:
        """Which elements of the operands are multiplied (the second is None in plain sums)."""
        types = [self.model.types[name].shape for name in node.inputs]
        match node.op:
            case Conv():
                yield from _taps(node.op, types[0], types[1], place)
            case MatMul() if len(types[0]) > 1 and len(types[1]) > 1:
                lead, (row, column) = place[:-2], place[-2:]
                a, b = (_within(shape[:-2], lead) for shape in types)
                for k in range(types[0][-1]):
                    yield (*a, row, k), (*b, k, column)
            case _:
                left = self._places(node, 0, place)
                right = self._places(node, 1, place) if len(types) > 1 else [None] * len(left)
                for x, w in zip(left, right, strict=True):
                    if x is not None and (w is not None or len(types) == 1):
                        yield x, w

    def _extreme(self, node: Node[ModelOp], fn: Fn, sample: int, place: Place) -> Expr:
        found: Expr | None = None
        for spot in self._places(node, 0, place):
            if spot is not None:
                x = self.element(node.inputs[0], sample, spot)
                found = x if found is None else tree.apply(fn, found, x)
        assert found is not None
        return found

    def _moved(self, node: Node[ModelOp], sample: int, place: Place) -> Expr:
        op = node.op
        if not isinstance(op, batch.Movement):
            raise Unsupported(f"{type(op).__name__} has no exact elements")
        if isinstance(op, movement.Concat):
            axis, spot = op.axis, place[op.axis]
            for name in node.inputs:
                size = self.model.types[name].shape[axis]
                if spot < size:
                    return self.element(name, sample, (*place[:axis], spot, *place[axis + 1 :]))
                spot -= size
        (spot_or_none,) = self._places(node, 0, place)
        if spot_or_none is None:
            assert isinstance(op, movement.Pad)
            return _number(Fraction(op.value))
        return self.element(node.inputs[0], sample, spot_or_none)


def _within(shape: Place, place: Place) -> Place:
    """The place in a tensor of `shape` that broadcasts to `place`."""
    spot = place[len(place) - len(shape) :]
    return tuple(0 if n == 1 else p for n, p in zip(shape, spot, strict=True))


def _taps(op: Conv, x: Place, w: Place, place: Place) -> Iterator[tuple[Place, Place]]:
    """The elements under a convolution's window."""
    first = place[1] // (w[0] // op.group) * w[1]
    for c in range(w[1]):
        for k in np.ndindex(*w[2:]):
            spot = tuple(
                o * s + t * d - b
                for o, s, t, d, b in zip(
                    place[2:], op.strides, k, op.dilations, op.pads_begin, strict=True
                )
            )
            if all(0 <= p < n for p, n in zip(spot, x[2:], strict=True)):
                yield (place[0], first + c, *spot), (place[1], c, *k)


def _members(node: Node[ModelOp], i: int, numbers: Array, model: Model) -> Array:
    """For every output place the numbers of the elements of input i that enter it (0: padding)."""
    op = node.op
    if isinstance(op, movement.Pad):
        op = movement.Pad(op.before, op.after, 0.0)
    if isinstance(op, batch.Movement):
        return batch.moved(op, [numbers])[0][..., None]
    out = model.types[node.output].shape
    if isinstance(op, (Conv, ConvTranspose, MatMul)):
        found: list[Array] = []

        def spy(a: Array, b: Array) -> Array:
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            rows, columns, k = a.shape[-2], b.shape[-1], a.shape[-1]
            side = a[..., :, None, :] if i == 0 else np.swapaxes(b, -1, -2)[..., None, :, :]
            found.append(np.broadcast_to(side, (*lead, rows, columns, k)))
            return _place_numbers(found)

        other = np.zeros((1, *model.types[node.inputs[1 - i]].shape), np.int64)
        pair = (numbers, other) if i == 0 else (other, numbers)
        marks = batch.product(op, pair[0], pair[1], spy)
        flat = np.concatenate([f.reshape(-1, f.shape[-1]) for f in found])
        return flat[marks.reshape(out)]
    assert isinstance(op, (*_SUMS, pool.MaxPool, reduce.ReduceMax, reduce.ReduceMin))
    columns = batch.members(op, numbers)
    return columns.reshape(*out, columns.shape[-1])


def _place_numbers(found: list[Array]) -> Array:
    """Where in all of `found`, flattened row by row, the newest results stand."""
    before = sum(f[..., 0].size for f in found[:-1])
    newest = found[-1].shape[:-1]
    return (before + np.arange(int(np.prod(newest)))).reshape(newest)


def _number(value: Fraction) -> Param:
    return Param(np.array(value, dtype=object), ())


def _rational(e: Expr) -> Fraction:
    from hlsgen.expr.exact import exact_rational

    if isinstance(e, Param):
        return Fraction(e.values.item())
    value = exact_rational(e, _leaf)
    if value is None:
        raise Unsupported("an irrational number in a sum of products")
    return value


def _leaf(e: Expr) -> Any:
    match e:
        case Param(values=values):
            return values[()]
        case tree.Count(thresholds=thresholds):
            return list(thresholds)
        case _:
            raise AssertionError(e)
