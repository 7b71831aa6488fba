"""Any quantised ONNX file to a Model of primitive operators; every refusal names its node."""

from __future__ import annotations

import difflib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError, Loc, ModelError, Unsupported
from hlsgen.frontends import (
    finn,
    gathers,
    movements,
    openvino,
    pulp,
    qdq,
    qonnx,
    qoperator,
    resize,
    standard,
)
from hlsgen.frontends.builder import Builder
from hlsgen.frontends.call import Call, Reader, Source, names
from hlsgen.frontends.fold import run_node
from hlsgen.frontends.load import check_size, dtype_name, load_protobuf, tensor_array
from hlsgen.frontends.order import in_order, needed
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp, ModelType, Shape
from hlsgen.ops.model.movement import Reshape

Array = NDArray[np.generic]

_QUANT_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
_CHANNELS_LAST = ("qonnx.custom_op.channels_last", "qonnx.custom_op.nhwc")
_STANDARD = ("", "ai.onnx")
_DIALECTS = ("QONNX", "FINN", "QDQ", "QOperator", "OpenVINO", "PULP-integer", "float")
_NOT_FOLDED = frozenset(
    {*qdq.READERS, *qoperator.READERS, *standard.LATER, *movements.READERS, *resize.READERS}
    | {*gathers.READERS}
    | {"Constant", "Range"}
)
_FOLD_LIMIT = 2**16
_DEFAULT_OPSET = 13  # of files that import none
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Family:
    """Readers of one dialect and the domains that it may stand in; none means any."""

    dialect: str
    readers: Mapping[str, Reader]
    domains: tuple[str, ...] | None = None


FAMILIES: tuple[Family, ...] = (
    Family("QONNX", qonnx.CHANNELS_LAST, _CHANNELS_LAST),
    Family("QDQ", qdq.READERS, _STANDARD),
    Family("QDQ", qdq.MICROSOFT, ("com.microsoft",)),
    Family("QOperator", qoperator.READERS, _STANDARD),
    Family("QOperator", qoperator.MICROSOFT, ("com.microsoft",)),
    Family("", standard.READERS, _STANDARD),
    Family("", standard.MICROSOFT, ("com.microsoft",)),
    Family("QONNX", qonnx.READERS),
    Family("FINN", finn.READERS),
    Family("FINN", finn.HARDWARE),
    Family("PULP-integer", pulp.READERS),
    Family("OpenVINO", openvino.READERS),
)


def read_model(
    path: Path,
    *,
    shapes: Mapping[str, Shape] | None = None,
    overrides: Mapping[str, Array] | None = None,
) -> Model:
    """Reads an ONNX file.

    Args:
        path: the file; tensors kept outside of it must lie in its folder.
        shapes: sizes of inputs by name, for inputs with symbolic dimensions.
        overrides: values by name that are constants from now on (static scales).
    """
    path = Path(path)
    proto, sha256 = load_protobuf(path)
    reading = _Reading(path, proto.graph, shapes or {})
    try:
        reading.start(proto, overrides or {})
    except HlsgenError as error:
        raise error.at(Loc(path.name)) from error
    except _MALFORMED as error:
        raise ModelError(f"malformed graph: {error}", Loc(path.name)) from error
    for index, node in reading.nodes:
        reading.read(index, node)
    return reading.finish(sha256)


