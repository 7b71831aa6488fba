"""Files of Keras to an architecture and the variables of each layer, without Keras."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Loc, ModelError, OptionError, ToolMissing
from hlsgen.keras.architecture import Architecture, architecture, snake_case

Array = NDArray[Any]
_DAMAGED = (
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
)
SUFFIXES = (".h5", ".hdf5", ".keras", ".json")


@dataclass(frozen=True, eq=False)
class Saved:
    """A model as its file holds it: layers, and the variables of each by name or number."""

    file: str
    model: Architecture
    variables: Mapping[str, Mapping[str, Array]] = field(
        default_factory=dict[str, Mapping[str, Array]]
    )


def read_saved(path: Path, weights: Path | None = None) -> Saved:
    """Reads .h5, .keras, or .json with its weights in another file.

    Errors: ModelError for what is not such a file; OptionError for weights that are missing;
    ToolMissing without h5py.
    """
    loc = Loc(path.name)
    match path.suffix.lower():
        case ".json":
            content = _parsed(_bytes(path), loc)
            weights = weights or _beside(path)
            if weights is None:
                raise OptionError(
                    f"{path.name} holds no weights: put them beside it as {path.stem}.weights.h5, "
                    f"or name them: hlsgen import {path.name} --weights FILE.h5 -o MODEL.onnx"
                )
            model = architecture(content, loc)
            return Saved(path.name, model, _weights_of(weights, model))
        case ".keras":
            return _zipped(path, weights, loc)
        case ".h5" | ".hdf5":
            with _opened(_bytes(path), path.name) as file:
                content = _parsed(_attribute(file, "model_config", loc), loc)
                version = _text(file.attrs.get("keras_version", ""))
                model = architecture({"keras_version": version, **content}, loc)
                held = {} if weights else _variables(file, model, path.name)
            return Saved(path.name, model, _weights_of(weights, model) if weights else held)
        case suffix:
            raise ModelError(f"'{suffix}' is none of {', '.join(SUFFIXES)}", loc)


def _beside(path: Path) -> Path | None:
    """Weights next to a .json, under one of the names that people give them."""
    stem = path.stem
    names = (f"{stem}.weights.h5", f"{stem}_weights.h5", f"{stem}.h5", "weights.h5")
    return next((p for name in names if (p := path.with_name(name)).is_file()), None)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the file: {error.strerror}", Loc(str(path))) from error


def _parsed(text: bytes | str, loc: Loc) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ModelError(f"no Keras model: its configuration is not JSON ({error})", loc) from None


def _zipped(path: Path, weights: Path | None, loc: Loc) -> Saved:
    try:
        with zipfile.ZipFile(path) as archive:
            content = _parsed(archive.read("config.json"), loc)
            about = _parsed(archive.read("metadata.json"), loc)
            data = archive.read("model.weights.h5")
    except (zipfile.BadZipFile, zlib.error, EOFError, *_DAMAGED) as error:
        raise ModelError(f"not a .keras file, or a truncated one: {error}", loc) from None
    model = architecture({"keras_version": about.get("keras_version"), **content}, loc)
    if weights is not None:
        return Saved(path.name, model, _weights_of(weights, model))
    with _opened(data, path.name) as file:
        return Saved(path.name, model, _variables(file, model, path.name))


def _weights_of(path: Path, model: Architecture) -> dict[str, dict[str, Array]]:
    with _opened(_bytes(path), path.name) as file:
        return _variables(file, model, path.name)


# -- HDF5 -------------------------------------------------------------------------------------


@contextmanager  # pyright: ignore[reportDeprecated]
def _opened(data: bytes, name: str) -> Iterator[Any]:
    """The root of an HDF5 file; whatever fails inside of a file is the file's fault."""
    try:
        import h5py  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ImportError as error:
        raise ToolMissing(
            "files of Keras need h5py to be read: pip install 'hlsgen[keras]'"
        ) from error
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield file
    except _DAMAGED as error:
        reason = str(error).strip("'\"")
        raise ModelError(f"not an HDF5 file, or a truncated one ({reason})", Loc(name)) from None


def _attribute(file: Any, name: str, loc: Loc) -> Any:
    if name not in file.attrs:
        raise ModelError(
            "it holds weights only: import the .json of the architecture with --weights", loc
        )
    return file.attrs[name]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _names(group: Any, key: str) -> list[str]:
    """A list attribute, which Keras cuts into numbered pieces where it is long."""
    pieces = [key] if key in group.attrs else []
    while f"{key}{len(pieces)}" in group.attrs:
        pieces.append(f"{key}{len(pieces)}")
    return [_text(item) for piece in pieces for item in np.asarray(group.attrs[piece]).ravel()]


def _variables(file: Any, model: Architecture, name: str) -> dict[str, dict[str, Array]]:
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        return {layer: _named(root[layer]) for layer in _names(root, "layer_names")}
    for key in ("layers", "_layer_checkpoint_dependencies"):
        if key in root:
            return _numbered(root[key], model)
    raise ModelError("no weights of Keras in this file", Loc(name))


def _named(group: Any) -> dict[str, Array]:
    """Variables of a layer in the older format: 'fc1/kernel:0' is its 'kernel'."""
    names = _names(group, "weight_names")
    return {name.rpartition("/")[2].partition(":")[0]: np.asarray(group[name]) for name in names}


def _numbered(group: Any, model: Architecture) -> dict[str, dict[str, Array]]:
    """Variables in the newer format, numbered; groups are named after classes, not layers."""
    found: dict[str, dict[str, Array]] = {}
    counts: dict[str, int] = {}
    named = {str(item["vars"].attrs["name"]): item for item in group.values() if _says_name(item)}
    for layer in model.layers:
        key = snake_case(layer.kind)
        count = counts.get(key, 0)
        counts[key] = count + 1
        item = named.get(layer.name, group.get(f"{key}_{count}" if count else key))
        if item is not None:
            found[layer.name] = _flat(item)
    return found


def _says_name(item: Any) -> bool:
    return "vars" in item and "name" in item["vars"].attrs


def _flat(group: Any, prefix: str = "") -> dict[str, Array]:
    """'0', '1', ... of a layer and 'batchnorm/0', ... of layers inside of it."""
    held = {f"{prefix}{key}": np.asarray(item) for key, item in group.get("vars", {}).items()}
    for key, item in group.items():
        if key != "vars" and hasattr(item, "items"):
            held |= _flat(item, f"{prefix}{key}/")
    return held
