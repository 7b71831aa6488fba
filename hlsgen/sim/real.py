"""Real numbers with a bound of the error that floating-point evaluation of them can have.

Every array is float64 and has a leading sample axis. `value` is what exact arithmetic gives, up to
its own float64 error; a computation with `bits` bits of mantissa, in any order of its sums, stays
within `error` of it. Where such a computation is exact, `error` is 0: that is seen from the values
(an error-free transformation tells), not assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf as _erf  # pyright: ignore[reportMissingTypeStubs]
from scipy.special import expit as _expit

from hlsgen.ops.model.elementwise import TO_BOOL, Fn
from hlsgen.sim.parts import STEPS
from hlsgen.sim.precision import Precision

Array = NDArray[Any]
_SPLIT = 134217729.0  # 2**27 + 1


@dataclass(frozen=True, eq=False)
class Codes:
    """The same numbers as factor * integers, exactly but for the product itself."""

    integers: Array
    factor: Array


@dataclass(frozen=True, eq=False)
class Real:
    """Numbers with an error bound; `terms` is how many were added in the sum they come from."""

    value: Array
    error: Array
    codes: Codes | None = None
    terms: int = 0

    @classmethod
    def exact(cls, value: Array) -> Real:
        return cls(value.astype(np.float64), np.zeros((1,) * value.ndim))

    @property
    def is_exact(self) -> bool:
        return not self.error.any()


def _halves(a: Array) -> tuple[Array, Array]:
    c = _SPLIT * a
    high = c - (c - a)
    return high, a - high


def product_rest(a: Array, b: Array, p: Array) -> Array:
    """a * b - p, exact unless something underflows."""
    ah, al = _halves(a)
    bh, bl = _halves(b)
    return ((ah * bh - p) + ah * bl + al * bh) + al * bl


def sum_rest(a: Array, b: Array, s: Array) -> Array:
    """a + b - s, exact."""
    t = s - a
    return (a - (s - t)) + (b - t)


def elementwise(fn: Fn, args: list[Real], p: Precision, *, integer: bool = False) -> Real:
    """fn of numbers that broadcast; integers are computed in an integer type, without rounding."""
    with np.errstate(all="ignore"):
        y = _elementwise(fn, args, p, integer)
        unknown = np.isnan(y.error)  # an overflow times 0
        return Real(y.value, np.where(unknown, np.inf, y.error)) if unknown.any() else y


def _elementwise(fn: Fn, args: list[Real], p: Precision, integer: bool) -> Real:
    a, b = args[0], args[-1]
    if fn in _ARITHMETIC:
        value, error, local = _ARITHMETIC[fn](a, b, p)
        return Real(value, error if integer else error + local)
    if fn in (Fn.MAX, Fn.MIN):
        return _extreme(fn is Fn.MAX, a, b)
    if fn is Fn.WHERE:
        return _where(*args)
    if fn in (Fn.NEG, Fn.ABS):
        return Real(-a.value if fn is Fn.NEG else np.abs(a.value), a.error)
    if fn in TO_BOOL or fn in (Fn.INT_DIV, Fn.MOD):
        return _truth(fn, a, b)
    if fn is Fn.POW:
        return _power(a, b, p)
    return _function(fn, a, p)


def _add(a: Real, b: Real, p: Precision) -> tuple[Array, Array, Array]:
    value = a.value + b.value
    error = a.error + b.error
    rest = None if error.all() else sum_rest(a.value, b.value, value)
    size = np.abs(value) if p.slack == 1 else np.abs(a.value) + np.abs(b.value)
    local = p.local(value, rest, error, size)
    terms = max(a.terms, b.terms)
    if terms:  # a bias that the sum started from is rounded with every term
        other = b.value if a.terms else a.value
        more = terms * p.unit * np.abs(other)
        local = np.where(local == 0, 0.0, local + more)
    return value, error, local


def _subtract(a: Real, b: Real, p: Precision) -> tuple[Array, Array, Array]:
    return _add(a, Real(-b.value, b.error, terms=b.terms), p)


def _multiply(a: Real, b: Real, p: Precision) -> tuple[Array, Array, Array]:
    value = a.value * b.value
    error = a.error * np.abs(b.value) + b.error * np.abs(a.value) + a.error * b.error
    rest = None if error.all() else product_rest(a.value, b.value, value)
    return value, error, p.local(value, rest, error)


def _divide(a: Real, b: Real, p: Precision) -> tuple[Array, Array, Array]:
    value = a.value / b.value
    room = np.abs(b.value) - b.error
    error = np.where(room > 0, (a.error + np.abs(value) * b.error) / room, np.inf)
    error = np.where((a.error == 0) & (b.error == 0), 0.0, error)
    if error.all():
        return value, error, p.local(value, None, error)
    product = value * b.value
    rest = (a.value - product) - product_rest(value, b.value, product)
    if p.slack > 1:  # the kernel may multiply by the reciprocal
        rest = np.where(np.frexp(b.value)[0] == 0.5, rest, 1.0)
    return value, error, p.local(value, rest, error)


_ARITHMETIC: dict[Fn, Callable[[Real, Real, Precision], tuple[Array, Array, Array]]] = {
    Fn.ADD: _add,
    Fn.SUB: _subtract,
    Fn.MUL: _multiply,
    Fn.DIV: _divide,
}


def _extreme(greater: bool, a: Real, b: Real) -> Real:
    value = np.maximum(a.value, b.value) if greater else np.minimum(a.value, b.value)
    decided = np.abs(a.value - b.value) > a.error + b.error
    taken = np.where(a.value == value, a.error, b.error)
    return Real(value, np.where(decided, taken, np.maximum(a.error, b.error)))


def _where(c: Real, a: Real, b: Real) -> Real:
    value = np.where(c.value != 0, a.value, b.value)
    error = np.where(c.value != 0, a.error, b.error)
    other = np.abs(a.value - b.value) + a.error + b.error
    return Real(value, np.where(c.error > 0, other, error))


def _truth(fn: Fn, a: Real, b: Real) -> Real:  # noqa: C901 (one case a function)
    x, y = a.value, b.value
    match fn:
        case Fn.EQUAL:
            value = x == y
        case Fn.LESS:
            value = x < y
        case Fn.LESS_EQUAL:
            value = x <= y
        case Fn.GREATER:
            value = x > y
        case Fn.GREATER_EQUAL:
            value = x >= y
        case Fn.AND:
            value = (x != 0) & (y != 0)
        case Fn.OR:
            value = (x != 0) | (y != 0)
        case Fn.XOR:
            value = (x != 0) ^ (y != 0)
        case Fn.NOT:
            return Real((x == 0).astype(np.float64), a.error)
        case Fn.INT_DIV:
            return _whole_quotient(a, b)
        case _:
            return Real(np.mod(x, y), np.where(a.error + b.error > 0, np.inf, 0.0))
    error = a.error + b.error
    if fn in (Fn.AND, Fn.OR, Fn.XOR):
        return Real(value.astype(np.float64), np.minimum(error, 1.0))
    unsure = (error > 0) & (np.abs(x - y) <= error)
    return Real(value.astype(np.float64), unsure.astype(np.float64))


def _whole_quotient(a: Real, b: Real) -> Real:
    """Integers divided and cut toward zero; a rising function of the dividend."""
    value, low, high = (
        (x - np.fmod(x, b.value)) / b.value for x in (a.value, a.value - a.error, a.value + a.error)
    )
    error = np.maximum(np.abs(high - value), np.abs(value - low))
    return Real(value, np.where(b.error > 0, np.inf, error))


# f, and the library's error as a multiple of the unit: absolute, relative to the value. Four times
# what was seen of onnxruntime's float32 kernels (design/staircases.md 6.1).
_FUNCTIONS: dict[Fn, tuple[Callable[[Array], Array], float, float]] = {
    Fn.SQRT: (np.sqrt, 0, 2),
    Fn.EXP: (np.exp, 0, 6),
    Fn.LOG: (np.log, 8, 8),
    Fn.ERF: (_erf, 4, 4),
    Fn.SIGMOID: (_expit, 12, 0),
    Fn.TANH: (np.tanh, 0, 22),
    Fn.SOFTPLUS: (lambda x: np.logaddexp(0.0, x), 32, 4),
    Fn.SIGN: (np.sign, 0, 0),
    Fn.FLOOR: (np.floor, 0, 0),
    Fn.CEIL: (np.ceil, 0, 0),
    Fn.ROUND: (np.rint, 0, 0),
    Fn.TRUNC: (np.trunc, 0, 0),
}


def _function(fn: Fn, a: Real, p: Precision) -> Real:
    """A rising function of one number: its error is what it can rise within the argument's."""
    f, absolute, relative = _FUNCTIONS[fn]
    value = f(a.value)
    low, high = f(a.value - a.error), f(a.value + a.error)
    if fn is Fn.SQRT:
        low = np.where(a.value - a.error > 0, low, 0.0)
    error = np.maximum(high - value, value - low)
    if fn in STEPS:
        return Real(value, error)
    if fn is Fn.SQRT:
        p_value = value * value
        rest = (a.value - p_value) - product_rest(value, value, p_value)
        return Real(value, error + p.local(value, rest, error, 2 * np.abs(value)))
    scale = 16.0 if p.bits >= 53 else 1.0  # numpy's own functions, as hlsgen.arith.interval
    library = scale * p.unit * (absolute + max(relative, 1.0) * np.abs(value)) + p.format.lost
    return Real(value, p.unless_endless(error + library, np.abs(value)))


