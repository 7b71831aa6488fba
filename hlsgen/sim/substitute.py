"""A file with its own operators (QONNX, FINN, PULP) as one that onnxruntime runs.

Whatever ONNX knows stays as it is; each other node becomes the primitive operators that the
front-ends read it as, in float32 as those operators are defined, one ONNX node a primitive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model import movement
from hlsgen.ops.model.elementwise import Elementwise, Fn
from hlsgen.ops.model.quantize import Dequantize, Quantize

_NAMES: dict[Fn, str] = {
    Fn.ADD: "Add", Fn.SUB: "Sub", Fn.MUL: "Mul", Fn.DIV: "Div", Fn.MAX: "Max", Fn.MIN: "Min",
    Fn.FLOOR: "Floor", Fn.CEIL: "Ceil", Fn.ROUND: "Round", Fn.ABS: "Abs", Fn.NEG: "Neg",
    Fn.SIGN: "Sign", Fn.GREATER: "Greater", Fn.GREATER_EQUAL: "GreaterOrEqual",
    Fn.LESS: "Less", Fn.LESS_EQUAL: "LessOrEqual", Fn.EQUAL: "Equal", Fn.WHERE: "Where",
}  # fmt: skip
_ROUNDINGS = {
    Rounding.HALF_EVEN: "Round",
    Rounding.FLOOR: "Floor",
    Rounding.CEIL: "Ceil",
}
_OPSET = 11  # older ones do not round


def standard(proto: Any, model: Model) -> Any:
    """The same network in ONNX's own operators.

    Errors: Unsupported where a node has primitives that are not written here.
    """
    from onnx import helper

    foreign = {i for i, node in enumerate(proto.graph.node) if _is_foreign(node)}
    if not foreign:
        return proto
    opsets = {o.domain: o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")}
    if max(opsets.values(), default=0) < _OPSET:
        raise Unsupported(f"an opset below {_OPSET}")
    writer = _Writer(proto, model)
    nodes: list[Any] = []
    for i, node in enumerate(proto.graph.node):
        if i not in foreign:
            nodes.append(node)
            continue
        for primitive in (n for n in model.nodes if n.loc.index == i):
            nodes += writer.written(primitive)
    graph = helper.make_graph(
        nodes, "reference", proto.graph.input, proto.graph.output,
        [*proto.graph.initializer, *writer.tensors],
    )  # fmt: skip
    imports = [helper.make_opsetid(o.domain, o.version) for o in proto.opset_import]
    return helper.make_model(graph, opset_imports=imports, ir_version=proto.ir_version)


def _is_foreign(node: Any) -> bool:
    import onnx

    if node.domain == "com.microsoft":
        return False
    return not onnx.defs.has(node.op_type, "" if node.domain == "ai.onnx" else node.domain)


class _Writer:
    """Primitives as ONNX nodes; every number a float32, as those operators compute."""

    def __init__(self, proto: Any, model: Model) -> None:
        self.model = model
        self.tensors: list[Any] = []
        self.known: dict[str, str] = {}

    def written(self, node: Node[ModelOp]) -> list[Any]:
        inputs = [self._input(name) for name in node.inputs]
        match node.op:
            case Elementwise(fn=fn) if fn in _NAMES:
                return [_node(_NAMES[fn], inputs, node.output)]
            case Quantize():
                return self._quantized(node.op, inputs, node.output)
            case Dequantize():
                centred = f"{node.output}:centred"
                return [
                    _node("Sub", [inputs[0], inputs[2]], centred),
                    _node("Mul", [centred, inputs[1]], node.output),
                ]
            case movement.Reshape(shape=shape):
                target = self._tensor(f"{node.output}:shape", np.array(shape, np.int64))
                return [_node("Reshape", [inputs[0], target], node.output)]
            case movement.Transpose(perm=perm):
                return [_node("Transpose", inputs, node.output, perm=list(perm))]
            case _:
                raise Unsupported(f"{type(node.op).__name__} has no ONNX node here")

    def _quantized(self, op: Quantize, inputs: list[str], output: str) -> list[Any]:
        if op.rounding not in _ROUNDINGS:
            raise Unsupported(f"rounding {op.rounding} has no ONNX node")
        x, scale, zero = inputs
        ratio, shifted, whole, moved = (f"{output}:{n}" for n in ("ratio", "in", "whole", "moved"))
        inside = op.zero_point_inside
        low = self._tensor(f"{output}:low", np.float32(op.qmin))
        high = self._tensor(f"{output}:high", np.float32(op.qmax))
        nodes = [_node("Div", [x, scale], ratio)]
        if inside:
            nodes.append(_node("Add", [ratio, zero], shifted))
        nodes.append(_node(_ROUNDINGS[op.rounding], [shifted if inside else ratio], whole))
        if not inside:
            nodes.append(_node("Add", [whole, zero], moved))
        above = f"{output}:above"
        nodes.append(_node("Max", [whole if inside else moved, low], above))
        nodes.append(_node("Min", [above, high], output))
        return nodes

    def _input(self, name: str) -> str:
        """The name of a value; constants come along as float32."""
        if name not in self.model.constants:
            return name
        if name not in self.known:
            numbers = self.model.constants[name].astype(np.float32)
            self.known[name] = self._tensor(f"{name}:float32", numbers)
        return self.known[name]

    def _tensor(self, name: str, values: NDArray[Any] | np.float32) -> str:
        from onnx import numpy_helper

        self.tensors.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, list(inputs), [output], **attributes)
