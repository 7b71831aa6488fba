"""The usual prologues at full speed: powers of two, rounding to nearest, saturation.

Every step is exact in float64 for every finite input: products with powers of two are (tiny values
may vanish, and round to 0 either way), remainders of a floor are, and sums of whole numbers are
wherever saturation does not replace them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.expr.tree import Apply, Expr, Param, Source
from hlsgen.ops.model.elementwise import Fn

Array = NDArray[Any]
Step = Callable[[Array], None]
MAX_EXPONENT = 64
MAX_OFFSET = 1 << 31
MAX_CODE = 1 << 52
_WHOLE: dict[str, np.ufunc] = {Fn.MIN: np.minimum, Fn.MAX: np.maximum, Fn.ADD: np.add}


def quick_codes(e: Expr, feeds: Mapping[str, Array]) -> Array | None:
    """The integers of a prologue, or None where its form is not one of the usual ones."""
    steps: list[Step] = []
    shape, rank = e.shape, len(e.shape)
    e, saturated = _saturation(e, rank, steps)
    match e:
        case Apply(fn=Rounding.HALF_EVEN | Rounding.HALF_UP as rounding, args=(inner,)):
            steps.append(_half_even if rounding is Rounding.HALF_EVEN else _half_up)
        case _:
            return None
    while isinstance(inner, Apply) and inner.fn in (Fn.MUL, Fn.DIV):
        scaled, factor = _operands(inner, commutes=inner.fn is Fn.MUL)
        if factor is None or scaled is None or not all(map(_power, factor.values.flat)):
            return None
        values = _floats(factor, rank)
        steps.append(_scale(values if inner.fn is Fn.MUL else 1.0 / values))
        inner = scaled
    if not isinstance(inner, Source) or not saturated or inner.shape != shape:
        return None
    x = feeds[inner.name]
    if x.dtype != np.float64:
        return None
    y = x.copy()
    for step in reversed(steps):
        step(y)
    return y.astype(np.int64)


def _saturation(e: Expr, rank: int, steps: list[Step]) -> tuple[Expr, bool]:
    """Whole numbers added, least and greatest codes; whether both ends are cut."""
    cut: set[str] = set()
    while isinstance(e, Apply) and e.fn in _WHOLE:
        inner, constant = _operands(e, commutes=True)
        limit = MAX_OFFSET if e.fn is Fn.ADD else MAX_CODE
        if inner is None or constant is None or not _whole(constant, limit):
            break
        steps.append(_apply(_WHOLE[e.fn], _floats(constant, rank)))
        cut.add(e.fn)
        e = inner
    return e, {Fn.MIN, Fn.MAX} <= cut


def _operands(e: Apply, *, commutes: bool) -> tuple[Expr | None, Param | None]:
    match e.args:
        case (Param() as constant, x) if commutes and not isinstance(x, Param):
            return x, constant
        case (x, Param() as constant):
            return x, constant
        case _:
            return None, None


def _whole(constant: Param, limit: int) -> bool:
    return all(Fraction(v).denominator == 1 and abs(v) < limit for v in constant.values.flat)


def _power(value: Any) -> bool:
    """Whether a number is 2^k with |k| not too large."""
    v = Fraction(value)
    n, d = v.numerator, v.denominator
    return n > 0 and max(n, d) <= 1 << MAX_EXPONENT and n & (n - 1) == 0 and d & (d - 1) == 0


def _floats(constant: Param, rank: int) -> Array:
    values = constant.values.astype(np.float64)
    return values.reshape((1,) * (rank + 1 - values.ndim) + values.shape)


def _apply(fn: np.ufunc, constant: Array) -> Step:
    def step(y: Array) -> None:
        fn(y, constant, out=y)

    return step


def _scale(factor: Array) -> Step:
    return _apply(np.multiply, factor)


def _half_even(y: Array) -> None:
    np.rint(y, out=y)


def _half_up(y: Array) -> None:
    whole = np.floor(y)
    y -= whole
    np.greater_equal(y, 0.5, out=y)
    y += whole
