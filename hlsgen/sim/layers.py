"""A model evaluated layer by layer: every code with what floating point may have made of it.

A *layer* ends where real numbers become codes (a quantiser, a comparison, a rounding, an arg max).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import round_array
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model import movement, pool, reduce
from hlsgen.ops.model.cast import Cast
from hlsgen.ops.model.elementwise import Elementwise, Fn
from hlsgen.ops.model.linear import Conv, ConvTranspose, MatMul
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.select import ArgMax, ArgMin
from hlsgen.ops.model.threshold import CountThresholds
from hlsgen.sim import batch
from hlsgen.sim.parts import ends_layer
from hlsgen.sim.precision import DOUBLE, SINGLE, Precision, of_type
from hlsgen.sim.real import Codes, Dot, Real, elementwise, product_rest
from hlsgen.sim.selections import selected

Array = NDArray[Any]

EXACT_SUMS = frozenset({"QLinearConv", "QLinearMatMul", "QGemm"})
REORDERED = frozenset(
    {"BatchNormalization", "AveragePool", "GlobalAveragePool", "ReduceMean", "Resize", "Upsample"}
    | {"LeakyRelu", "PRelu", "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu", "Softsign"}
    | {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "Mish", "Swish", "SiLU", "Shrink"}
    | {"LayerNormalization", "InstanceNormalization", "Gemm", "MatMulIntegerToFloat"}
)
_REORDERED_SLACK = 8.0
_RAW = 510  # codes are not centred in some kernels: |code| + |zero point| of 8 bits


@dataclass(frozen=True, eq=False)
class Layer:
    """The codes of tensor `name`, and the least and greatest that the error bound admits."""

    node: Node[ModelOp]
    name: str
    code: Array
    low: Array
    high: Array
    before: Real | None = None  # of a quantiser: the number of codes before rounding
    scores: Real | None = None  # of an arg max: what was compared, along `axis`
    axis: int = 0

    def admits(self, codes: Array) -> Array:
        """Which of the codes floating point may have come to."""
        if self.scores is None:
            return (codes >= self.low) & (codes <= self.high)
        value, error = (
            self.scores.value,
            np.broadcast_to(self.scores.error, self.scores.value.shape),
        )
        taken = codes if codes.ndim == value.ndim else np.expand_dims(codes, self.axis)
        taken = np.clip(taken, 0, value.shape[self.axis] - 1).astype(np.int64)
        best = (value - error).max(axis=self.axis, keepdims=True)
        chosen = np.take_along_axis(value + error, taken, axis=self.axis)
        return ((chosen >= best) & (error.max() > 0)).reshape(codes.shape) | (codes == self.code)


Settle = Callable[[Layer], Array | None]


@dataclass(eq=False)
class Evaluation:
    """One pass over a model in the numbers of `precision`: float64, or else the file's own types.

    `settle` gets every layer and gives the codes to go on with, or None to go on with the error.
    `runtime` where the file's own operators are run by onnxruntime: some of its kernels sum
    integers exactly, others take liberties with the order of operations.
    """

    model: Model
    precision: Precision
    settle: Settle
    likely: float = 0.0
    runtime: bool = False

    def run(
        self,
        known: Mapping[str, Array],
        nodes: Sequence[Node[ModelOp]] | None = None,
        keep: frozenset[str] | None = None,
    ) -> dict[str, Real]:
        """What is to be kept (the outputs if None) from known inputs or codes, by `nodes` (all)."""
        nodes = self.model.nodes if nodes is None else nodes
        read = {name for node in nodes for name in node.inputs}
        constants = {n: v[None] for n, v in self.model.constants.items() if n in read}
        values = {name: Real.exact(v) for name, v in {**constants, **known}.items()}
        keep = frozenset(self.model.outputs) if keep is None else keep
        return batch.walk(nodes, values, self.step, keep)

    @cached_property
    def dot(self) -> Dot:
        return Dot(self.precision, self.likely)

    @cached_property
    def _scales(self) -> Mapping[int | None, float]:
        """The sum of the input scales of every ONNX node: how large its raw codes can get."""
        total: dict[int | None, float] = {}
        for node in self.model.nodes:
            scale = self.model.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
            if isinstance(node.op, Dequantize) and scale is not None:
                total[node.loc.index] = total.get(node.loc.index, 0.0) + float(np.max(scale))
        return total

    def step(self, node: Node[ModelOp], args: list[Real]) -> list[Real]:
        """The outputs of one node."""
        results = self._results(node, args)
        if not ends_layer(self.model, node):
            return results
        real = results[0]
        value = real.value
        error = np.broadcast_to(real.error, value.shape)
        layer = Layer(node, node.output, value, value - error, value + error)
        match node.op:
            case Quantize():
                layer = self._quantized(node, node.op, args)
            case ArgMax(axis=axis) | ArgMin(axis=axis):
                sign = 1.0 if isinstance(node.op, ArgMax) else -1.0
                scores = Real(sign * args[0].value, args[0].error)
                layer = Layer(node, node.output, value, value, value, None, scores, axis + 1)
            case _:
                pass
        codes = self.settle(layer)
        if codes is not None:
            return [Real.exact(codes)]
        wide = np.maximum(layer.high - layer.code, layer.code - layer.low)
        return [Real(layer.code, wide)]

    @property
    def _exact(self) -> bool:
        return self.precision.bits >= DOUBLE.bits

    def _of_type(self, dtype: str) -> Precision:
        """float64 counts where an input of the network brings it in.

        Elsewhere it is a constant's: one of a file whose tensors are float32 all the same, or one
        that the reader multiplied out, such as the scale of a QLinearConv's bias.
        """
        return of_type(dtype) if dtype != "float64" or self._doubles else SINGLE

    @cached_property
    def _doubles(self) -> bool:
        return any(self.model.types[n].dtype == "float64" for n in self.model.inputs)

    def precision_of(self, node: Node[ModelOp]) -> Precision:
        """That of the file's own type: of what a quantiser reads, else of the result."""
        if self._exact:
            return self.precision
        if self.runtime and node.loc.op in EXACT_SUMS:
            return DOUBLE
        names = node.inputs[:2] if isinstance(node.op, Quantize) else node.outputs
        types = [self.model.types[n] for n in names]
        own = self._of_type(next((t.dtype for t in types if not t.is_integer), "float32"))
        freely = node.loc.op in REORDERED or node.loc.op.startswith("QLinear")
        return Precision(own.bits, _REORDERED_SLACK) if self.runtime and freely else own

    def _results(  # noqa: C901 (one case a kind of operator)
        self, node: Node[ModelOp], args: list[Real]
    ) -> list[Real]:
        p, op = self.precision_of(node), node.op
        match op:
            case Elementwise(fn=fn):
                integer = self.model.types[node.output].is_integer
                return [elementwise(fn, _ranked(args), p, integer=integer)]
            case Quantize() | CountThresholds():
                return [args[0] if isinstance(op, Quantize) else _count(op, *args)]
            case Dequantize():
                return [_dequantized(_ranked(args), p)]
            case Conv() | ConvTranspose() | MatMul():
                return [self._product(node, op, args, p)]
            case pool.SumPool() | reduce.ReduceSum():
                return [self._sum(node, op, args[0], p)]
            case pool.MaxPool() | reduce.ReduceMax() | reduce.ReduceMin():
                return [_extreme(op, args[0])]
            case (
                movement.Transpose()
                | movement.Reshape()
                | movement.Take()
                | movement.Pad()
                | movement.Concat()
            ):
                return [_moved(op, args)]
            case Cast(dtype=dtype):
                return [_cast(args[0], dtype, p)]
            case _:
                return selected(op, args, p)

    def _dot(self, p: Precision) -> Dot:
        return self.dot if p == self.precision else Dot(p, self.likely)

    def _product(
        self, node: Node[ModelOp], op: Conv | ConvTranspose | MatMul, args: list[Real], p: Precision
    ) -> Real:
        x, w = args

        def product(a: Array, b: Array) -> Array:
            return batch.product(op, a, b, np.matmul)

        if p == DOUBLE and x.codes and w.codes:
            found = _integer_product(op, x.codes, w.codes, product)
            if found is not None:
                return found
        rank = x.value.shape[-1] if isinstance(op, MatMul) else w.value.size
        if isinstance(op, Conv):
            rank = int(np.prod(w.value.shape[2:]))
        y = self._dot(p)(x, w, product, rank)
        if self.model.types[node.output].is_integer and x.is_exact and w.is_exact:
            return Real.exact(y.value)
        return y

    def _sum(
        self, node: Node[ModelOp], op: pool.SumPool | reduce.ReduceSum, x: Real, p: Precision
    ) -> Real:
        def product(a: Array, b: Array) -> Array:
            del b
            return batch.summed(op, a, np.matmul)

        one = Real.exact(np.ones((1, 1)))
        y = self._dot(p)(x, one, product, batch.terms(op, x.value))
        if self.model.types[node.output].is_integer and x.is_exact:
            return Real.exact(y.value)
        return Real(y.value, y.error)

    def _quantized(self, node: Node[ModelOp], op: Quantize, args: list[Real]) -> Layer:
        """Codes of x / scale; with the liberties of the runtime's integer kernels."""
        x, scale, zero = _ranked(args)
        p = self.precision_of(node)
        v = elementwise(Fn.DIV, [x, scale], p)
        if op.zero_point_inside:
            v = elementwise(Fn.ADD, [v, zero], p)
        error = np.broadcast_to(v.error, v.value.shape)
        if self.runtime and not self._exact:
            error = error + self._kernel_error(node, v.value, scale.value, zero.value)

        def code(number: Array) -> Array:
            whole = round_array(number, op.rounding)
            whole = whole if op.zero_point_inside else whole + zero.value
            return np.clip(whole, op.qmin, op.qmax)

        with np.errstate(invalid="ignore"):
            low, high = code(v.value - error), code(v.value + error)
        before = Real(v.value, error)
        return Layer(node, node.output, code(v.value), low, high, before)

    def _kernel_error(self, node: Node[ModelOp], v: Array, scale: Array, zero: Array) -> Array:
        unit = self._of_type(self.model.types[node.inputs[0]].dtype).unit
        if node.loc.op in EXACT_SUMS:  # int32 sum to float32, times a float32 ratio of scales
            return 5 * unit * np.abs(v)
        if node.loc.op.startswith("QLinear"):
            raw = self._scales.get(node.loc.index, 0.0) / np.abs(scale)
            return 8 * unit * (np.abs(v) + np.abs(zero) + _RAW * raw)
        return np.zeros_like(v)


