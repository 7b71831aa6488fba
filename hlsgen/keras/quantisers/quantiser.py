"""What every quantiser of QKeras has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.network import Codes, Network, Quantised, Value

Array = NDArray[Any]
Floats = NDArray[np.float32]

EPSILON = np.float32(1e-7)  # Keras' own
_WIDEST = 32


@dataclass(frozen=True, eq=False)
class Quantiser(ABC):
    """A quantiser in inference; its fields are QKeras' arguments, in QKeras' order.

    Straight-through estimators are what they compute forward: the quantised value itself.
    """

    @abstractmethod
    def of_weights(self, x: Floats) -> Quantised:
        """Weights as this quantiser leaves them."""

    @abstractmethod
    def of_activations(self, net: Network, x: Value) -> Value:
        """The nodes that quantise `x`."""

    def trained(self) -> Self:
        """This quantiser in the place of a kernel, where QKeras scales automatically if unasked."""
        if getattr(self, "alpha", 1) is not None:
            return self
        return replace(self, alpha="auto_po2")

    def check(self) -> None:
        """Refuses arguments under which inference is not a quantisation."""
        if float(getattr(self, "qnoise_factor", 1.0)) != 1.0:
            raise Unsupported(
                f"{self}: a qnoise_factor other than 1 leaves values unquantised; set it to 1"
            )
        bits = getattr(self, "bits", 1)
        if not 1 <= bits <= _WIDEST:
            raise ModelError(f"{self}: {bits} bits")

    def __str__(self) -> str:
        name = type(self).NAME  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
        said = [str(getattr(self, key)) for key in ("bits", "integer") if hasattr(self, key)]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("bits", "integer") or value is item.default:
                continue
            if isinstance(value, np.ndarray) or value != item.default:
                said.append(f"{item.name}={_short(value)}")
        return f"{name}({','.join(said)})"


def _short(value: Any) -> str:
    """Numbers and words as they are; arrays by their size."""
    if isinstance(value, np.ndarray):
        return f"{value.size} numbers"
    return str(int(value)) if isinstance(value, bool) else repr(value)


def fixed_alpha(quantiser: Quantiser, alpha: Any) -> Array:
    """A scale that is a number or an array; None is 1.

    Errors: Unsupported for 'auto' and 'auto_po2', which only weights can have.
    """
    if isinstance(alpha, str):
        raise Unsupported(
            f"{quantiser}: its scale depends on each batch; give activations a fixed alpha"
        )
    return np.asarray(1.0 if alpha is None else alpha, np.float32)


def scaled(net: Network, x: Value, alpha: Array) -> Value:
    """x * alpha, nothing for 1."""
    return x if (alpha == 1).all() else net.apply("Mul", x, alpha)


def on_grid(values: Array, scale: Array | float, codes: Codes) -> Quantised:
    """Values with the grid that they lie on; a channel of zeros may have any."""
    steps = np.broadcast_to(np.asarray(scale, np.float32), values.shape)
    if codes.signed and codes.bits == 1 and not steps.all():
        return Quantised(values.astype(np.float32))  # +-0 are no two codes
    return Quantised(values.astype(np.float32), np.where(steps == 0, np.float32(1), steps), codes)
