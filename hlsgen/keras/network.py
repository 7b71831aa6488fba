"""The ONNX graph under construction: Keras shapes at the border, channels first inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"
_OPSET, _IR_VERSION = 17, 9
_BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor: its ONNX name, Keras' shape without the batch, and whether channels come first."""

    name: str
    shape: tuple[int, ...]
    first: bool = False


@dataclass(frozen=True, slots=True)
class Codes:
    """What a QONNX Quant clamps to: `narrow` leaves the lowest out; one signed bit is -1 and +1."""

    bits: int
    signed: bool = True
    narrow: bool = False


@dataclass(frozen=True, eq=False)
class Quantised:
    """Weights as a quantiser leaves them.

    `values` are float32; `scale` (broadcast to them) and `codes` say which grid they lie on, or
    are None where no grid of at most 32 bits holds them.
    """

    values: Array
    scale: Array | None = None
    codes: Codes | None = None


@dataclass(slots=True)
class Network:
    """Nodes and constants so far; `scope` is the layer that is being written."""

    scope: str = ""
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    constants: list[TensorProto] = field(default_factory=list[TensorProto])
    taken: set[str] = field(default_factory=set[str])
    turned: dict[str, Value] = field(default_factory=dict[str, Value])
    inputs: list[ValueInfoProto] = field(default_factory=list[ValueInfoProto])

    # -- nodes and constants ------------------------------------------------------------------

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Adds an operator and returns the name of what it makes."""
        name = self._fresh(op)
        self.nodes.append(
            helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes)
        )
        return name

    def input(self, name: str, shape: tuple[int, ...], dtype: str) -> Value:
        """An input of the model; integers become reals at once, as Keras' layers want them."""
        self.taken.add(name)
        elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, elem_type, [_BATCH, *shape]))
        if elem_type == TensorProto.FLOAT:
            return Value(name, shape)
        self.scope = name
        return Value(self.node("Cast", name, to=TensorProto.FLOAT), shape)

    def constant(self, array: Any, what: str, dtype: Any = np.float32) -> str:
        """Holds an array and returns its name."""
        name = self._fresh(what)
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def _fresh(self, what: str) -> str:
        base = f"{self.scope}/{what}" if self.scope else what
        name, count = base, 0
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name

    # -- element by element -------------------------------------------------------------------

    def apply(self, op: str, x: Value, *others: Value | Array | float, **attributes: Any) -> Value:
        """An operator of `x` and others of its shape: values, or constants in Keras' axes."""
        names = [self._operand(x, other) for other in others]
        return replace(x, name=self.node(op, x.name, *names, **attributes))

    def reversed(self, op: str, other: Value | Array | float, x: Value) -> Value:
        """As `apply` with the operands exchanged: op(other, x)."""
        return replace(x, name=self.node(op, self._operand(x, other), x.name))

    def where(
        self, condition: Value, then: Value | Array | float, otherwise: Value | Array | float
    ) -> Value:
        """`then` where the condition holds."""
        names = [self._operand(condition, item) for item in (then, otherwise)]
        return replace(condition, name=self.node("Where", condition.name, *names))

    def _operand(self, x: Value, other: Value | Array | float) -> str:
        if isinstance(other, Value):
            return (self.first(other) if x.first else self.last(other)).name
        array = np.asarray(other, np.float32)
        return self.constant(self.stored(x, array), "constant")

    def stored(self, x: Value, array: Array) -> Array:
        """A constant in Keras' axes as `x` stores its own; scalars stay."""
        if array.size == 1:
            return array.reshape(())
        rank = len(x.shape) + 1
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        return array.transpose(0, rank - 1, *range(1, rank - 1)) if x.first else array

    # -- quantisers ---------------------------------------------------------------------------

    def quant(self, x: Value, scale: Any, codes: Codes, rounding: str = "ROUND") -> Value:
        """`x` on the grid scale * codes; `scale` is in Keras' axes."""
        array = self.stored(x, np.asarray(scale, np.float32))
        return replace(x, name=self._quant(x.name, array, codes, rounding))

    def quantised(self, weights: Quantised, what: str) -> str:
        """Quantised weights as a constant and the Quant that says so; Quant leaves them as is."""
        name = self.constant(weights.values, what)
        if weights.scale is None or weights.codes is None:
            return name
        return self._quant(name, _compact(weights.scale), weights.codes, "ROUND")

    def _quant(self, x: str, scale: Array, codes: Codes, rounding: str) -> str:
        name = self.constant(scale, "scale")
        if codes.signed and codes.bits == 1:
            return self.node("BipolarQuant", x, name, domain=QONNX)
        zero, width = self.constant(0, "zero_point"), self.constant(codes.bits, "bits")
        return self.node(
            "Quant", x, name, zero, width, domain=QONNX,
            signed=int(codes.signed), narrow=int(codes.narrow), rounding_mode=rounding,
        )  # fmt: skip

    # -- axes ---------------------------------------------------------------------------------

    def first(self, x: Value) -> Value:
        """`x` with its channels on axis 1, as ONNX convolutions want them."""
        rank = len(x.shape) + 1
        return x if x.first or rank < 3 else self._turned(x, (0, rank - 1, *range(1, rank - 1)))

    def last(self, x: Value) -> Value:
        """`x` with its axes in Keras' order."""
        rank = len(x.shape) + 1
        return self._turned(x, (0, *range(2, rank), 1)) if x.first else x

    def _turned(self, x: Value, perm: tuple[int, ...]) -> Value:
        if x.name not in self.turned:
            name = self.node("Transpose", x.name, perm=list(perm))
            self.turned[x.name] = Value(name, x.shape, not x.first)
            self.turned[name] = x
        return self.turned[x.name]

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """`x` in Keras' order under another shape (without the batch)."""
        sizes = self.constant([0, *shape], "shape", np.int64)
        return Value(self.node("Reshape", self.last(x).name, sizes), tuple(shape))

    # -- the whole ----------------------------------------------------------------------------

    def finish(self, name: str, outputs: dict[str, Value]) -> ModelProto:
        """The model; `outputs` are names and what stands under them, in Keras' order of axes."""
        self.scope = ""
        for wanted, value in outputs.items():
            self.nodes.append(
                helper.make_node("Identity", [self.last(value).name], [wanted], name=wanted)
            )
        graph = helper.make_graph(
            self.nodes,
            name,
            self.inputs,
            [_info(wanted, value.shape) for wanted, value in outputs.items()],
            self.constants,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="hlsgen import"
        )


def _compact(scale: Array) -> Array:
    """A scale with one element along every axis that it does not change along."""
    for axis in range(scale.ndim):
        head = scale.take([0], axis=axis) if scale.shape[axis] else scale
        scale = head if (scale == head).all() else scale
    return scale.reshape(()) if scale.size == 1 else scale


def _info(name: str, shape: tuple[int, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [_BATCH, *shape])