def _ranked(args: list[Real]) -> list[Real]:
    rank = max(a.value.ndim for a in args) - 1
    return [
        a
        if a.value.ndim == rank + 1
        else Real(batch.aligned(a.value, rank), batch.aligned(a.error, rank), None, a.terms)
        for a in args
    ]


def _dequantized(args: list[Real], p: Precision) -> Real:
    x, scale, zero = args
    centred = elementwise(Fn.SUB, [x, zero], p)
    y = elementwise(Fn.MUL, [centred, scale], p)
    return Real(y.value, y.error, Codes(centred.value, scale.value) if centred.is_exact else None)


def _integer_product(
    op: Conv | ConvTranspose | MatMul, x: Codes, w: Codes, product: Callable[[Array, Array], Array]
) -> Real | None:
    """Products of codes, exact, times the product of the scales; None where those vary."""
    factor = w.factor
    if x.factor.size != 1:
        return None
    if factor.size > 1:
        if not isinstance(op, Conv) or factor.shape[1] != factor.size:
            return None
        factor = factor.reshape(1, 1, -1, *(1,) * len(op.strides))
    k = w.integers.size // max(factor.size, 1)
    bound = float(np.abs(x.integers).max(initial=0)) * float(np.abs(w.integers).max(initial=0)) * k
    if bound >= 2.0**53:
        return None
    if bound < 2.0**24:  # float32 is exact, too
        small = (v.astype(np.float32) for v in (x.integers, w.integers))
        integers = product(*small).astype(np.float64)
    else:
        integers = product(x.integers, w.integers)
    left = x.factor.reshape(())
    right = factor if factor.size > 1 else factor.reshape(())
    scale = left * right
    value = integers * scale
    rest = product_rest(left, right, scale) != 0
    lost = rest | (product_rest(integers, scale, value) != 0)
    return Real(value, np.where(lost, np.abs(value) * 2.0**-51, 0.0))


