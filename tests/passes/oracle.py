"""The exact meaning of a model, written a second time: Fractions and wide intervals, one op at a time.

Slow and simple on purpose. It shares no arithmetic with hlsgen: rounding, windows, broadcasting,
square roots are done here in their own few lines. Irrational numbers are intervals of 400 bits;
a rounding that they do not decide raises Undecided.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model import cast, elementwise, linear, movement, pool, quantize, reduce, select
from hlsgen.ops.model.softmax import Softmax
from hlsgen.ops.model.threshold import CountThresholds

BITS = 400
iv = mpmath.iv
Array = Any


class Undecided(Exception):
    """Not even 400 bits say how this rounds."""


class NoMeaning(Exception):
    """The model divides by zero or takes a root or logarithm of what has none."""


# -- numbers ------------------------------------------------------------------------------------


def number(value: Any) -> Fraction:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        raise NoMeaning(value)
    return Fraction(value)


def wide(x: Any) -> Any:
    if isinstance(x, Fraction):
        return iv.mpf(x.numerator) / iv.mpf(x.denominator)
    return x


def ends(x: Any) -> tuple[Fraction, Fraction]:
    if isinstance(x, Nothing):
        raise NoMeaning
    if isinstance(x, Fraction):
        return x, x
    found = []
    for end in (x.a, x.b):
        sign, man, exp, _ = mpmath.mpf(end.mid)._mpf_
        value = Fraction(int(man)) * Fraction(2) ** int(exp)
        found.append(-value if sign else value)
    return found[0], found[1]


def add(a: Any, b: Any) -> Any:
    both = isinstance(a, Fraction) and isinstance(b, Fraction)
    return a + b if both else wide(a) + wide(b)


def neg(a: Any) -> Any:
    return -a


def mul(a: Any, b: Any) -> Any:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    if (isinstance(a, Fraction) and a == 0) or (isinstance(b, Fraction) and b == 0):
        return Fraction(0)
    return wide(a) * wide(b)


def div(a: Any, b: Any) -> Any:
    if isinstance(a, Nothing):
        raise NoMeaning
    low, high = ends(b)
    if low <= 0 <= high:
        raise NoMeaning("division by zero")
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a / b
    return Fraction(0) if isinstance(a, Fraction) and a == 0 else wide(a) / wide(b)


def compare(a: Any, b: Any) -> int:
    low, high = ends(add(a, neg(b)))
    if low > 0:
        return 1
    if high < 0:
        return -1
    if low == high:
        return 0
    raise Undecided


def greater(a: Any, b: Any) -> Any:
    """max(a, b); of enclosures that overlap, the enclosure of both."""
    (low_a, high_a), (low_b, high_b) = ends(a), ends(b)
    if low_a >= high_b:
        return a
    if low_b >= high_a:
        return b
    return iv.mpf([wide(max(low_a, low_b)).a, wide(max(high_a, high_b)).b])


class Nothing:
    """The value of a function outside of its domain; Where may still leave it out."""


def rounded(x: Any, mode: str) -> Fraction:
    low, high = (Fraction(_round(v, mode)) for v in ends(x))
    if low != high:
        raise Undecided
    return low


def _round(v: Fraction, mode: str) -> int:
    down, up = math.floor(v), math.ceil(v)
    if down == up:
        return down
    toward_zero, from_zero = (down, up) if v > 0 else (up, down)
    plain = {"floor": down, "ceil": up, "zero": toward_zero, "away": from_zero}
    if mode in plain:
        return plain[mode]
    middle = Fraction(down + up, 2)
    if v != middle:
        return down if v < middle else up
    tie = {
        "half_even": down if down % 2 == 0 else up,
        "half_up": up,
        "half_down": down,
        "half_away": from_zero,
        "half_zero": toward_zero,
    }
    return tie[mode]


def root(x: Any) -> Any:
    low, _ = ends(x)
    if low < 0:
        raise NoMeaning("root of a negative number")
    if isinstance(x, Fraction):
        n, d = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if n * n == x.numerator and d * d == x.denominator:
            return Fraction(n, d)
    return iv.sqrt(wide(x))


def logarithm(x: Any) -> Any:
    low, _ = ends(x)
    if low <= 0:
        raise NoMeaning("logarithm of what is not positive")
    return Fraction(0) if x == Fraction(1) else iv.log(wide(x))


def power(a: Any, b: Any) -> Any:
    if isinstance(b, Fraction) and b.denominator == 1:
        y: Any = Fraction(1)
        for _ in range(abs(int(b))):
            y = mul(y, a)
        return y if b >= 0 else div(Fraction(1), y)
    if b == Fraction(1, 2):
        return root(a)
    if b == Fraction(-1, 2):
        return div(Fraction(1), root(a))
    return iv.exp(wide(b) * logarithm(a) if a != Fraction(1) else iv.mpf(0))


def error_function(x: Any) -> Any:
    if x == Fraction(0):
        return x
    with mpmath.workprec(BITS + 30):
        low, high = (mpmath.erf(mpmath.mpf(v.numerator) / v.denominator) for v in ends(x))
        slack = mpmath.mpf(2) ** (20 - BITS)
        return iv.mpf([low - slack, high + slack])


def exponential(x: Any) -> Any:
    return Fraction(1) if x == Fraction(0) else iv.exp(wide(x))


def sigmoid(x: Any) -> Any:
    return Fraction(1, 2) if x == Fraction(0) else 1 / (1 + iv.exp(-wide(x)))


def tangent(x: Any) -> Any:
    return Fraction(0) if x == Fraction(0) else 1 - 2 / (iv.exp(2 * wide(x)) + 1)


def truth(value: bool) -> Fraction:
    return Fraction(int(value))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": lambda a, b: add(a, neg(b)),
    "mul": mul,
    "div": div,
    "int_div": lambda a, b: rounded(div(a, b), "zero"),
    "mod": lambda a, b: add(a, neg(mul(rounded(div(a, b), "floor"), b))),
    "pow": power,
    "max": greater,
    "min": lambda a, b: neg(greater(neg(a), neg(b))),
    "equal": lambda a, b: truth(compare(a, b) == 0),
    "less": lambda a, b: truth(compare(a, b) < 0),
    "less_equal": lambda a, b: truth(compare(a, b) <= 0),
    "greater": lambda a, b: truth(compare(a, b) > 0),
    "greater_equal": lambda a, b: truth(compare(a, b) >= 0),
    "and": lambda a, b: truth(a != 0 and b != 0),
    "or": lambda a, b: truth(a != 0 or b != 0),
    "xor": lambda a, b: truth((a != 0) != (b != 0)),
    "not": lambda a: truth(a == 0),
    "where": lambda c, a, b: a if c != 0 else b,
    "neg": neg,
    "abs": lambda a: greater(a, neg(a)),
    "sign": lambda a: Fraction(compare(a, Fraction(0))),
    "sqrt": root,
    "exp": exponential,
    "log": logarithm,
    "erf": error_function,
    "sigmoid": sigmoid,
    "tanh": tangent,
    "softplus": lambda a: iv.log(1 + iv.exp(wide(a))),
    "floor": lambda a: rounded(a, "floor"),
    "ceil": lambda a: rounded(a, "ceil"),
    "round": lambda a: rounded(a, "half_even"),
    "trunc": lambda a: rounded(a, "zero"),
}


def applied(fn: str, args: Sequence[Any]) -> Any:
    """One function of one element; outside of its domain it is Nothing."""
    if fn == "where":
        return args[1] if args[0] != 0 else args[2]
    if any(isinstance(a, Nothing) for a in args):
        return Nothing()
    try:
        return FUNCTIONS[fn](*args)
    except NoMeaning:
        return Nothing()


# -- tensors ------------------------------------------------------------------------------------


def each(f: Callable[..., Any], *arrays: Array) -> Array:
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    full = [np.broadcast_to(a, shape) for a in arrays]
    out = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        out[place] = f(*(a[place] for a in full))
    return out


def tensor(values: Any) -> Array:
    values = np.asarray(values)
    out = np.empty(values.shape, dtype=object)
    for place in np.ndindex(*values.shape):
        out[place] = number(values[place])
    return out


def total(terms: Sequence[Any]) -> Any:
    y: Any = Fraction(0)
    for t in terms:
        y = add(y, t)
    return y


def taps(op: Any, place: tuple[int, ...], kernel: tuple[int, ...], size: tuple[int, ...]):
    """(kernel place, input place) of the taps that lie inside of the tensor."""
    for k in np.ndindex(*kernel):
        spot = tuple(
            p * s + t * d - b
            for p, s, t, d, b in zip(place, op.strides, k, op.dilations, op.pads_begin, strict=True)
        )
        if all(0 <= i < n for i, n in zip(spot, size, strict=True)):
            yield k, spot


def convolved(op: linear.Conv, x: Array, w: Array, shape: tuple[int, ...]) -> Array:
    out = np.empty(shape, dtype=object)
    inner, per_group = w.shape[1], w.shape[0] // op.group
    for n, o, *place in np.ndindex(*shape):
        first = (o // per_group) * inner
        found = taps(op, tuple(place), w.shape[2:], x.shape[2:])
        out[(n, o, *place)] = total(
            [
                mul(x[(n, first + c, *spot)], w[(o, c, *k)])
                for k, spot in found
                for c in range(inner)
            ]
        )
    return out


def transposed(op: linear.ConvTranspose, x: Array, w: Array, shape: tuple[int, ...]) -> Array:
    out = np.full(shape, Fraction(0), dtype=object)
    per_group, inner = w.shape[1], x.shape[1] // op.group
    for n, c, *place in np.ndindex(*x.shape):
        group = c // inner
        for o, *k in np.ndindex(*w.shape[1:]):
            spot = tuple(
                p * s + t * d - b
                for p, s, t, d, b in zip(
                    place, op.strides, k, op.dilations, op.pads_begin, strict=True
                )
            )
            if all(0 <= i < m for i, m in zip(spot, shape[2:], strict=True)):
                at = (n, group * per_group + o, *spot)
                out[at] = add(out[at], mul(x[(n, c, *place)], w[(c, o, *k)]))
    return out


def product(a: Array, b: Array) -> Array:
    left = a if a.ndim > 1 else a[None]
    right = b if b.ndim > 1 else b[:, None]
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*lead, *left.shape[-2:]))
    right = np.broadcast_to(right, (*lead, *right.shape[-2:]))
    out = np.empty((*lead, left.shape[-2], right.shape[-1]), dtype=object)
    for *at, i, j in np.ndindex(*out.shape):
        row, column = left[(*at, i)], right[(*at, slice(None), j)]
        out[(*at, i, j)] = total([mul(u, v) for u, v in zip(row, column, strict=True)])
    out = out if a.ndim > 1 else out[..., 0, :]
    return out if b.ndim > 1 else out[..., 0]


def windowed(op: pool.MaxPool | pool.SumPool, x: Array, shape: tuple[int, ...]) -> Array:
    out = np.empty(shape, dtype=object)
    for n, c, *place in np.ndindex(*shape):
        found = taps(op, tuple(place), op.kernel, x.shape[2:])
        values = [x[(n, c, *spot)] for _, spot in found]
        out[(n, c, *place)] = largest(values) if isinstance(op, pool.MaxPool) else total(values)
    return out


def largest(values: Sequence[Any]) -> Any:
    best = values[0]
    for v in values[1:]:
        best = greater(v, best)
    return best


def reduced(f: Callable[[Sequence[Any]], Any], x: Array, axes: Sequence[int], keep: bool) -> Array:
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = x.transpose(*kept, *axes).reshape(*(x.shape[a] for a in kept), -1)
    out = np.empty(rows.shape[:-1], dtype=object)
    for place in np.ndindex(*out.shape):
        out[place] = f(list(rows[place]))
    return out.reshape([1 if a in axes else n for a, n in enumerate(x.shape)]) if keep else out


def order(values: Sequence[Any], greatest: bool) -> list[int]:
    """Positions, best first; equals in their own order. Insertion sort by exact comparison."""
    found: list[int] = []
    for i, v in enumerate(values):
        at = len(found)
        while at and compare(v, values[found[at - 1]]) * (1 if greatest else -1) > 0:
            at -= 1
        found.insert(at, i)
    return found


def best_place(values: Sequence[Any], greatest: bool, last: bool) -> Fraction:
    if last:
        return Fraction(len(values) - 1 - order(values[::-1], greatest)[0])
    return Fraction(order(values, greatest)[0])


def best_k(op: select.TopK, x: Array) -> list[Array]:
    moved = np.moveaxis(x, op.axis, -1)
    shape = (*moved.shape[:-1], op.k)
    values, places = np.empty(shape, dtype=object), np.empty(shape, dtype=object)
    for at in np.ndindex(*shape[:-1]):
        row = list(moved[at])
        for j, i in enumerate(order(row, op.largest)[: op.k]):
            values[(*at, j)], places[(*at, j)] = row[i], Fraction(i)
    return [np.moveaxis(values, -1, op.axis), np.moveaxis(places, -1, op.axis)]


def softmax(values: Array, log: bool) -> Array:
    powers = [iv.exp(wide(v)) for v in values]
    whole = powers[0]
    for p in powers[1:]:
        whole = whole + p
    shares = [
        wide(v) - iv.log(whole) if log else p / whole for v, p in zip(values, powers, strict=True)
    ]
    out = np.empty(len(shares), dtype=object)
    out[:] = shares
    return out


def quantized(op: quantize.Quantize, x: Any, scale: Any, zero: Any) -> Any:
    if op.zero_point_inside:
        q = rounded(add(div(x, scale), zero), str(op.rounding))
    else:
        q = add(rounded(div(x, scale), str(op.rounding)), zero)
    return min(max(q, Fraction(op.qmin)), Fraction(op.qmax))


def casted(x: Any, dtype: str) -> Any:
    if dtype == "bool":
        return truth(compare(x, Fraction(0)) != 0)
    if dtype.startswith(("float", "bfloat")):
        return x
    whole, width = int(rounded(x, "zero")), int(dtype.lstrip("uint"))
    whole %= 1 << width
    if not dtype.startswith("u") and whole >= 1 << (width - 1):
        whole -= 1 << width
    return Fraction(whole)


def spread(op: movement.Pad, x: Array) -> Array:
    widths = tuple(zip(op.before, op.after, strict=True))
    return np.pad(x, widths, constant_values=number(op.value))


def evaluate_op(op: ModelOp, args: list[Array], shape: tuple[int, ...]) -> list[Array]:
    x = args[0]
    match op:
        case elementwise.Elementwise(fn):
            return [each(lambda *values: applied(str(fn), values), *args)]
        case quantize.Quantize():
            return [each(lambda v, s, z: quantized(op, v, s, z), *args)]
        case quantize.Dequantize():
            return [each(lambda q, s, z: mul(s, add(q, neg(z))), *args)]
        case cast.Cast(dtype):
            return [each(lambda v: casted(v, dtype), x)]
        case linear.Conv():
            return [convolved(op, x, args[1], shape)]
        case linear.ConvTranspose():
            return [transposed(op, x, args[1], shape)]
        case linear.MatMul():
            return [product(x, args[1])]
        case movement.Transpose(perm):
            return [x.transpose(perm)]
        case movement.Reshape(new):
            return [x.reshape(new)]
        case movement.Concat(axis):
            return [np.concatenate(args, axis)]
        case movement.Take(axis, indices):
            return [x.take(indices, axis)]
        case movement.Pad():
            return [spread(op, x)]
        case pool.MaxPool() | pool.SumPool():
            return [windowed(op, x, shape)]
        case _:
            return _chosen(op, args)


def _chosen(op: ModelOp, args: list[Array]) -> list[Array]:
    x = args[0]
    match op:
        case reduce.ReduceSum(axes, keep):
            return [reduced(total, x, axes, keep)]
        case reduce.ReduceMax(axes, keep):
            return [reduced(largest, x, axes, keep)]
        case reduce.ReduceMin(axes, keep):
            return [each(neg, reduced(largest, each(neg, x), axes, keep))]
        case select.ArgMax(axis, keep, last):
            return [reduced(lambda v: best_place(v, True, last), x, (axis,), keep)]
        case select.ArgMin(axis, keep, last):
            return [reduced(lambda v: best_place(v, False, last), x, (axis,), keep)]
        case select.TopK():
            return best_k(op, x)
        case Softmax(axis, log):
            moved = np.moveaxis(x, axis, -1)
            out = np.empty(moved.shape, dtype=object)
            for at in np.ndindex(*moved.shape[:-1]):
                out[at] = softmax(moved[at], log)
            return [np.moveaxis(out, -1, axis)]
        case CountThresholds(axis):
            moved, table = np.moveaxis(x, axis, -1), args[1]
            out = np.empty(moved.shape, dtype=object)
            for at in np.ndindex(*moved.shape):
                row = table[at[-1] if table.shape[0] > 1 else 0]
                out[at] = Fraction(sum(compare(moved[at], t) >= 0 for t in row))
            return [np.moveaxis(out, -1, axis)]
        case _:
            raise NotImplementedError(type(op).__name__)


def evaluate(model: Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every value of one sample, exact; `feeds` may hold Fractions."""
    iv.prec = BITS
    values = {name: tensor(v) for name, v in model.constants.items()}
    values |= {name: tensor(v) for name, v in feeds.items()}
    for node in model:
        shape = model.types[node.outputs[0]].shape
        results = evaluate_op(node.op, [values[n] for n in node.inputs], shape)
        for name, y in itertools.zip_longest(node.outputs, results):
            if name is not None and y is not None:
                values[name] = y.reshape(model.types[name].shape)
    return values


def declared(values: Array, width: int, frac: int, signed: bool = True) -> Array:
    """Inputs as a declared format takes them: rounded half up, saturated."""
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)

    def one(v: Fraction) -> Fraction:
        code = math.floor(v * 2**frac + Fraction(1, 2))
        return Fraction(min(max(code, low), high)) / 2**frac

    return each(one, tensor(values))


def approximate(x: Any) -> float:
    low, high = ends(x)
    return float((low + high) / 2)
