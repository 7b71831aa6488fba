"""Scales and offsets of an epilogue at full speed, where float64 holds every result exactly.

A code times p / 2^k plus c / 2^k is a whole number of 2^-k; below 2^53 of them nothing is rounded,
so plain products and sums give what certified ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import tree
from hlsgen.expr.tree import Apply, Expr, Host, Leaf, Param
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
LIMIT = 1 << 53


@dataclass(frozen=True, eq=False)
class _Grid:
    """Values that are whole multiples of 2^-bits, at most `bound` of them."""

    values: Array
    bits: int
    bound: int


def shortened(e: Expr, codes: Mapping[str, Array]) -> tuple[Expr, Mapping[str, Array]]:
    """The epilogue with its exact parts computed: they stand as leaves of their own."""
    match e:
        case Host(args=args):
            parts: list[Expr] = []
            for a in args:
                part, codes = shortened(a, codes)
                parts.append(part)
            return tree.with_args(e, parts), codes
        case Apply(args=(_, _)):
            found = _exact(e, codes)
            if found is None or found.values.shape[1:] != e.shape:
                return e, codes
            name = f"exact {len(codes)}"
            return Leaf(name, e.shape), {**codes, name: found.values}
        case _:
            return e, codes


def _exact(e: Expr, codes: Mapping[str, Array]) -> _Grid | None:
    match e:
        case Leaf(name=name):
            values = codes[name]
            if values.dtype != np.int64 or not values.size or values.shape[1:] != e.shape:
                return None
            bound = max(-int(values.min()), int(values.max()))
            return _Grid(values.astype(np.float64), 0, bound) if bound < LIMIT else None
        case Apply(fn=Fn.ADD | Fn.MUL as fn, args=(x, Param() as c)):
            return _joined(fn, _exact(x, codes), c, len(e.shape))
        case Apply(fn=Fn.ADD | Fn.MUL as fn, args=(Param() as c, x)):
            return _joined(fn, _exact(x, codes), c, len(e.shape))
        case _:
            return None


def _joined(fn: Fn, x: _Grid | None, constant: Param, rank: int) -> _Grid | None:
    """x + c or x * c, or None where float64 might round."""
    numbers = [Fraction(v) for v in constant.values.flat]
    largest = max((v.denominator for v in numbers), default=1)
    if x is None or x.values.ndim != rank + 1 or largest & (largest - 1) or largest >= LIMIT:
        return None
    bits = largest.bit_length() - 1
    top = max((abs(v) for v in numbers), default=Fraction(0))
    if fn is Fn.MUL:
        bits, bound = x.bits + bits, x.bound * int(top * largest)
        if max(bound, int(top * largest)) >= LIMIT or bits > 512:
            return None
        return _Grid(x.values * _floats(constant, rank), bits, bound)
    both = max(x.bits, bits)
    bound = (x.bound << (both - x.bits)) + int(top * (1 << both))
    if bound >= LIMIT:
        return None
    return _Grid(x.values + _floats(constant, rank), both, bound)


def _floats(constant: Param, rank: int) -> Array:
    values = constant.values.astype(np.float64)
    return values.reshape((1,) * (rank + 1 - values.ndim) + values.shape)
