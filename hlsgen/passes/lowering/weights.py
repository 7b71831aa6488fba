"""Constant tensors as integers times a unit that may vary along some axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError, ModelError
from hlsgen.expr import constant, tree
from hlsgen.expr.affine import MINUS_ONE, ONE
from hlsgen.expr.tree import Apply, Expr, Param, is_integer
from hlsgen.ir.model import Shape
from hlsgen.ops.hw._exact import product
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.affine import field_shape, rational, whole
from hlsgen.passes.lowering.emission import Builder

Array = NDArray[Any]


def weights(b: Builder, e: Expr, kept: Sequence[int]) -> tuple[Array, Expr]:
    """(integers of the full shape, unit); the unit varies only along the axes `kept`."""
    try:
        return _weights(e, kept)
    except HlsgenError as error:
        raise error.at(b.loc) from None


def _weights(e: Expr, kept: Sequence[int]) -> tuple[Array, Expr]:
    core, scale = _split(e)
    if is_integer(core):
        values = constant.integers(core)
    else:
        values, unit = _real(core, e.shape, kept)
        scale = tree.mul(scale, Param.of(unit))
    full = np.array(np.broadcast_to(values, e.shape))
    return _uniform(full, tree.free(scale), kept)


def _split(e: Expr) -> tuple[Expr, Expr]:
    """(core, scale) with e = scale * core, core integer-valued if it can be."""
    scale: Expr = ONE
    while not is_integer(e):
        match e:
            case Apply(fn=Fn.MUL, args=(a, b)):
                core, factor = (a, b) if _is_core(a, b) else (b, a)
            case Apply(fn=Fn.DIV, args=(core, b)):
                factor = tree.apply(Fn.DIV, ONE, b)
            case Apply(fn=Fn.NEG, args=(core,)):
                factor = MINUS_ONE
            case _:
                break
        e, scale = core, tree.mul(scale, factor)
    return e, scale


def _is_core(a: Expr, b: Expr) -> bool:
    """Whether `a`, not `b`, holds the codes: integers before reals, many before few."""
    if is_integer(a) != is_integer(b):
        return is_integer(a)
    sizes = [int(np.prod(field_shape(x, len(x.shape)), dtype=np.int64)) for x in (a, b)]
    return sizes[0] >= sizes[1]


def _real(e: Expr, shape: Shape, kept: Sequence[int]) -> tuple[Array, Array]:
    """Constants that are no codes: whatever they are, they are whole multiples of a unit."""
    if isinstance(e, Param) and e.values.dtype.kind == "f":
        if not np.isfinite(e.values).all():
            raise ModelError("a weight is not a finite number; needed are numbers")
        values, unit = constant.dyadic(e.values)
        return values, np.array(unit, dtype=object)
    exact = np.broadcast_to(rational(e, "weights"), shape)
    units = constant.gcd(exact, tuple(a for a in range(exact.ndim) if a not in kept))
    return whole(exact / units), units


def _uniform(values: Array, scale: Expr, kept: Sequence[int]) -> tuple[Array, Expr]:
    """Fold into the integers whatever of the scale varies along other axes than `kept`."""
    rank = values.ndim
    varying = field_shape(scale, rank)
    other = tuple(a for a in range(rank) if a not in kept and varying[a] > 1)
    if not other:
        return values, scale
    exact = rational(scale, "weights", rank)
    unit = constant.gcd(exact, other)
    return product(values, whole(exact / unit)), Param.of(unit)
