"""Quantised curves: quantized_tanh, quantized_sigmoid, quantized_ulaw; and QKeras' plain ones.

QKeras' own sigmoid is the hard one, clip(x/2 + 1/2, 0, 1), unless a program changes it with
set_internal_sigmoid: no file says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hlsgen.keras.network import Codes, Network, Quantised, Value
from hlsgen.keras.quantisers.quantiser import Floats, Quantiser, on_grid


@dataclass(frozen=True, eq=False)
class QuantizedTanh(Quantiser):
    """clip(round(t * m) / m, -1 + symmetric / m, 1 - 1 / m), m = 2^(bits - 1).

    t is tanh(x) with use_real_tanh, else clip(x, -1, 1).
    """

    NAME: ClassVar[str] = "quantized_tanh"

    bits: int = 8
    use_stochastic_rounding: bool = False
    symmetric: bool = False
    use_real_tanh: bool = False

    def _grid(self) -> tuple[float, Codes]:
        return 2.0 ** (1 - self.bits), Codes(self.bits, narrow=bool(self.symmetric))

    def of_activations(self, net: Network, x: Value) -> Value:
        """Quant itself clips."""
        step, codes = self._grid()
        if self.bits == 1:  # codes -1 and 0, which QONNX cannot say in one bit
            x, codes = net.apply("Clip", x, -1.0, 0.0), Codes(2)
        return net.quant(net.apply("Tanh", x) if self.use_real_tanh else x, step, codes)

    def of_weights(self, x: Floats) -> Quantised:
        """On a grid of steps 1 / m."""
        step, codes = self._grid()
        curve = np.tanh(x) if self.use_real_tanh else x
        low = -1 + (step if self.symmetric else 0)
        values = np.clip(np.rint(curve / step) * step, low, 1 - step)
        return on_grid(values, step, Codes(2) if self.bits == 1 else codes)


@dataclass(frozen=True, eq=False)
class QuantizedSigmoid(Quantiser):
    """clip(round(s * m) / m, symmetric / m, 1 - 1 / m), m = 2^bits.

    s is the sigmoid with use_real_sigmoid, else clip(x/2 + 1/2, 0, 1).
    """

    NAME: ClassVar[str] = "quantized_sigmoid"

    bits: int = 8
    symmetric: bool = False
    use_real_sigmoid: bool = False
    use_stochastic_rounding: bool = False

    def of_activations(self, net: Network, x: Value) -> Value:
        """The curve, then Quant."""
        if self.use_real_sigmoid:
            x = net.apply("Sigmoid", x)
        else:
            x = net.apply("HardSigmoid", x, alpha=0.5, beta=0.5)
        step = 2.0**-self.bits
        if self.symmetric:
            x = net.apply("Max", x, step)
        return net.quant(x, step, Codes(self.bits, signed=False))

    def of_weights(self, x: Floats) -> Quantised:
        """On a grid of steps 1 / m."""
        step = 2.0**-self.bits
        wide = x.astype(np.float64)
        real = self.use_real_sigmoid
        curve = 1 / (1 + np.exp(-wide)) if real else np.clip(wide / 2 + 0.5, 0, 1)
        low = step if self.symmetric else 0
        values = np.clip(np.rint(curve / step) * step, low, 1 - step)
        return on_grid(values, step, Codes(self.bits, signed=False))


@dataclass(frozen=True, eq=False)
class QuantizedUlaw(Quantiser):
    """2^integer * clip(sign(r) * log(1 + u|r|) / log(1 + u), -1 + symmetric / m, 1 - 1 / m).

    r = 2 * round(h * m) / m - 1 with the hard sigmoid h of x / 2^integer and m = 2^(bits - 1).
    Its values lie on no grid of codes: a quantiser has to follow where hardware goes on.
    """

    NAME: ClassVar[str] = "quantized_ulaw"

    bits: int = 8
    integer: int = 0
    symmetric: int = 0
    u: float = 255.0

    def of_activations(self, net: Network, x: Value) -> Value:
        """Plain operators."""
        m, unit = 2.0 ** (self.bits - 1), 2.0**self.integer
        x = net.apply("HardSigmoid", net.apply("Mul", x, 1 / unit), alpha=0.5, beta=0.5)
        x = net.apply("Round", net.apply("Mul", x, m))
        x = net.apply("Sub", net.apply("Mul", x, 2 / m), 1.0)
        size = net.apply("Add", net.apply("Mul", net.apply("Abs", x), self.u), 1.0)
        size = net.apply("Div", net.apply("Log", size), float(np.log(1 + self.u)))
        curve = net.apply("Mul", net.apply("Sign", x), size)
        low = -1 + (1 / m if self.symmetric else 0)
        return net.apply("Mul", net.apply("Clip", curve, low, 1 - 1 / m), unit)

    def of_weights(self, x: Floats) -> Quantised:
        """The same of numbers, on no grid."""
        m, unit = 2.0 ** (self.bits - 1), 2.0**self.integer
        hard = np.clip(x.astype(np.float64) / unit / 2 + 0.5, 0, 1)
        r = 2 * np.rint(hard * m) / m - 1
        curve = np.sign(r) * np.log(1 + self.u * np.abs(r)) / np.log(1 + self.u)
        low = -1 + (1 / m if self.symmetric else 0)
        return Quantised((np.clip(curve, low, 1 - 1 / m) * unit).astype(np.float32))


# -- plain functions that QKeras knows by name --------------------------------------------------


def _linear(slope: float, offset: float, low: float, high: float) -> Callable[..., Value]:
    """clip(slope * x + offset, low, high)."""

    def draw(net: Network, x: Value) -> Value:
        line = net.apply("Mul", x, slope) if slope != 1 else x
        line = net.apply("Add", line, offset) if offset else line
        return net.apply("Clip", line, low, high)

    return draw


def above_zero(net: Network, x: Value) -> Value:
    """1 where x > 0, else -1: the negated sign of -x, since BipolarQuant takes 0 for positive."""
    return net.apply("Neg", net.quant(net.apply("Neg", x), 1.0, Codes(1)))


def _binary_sigmoid(net: Network, x: Value) -> Value:
    """round(clip(x/2 + 1/2, 0, 1)), half to even: 1 where x > 0, else 0."""
    half = net.apply("Mul", net.apply("Add", above_zero(net, x), 1.0), 0.5)
    return net.quant(half, 1.0, Codes(1, signed=False))


FUNCTIONS: dict[str, Callable[[Network, Value], Value]] = {
    "hard_sigmoid": _linear(0.5, 0.5, 0.0, 1.0),
    "smooth_sigmoid": _linear(0.1875, 0.5, 0.0, 1.0),
    "hard_tanh": _linear(1.0, 0.0, -1.0, 1.0),
    "smooth_tanh": _linear(0.375, 0.0, -1.0, 1.0),
    "binary_sigmoid": _binary_sigmoid,
    "binary_tanh": above_zero,
}
