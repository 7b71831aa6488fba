"""Fixed point: quantized_bits, quantized_linear, quantized_hswish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.network import Codes, Network, Quantised, Value
from hlsgen.keras.quantisers.quantiser import (
    EPSILON,
    Array,
    Floats,
    Quantiser,
    fixed_alpha,
    on_grid,
    scaled,
)
from hlsgen.keras.quantisers.scales import (
    channel_axes,
    check_alpha,
    least_squares,
    power_of_two,
    settled,
)


@dataclass(frozen=True, eq=False)
class QuantizedBits(Quantiser):
    """alpha * 2^integer / m * clip(round(x * m / 2^integer), -m + symmetric, m - 1).

    m = 2^(bits - keep_negative), half to even; one bit with sign is alpha * (x >= 0 ? 1 : -1).
    'auto' scales are per channel, symmetric, and round halves away from zero.
    """

    NAME: ClassVar[str] = "quantized_bits"

    bits: int = 8
    integer: int = 0
    symmetric: int = 0
    keep_negative: bool = True
    alpha: Any = None
    use_stochastic_rounding: bool = False
    scale_axis: Any = None
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_ste: bool = True
    use_variables: bool = False
    elements_per_scale: Any = None
    min_po2_exponent: Any = None
    max_po2_exponent: Any = None
    post_training_scale: Any = None

    @property
    def codes(self) -> Codes:
        """What the codes may be."""
        signed = bool(self.keep_negative)
        return Codes(self.bits, signed, signed and bool(self.symmetric))

    @property
    def step(self) -> float:
        """The value of code 1, before alpha."""
        return 2.0 ** (self.integer - self.bits + int(self.keep_negative))

    @property
    def one_bit(self) -> bool:
        """Whether this is a sign."""
        return self.bits == 1 and bool(self.keep_negative)

    def trained(self) -> Self:
        """As of all quantisers; and symmetric then."""
        return self if self.alpha is not None else replace(self, alpha="auto_po2", symmetric=1)

    def of_activations(self, net: Network, x: Value) -> Value:
        """One Quant, or BipolarQuant; and a product where alpha is not 1."""
        alpha = fixed_alpha(self, self.alpha)
        step = 1.0 if self.one_bit else self.step
        return scaled(net, net.quant(x, step, self.codes), alpha)

    def of_weights(self, x: Floats) -> Quantised:
        """On a grid of steps alpha * 2^integer / m."""
        if isinstance(self.alpha, str):
            return self._automatic(x)
        alpha = fixed_alpha(self, self.alpha)
        if self.one_bit:
            return on_grid(alpha * np.where(x >= 0, 1.0, -1.0), alpha, self.codes)
        low, high = bounds(self.codes)
        codes = np.clip(np.rint(x / np.float32(self.step)), low, high)
        return on_grid(alpha * self.step * codes, alpha * self.step, self.codes)

    def _automatic(self, x: Floats) -> Quantised:
        """Symmetric codes up to 2^(bits-1) - 1 with the scale of each channel."""
        if self.elements_per_scale is not None or self.post_training_scale is not None:
            raise Unsupported(f"{self}: scales of groups of elements, or given after training")
        if self.min_po2_exponent is not None or self.max_po2_exponent is not None:
            raise Unsupported(f"{self}: bounds on the exponents of scales")
        alpha = check_alpha(self.alpha)
        top = 2 ** (self.bits - 1) - 1
        if top < 1:
            raise ModelError(f"{self}: {self.bits} bits leave no symmetric codes for alpha='auto'")
        unit = np.float32(2.0**self.integer)
        x = (x / unit).astype(np.float32)
        axes = channel_axes(x.ndim, self.scale_axis) if x.ndim > 1 else (0,)
        scale = (np.abs(x).max(axis=axes, keepdims=True) * np.float32(2)) / np.float32(2 * top)

        def codes_of(scale: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                size = np.floor(np.abs(x) / scale + np.float32(0.5))
            return (np.sign(x) * np.where(size < top, size, top)).astype(np.float32)

        if alpha == "auto_po2":
            scale = settled(x, power_of_two(scale), codes_of, alpha, 5, self.scale_axis)
        codes, step = codes_of(scale), unit * scale
        return on_grid(codes * step, step, Codes(self.bits, narrow=True))


def bounds(codes: Codes) -> tuple[int, int]:
    """Smallest and largest code."""
    top = 2 ** (codes.bits - int(codes.signed))
    return (-top + int(codes.narrow), top - 1) if codes.signed else (0, top - 1)


@dataclass(frozen=True, eq=False)
class QuantizedLinear(Quantiser):
    """s * round(clip(x / s, low, high)), s = alpha * 2^(integer - bits + keep_negative).

    Unlike quantized_bits, alpha scales x before it is rounded. One bit with sign is +-s/2.
    """

    NAME: ClassVar[str] = "quantized_linear"

    bits: int = 8
    integer: int = 0
    symmetric: int = 1
    keep_negative: bool = True
    alpha: Any = None
    use_stochastic_rounding: bool = False
    scale_axis: Any = None
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_variables: bool = False

    @property
    def codes(self) -> Codes:
        """What the codes may be."""
        signed = bool(self.keep_negative)
        return Codes(int(self.bits), signed, signed and bool(self.symmetric))

    @property
    def one_bit(self) -> bool:
        """Whether this is a sign."""
        return self.bits == 1 and bool(self.keep_negative)

    def trained(self) -> Self:
        """As of all quantisers; and symmetric then."""
        return self if self.alpha is not None else replace(self, alpha="auto_po2", symmetric=1)

    def of_activations(self, net: Network, x: Value) -> Value:
        """One Quant, or BipolarQuant."""
        scale = self._scale(fixed_alpha(self, self.alpha))
        return net.quant(x, scale / 2 if self.one_bit else scale, self.codes)

    def _scale(self, alpha: Array) -> Array:
        return alpha * np.float32(2.0 ** (self.integer - self.bits + int(self.keep_negative)))

    def of_weights(self, x: Floats) -> Quantised:
        """On a grid of steps s."""
        if isinstance(self.alpha, str):
            scale = self._automatic(x, check_alpha(self.alpha))
        else:
            scale = self._scale(fixed_alpha(self, self.alpha))
        step = scale / 2 if self.one_bit else scale
        return on_grid(self._codes(x, scale) * scale, step, self.codes)

    def _codes(self, x: Floats, scale: Array) -> Array:
        if self.one_bit:
            return np.where(x / scale >= 0, 0.5, -0.5)
        return np.rint(np.clip(x / scale, *bounds(self.codes)))

    def _automatic(self, x: Floats, alpha: str) -> Floats:
        """The largest number on the largest code; or the power of two of least squares."""
        low, high = (-0.5, 0.5) if self.one_bit else bounds(self.codes)
        span = np.float32(high - low)
        axes = channel_axes(x.ndim, self.scale_axis)
        if self.keep_negative:
            scale = np.abs(x).max(axis=axes, keepdims=True) * np.float32(2) / span
        else:
            scale = x.max(axis=axes, keepdims=True) / span
        scale = np.maximum(scale, EPSILON).astype(np.float32)
        if alpha == "auto":
            return scale
        scale = power_of_two(scale)
        for _ in range(1 if self.one_bit else 5):
            found = least_squares(
                x, self._codes(x, scale).astype(np.float32), alpha, self.scale_axis
            )
            if (found == scale).all():
                break
            scale = found
        return scale


@dataclass(frozen=True, eq=False)
class QuantizedHswish(Quantiser):
    """quantized_bits of x * clip(x + relu_shift, 0, relu_upper_bound) / relu_upper_bound."""

    NAME: ClassVar[str] = "quantized_hswish"

    bits: int = 8
    integer: int = 0
    symmetric: int = 0
    alpha: Any = None
    use_stochastic_rounding: bool = False
    scale_axis: Any = None
    qnoise_factor: float = 1.0
    var_name: Any = None
    use_ste: bool = True
    use_variables: bool = False
    relu_shift: int = 3
    relu_upper_bound: int = 6
    keep_negative: bool = True

    def _inner(self) -> QuantizedBits:
        return QuantizedBits(self.bits, self.integer, self.symmetric, True, self.alpha)

    def of_activations(self, net: Network, x: Value) -> Value:
        """The curve, then the Quant."""
        gate = net.apply("Add", x, float(self.relu_shift))
        gate = net.apply("Clip", gate, 0.0, float(self.relu_upper_bound))
        curve = net.apply("Div", net.apply("Mul", x, gate), float(self.relu_upper_bound))
        return self._inner().of_activations(net, curve)

    def of_weights(self, x: Floats) -> Quantised:
        """The same of numbers."""
        top = np.float32(self.relu_upper_bound)
        curve = x * np.clip(x + np.float32(self.relu_shift), np.float32(0), top) / top
        return self._inner().of_weights(curve.astype(np.float32))
