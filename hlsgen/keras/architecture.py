"""The JSON of a Keras model, sequential or functional, of Keras 2 or 3, as layers and calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hlsgen.errors import Loc, ModelError, Unsupported
from hlsgen.keras.entries import is_list, is_object

_NETWORKS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor that a layer makes: which call of the layer, which of its results."""

    layer: str
    call: int = 0
    tensor: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """A layer as it was saved; `calls` holds the inputs of each of its uses."""

    name: str
    kind: str
    config: Mapping[str, Any]
    calls: tuple[tuple[Port, ...], ...]

    @property
    def loc(self) -> str:
        """How messages name it."""
        return f"layer '{self.name}' ({self.kind})"


@dataclass(frozen=True, eq=False, slots=True)
class Architecture:
    """All layers, and the tensors at the border; `version` is Keras' own, "" where not said."""

    name: str
    version: str
    layers: tuple[Layer, ...]
    outputs: tuple[Port, ...]

    @property
    def major(self) -> int:
        """2 or 3: some functions changed their meaning between them."""
        return int(self.version.partition(".")[0] or 2)


def architecture(content: Any, loc: Loc) -> Architecture:
    """Reads the JSON of a model.

    Errors: ModelError where it is none; Unsupported for versions and constructs not known.
    """
    try:
        return _read(content, loc)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ModelError(f"the configuration is not one of a Keras model ({what})", loc) from None


def _read(content: Any, loc: Loc) -> Architecture:
    kind = class_name(content["class_name"])
    if kind not in _NETWORKS:
        raise Unsupported(f"a {kind}: needed is one of {', '.join(_NETWORKS)}", loc)
    version = str(content.get("keras_version") or "")
    if version and version.partition(".")[0] not in ("2", "3"):
        raise Unsupported(
            f"saved by Keras {version}; known are 2 and 3. Load and save it with one of these", loc
        )
    config: Any = content["config"]
    if is_list(config):  # sequential models of the first versions of Keras 2
        config = {"layers": config}
    name = str(config.get("name", "model"))
    if kind == "Sequential":
        layers = _sequence(config, loc)
        outputs = (Port(layers[-1].name),)
    else:
        layers = tuple(_functional(item, loc) for item in config["layers"])
        outputs = tuple(_ports(config["output_layers"]))
    if not version and any("batch_shape" in layer.config for layer in layers):
        version = "3"  # Keras 3 leaves it out of to_json; only its own InputLayer says batch_shape
    return Architecture(name, version, layers, outputs)


def class_name(name: str) -> str:
    """A class without the package that it was registered under: 'HGQ>Dense' is 'Dense'."""
    return str(name).rpartition(">")[2]


def snake_case(name: str) -> str:
    """A class name as Keras spells the group of its variables: QConv2D is q_conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


# -- sequential -------------------------------------------------------------------------------


def _sequence(config: Any, loc: Loc) -> tuple[Layer, ...]:
    """A chain; where it starts without an InputLayer, the first layer says the shape."""
    items: list[Any] = config["layers"]
    if not items:
        raise ModelError("the model has no layers", loc)
    layers: list[Layer] = []
    if class_name(items[0]["class_name"]) != "InputLayer":
        head = items[0]["config"]
        shape = head.get("batch_input_shape") or config.get("build_input_shape")
        if shape is None:
            raise ModelError(
                "the model was saved before its input shape was known; call it once", loc
            )
        name = f"{head['name']}_input"
        layers.append(Layer(name, "InputLayer", {"batch_input_shape": shape}, ((),)))
    for item in items:
        calls = ((Port(layers[-1].name),),) if layers else ((),)
        layers.append(_layer(item, calls, loc))
    return tuple(layers)


def _layer(item: Any, calls: tuple[tuple[Port, ...], ...], loc: Loc) -> Layer:
    kind = class_name(item["class_name"])
    config = item["config"]
    name = str(item.get("name") or config["name"])
    if kind in _NETWORKS:
        raise Unsupported(f"layer '{name}' is a whole model: save its layers in one model", loc)
    return Layer(name, kind, config, calls)


# -- functional -------------------------------------------------------------------------------


def _functional(item: Any, loc: Loc) -> Layer:
    nodes: list[Any] = item.get("inbound_nodes") or []
    name = item.get("name") or item["config"]["name"]
    calls = tuple(_call(node, name, loc) for node in nodes) or ((),)
    return _layer(item, calls, loc)


def _call(node: Any, name: str, loc: Loc) -> tuple[Port, ...]:
    extra: dict[str, Any]
    if is_object(node):  # Keras 3
        extra = node.get("kwargs", {})
        ports = tuple(_tensors(node["args"]))
    else:
        entries = [node] if node and isinstance(node[0], str) else node
        extra = {k: v for entry in entries if len(entry) > 3 for k, v in entry[3].items()}
        ports = tuple(Port(str(e[0]), int(e[1]), int(e[2])) for e in entries)
    given = sorted(key for key, value in extra.items() if value not in (None, False))
    if given:
        raise Unsupported(f"layer '{name}' is called with {', '.join(given)}", loc)
    return ports


def _tensors(item: Any) -> Iterator[Port]:
    """Every Keras tensor in nested lists of arguments."""
    if is_object(item) and item.get("class_name") == "__keras_tensor__":
        layer, call, tensor = item["config"]["keras_history"]
        yield Port(str(layer), int(call), int(tensor))
    elif is_list(item):
        for each in item:
            yield from _tensors(each)


def _ports(item: Any) -> Iterator[Port]:
    """['a', 0, 0], or lists or dictionaries of such."""
    if is_object(item):
        item = list(item.values())
    if not is_list(item):
        raise TypeError(f"no tensor: {item!r}")
    if len(item) == 3 and isinstance(item[0], str) and isinstance(item[1], int):
        yield Port(item[0], item[1], int(item[2]))
    else:
        for each in item:
            yield from _ports(each)
