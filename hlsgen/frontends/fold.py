"""Values that are known when the file is read: moved constants and computed parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.movement import Concat, Pad, Reshape, Take, Transpose

Array = NDArray[np.generic]
_BYTES = {"int4": 4, "int2": 2, "uint4": 4, "uint2": 2}
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_QDQ_OPSET = 21  # means the same as every one before; the evaluator knows none below 19


def fold_movement(op: ModelOp, inputs: Sequence[Array]) -> Array | None:
    """The result of a movement or type change of constants; None for any other operator."""
    x = inputs[0]
    match op:
        case Transpose(perm):
            return x.transpose(perm)
        case Reshape(shape):
            return x.reshape(shape)
        case Take(axis, indices):
            return x.take(indices, axis=axis)
        case Concat(axis):
            return np.concatenate(inputs, axis=axis)
        case Pad(before, after, value):
            widths = tuple(zip(before, after, strict=True))
            return np.pad(x, widths, constant_values=np.asarray(value, x.dtype))
        case Cast(dtype) if dtype not in _BYTES:
            with np.errstate(invalid="ignore"):
                return x.astype("float32" if dtype == "bfloat16" else dtype)
        case _:
            return None


def run_node(node: Any, feeds: Mapping[str, Array], opsets: Mapping[str, int]) -> list[Array]:
    """One ONNX node on constants, in the file's own types, by onnx's reference evaluator."""
    inputs = [helper.make_empty_tensor_value_info(name) for name in feeds]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "constants", inputs, outputs)
    if node.op_type in _QDQ:
        opsets = {**opsets, "": max(opsets.get("", 1), _QDQ_OPSET)}
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(graph, opset_imports=imports)
    try:
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(model).run(None, dict(feeds))
    except (NotImplementedError, RuntimeError, onnx.defs.SchemaError) as error:
        raise ModelError(f"{node.op_type} of constants cannot be computed: {error}") from error
    return [np.asarray(item) for item in results]
