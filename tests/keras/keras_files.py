"""Files as Keras writes them, made with h5py: .h5, .json with weights, .keras of Keras 3."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

Weights = Mapping[str, Mapping[str, Any]]


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    """A layer as JSON."""
    return {"class_name": kind, "config": {"name": name, "trainable": True, **config}}


def sequential(shape: Sequence[int], *layers: dict[str, Any], version: str = "2.9.0") -> Any:
    """A chain with an InputLayer 'x'."""
    head = {
        "class_name": "InputLayer",
        "config": {"name": "x", "batch_input_shape": [None, *shape]},
    }
    config = {"name": "net", "layers": [head, *layers]}
    return {"class_name": "Sequential", "config": config, "keras_version": version}


def functional(
    inputs: Mapping[str, Sequence[int]],
    layers: Sequence[tuple[dict[str, Any], Sequence[str]]],
    outputs: Sequence[str],
) -> Any:
    """A graph in the format of Keras 2: layers with the names that they take."""
    items: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "name": name,
            "config": {"name": name, "batch_input_shape": [None, *shape]},
            "inbound_nodes": [],
        }
        for name, shape in inputs.items()
    ]
    items += [
        {**made, "name": made["config"]["name"], "inbound_nodes": [[[n, 0, 0, {}] for n in taken]]}
        for made, taken in layers
    ]
    config = {
        "name": "net",
        "layers": items,
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"class_name": "Functional", "config": config, "keras_version": "2.9.0"}


def as_keras3(content: Any) -> Any:
    """A functional model of Keras 2 in the format of Keras 3."""
    config = dict(content["config"])
    config["layers"] = [_item3(item) for item in config["layers"]]
    (first,) = config["input_layers"]
    (last,) = config["output_layers"]
    config |= {"input_layers": first, "output_layers": last}
    return {"module": "keras", "class_name": "Functional", "config": config}


def _item3(item: Any) -> Any:
    nodes = [
        {
            "args": [_tensor3(n[0]) if len(call) == 1 else [_tensor3(p[0]) for p in call]],
            "kwargs": {},
        }
        for call in item["inbound_nodes"]
        for n in call[:1]
    ]
    config = dict(item["config"])
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    return {**item, "config": config, "inbound_nodes": nodes}


def _tensor3(name: str) -> Any:
    history = {"shape": [None], "dtype": "float32", "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": history}


# -- files ------------------------------------------------------------------------------------


def _fill(group: Any, weights: Weights) -> None:
    """Variables by name, layer by layer, as save_weights writes them."""
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for name, held in weights.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in held]
        for key, array in held.items():
            inner[f"{name}/{key}:0"] = np.asarray(array, np.float32)


def write_weights(path: Path, weights: Weights) -> Path:
    """Weights only."""
    with h5py.File(path, "w") as file:
        _fill(file, weights)
    return path


def write_h5(path: Path, content: Any, weights: Weights | None = None) -> Path:
    """Architecture and weights in one .h5."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(
            {key: content[key] for key in ("class_name", "config")}
        )
        file.attrs["keras_version"] = content.get("keras_version", "2.9.0")
        _fill(file.create_group("model_weights"), weights or {})
    return path


def write_json(path: Path, content: Any) -> Path:
    """Architecture only."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_keras(path: Path, content: Any, groups: Weights, version: str = "3.5.0") -> Path:
    """A .keras file; `groups` are numbered variables below 'layers/', 'a/b' for inner layers."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, held in groups.items():
            for number, array in enumerate(held.values()):
                file[f"layers/{name}/vars/{number}"] = np.asarray(array, np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(content))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path