class _Reading:
    """One run over the nodes of a file."""

    def __init__(self, path: Path, graph: Any, shapes: Mapping[str, Shape]) -> None:
        self.path, self.graph, self.shapes = path, graph, shapes
        self.builder = Builder()
        self.batch: set[str] = set()
        self.dialects: set[str] = set()
        self.inputs: list[str] = []
        self.nodes: list[tuple[int, Any]] = []
        self.overridden: frozenset[str] = frozenset()
        self.refused: dict[str, Unsupported] = {}
        self.at_border = False

    # ----------------------------------------------------------- before nodes

    def start(self, proto: Any, overrides: Mapping[str, Array]) -> None:
        """Constants, inputs, and the order of the nodes."""
        opsets = {item.domain: int(item.version) for item in proto.opset_import}
        makers = _makers(self.graph, self.path.name)
        self.overridden = frozenset(overrides)
        for name, array in overrides.items():
            self.builder.add_constant(name, np.asarray(array))
        reach = needed(self.graph, makers, self.overridden)
        initial = {item.name for item in self.graph.initializer}
        for tensor in self.graph.initializer:
            if tensor.name in makers:
                raise ModelError(f"value '{tensor.name}' is made twice: by a node as well")
            if tensor.name in reach and tensor.name not in self.overridden:
                self._initial(tensor)
        self._inputs(initial, makers)
        index = {id(node): number for number, node in enumerate(self.graph.node)}
        nodes = [node for node in self.graph.node if any(out in reach for out in node.output)]
        known = {*self.builder.types, *self.refused}
        ordered = in_order(nodes, known, lambda node: self._loc(index[id(node)], node))
        self.nodes = [(index[id(node)], node) for node in ordered]
        opsets.setdefault("", opsets.pop("ai.onnx", _DEFAULT_OPSET))
        self.source = Source(self.path.name, self.path.parent, opsets, makers)

    def _initial(self, tensor: Any) -> None:
        """Holds an initializer; one of a type that is not read is refused at its first use."""
        try:
            array, dtype = tensor_array(tensor, self.path.parent)
        except Unsupported as error:
            self.refused[tensor.name] = error
        else:
            self.builder.add_constant(tensor.name, array, dtype)

    def _inputs(self, initial: set[str], makers: Mapping[str, Any]) -> None:
        for info in self.graph.input:
            if info.name in initial or info.name in self.overridden:
                continue
            if info.name in makers:
                raise ModelError(f"value '{info.name}' is made twice: it is an input as well")
            if not info.type.HasField("tensor_type"):
                kind = info.type.WhichOneof("value") or "nothing"
                raise Unsupported(f"input '{info.name}' is no tensor but {kind}")
            shape = self._input_shape(info)
            dtype = dtype_name(info.type.tensor_type.elem_type, f"input '{info.name}'")
            self.builder.declare(info.name, ModelType(shape, dtype))
            self.inputs.append(info.name)
        unknown = sorted(set(self.shapes) - set(self.inputs))
        if unknown:
            raise ModelError(
                f"there is no input '{unknown[0]}' to give a shape to; "
                f"the inputs are {', '.join(self.inputs) or 'none'}"
            )

    def _input_shape(self, info: Any) -> Shape:
        tensor = info.type.tensor_type
        given = self.shapes.get(info.name)
        if not tensor.HasField("shape"):
            if given is None:
                raise ModelError(
                    f"input '{info.name}' has no shape; "
                    f"give its sizes: --shape {info.name}=1x3x32x32"
                )
            return given
        dims = tensor.shape.dim
        if given is not None and len(given) != len(dims):
            raise ModelError(f"input '{info.name}' has {len(dims)} dimensions, not {len(given)}")
        sizes = tuple(
            self._input_size(info.name, axis, dim, None if given is None else given[axis])
            for axis, dim in enumerate(dims)
        )
        check_size(sizes, f"input '{info.name}'")
        return sizes

    def _input_size(self, name: str, axis: int, dim: Any, given: int | None) -> int:
        size = int(dim.dim_value) if dim.HasField("dim_value") else 0
        if given is not None:
            if given < 1 or size not in (0, -1, given):
                raise ModelError(f"dimension {axis} of input '{name}' is {size}, not {given}")
            return given
        if size > 0:
            return size
        if axis > 0:
            what = dim.dim_param or (size if size else "?")
            raise ModelError(
                f"dimension {axis} ('{what}') of input '{name}' has no fixed size; "
                f"give its sizes: --shape {name}=1x3x32x32"
            )
        self.batch.add(name)
        return 1

    # ------------------------------------------------------------------ nodes

    def _loc(self, index: int, node: Any) -> Loc:
        name = node.name or next(iter(node.output), "")
        return Loc(self.path.name, index, name, node.op_type)

    def read(self, index: int, node: Any) -> None:
        """Turns one ONNX node into primitive operators."""
        loc = self._loc(index, node)
        inputs = tuple(self.builder.resolve(name) for name in node.input)
        outputs = tuple("" if name in self.overridden else name for name in node.output)
        if not any(outputs):
            return
        call = Call(node, loc, self.source, self.builder, inputs, outputs)
        try:
            for name in node.input:
                if name in self.refused:
                    raise self.refused[name]
            if not self._fold(call):
                self._reader(node)(call)
        except HlsgenError as error:
            raise error.at(loc) from error
        except _MALFORMED as error:
            raise ModelError(f"malformed {node.op_type}: {error}", loc) from error

    def _reader(self, node: Any) -> Reader:
        for family in FAMILIES:
            inside = family.domains is None or node.domain in family.domains
            if inside and node.op_type in family.readers:
                self._note(family.dialect, node)
                return family.readers[node.op_type]
        domain = node.domain or "ai.onnx"
        if node.op_type in standard.LATER:
            raise Unsupported(f"{node.op_type}: {standard.LATER[node.op_type]}")
        have = {name for family in FAMILIES for name in family.readers}
        near = difflib.get_close_matches(node.op_type, sorted(have), n=1)
        hint = f"; the nearest known one is {near[0]}" if near else ""
        raise Unsupported(f"unknown operator {node.op_type} of domain {domain}{hint}")

    def _note(self, dialect: str, node: Any) -> None:
        """Q of an input and DQ to an output make no QDQ file where other dialects are found."""
        outputs = {item.name for item in self.graph.output}
        if (node.op_type == "QuantizeLinear" and node.input[0] in self.inputs) or (
            node.op_type == "DequantizeLinear" and node.output[0] in outputs
        ):
            self.at_border = True
        elif dialect:
            self.dialects.add(dialect)

    def _fold(self, call: Call) -> bool:
        """Computes integers of integers (shapes, indices, axes) at once."""
        node, builder = call.proto, self.builder
        if node.domain not in _STANDARD or node.op_type in _NOT_FOLDED or not call.inputs:
            return False
        feeds = {name: builder.constants.get(builder.resolve(name)) for name in node.input if name}
        found = {name: item for name, item in feeds.items() if item is not None}
        if len(found) != len(feeds):
            return False
        small = all(item.dtype.kind in "iub" for item in found.values())
        if not small or sum(item.size for item in found.values()) > _FOLD_LIMIT:
            return False
        results = run_node(node, found, self.source.opsets)
        for name, array in zip(names(node.output), results, strict=True):
            if name not in self.overridden:
                builder.add_constant(name, array)
        return True

    # ------------------------------------------------------------ after nodes

    def finish(self, sha256: str) -> Model:
        """The graph under the file's own output names, without what no output needs."""
        builder = self.builder
        outputs = tuple(item.name for item in self.graph.output)
        for name in outputs:
            if not builder.is_known(name):
                raise ModelError(f"output '{name}' is made by no node", Loc(self.path.name))
            self._own_name(name)
        nodes = _live(builder.nodes, outputs)
        used = {name for node in nodes for name in (*node.inputs, *node.outputs)}
        used |= {*outputs, *self.inputs}
        found = self.dialects or ({"QDQ"} if self.at_border else {"float"})
        dialect = [name for name in _DIALECTS if name in found]
        return Model(
            name=self.graph.name or self.path.stem,
            inputs=tuple(self.inputs),
            outputs=outputs,
            nodes=nodes,
            types={name: item for name, item in builder.types.items() if name in used},
            constants={name: a for name, a in builder.constants.items() if name in used},
            file=self.path.name,
            sha256=sha256,
            dialect="+".join(dialect),
            batch=frozenset(self.batch),
        )

    def _own_name(self, name: str) -> None:
        """An output that is another name of a value gets a node that hands it over."""
        builder = self.builder
        if name in builder.types:
            return
        value = builder.resolve(name)
        del builder.aliases[name]
        item = builder.types[value]
        builder.declare(name, item)
        loc = Loc(self.path.name, None, name)
        builder.nodes.append(Node(Reshape(item.shape), (value,), (name,), loc))


def _makers(graph: Any, file: str) -> dict[str, Any]:
    """Which node makes a value; each is made once."""
    makers: dict[str, Any] = {}
    for index, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers:
                loc = Loc(file, index, node.name or name, node.op_type)
                raise ModelError(f"value '{name}' is made twice", loc)
            makers[name] = node
    return makers


def _live(nodes: list[Node[ModelOp]], outputs: tuple[str, ...]) -> tuple[Node[ModelOp], ...]:
    wanted, kept = set(outputs), list[Node[ModelOp]]()
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return tuple(reversed(kept))
