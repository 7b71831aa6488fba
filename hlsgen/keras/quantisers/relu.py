"""quantized_relu."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.network import Codes, Network, Quantised, Value
from hlsgen.keras.quantisers.quantiser import Floats, Quantiser, on_grid


@dataclass(frozen=True, eq=False)
class QuantizedRelu(Quantiser):
    """2^integer / m * clip(round(x * m / 2^integer), 0, m - 1), half to even.

    m = 2^bits. A negative_slope s (a power of two) takes one bit for the sign: m = 2^(bits - 1),
    and s * x below zero, down to -s * 2^integer. use_sigmoid: twice the rounded hard sigmoid
    minus 1, on every second code.
    """

    NAME: ClassVar[str] = "quantized_relu"

    bits: int = 8
    integer: int = 0
    use_sigmoid: int = 0
    negative_slope: float = 0.0
    use_stochastic_rounding: bool = False
    relu_upper_bound: float | None = None
    is_quantized_clip: bool = True
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_ste: bool = True
    use_variables: bool = False
    enable_fast_inference: bool = False

    @property
    def levels(self) -> int:
        """m: codes from 0 to the largest."""
        return 2 ** (self.bits - (self.negative_slope != 0))

    @property
    def step(self) -> float:
        """The value of code 1."""
        return 2.0**self.integer / self.levels

    @property
    def top(self) -> float:
        """The largest value."""
        top = (self.levels - 1) * self.step
        bound = None if self.is_quantized_clip else self.relu_upper_bound
        return top if not bound else min(top, float(bound))

    def check(self) -> None:
        """Also refuses what no grid of 2^integer / m holds."""
        Quantiser.check(self)
        slope = self.negative_slope
        if slope and (slope < 0 or math.frexp(slope)[0] != 0.5):
            raise ModelError(f"{self}: the slope has to be a power of two")
        if slope and self.use_sigmoid:
            raise Unsupported(f"{self}: use_sigmoid with a negative_slope")
        if slope and slope * self.levels < 1:
            raise Unsupported(f"{self}: a slope of less than a code")
        if self.top / self.step % 1:
            raise Unsupported(f"{self}: relu_upper_bound is no multiple of the step {self.step}")

    @property
    def codes(self) -> Codes:
        """A slope above 1 needs codes below -m."""
        if not self.negative_slope:
            return Codes(self.bits, signed=False)
        return Codes(self.bits + max(int(math.log2(self.negative_slope)), 0))

    def of_activations(self, net: Network, x: Value) -> Value:
        """Bounds are whole codes, so that it is the same to clamp before the rounding."""
        if self.use_sigmoid:
            return self._sigmoid(net, x)
        if not self.negative_slope:
            x = net.apply("Relu", x)
            if self.top < (self.levels - 1) * self.step:
                x = net.apply("Min", x, self.top)
            return net.quant(x, self.step, self.codes)
        x = net.apply("LeakyRelu", x, alpha=float(self.negative_slope))
        x = net.apply("Clip", x, -self.negative_slope * 2.0**self.integer, self.top)
        return net.quant(x, self.step, self.codes)

    def _sigmoid(self, net: Network, x: Value) -> Value:
        if self.integer:
            x = net.apply("Mul", x, 2.0**-self.integer)
        x = net.apply("HardSigmoid", x, alpha=0.5, beta=0.5)
        x = net.apply("Round", net.apply("Mul", x, float(self.levels)))
        x = net.apply("Sub", net.apply("Mul", x, 2 * self.step), 2.0**self.integer)
        return net.quant(net.apply("Clip", x, 0.0, self.top), self.step, self.codes)

    def of_weights(self, x: Floats) -> Quantised:
        """On a grid of steps 2^integer / m."""
        unit, m = 2.0**self.integer, self.levels
        if self.use_sigmoid:
            p = np.clip(0.5 * x.astype(np.float64) / unit + 0.5, 0, 1)
            values = np.clip((2 * np.rint(p * m) / m - 1) * unit, 0, self.top)
        else:
            slope = self.negative_slope
            codes = np.rint(np.where(x < 0, slope * x, x) / self.step)
            values = np.clip(codes * self.step, -slope * unit, self.top)
        return on_grid(values, self.step, self.codes)
