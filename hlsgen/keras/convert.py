"""A Keras file to an ONNX model of QONNX and standard operators."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from hlsgen.errors import HlsgenError, Loc, ModelError, Unsupported
from hlsgen.keras.architecture import Architecture, Layer, Port
from hlsgen.keras.archive import Saved, read_saved
from hlsgen.keras.call import Builder, LayerCall, Told
from hlsgen.keras.entries import is_list, is_object
from hlsgen.keras.layers import (
    activations,
    convolutions,
    dense,
    hgq,
    normalisation,
    pooling,
    shapes,
)
from hlsgen.keras.network import Network, Value

LAYERS: dict[str, Builder] = {
    **activations.LAYERS,
    **convolutions.LAYERS,
    **dense.LAYERS,
    **hgq.LAYERS,
    **normalisation.LAYERS,
    **pooling.LAYERS,
    **shapes.LAYERS,
}
_FLOATS = ("float32", "float64", "mixed_float32")
_INPUTS = ("float32", "float16", "uint8", "int8", "uint16", "int16", "int32", "int64", "bool")
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True, eq=False, slots=True)
class Imported:
    """What an import made.

    `quantisers` counts by name; `unquantised` names layers whose weights stay real numbers: they
    convert, but want post-training quantisation first.
    """

    model: ModelProto
    layers: int
    version: str
    quantisers: Mapping[str, int]
    unquantised: tuple[str, ...]


def register(kind: str, builder: Builder) -> None:
    """Teaches the import a layer class: `builder` gets the call and returns the value it makes."""
    LAYERS[kind] = builder


def import_keras(path: Path | str, weights: Path | str | None = None) -> Imported:
    """The ONNX model of a .h5, .keras or .json file of Keras, QKeras or HGQ.

    Values at the border keep Keras' order of axes. Quantisers are meant as in inference.
    Errors: ModelError for malformed files, Unsupported for layers and quantisers not known.
    """
    path = Path(path)
    saved = read_saved(path, None if weights is None else Path(weights))
    try:
        return _Import(saved).run()
    except HlsgenError as error:
        raise error.at(Loc(path.name)) from error


class _Import:
    """One run over the layers of a model."""

    def __init__(self, saved: Saved) -> None:
        self.saved = saved
        self.net = Network()
        self.told = Told()
        self.made: dict[Port, Value] = {}

    def run(self) -> Imported:
        model = self.saved.model
        for layer, index in _in_order(model):
            self.made[Port(layer.name, index)] = self._layer(layer, layer.calls[index])
        outputs: dict[str, Value] = {}
        for port in model.outputs:
            if port not in self.made:
                raise ModelError(f"output '{port.layer}' is made by no layer")
            outputs[_distinct(port.layer, {*outputs, *self.net.taken})] = self.made[port]
        return Imported(
            self.net.finish(model.name, outputs),
            sum(layer.kind != "InputLayer" for layer in model.layers),
            model.version,
            self.told.quantisers,
            tuple(dict.fromkeys(self.told.unquantised)),
        )

    def _layer(self, layer: Layer, ports: tuple[Port, ...]) -> Value:
        try:
            if layer.kind == "InputLayer":
                return self._input(layer)
            _check_precision(layer)
            builder = _builder(layer.kind)
            self.net.scope = layer.name
            stored = self.saved.variables.get(layer.name, {})
            inputs = tuple(self.made[port] for port in ports)
            version = self.saved.model.major
            return builder(LayerCall(layer, inputs, self.net, stored, version, self.told))
        except HlsgenError as error:
            raise type(error)(f"{layer.loc}: {error.message}") from error
        except _MALFORMED as error:
            what = f"{type(error).__name__}: {error}"
            raise ModelError(f"{layer.loc}: malformed configuration or weights ({what})") from error

    def _input(self, layer: Layer) -> Value:
        shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
        if not is_list(shape) or len(shape) < 2:
            raise ModelError(f"an input of shape {shape}")
        if not all(isinstance(size, int) and size > 0 for size in shape[1:]):
            raise Unsupported(f"free sizes {shape}: save the model with a fixed input shape")
        dtype = layer.config.get("dtype") or "float32"
        dtype = "float32" if dtype == "float64" else dtype  # no number changes: exact arithmetic
        if dtype not in _INPUTS:
            raise Unsupported(f"an input of type {dtype}; known are {', '.join(_INPUTS)}")
        return self.net.input(layer.name, tuple(shape[1:]), dtype)


def _builder(kind: str) -> Builder:
    if kind in LAYERS:
        return LAYERS[kind]
    near = difflib.get_close_matches(kind, sorted(LAYERS), n=1)
    hint = f"; the nearest known one is {near[0]}" if near else ""
    raise Unsupported(
        f"unknown layer class{hint}. Teach it with hlsgen.keras.register('{kind}', builder)"
    )


def _check_precision(layer: Layer) -> None:
    """Layers that compute in half precision round everywhere, which is no float32 network."""
    policy: Any = layer.config.get("dtype") or "float32"
    if is_object(policy):
        policy = policy.get("config", {}).get("name", policy.get("class_name"))
    if policy not in _FLOATS:
        raise Unsupported(f"computed in {policy}: save the model in float32")


def _in_order(model: Architecture) -> list[tuple[Layer, int]]:
    """Every call of every layer, each after what it takes."""
    waiting = [(layer, index) for layer in model.layers for index in range(len(layer.calls))]
    made: set[Port] = set()
    ordered: list[tuple[Layer, int]] = []
    while waiting:
        ready = [item for item in waiting if made.issuperset(item[0].calls[item[1]])]
        if not ready:
            layer, index = waiting[0]
            lost = next(port.layer for port in layer.calls[index] if port not in made)
            raise ModelError(f"{layer.loc} takes '{lost}', which no layer in front of it makes")
        made |= {Port(layer.name, index) for layer, index in ready}
        ordered += ready
        waiting = [item for item in waiting if item not in ready]
    return ordered


def _distinct(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_out"
    return name
