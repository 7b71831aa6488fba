"""A model as the public runtimes compute it, with every intermediate value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import round_array
from hlsgen.errors import HlsgenError, Unsupported
from hlsgen.frontends.load import load_protobuf
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp, ModelType
from hlsgen.ops.model import movement, pool, reduce
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import Elementwise
from hlsgen.ops.model.linear import Conv, ConvTranspose, MatMul
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.threshold import CountThresholds
from hlsgen.sim import batch, model_eval
from hlsgen.sim.parts import variable
from hlsgen.sim.precision import FORMATS
from hlsgen.sim.substitute import standard

Array = NDArray[Any]

RUNTIME = "onnxruntime"
PRIMITIVES = "float32 primitives"


@dataclass(frozen=True, eq=False)
class Reference:
    """Values by name with a leading sample axis (one sample: constants), and who computed them."""

    values: Mapping[str, Array]
    engine: str


def reference(model: Model, feeds: Mapping[str, Array], path: Path | None = None) -> Reference:
    """onnxruntime on the file itself where it can run that, else float32 on its primitives."""
    if path is not None:
        values = _onnxruntime(model, feeds, path)
        if values is not None:
            return Reference(values, RUNTIME)
    return Reference(float32(model, feeds), PRIMITIVES)


# -- onnxruntime ----------------------------------------------------------------------------


def _onnxruntime(model: Model, feeds: Mapping[str, Array], path: Path) -> dict[str, Array] | None:
    """None where onnxruntime is absent or refuses the file."""
    try:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    try:
        proto: Any = standard(load_protobuf(path)[0], model)
        names = _expose(proto, model)
        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        session = runtime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return _run(model, session, feeds, names)
    except Exception:
        return None


def _expose(proto: Any, model: Model) -> list[str]:
    """Makes every value that the model knows by the file's name an output; returns the names."""
    import onnx

    known = {output.name for output in proto.graph.output}
    names = list(model.outputs)
    for node in proto.graph.node:
        for name in node.output:
            if name and name in model.types and name not in model.outputs:
                names.append(name)
                if name not in known:
                    proto.graph.output.append(onnx.ValueInfoProto(name=name))
    return names


def _run(
    model: Model, session: Any, feeds: Mapping[str, Array], names: list[str]
) -> dict[str, Array]:
    """Feed by feed, in the file's own shape: batches would sum in another order."""
    typed = {name: file_type(feeds[name], model.types[name]) for name in model.inputs}
    needed = [item.name for item in session.get_inputs()]
    count = next(iter(feeds.values())).shape[0]
    changing = variable(model)
    rows: dict[str, list[Array]] = {name: [] for name in names}
    for j in range(count):
        found = session.run(names, {name: typed[name][j] for name in needed})
        for name, y in zip(names, found, strict=True):
            if name in changing or j == 0:
                rows[name].append(y)
    return {name: np.stack(column) for name, column in rows.items()}


def file_type(x: Array, item: ModelType) -> Array:
    """Numbers in the numpy type that stands for the file's element type."""
    match item.dtype:
        case "bool" | "float16" | "float32" | "float64":
            return x.astype(item.dtype)
        case "bfloat16":
            return FORMATS["bfloat16"].rounded(x).astype(np.float32)
        case dtype:
            width = int(dtype.lstrip("uint"))
            bits = next(b for b in (8, 16, 32, 64) if width <= b)
            return x.astype(f"{'u' if dtype.startswith('u') else ''}int{bits}")


# -- float32 --------------------------------------------------------------------------------


def float32(model: Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every value in the file's own types, one primitive after the other."""
    values = {name: plain(v[None], model.types[name]) for name, v in model.constants.items()}
    values |= {name: plain(feeds[name], model.types[name]) for name in model.inputs}

    def step(node: Node[ModelOp], args: list[Array]) -> list[Array]:
        with np.errstate(all="ignore"):
            results = float32_step(node.op, args, np.matmul)
        return [plain(y, model.types[name]) for name, y in zip(node.outputs, results, strict=True)]

    return batch.walk(model.nodes, values, step)


def plain(x: Array, item: ModelType) -> Array:
    """float32 (float64 where the file says so), or int64 for integers of any width.

    Shorter types are float32 too, rounded to what they hold: no kernel adds up in them.
    """
    match item.dtype:
        case "float64":
            return x.astype(np.float64)
        case "float16" | "bfloat16" as dtype:
            return FORMATS[dtype].rounded(x).astype(np.float32)
        case _:
            return x.astype(np.int64 if item.is_integer else np.float32)


def float32_step(  # noqa: C901 (one case a kind of operator)
    op: ModelOp, args: list[Array], dot: batch.Dot
) -> list[Array]:
    """One operator on arrays with a sample axis; `dot` says how sums of products are added up."""
    match op:
        case Elementwise(fn=fn):
            return [model_eval.elementwise(fn, batch.same_rank(args))]
        case Quantize():
            return [_quantized(op, *batch.same_rank(args))]
        case Dequantize():
            q, scale, zero = batch.same_rank(args)
            return [(q - zero).astype(scale.dtype) * scale]
        case Conv() | ConvTranspose() | MatMul():
            return [batch.product(op, args[0], args[1], dot)]
        case pool.SumPool() | reduce.ReduceSum():
            return [batch.summed(op, args[0], dot)]
        case pool.MaxPool() | reduce.ReduceMax() | reduce.ReduceMin():
            return [batch.extreme(op, args[0])]
        case (
            movement.Transpose()
            | movement.Reshape()
            | movement.Take()
            | movement.Pad()
            | movement.Concat()
        ):
            return [batch.moved(op, args)]
        case CountThresholds(axis=axis):
            return [_counted(args[0], args[1][0], axis)]
        case Cast(dtype=dtype):
            return [_cast(args[0], dtype)]
        case _:
            return _sample_by_sample(op, args)


def _quantized(op: Quantize, x: Array, scale: Array, zero: Array) -> Array:
    ratio = x.astype(scale.dtype) / scale
    if op.zero_point_inside:
        ratio = (ratio + zero).astype(scale.dtype)
    codes = round_array(ratio.astype(np.float64), op.rounding)
    codes = codes if op.zero_point_inside else codes + zero
    return np.clip(codes, op.qmin, op.qmax)


def _counted(x: Array, table: Array, axis: int) -> Array:
    shape = [1] * x.ndim
    shape[axis + 1] = table.shape[0]
    return sum((c.reshape(shape) <= x for c in table.T), start=np.zeros(x.shape, np.float32))


def _cast(x: Array, dtype: str) -> Array:
    if dtype == "bool":
        return x != 0
    return x if dtype.startswith(("float", "bfloat")) else np.trunc(x)


def _sample_by_sample(op: ModelOp, args: list[Array]) -> list[Array]:
    """Selections and softmax, by the evaluator of single samples."""
    try:
        rows = [model_eval.evaluate(op, [args[0][j]]) for j in range(args[0].shape[0])]
    except HlsgenError as error:
        raise Unsupported(f"{type(op).__name__}: {error.message}") from None
    return [np.stack(column) for column in zip(*rows, strict=True)]
