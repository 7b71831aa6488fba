"""One use of a layer: what its builder may ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.architecture import Layer
from hlsgen.keras.entries import is_list
from hlsgen.keras.network import Network, Quantised, Value
from hlsgen.keras.quantisers.spelling import quantiser

Array = NDArray[Any]
Builder = Callable[["LayerCall"], Value]
Arrange = Callable[[Array], Array]


@dataclass(slots=True)
class Told:
    """What the summary says: quantisers by name, and layers whose weights have none."""

    quantisers: dict[str, int] = field(default_factory=dict[str, int])
    unquantised: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, eq=False, slots=True)
class LayerCall:
    """A layer with the values that it is given; `major` is the version of Keras that saved it."""

    layer: Layer
    inputs: tuple[Value, ...]
    net: Network
    stored: Mapping[str, Array]
    major: int
    told: Told

    @property
    def x(self) -> Value:
        """The input of a layer that has one."""
        if len(self.inputs) != 1:
            raise ModelError(f"{len(self.inputs)} inputs; it takes one")
        return self.inputs[0]

    # -- configuration ------------------------------------------------------------------------

    def option(self, key: str, default: Any = None) -> Any:
        """An entry of the configuration; None counts as not given."""
        value = self.layer.config.get(key)
        return default if value is None else value

    def sizes(self, key: str, count: int, default: Any = None) -> tuple[int, ...]:
        """`count` integers; one stands for all."""
        value = self.option(key, default)
        items = list(value) if is_list(value) else [value] * count
        if len(items) != count or not all(isinstance(item, int) for item in items):
            raise ModelError(f"{key} has to be {count} integers, got {value}")
        return tuple(items)

    def check_layout(self) -> None:
        """Refuses channels_first, which runs on few machines and in no file seen so far."""
        if self.option("data_format", "channels_last") != "channels_last":
            raise Unsupported("data_format='channels_first': save the model with channels last")

    # -- variables ----------------------------------------------------------------------------

    def variables(self, *names: str, inside: str = "") -> tuple[Array, ...]:
        """The variables of these names, which are all in Keras' order of creation.

        Newer files number them, below the name of the inner layer `inside` if it has one.
        Errors: ModelError naming one that is missing.
        """
        prefix = f"{inside}/" if inside and f"{inside}/0" in self.stored else ""
        numbered = f"{prefix}0" in self.stored
        keys = [f"{prefix}{i}" if numbered else self._spelled(name) for i, name in enumerate(names)]
        for key, name in zip(keys, names, strict=True):
            if key not in self.stored:
                held = ", ".join(self.stored) or "none"
                raise ModelError(f"its weight '{name}' is not in the file, which has {held}")
        return tuple(self.stored[key] for key in keys)

    def _spelled(self, name: str) -> str:
        """Keras 3 calls the depthwise kernel of a layer without another one its kernel."""
        return "kernel" if name == "depthwise_kernel" and name not in self.stored else name

    # -- quantised weights --------------------------------------------------------------------

    def quantised(self, x: Array, said: Any, *, kernel: bool = True) -> Quantised:
        """Weights after the quantiser that the configuration says; None leaves them."""
        x = np.asarray(x, np.float32)
        if not np.isfinite(x).all():
            raise ModelError("its weights are not all finite")
        if said is None:
            return Quantised(x)
        chosen = quantiser(said)
        self.count(chosen)
        return (chosen.trained() if kernel else chosen).of_weights(x)

    def count(self, chosen: object) -> None:
        """Notes a quantiser for the summary."""
        name = str(chosen)
        self.told.quantisers[name] = self.told.quantisers.get(name, 0) + 1

    def real(self, weights: Quantised) -> bool:
        """Whether weights are real numbers still: no quantiser, and no 16-bit fixed point."""
        if weights.codes is not None:
            return False
        size = np.abs(weights.values.astype(np.float64))
        step = 2.0 ** (np.ceil(np.log2(size.max(initial=2.0**-100))) - 16)
        return bool((size % step).any())

    def held(self, weights: Quantised, what: str, arrange: Arrange | None = None) -> str:
        """Weights in the graph, their axes arranged as ONNX wants them."""
        if arrange is not None:
            scale = None if weights.scale is None else arrange(weights.scale)
            weights = Quantised(arrange(weights.values), scale, weights.codes)
        return self.net.quantised(weights, what)
