"""Bytes of a file to a checked ONNX protobuf, and its tensors to numpy."""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hlsgen.errors import Loc, ModelError, Unsupported
from hlsgen.keras import SUFFIXES, import_keras

ELEMENT_LIMIT = 2**28

DTYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
    TensorProto.BOOL: "bool",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.INT4: "int4",
    TensorProto.UINT4: "uint4",
    TensorProto.INT2: "int2",
    TensorProto.UINT2: "uint2",
}
_SUB_BYTE = {"int4": np.int8, "uint4": np.uint8, "int2": np.int8, "uint2": np.uint8}


def load_protobuf(path: Path) -> tuple[Any, str]:
    """The file's ModelProto, local functions inlined, and the SHA-256 of its bytes.

    A file of Keras is imported on the way, with the weights that lie beside it if it has none; the
    bytes are then those of the ONNX file that `hlsgen import` would write.
    """
    loc = Loc(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the file: {error.strerror}", Loc(str(path))) from error
    if not data:
        raise ModelError("the file is empty", loc)
    if path.suffix.lower() in SUFFIXES:
        imported = import_keras(path).model
        return imported, hashlib.sha256(imported.SerializeToString()).hexdigest()
    try:
        proto: Any = onnx.load_model_from_string(data)
    except (DecodeError, RuntimeError) as error:
        raise ModelError("not an ONNX file, or a truncated one", loc) from error
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise ModelError("not an ONNX file: it holds no graph", loc)
    if proto.graph.sparse_initializer:
        name = proto.graph.sparse_initializer[0].values.name
        raise Unsupported(f"sparse initializer '{name}': store it dense", loc)
    if proto.functions:
        proto = _inlined(proto, loc)
    return proto, hashlib.sha256(data).hexdigest()


def _inlined(proto: Any, loc: Loc) -> Any:
    from onnx import inliner

    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:  # a C++ exception of no fixed type
        raise ModelError(f"its local functions cannot be inlined: {error}", loc) from error


def dtype_name(elem_type: int, what: str) -> str:
    """ONNX element type number to its name here; other types are refused."""
    if elem_type in DTYPES:
        return DTYPES[elem_type]
    try:
        name = TensorProto.DataType.Name(elem_type)
    except ValueError:
        raise ModelError(f"{what} has the unknown element type {elem_type}") from None
    if name == "UNDEFINED":
        raise ModelError(f"{what} has no element type")
    if name.startswith("FLOAT"):
        raise Unsupported(f"{what} has type {name}, which belongs to the number-formats release")
    raise Unsupported(f"{what} has type {name}; hardware holds integers and reals only")


def tensor_array(
    tensor: Any, folder: Path, what: str | None = None
) -> tuple[NDArray[np.generic], str]:
    """A TensorProto's elements and the name of their type; sub-byte integers are widened."""
    what = what or f"tensor '{tensor.name}'"
    dtype = dtype_name(tensor.data_type, what)
    dims = tuple(tensor.dims)
    if any(size < 0 for size in dims):
        raise ModelError(f"{what} has a negative size: {list(dims)}")
    check_size(dims, what)
    if tensor.data_location == TensorProto.EXTERNAL:
        array = _external(tensor, dtype, dims, folder, what)
    else:
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise ModelError(f"{what}: its data do not fit {dtype}{list(dims)}") from error
    if dtype in _SUB_BYTE:
        array = array.astype(_SUB_BYTE[dtype])
    elif dtype == "bfloat16":
        array = array.astype(np.float32)
    return array, dtype


def check_size(shape: tuple[int, ...], what: str) -> None:
    """Refuses what no board can hold before a byte is allocated for it."""
    if prod(shape) > ELEMENT_LIMIT:
        raise ModelError(
            f"{what} of shape {list(shape)} has {prod(shape)} elements; "
            f"at most {ELEMENT_LIMIT} are read"
        )


def _external(
    tensor: Any, dtype: str, dims: tuple[int, ...], folder: Path, what: str
) -> NDArray[np.generic]:
    info = {entry.key: entry.value for entry in tensor.external_data}
    location = info.get("location", "")
    target = (folder / location).resolve()
    if not location or Path(location).is_absolute() or folder.resolve() not in target.parents:
        raise ModelError(f"{what}: external data '{location}' lie outside of the model's folder")
    if dtype in _SUB_BYTE or dtype == "bfloat16":
        raise Unsupported(f"{what}: external data of type {dtype}; store them in the file itself")
    item = np.dtype(dtype).newbyteorder("<")
    try:
        offset = int(info.get("offset", 0))
        with target.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(prod(dims) * item.itemsize)
    except (OSError, ValueError) as error:
        raise ModelError(f"{what}: external data '{location}' cannot be read: {error}") from error
    if len(data) != prod(dims) * item.itemsize:
        raise ModelError(f"{what}: external data '{location}' end too early")
    return np.frombuffer(data, item).reshape(dims)