def _moved(op: batch.Movement, args: list[Real]) -> Real:
    value = batch.moved(op, [a.value for a in args])
    if all(a.is_exact for a in args):
        error = np.zeros((1,) * value.ndim)
    else:
        plain = movement.Pad(op.before, op.after, 0.0) if isinstance(op, movement.Pad) else op
        error = batch.moved(plain, [np.broadcast_to(a.error, a.value.shape) for a in args])
    codes = args[0].codes
    if len(args) > 1 or codes is None or codes.factor.size != 1:
        return Real(value, error)
    if isinstance(op, movement.Pad) and op.value != 0:
        return Real(value, error)
    return Real(value, error, Codes(batch.moved(op, [codes.integers]), codes.factor.reshape(())))


def _extreme(op: batch.Extreme, x: Real) -> Real:
    value = batch.extreme(op, x.value)
    if x.is_exact:
        codes = x.codes
        if codes is not None and codes.factor.size == 1 and float(codes.factor.reshape(())) > 0:
            integers = batch.extreme(op, codes.integers)
            codes = Codes(integers, codes.factor.reshape(()))
            return Real(value, np.zeros((1,) * value.ndim), codes)
        return Real(value, np.zeros((1,) * value.ndim))
    low, high = batch.extreme(op, x.value - x.error), batch.extreme(op, x.value + x.error)
    return Real(value, np.maximum(high - value, value - low))


def _count(op: CountThresholds, x: Real, thresholds: Real) -> Real:
    table = thresholds.value[0]
    shape = [1] * x.value.ndim
    shape[op.axis + 1] = table.shape[0]
    columns = [column.reshape(shape) for column in table.T]

    def count(v: Array) -> Array:
        return sum((c <= v for c in columns), start=np.zeros(v.shape))

    value = count(x.value)
    if x.is_exact:
        return Real.exact(value)
    low, high = count(x.value - x.error), count(x.value + x.error)
    return Real(value, np.maximum(high - value, value - low))


def _cast(x: Real, dtype: str, p: Precision) -> Real:
    if dtype == "bool":
        return Real((x.value != 0).astype(np.float64), x.error)
    if dtype.startswith(("float", "bfloat")):
        error = x.error + p.local(x.value, np.zeros_like(x.value), x.error)
        return x if not error.any() else Real(x.value, error)
    value = np.trunc(x.value)
    low, high = np.trunc(x.value - x.error), np.trunc(x.value + x.error)
    return Real(value, np.maximum(high - value, value - low))
