"""Powers of two: quantized_po2 and quantized_relu_po2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.network import Codes, Network, Quantised, Value
from hlsgen.keras.quantisers.quantiser import EPSILON, Array, Floats, Quantiser

_LOG2 = np.float32(np.log(2.0))
_WIDEST = 32


@dataclass(frozen=True, slots=True)
class Exponents:
    """How a magnitude becomes an exponent: round(log2) of it between two bounds.

    With `even` the exponent is twice that of the square root. Magnitudes below Keras' epsilon have
    the lowest exponent; none is larger than `largest`.
    """

    low: int
    high: int
    largest: float | None
    even: bool
    floor: bool

    @classmethod
    def of(cls, bits: int, largest: float | None, even: bool, rounding: str) -> Exponents:
        """Of `bits` for the exponent; one is its sign unless no value exceeds 1."""
        if rounding not in ("rnd", "floor"):
            raise ModelError(f"log2_rounding '{rounding}' is neither rnd nor floor")
        if largest is not None and largest < 0:
            raise ModelError(f"a max_value of {largest}: it must not be negative")
        half = 2 ** (bits - int(largest is None or largest > 1))
        if half != int(half):
            raise ModelError("too few bits for an exponent with a sign")
        high = int(half) - 1
        even = bool(even)
        return cls(
            -int(half), 2 * (high // 2) if even else high, largest, even, rounding == "floor"
        )

    def __call__(self, size: Floats) -> Array:
        """The exponents of magnitudes, in float32 as QKeras finds them."""
        x = np.where(size < EPSILON, EPSILON, size).astype(np.float32)
        if self.largest is not None:
            x = np.minimum(x, np.float32(self.largest))
        x = np.sqrt(x) if self.even else x
        with np.errstate(divide="ignore"):
            exponent = np.log(x) / _LOG2
        exponent = np.floor(exponent) if self.floor else np.rint(exponent)
        exponent = np.clip(exponent, self.low, self.high) * (2 if self.even else 1)
        return np.where(size < EPSILON, self.low, exponent)

    def nodes(self, net: Network, size: Value) -> Value:
        """2 to these exponents."""
        if self.floor:
            raise Unsupported("log2_rounding='floor' of activations: only weights can have it")
        if self.even:
            return self._steps(net, size)
        x = net.apply("Max", size, float(EPSILON))
        if self.largest is not None:
            x = net.apply("Min", x, self.largest)
        exponent = net.apply("Round", net.apply("Div", net.apply("Log", x), float(_LOG2)))
        exponent = net.apply("Clip", exponent, float(self.low), float(self.high))
        power = net.reversed("Pow", 2.0, exponent)
        if self.low >= round(float(np.log2(EPSILON))):
            return power  # below epsilon the clip has the lowest exponent already
        return net.where(net.apply("Less", size, float(EPSILON)), 2.0**self.low, power)

    def _steps(self, net: Network, size: Value) -> Value:
        """Powers of four between thresholds 2^odd: a tie is one there, and goes to even."""
        low = max(self.low, round(float(np.log2(EPSILON)) / 2))
        high = self.high if self.largest is None else self._ends()[1] // 2
        power: Value | float = 4.0**low
        for exponent in range(low + 1, high + 1):
            op = "Greater" if exponent % 2 else "GreaterOrEqual"
            above = net.apply(op, size, 2.0 ** (2 * exponent - 1))
            power = net.where(above, 4.0**exponent, power)
        return net.where(net.apply("Less", size, float(EPSILON)), 2.0**self.low, power)

    def quant(self, net: Network, x: Value, signed: bool) -> Value:
        """Says which grid powers of two lie on, where it has at most 32 bits."""
        low, high = self._ends()
        bits = high - low + 1 + signed
        return net.quant(x, 2.0**low, Codes(bits, signed)) if bits <= _WIDEST else x

    def _ends(self) -> tuple[int, int]:
        """The smallest and the largest exponent that can come out."""
        factor = 2 if self.even else 1
        low, high = factor * self.low, factor * self.high
        if self.largest is not None:
            high = int(self(np.asarray(self.largest, np.float32)))
        return min(low, self.low, high), max(low, self.low, high)


def _powers(signs: Array, exponents: Array) -> Quantised:
    """Powers of two on the grid of the smallest of them, if that is narrow enough."""
    values = (signs * np.exp2(exponents)).astype(np.float32)
    low, high = int(exponents.min()), int(exponents.max())
    signed = bool((signs < 0).any())
    bits = high - low + 1 + signed
    if bits > _WIDEST:
        return Quantised(values)
    scale = np.full(values.shape, 2.0**low, np.float32)
    return Quantised(values, scale, Codes(max(bits, 1 + signed), signed))


@dataclass(frozen=True, eq=False)
class QuantizedPo2(Quantiser):
    """sign(x) * 2^e with e the rounded log2 of |x|; 0 becomes the smallest positive power."""

    NAME: ClassVar[str] = "quantized_po2"

    bits: int = 8
    max_value: float | None = None
    use_stochastic_rounding: bool = False
    quadratic_approximation: bool = False
    log2_rounding: str = "rnd"
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_ste: bool = True
    use_variables: bool = False

    def _exponents(self) -> Exponents:
        return Exponents.of(
            self.bits - 1, self.max_value, self.quadratic_approximation, self.log2_rounding
        )

    def of_activations(self, net: Network, x: Value) -> Value:
        """Log, Round, Pow, times BipolarQuant."""
        exponents = self._exponents()
        power = exponents.nodes(net, net.apply("Abs", x))
        signed = net.apply("Mul", net.quant(x, 1.0, Codes(1)), power)
        return exponents.quant(net, signed, True)

    def of_weights(self, x: Floats) -> Quantised:
        """Signed powers of two."""
        return _powers(np.where(x >= 0, 1.0, -1.0), self._exponents()(np.abs(x)))


@dataclass(frozen=True, eq=False)
class QuantizedReluPo2(Quantiser):
    """2^e with e the rounded log2 of x; without a slope all x <= 0 become the smallest power."""

    NAME: ClassVar[str] = "quantized_relu_po2"

    bits: int = 8
    max_value: float | None = None
    negative_slope: float = 0
    use_stochastic_rounding: bool = False
    quadratic_approximation: bool = False
    log2_rounding: str = "rnd"
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_ste: bool = True
    use_variables: bool = False

    def _exponents(self) -> Exponents:
        return Exponents.of(
            self.bits, self.max_value, self.quadratic_approximation, self.log2_rounding
        )

    def of_activations(self, net: Network, x: Value) -> Value:
        """Log, Round, Pow; with a slope once for each sign."""
        exponents = self._exponents()
        power = exponents.nodes(net, net.apply("Relu", x))
        if self.negative_slope:
            below = net.apply("Mul", net.apply("Relu", net.apply("Neg", x)), self.negative_slope)
            below = net.apply("Neg", exponents.nodes(net, below))
            power = net.where(net.apply("GreaterOrEqual", x, 0.0), power, below)
        return exponents.quant(net, power, bool(self.negative_slope))

    def of_weights(self, x: Floats) -> Quantised:
        """Powers of two."""
        exponents = self._exponents()
        slope = np.float32(self.negative_slope)
        above = exponents(np.maximum(x, np.float32(0)))
        if not slope:
            return _powers(np.ones(x.shape), above)
        below = exponents(np.maximum(-x, np.float32(0)) * slope)
        return _powers(np.where(x >= 0, 1.0, -1.0), np.where(x >= 0, above, below))