def _power(a: Real, b: Real, p: Precision) -> Real:
    value = np.power(a.value, b.value)
    ends = [np.power(x, b.value) for x in (a.value - a.error, a.value + a.error)]
    through = np.where(np.abs(a.value) <= a.error, np.abs(value), 0.0)
    error = np.maximum.reduce([np.abs(e - value) for e in ends]) + through
    error = np.where(np.isnan(error) | (b.error > 0), np.inf, error)
    whole = np.abs(value) < 2.0**p.bits
    exact = (a.error == 0) & whole & (value == np.rint(value)) & (a.value == np.rint(a.value))
    exact = exact & (b.value == np.rint(b.value)) & (b.value >= 0)
    error = error + np.where(exact, 0.0, 16 * p.unit * np.abs(value) + p.format.lost)
    return Real(value, p.unless_endless(error, np.abs(value)))


def lowest_bit(x: Array) -> int | None:
    """The exponent of the greatest power of two of which all numbers are multiples."""
    nonzero = x[x != 0]
    if nonzero.size == 0:
        return None
    mantissa, exponent = np.frexp(nonzero)
    whole = (mantissa * 2.0**53).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int((exponent.astype(np.int64) - 53 + trailing).min())


@dataclass(frozen=True)
class Dot:
    """Sums of products of two error-bounded operands in any order.

    `likely` > 0 replaces the proven bound by one for rounding errors that do not conspire:
    likely * u sqrt(sum of squared partial sums + sum of squared products + value squared), the
    partial sums being those of a random order (design/staircases.md 6.3).
    """

    precision: Precision
    likely: float = 0.0

    def __call__(self, x: Real, w: Real, product: Callable[[Array, Array], Array], k: int) -> Real:
        """`product(a, b)` does the same sums in float64 for any arrays."""
        value = product(x.value, w.value)
        if self._all_exact(x, w, k):
            return Real(value, np.zeros((1,) * value.ndim), terms=k)
        total = product(np.abs(x.value), np.abs(w.value))
        inherited = np.zeros((1,) * value.ndim)
        if not x.is_exact:
            bound = np.broadcast_to(x.error, x.value.shape)
            inherited = inherited + product(bound, np.abs(w.value))
        if not w.is_exact:
            bound = np.broadcast_to(w.error, w.value.shape)
            wide = np.abs(x.value) + np.broadcast_to(x.error, x.value.shape)
            inherited = inherited + product(wide, bound)
        own = self._own(x, w, product, k, value, total + inherited)
        if x.is_exact and w.is_exact:
            own = np.where(total < self._exact_below(x, w), 0.0, own)
        error = np.where(np.isnan(inherited), np.inf, inherited) + own
        size = np.abs(value) if self.likely else total  # no order of the sum may overflow
        return Real(value, self.precision.unless_endless(error, size), terms=k)

    def _own(
        self, x: Real, w: Real, product: Callable[[Array, Array], Array], k: int,
        value: Array, total: Array,
    ) -> Array:  # fmt: skip
        u = self.precision.unit * self.precision.slack
        lost = (k + 2) * self.precision.format.lost
        if not self.likely:
            if (k + 2) * u >= 1:  # so long a sum in so few bits may lose everything
                return np.where(total > 0, np.inf, 0.0)
            return (k + 2) * u / (1 - (k + 2) * u) * total + lost
        squares = product(x.value * x.value, w.value * w.value)
        return self.likely * u * np.sqrt((k / 2 + 1) * squares + (k / 3 + 2) * value * value) + lost

    def _exact_below(self, x: Real, w: Real) -> float:
        """Sums of products whose magnitudes add up to less than this lose nothing."""
        left, right = lowest_bit(x.value), lowest_bit(w.value)
        if left is None or right is None:
            return np.inf
        return 2.0 ** (self.precision.bits + left + right)

    def _all_exact(self, x: Real, w: Real, k: int) -> bool:
        if not (x.is_exact and w.is_exact):
            return False
        if not x.value.size or not w.value.size:
            return True
        bound = k * float(np.abs(x.value).max()) * float(np.abs(w.value).max())
        return bound < self._exact_below(x, w)
