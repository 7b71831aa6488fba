"""Exact values of constant expressions: weights, scales, offsets."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.expr.evaluate import enclose, evaluate
from hlsgen.expr.exact import exact_bounds, exact_integer, exact_rational
from hlsgen.expr.fold import fractions as exact
from hlsgen.expr.tree import Apply, Count, Expr, Param, nodes
from hlsgen.ir.field import compress
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]


def _lookup(node: Expr) -> Any:
    match node:
        case Param(values=values):
            return enclose(values)
        case Count(thresholds=thresholds):
            return enclose(thresholds)
        case _:
            raise AssertionError(node)


def enclosure(e: Expr):
    """Certified bounds of a constant expression, as fields."""
    return evaluate(e, _lookup)


def sign_field(e: Expr) -> NDArray[np.int64] | None:
    """Sign of a constant expression per element; None where float64 does not decide it."""
    y = enclosure(e)
    sign = np.sign(y.lo).astype(np.int64)
    return sign if bool(np.all(sign == np.sign(y.hi))) else None


def _at(e: Expr, shape: tuple[int, ...], index: int) -> Any:
    """Lookup of the exact parameters of element `index` of the broadcast result."""
    place = np.unravel_index(index, shape) if shape else ()

    def lookup(node: Expr) -> Any:
        match node:
            case Param(values=values):
                spot = tuple(
                    0 if n == 1 else i
                    for i, n in zip(place[len(place) - values.ndim :], values.shape, strict=True)
                )
                return number(values[spot])
            case Count(thresholds=thresholds):
                rank = thresholds.ndim - 1
                spot = tuple(
                    0 if n == 1 else i
                    for i, n in zip(place[len(place) - rank :], thresholds.shape, strict=False)
                )
                return [number(t) for t in thresholds[spot]]
            case _:
                raise AssertionError(node)

    return lookup


def number(value: Any) -> Any:
    """A Python number; numpy's are unpacked."""
    unpack = getattr(value, "item", None)
    return value if unpack is None else unpack()


def integers(e: Expr) -> Array:
    """The field of an integer-valued constant expression, as int64 (object beyond 62 bits)."""
    if isinstance(e, Param) and e.values.dtype.kind == "i":
        return e.values
    y = enclosure(e)
    if not (np.all(np.isfinite(y.lo)) and np.all(np.isfinite(y.hi))):
        raise Unsupported("a constant is not a finite number")
    unsure = np.flatnonzero((y.lo != y.hi) | (np.abs(y.lo) >= 1 << 53))
    if unsure.size == 0:
        return y.lo.astype(np.int64)
    shape = np.broadcast(y.lo, y.hi).shape
    values = np.broadcast_to(y.lo, shape).astype(object)
    values = np.array([int(v) for v in values.flat], dtype=object).reshape(shape)
    for index in unsure.tolist():
        values.flat[index] = exact_integer(e, _at(e, shape, index))
    fits = all(abs(v) < 1 << 62 for v in values.flat)
    return values.astype(np.int64) if fits else values


def rationals(e: Expr) -> Array | None:
    """The field of a constant expression as Fractions; None if some element is irrational."""
    if isinstance(e, Param):
        return exact(e.values)
    if any(isinstance(n, Apply) and n.fn in _IRRATIONAL for n in nodes(e)):
        return _rationals_one_by_one(e)
    y = enclosure(e)
    if y.is_point:
        return exact(y.lo)
    return _rationals_one_by_one(e)


_IRRATIONAL = {Fn.SQRT, Fn.EXP, Fn.LOG, Fn.ERF, Fn.SIGMOID, Fn.TANH, Fn.SOFTPLUS, Fn.POW}


def _shape(e: Expr) -> tuple[int, ...]:
    """Of the field that the parameters of `e` span."""
    return np.broadcast_shapes(
        *(n.values.shape for n in nodes(e) if isinstance(n, Param)),
        *(n.thresholds.shape[:-1] for n in nodes(e) if isinstance(n, Count)),
    )


def _rationals_one_by_one(e: Expr) -> Array | None:
    shape = _shape(e)
    out = np.empty(shape, dtype=object)
    for index in range(out.size):
        value = exact_rational(e, _at(e, shape, index))
        if value is None:
            return None
        out.flat[index] = value
    return compress(out)


def bounds(e: Expr, bits: int) -> tuple[Array, Array]:
    """Fields of Fractions around a constant expression, to about `bits` bits."""
    shape = _shape(e)
    low, high = np.empty(shape, dtype=object), np.empty(shape, dtype=object)
    for index in range(low.size):
        low.flat[index], high.flat[index] = exact_bounds(e, _at(e, shape, index), bits)
    return low, high


def gcd(values: Array, axes: tuple[int, ...] | None = None) -> Array:
    """Greatest Fraction of which all elements along `axes` (all axes if None) are whole multiples.

    Zeros do not count; 1 where everything is zero. The axes stay with size 1.
    """
    if axes is None:
        axes = tuple(range(values.ndim))
    kept = [a for a in range(values.ndim) if a not in axes]
    rows = values.transpose(*kept, *axes).reshape(
        int(np.prod([values.shape[a] for a in kept], dtype=np.int64)), -1
    )
    out = np.empty(len(rows), dtype=object)
    out[:] = [gcd_of(row) for row in rows]
    return out.reshape([values.shape[a] if a in kept else 1 for a in range(values.ndim)])


def gcd_of(values: Any) -> Fraction:
    """gcd of rational numbers: gcd of numerators over lcm of denominators."""
    numerator, denominator = 0, 1
    for v in values:
        if v:
            f = Fraction(v)
            numerator = math.gcd(numerator, f.numerator)
            denominator = math.lcm(denominator, f.denominator)
    return Fraction(numerator, denominator) if numerator else Fraction(1)


def pairwise_gcd(fields: list[Array]) -> Array:
    """Element-wise gcd of several broadcastable fields of Fractions."""
    shape = np.broadcast_shapes(*(f.shape for f in fields))
    stacked = np.stack([np.broadcast_to(f, shape) for f in fields], axis=-1)
    return gcd(stacked, (stacked.ndim - 1,))[..., 0]


def dyadic(values: NDArray[np.float64]) -> tuple[Array, Fraction]:
    """(integers, unit): values = integers * unit, unit the greatest power of two that does it."""
    nonzero = values[values != 0]
    if nonzero.size == 0:
        return np.zeros(values.shape, np.int64), Fraction(1)
    mantissa, exponent = np.frexp(nonzero)
    whole = (mantissa * 2.0**53).astype(np.int64)
    low_bit = whole & -whole
    trailing = np.log2(low_bit.astype(np.float64)).astype(np.int64)
    least = int((exponent.astype(np.int64) - 53 + trailing).min())
    top = int(exponent.max()) - least
    if top <= 62:
        return np.ldexp(values, -least).astype(np.int64), Fraction(2) ** least
    unit = Fraction(2) ** least
    out = np.empty(values.shape, dtype=object)
    out.flat[:] = [int(Fraction(v) / unit) for v in values.ravel().tolist()]
    return out, unit
