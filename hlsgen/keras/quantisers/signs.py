"""Two and three codes: binary, ternary and the stochastic forms of both, in inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.network import Codes, Network, Quantised, Value
from hlsgen.keras.quantisers.quantiser import Floats, Quantiser, fixed_alpha, on_grid
from hlsgen.keras.quantisers.scales import channel_axes, check_alpha, least_squares, power_of_two

_THRESHOLD = 0.33
TERNARY = Codes(2, narrow=True)


@dataclass(frozen=True, eq=False)
class Binary(Quantiser):
    """alpha where x >= 0, else -alpha; with use_01 0 instead of -alpha."""

    NAME: ClassVar[str] = "binary"

    use_01: bool = False
    alpha: Any = None
    use_stochastic_rounding: bool = False
    scale_axis: Any = None
    elements_per_scale: Any = None
    min_po2_exponent: Any = None
    max_po2_exponent: Any = None

    def of_activations(self, net: Network, x: Value) -> Value:
        """BipolarQuant, or a comparison."""
        alpha = fixed_alpha(self, self.alpha)
        if not self.use_01:
            return net.quant(x, alpha, Codes(1))
        chosen = net.where(net.apply("GreaterOrEqual", x, 0.0), alpha, 0.0)
        return net.quant(chosen, alpha, Codes(1, signed=False))

    def of_weights(self, x: Floats) -> Quantised:
        """+-alpha, which is a number or taken from the weights."""
        return _binary(self, x, self.use_01, self.alpha, self._axis())

    def _axis(self) -> Any:
        given = (self.elements_per_scale, self.min_po2_exponent, self.max_po2_exponent)
        if any(item is not None for item in given):
            raise Unsupported(f"{self}: scales of groups of elements, or bounds on exponents")
        return self.scale_axis


def _binary(
    quantiser: Quantiser, x: Floats, use_01: bool, alpha: Any, scale_axis: Any = None
) -> Quantised:
    codes = np.where(x >= 0, 1.0, 0.0 if use_01 else -1.0).astype(np.float32)
    if isinstance(alpha, str):
        scale = least_squares(x, codes, check_alpha(alpha), scale_axis)
    else:
        scale = fixed_alpha(quantiser, alpha)
    return on_grid(codes * scale, scale, Codes(1, signed=not use_01))


@dataclass(frozen=True, eq=False)
class StochasticBinary(Quantiser):
    """In inference the same as binary."""

    NAME: ClassVar[str] = "stochastic_binary"

    alpha: Any = None
    temperature: float = 6.0
    use_real_sigmoid: bool = True

    def of_activations(self, net: Network, x: Value) -> Value:
        """BipolarQuant."""
        return Binary(alpha=self.alpha).of_activations(net, x)

    def of_weights(self, x: Floats) -> Quantised:
        """+-alpha."""
        return _binary(self, x, False, self.alpha)


@dataclass(frozen=True, eq=False)
class Ternary(Quantiser):
    """alpha * sign(x) where |x| >= threshold, else 0; 'auto' finds both from the weights."""

    NAME: ClassVar[str] = "ternary"

    alpha: Any = None
    threshold: float | None = None
    use_stochastic_rounding: bool = False
    number_of_unrolls: int = 5

    def of_activations(self, net: Network, x: Value) -> Value:
        """Two comparisons, then the Quant that says three codes."""
        return _ternary_nodes(net, x, fixed_alpha(self, self.alpha), self.threshold)

    def of_weights(self, x: Floats) -> Quantised:
        """Three codes, and the scale of each channel."""
        return _ternary(self, x, self.alpha, self.threshold, self.number_of_unrolls)


@dataclass(frozen=True, eq=False)
class StochasticTernary(Quantiser):
    """In inference the same as ternary."""

    NAME: ClassVar[str] = "stochastic_ternary"

    alpha: Any = None
    threshold: float | None = None
    temperature: float = 8.0
    use_real_sigmoid: bool = True
    number_of_unrolls: int = 5

    def of_activations(self, net: Network, x: Value) -> Value:
        """As ternary."""
        return _ternary_nodes(net, x, fixed_alpha(self, self.alpha), self.threshold)

    def of_weights(self, x: Floats) -> Quantised:
        """As ternary."""
        return _ternary(self, x, self.alpha, self.threshold, self.number_of_unrolls)


def _ternary_nodes(net: Network, x: Value, alpha: Any, threshold: float | None) -> Value:
    limit = _THRESHOLD if threshold is None else float(threshold)
    if limit <= 0:
        codes = net.apply("Sign", x)
    else:
        low = net.where(net.apply("LessOrEqual", x, -limit), -1.0, 0.0)
        codes = net.where(net.apply("GreaterOrEqual", x, limit), 1.0, low)
    codes = net.quant(codes, 1.0, TERNARY)
    return codes if (alpha == 1).all() else net.apply("Mul", codes, alpha)


def _ternary(
    quantiser: Quantiser, x: Floats, alpha: Any, threshold: float | None, rounds: int
) -> Quantised:
    if not isinstance(alpha, str):
        scale = fixed_alpha(quantiser, alpha)
        limit = np.float32(_THRESHOLD if threshold is None else threshold)
        codes = np.where(np.abs(x) >= limit, np.sign(x), 0)
        return on_grid(codes * scale, scale, TERNARY)
    if threshold is not None:
        raise ModelError(f"{quantiser}: a threshold beside alpha='{alpha}', which finds its own")
    alpha = check_alpha(alpha)
    axes = channel_axes(x.ndim) if x.ndim > 1 else (0,)
    scale = (2 * np.abs(x).max(axis=axes, keepdims=True) / np.float32(3)).astype(np.float32)
    scale = power_of_two(scale) if alpha == "auto_po2" else scale
    codes = np.zeros_like(x)
    for _ in range(rounds):
        codes = _beyond_half(x, scale)
        scale = least_squares(x, codes, alpha)
    return on_grid(codes * scale, scale, TERNARY)


def _beyond_half(x: Floats, scale: Floats) -> Floats:
    """sign(x) where x / scale rounds to something: in float32 and in QKeras' own order."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rounded = scale * np.rint(x / scale)
    return ((np.abs(rounded) >= scale / 2) * np.sign(x)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Bernoulli(Quantiser):
    """Random in inference as well: refused."""

    NAME: ClassVar[str] = "bernoulli"

    alpha: Any = None
    temperature: float = 6.0
    use_real_sigmoid: bool = True

    def check(self) -> None:
        """Refuses."""
        raise Unsupported(
            f"{self} draws random numbers in inference as well; binary(use_01=1) does not"
        )

    def of_activations(self, net: Network, x: Value) -> Value:
        """Never reached: `check` refuses."""
        raise NotImplementedError

    def of_weights(self, x: Floats) -> Quantised:
        """Never reached: `check` refuses."""
        raise NotImplementedError
