"""The floating-point formats of the file's element types, and what rounding to them can cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """`bits` of mantissa, the hidden one included; 2^`least` is the least normal number.

    `lost` is what a result too small for a normal number may lose: half of the least subnormal, or
    all of it where kernels flush subnormals to zero.
    Source: IEEE 754-2019 table 3.5; bfloat16 has float32's exponents.
    """

    bits: int
    least: int
    greatest: float
    lost: float

    def rounded(self, x: Array) -> Array:
        """The nearest numbers of the format, ties to even, as float64; infinite beyond it."""
        if self.bits >= 53:
            return x.astype(np.float64)
        x = x.astype(np.float64)
        _, exponent = np.frexp(x)
        last = np.maximum(exponent - self.bits, self.least - self.bits + 1)
        with np.errstate(all="ignore"):
            y = np.ldexp(np.rint(np.ldexp(x, -last)), last)
        return np.where(np.abs(y) > self.greatest, np.copysign(np.inf, x), np.where(x == x, y, x))


FORMATS = {
    "float16": FloatFormat(11, -14, 65504.0, 2.0**-25),
    "bfloat16": FloatFormat(8, -126, 255 * 2.0**120, 2.0**-126),
    "float32": FloatFormat(24, -126, float(np.finfo(np.float32).max), 2.0**-126),
    "float64": FloatFormat(53, -1022, float(np.finfo(np.float64).max), 0.0),
}
_BY_BITS = {f.bits: f for f in FORMATS.values()}


@dataclass(frozen=True)
class Precision:
    """A floating-point format by its mantissa, and how freely the kernels of a runtime use it."""

    bits: int
    slack: float = 1.0  # kernels that reorder are allowed this many roundings for one

    @property
    def unit(self) -> float:
        return 2.0**-self.bits * (1 + 2.0**-20)

    @property
    def format(self) -> FloatFormat:
        return _BY_BITS[self.bits]

    def local(
        self, value: Array, rest: Array | None, inputs: Array, size: Array | None = None
    ) -> Array:
        """Error of one operation: its rounding, nothing where exact arguments give an exact result.

        `inputs` is the error handed on, `size` what the rounding is relative to (else the value);
        `rest` is what the result lacks, None where that does not matter. Infinite where the result
        may pass the greatest number.
        """
        size = np.abs(value) if size is None else size
        rounding = self.slack * self.unit * (size + inputs) + self.format.lost
        if rest is not None:
            exact = (rest == 0) & (inputs == 0) & self.holds(value)
            rounding = np.where(exact, 0.0, rounding)
        return self.unless_endless(rounding, np.abs(value) + inputs)

    def unless_endless(self, error: Array, size: Array) -> Array:
        """The error; infinite where a number of that size and error may overflow."""
        if self.bits >= 53:
            return error
        return np.where(size + error > self.format.greatest, np.inf, error)

    def holds(self, value: Array) -> Array:
        """Is the number a number of this format?"""
        if self.bits >= 53:
            return np.ones_like(value, bool)
        if self.bits == 24:
            with np.errstate(over="ignore"):
                return value.astype(np.float32).astype(np.float64) == value
        return self.format.rounded(value) == value


DOUBLE, SINGLE = Precision(53), Precision(24)
# float64 values are compared with values that are float64 themselves: both may be off
_OF_TYPE = {"float64": Precision(53, 2.0)}


def of_type(dtype: str) -> Precision:
    """How exact an operation is whose result has an element type; of integers: float32."""
    if dtype in _OF_TYPE:
        return _OF_TYPE[dtype]
    return Precision(FORMATS[dtype].bits) if dtype in FORMATS else SINGLE
