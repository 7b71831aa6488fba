"""Arithmetic of constants that is done at once: exact, and cheap as they are few or integers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError
from hlsgen.ir.field import compress
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]

FOLD_LIMIT = 1 << 11  # more numbers than these are not turned into Fractions
_SMALL = 1 << 30  # products of two such integers stay within int64
_FOLDED = frozenset({Fn.ADD, Fn.SUB, Fn.MUL, Fn.DIV, Fn.NEG, Fn.MAX, Fn.MIN})


def fold_constants(fn: Fn, values: list[Array]) -> Array | None:
    """The field of fn(values), None where that is left as an expression."""
    if fn not in _FOLDED:
        return None
    if fn is not Fn.DIV and all(_small(v) for v in values):
        return np.asarray(_calculated(fn, values))
    if _size(values) > FOLD_LIMIT or not all(_finite(v) for v in values):
        return None
    if fn is Fn.DIV and bool((values[1] == 0).any()):
        return None
    return compress(np.asarray(_calculated(fn, [fractions(v) for v in values]), dtype=object))


def _small(v: Array) -> bool:
    if v.dtype.kind != "i":
        return False
    return not v.size or max(-int(v.min()), int(v.max())) < _SMALL


def _size(values: list[Array]) -> int:
    return int(np.prod(np.broadcast_shapes(*(v.shape for v in values)), dtype=np.int64))


def _finite(v: Array) -> bool:
    return v.dtype.kind != "f" or bool(np.isfinite(v).all())


def fractions(v: Array) -> Array:
    """The same numbers as Fractions.

    Errors: ModelError where a number is not finite.
    """
    if v.dtype == object and all(isinstance(x, Fraction) for x in v.flat):
        return v
    if v.dtype.kind == "f" and not np.isfinite(v).all():
        raise ModelError(f"a constant is {v[~np.isfinite(v)].flat[0]}: needed is a finite number")
    out = np.empty(v.shape, dtype=object)
    out.flat[:] = [Fraction(x) for x in v.ravel().tolist()] if v.size else []
    return out


def _calculated(fn: Fn, values: list[Array]) -> Any:
    a = values[0]
    match fn:
        case Fn.ADD:
            return a + values[1]
        case Fn.SUB:
            return a - values[1]
        case Fn.MUL:
            return a * values[1]
        case Fn.DIV:
            return a / values[1]
        case Fn.NEG:
            return -a
        case Fn.MAX:
            return np.maximum(a, values[1])
        case _:
            return np.minimum(a, values[1])
