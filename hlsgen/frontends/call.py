"""One ONNX node as a reader function sees it: inputs, attributes, and a place to write to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto

from hlsgen.errors import Loc, ModelError, Unsupported
from hlsgen.frontends.builder import Builder
from hlsgen.frontends.fold import run_node
from hlsgen.frontends.load import tensor_array
from hlsgen.ir.model import ModelOp, ModelType, Shape
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import Elementwise, Fn
from hlsgen.ops.model.movement import Reshape, Transpose

Array = NDArray[np.generic]
Operand = str | float | Array


@dataclass(slots=True)
class Source:
    """What all nodes of a file share: its folder, operator sets and which node makes a value."""

    file: str
    folder: Path
    opsets: dict[str, int]
    makers: Mapping[str, Any]


@dataclass(slots=True)
class Call:
    """One ONNX node being read. Values are named; "" is an input that was left out."""

    proto: Any
    loc: Loc
    source: Source
    builder: Builder
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    made: set[str] = field(default_factory=set[str])

    # ---------------------------------------------------------------- inputs

    def has(self, index: int) -> bool:
        """Whether input `index` is given."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def input(self, index: int = 0) -> str:
        """The name of a required input."""
        if not self.has(index):
            raise ModelError(f"input {index} is missing")
        return self.inputs[index]

    def type(self, name: str) -> ModelType:
        """Shape and element type of a value."""
        return self.builder.types[name]

    def shape(self, index: int = 0) -> Shape:
        """Shape of a required input."""
        return self.type(self.input(index)).shape

    @property
    def opset(self) -> int:
        """Version of the operator set that the node's domain imports; 1 where it imports none."""
        domain = self.proto.domain
        return self.source.opsets.get("" if domain == "ai.onnx" else domain, 1)

    def known(self, name: str) -> Array | None:
        """The elements of a value that only constants lead to, computed in the file's types."""
        builder = self.builder
        found = builder.constants.get(name, builder.known.get(name))
        if found is not None:
            return found
        node = self.source.makers.get(name)
        if node is None or not node.input or node.domain not in ("", "ai.onnx"):
            return None
        if any(item.g.node for item in node.attribute):
            return None
        feeds: dict[str, Array] = {}
        for item in names(node.input):
            value = self.known(builder.resolve(item))
            if value is None:
                return None
            feeds[item] = value
        results = run_node(node, feeds, self.source.opsets)
        builder.known.update(zip(names(node.output), results, strict=True))
        return builder.known[name]

    def constant(self, index: int, what: str) -> Array:
        """The elements of an input that has to be known when the file is read."""
        value = self.known(self.input(index))
        if value is None:
            raise Unsupported(
                f"the {what} '{self.input(index)}' is computed at run time; "
                "hardware needs a constant there"
            )
        return value

    def constant_ints(self, index: int, what: str) -> tuple[int, ...]:
        """A constant input as a tuple of integers."""
        value = self.constant(index, what)
        if value.dtype.kind not in "iu":
            raise ModelError(f"the {what} has to be integers, got {value.dtype}")
        return tuple(int(item) for item in value.reshape(-1))

    # ------------------------------------------------------------ attributes

    def has_attribute(self, name: str) -> bool:
        """Whether the node carries an attribute of that name."""
        return self._attribute(name, None) is not None

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute; a whole float or one-element tensor is taken as well."""
        item = self._attribute(name, default)
        if item is None:
            return self._default(name, default)
        if item.type == AttributeProto.INT:
            return int(item.i)
        number = self.number(name)
        if number != int(number):
            raise ModelError(f"attribute '{name}' has to be an integer, got {number}")
        return int(number)

    def number(self, name: str, default: float | None = None, finite: bool = True) -> float:
        """A float attribute (exactly its float32), an integer, or a one-element tensor."""
        item = self._attribute(name, default)
        if item is None:
            return self._default(name, default)
        match item.type:
            case AttributeProto.FLOAT:
                value = float(item.f)
            case AttributeProto.INT:
                value = float(item.i)
            case AttributeProto.TENSOR:
                value = float(tensor_array(item.t, self.source.folder)[0].item())
            case _:
                raise self._wrong(name, "a number", item)
        if np.isnan(value) or (finite and np.isinf(value)):
            raise ModelError(f"attribute '{name}' is {value}")
        return value

    def integers(self, name: str, default: Shape | None = None) -> tuple[int, ...]:
        """A list-of-integers attribute."""
        item = self._attribute(name, default)
        if item is None:
            return self._default(name, default)
        if item.type == AttributeProto.INT:
            return (int(item.i),)
        if item.type != AttributeProto.INTS:
            raise self._wrong(name, "integers", item)
        return tuple(int(entry) for entry in item.ints)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list-of-floats attribute."""
        item = self._attribute(name, None)
        if item is None or item.type != AttributeProto.FLOATS:
            raise self._wrong(name, "floats", item)
        return tuple(float(entry) for entry in item.floats)

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute."""
        item = self._attribute(name, default)
        if item is None:
            return self._default(name, default)
        if item.type != AttributeProto.STRING:
            raise self._wrong(name, "a string", item)
        try:
            return item.s.decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"attribute '{name}' is no text") from error

    def tensor(self, name: str) -> tuple[Array, str]:
        """A tensor attribute and the name of its element type."""
        item = self._attribute(name, None)
        if item is None or item.type != AttributeProto.TENSOR:
            raise self._wrong(name, "a tensor", item)
        return tensor_array(item.t, self.source.folder, f"attribute '{name}'")

    def _attribute(self, name: str, default: object) -> Any:
        for item in self.proto.attribute:
            if item.name == name:
                return item
        return None

    def _default(self, name: str, default: Any) -> Any:
        if default is None:
            raise ModelError(f"attribute '{name}' is missing")
        return default

    def _wrong(self, name: str, wanted: str, item: Any) -> ModelError:
        if item is None:
            return ModelError(f"attribute '{name}' is missing")
        try:
            got = AttributeProto.AttributeType.Name(item.type)
        except ValueError:
            got = str(item.type)
        return ModelError(f"attribute '{name}' has to be {wanted}, got type {got}")

    # --------------------------------------------------------------- outputs

    def fresh(self, what: str) -> str:
        """A new name "<output>:<what>" for a helper value."""
        base = next((name for name in self.outputs if name), self.loc.name)
        name, count = f"{base}:{what}", 1
        while self.builder.is_known(name) or name in self.made or name in self.source.makers:
            count += 1
            name = f"{base}:{what}{count}"
        self.made.add(name)
        return name

    def const(self, value: Operand, what: str = "const", dtype: str | None = None) -> str:
        """The name of an operand: a number or array becomes a constant."""
        if isinstance(value, str):
            return value
        array = value if isinstance(value, np.ndarray) else _number(value)
        return self.builder.add_constant(self.fresh(what), array, dtype)

    def like(self, value: str, number: float, what: str = "const") -> str:
        """A scalar constant in the element type of `value`."""
        dtype = self.type(value).dtype
        if not self.type(value).is_integer:
            return self.const(number, what)
        if number != int(number):
            raise ModelError(f"{number} does not fit the integer type {dtype}")
        return self.const(np.asarray(int(number), np.int64), what, dtype)

    def add(self, op: ModelOp, *inputs: Operand, what: str | None = None) -> str:
        """A node with one output, under a helper name."""
        operands = tuple(self.const(item) for item in inputs)
        output = self.fresh(what or _label(op))
        self.builder.emit(op, operands, (output,), self.loc)
        return output

    def apply(self, fn: Fn, *inputs: Operand, what: str | None = None) -> str:
        """An elementwise function, under a helper name."""
        return self.add(Elementwise(fn), *inputs, what=what or fn.value)

    def give(self, value: str, output: int = 0) -> None:
        """Makes a value the node's output: under that name if this node made it, else an alias."""
        if output >= len(self.outputs) or not self.outputs[output]:
            return
        target = self.outputs[output]
        if value in self.made:
            self.made.discard(value)
            self.builder.rename(value, target)
        elif self.builder.is_known(target):
            raise ModelError(f"value '{target}' is made twice")
        else:
            self.builder.aliases[target] = value

    def emit(self, op: ModelOp, *inputs: str) -> None:
        """A node that writes all of the ONNX node's outputs itself."""
        outputs = tuple(name or self.fresh("unused") for name in self.outputs)
        self.builder.emit(op, inputs, outputs, self.loc)

    # ----------------------------------------------------- common small steps

    def reshape(self, value: str, shape: Shape) -> str:
        """`value` under another shape (itself where it has that shape)."""
        return value if self.type(value).shape == shape else self.add(Reshape(shape), value)

    def transpose(self, value: str, perm: Shape) -> str:
        """`value` with its axes in another order (itself where nothing moves)."""
        return value if perm == tuple(range(len(perm))) else self.add(Transpose(perm), value)

    def cast(self, value: str, dtype: str) -> str:
        """`value` in another element type; between real types nothing changes."""
        have = self.type(value)
        if have.dtype == dtype:
            return value
        if not have.is_integer and dtype.startswith(("float", "bfloat")):
            return value if value not in self.builder.constants else self.add(Cast(dtype), value)
        return self.add(Cast(dtype), value)

    def along(self, value: str, axis: int, rank: int) -> str:
        """A vector reshaped to [1, .., size, .., 1] with its elements on `axis`."""
        size = self.type(value).shape
        if len(size) != 1:
            raise ModelError(f"'{value}' has to be a vector, got shape {list(size)}")
        return self.reshape(value, tuple(size[0] if i == axis else 1 for i in range(rank)))


Reader = Callable[[Call], None]


def names(values: Any) -> list[str]:
    """The names in a protobuf list, each once, without those left out."""
    return [str(name) for name in dict.fromkeys(values) if name]


def _number(value: float) -> Array:
    """A float32 where that is exact, as every float attribute is."""
    single = np.asarray(value, np.float32)
    return single if float(single) == value else np.asarray(value, np.float64)


def _label(op: ModelOp) -> str:
    return type(op).__name__.lower()
