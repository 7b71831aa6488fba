"""Hand-built integer networks, and their reference evaluation, for the tests of the back-ends."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import hlsgen.ops.hw as hw_ops
from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.build.gpp import compile_csim, run_csim
from hlsgen.emit.hls import HlsOptions, emit_hls
from hlsgen.errors import Loc
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.arg_max import ArgMax
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool

Arrays = dict[str, np.ndarray]


class Builder:
    """A graph, node by node."""

    def __init__(self, name: str, **inputs: IntType) -> None:
        self.name, self.inputs, self.types = name, tuple(inputs), dict(inputs)
        self.nodes: list[Node[HwOp]] = []

    def add(self, op: HwOp, *inputs: str, name: str = "") -> str:
        """A node; the name of its first output."""
        made = op.infer(*(self.types[i] for i in inputs))
        base = name or f"/{type(op).__name__}_{len(self.nodes)}/out_0"
        outputs = tuple(f"{base}:{k}" if k else base for k in range(len(made)))
        self.types.update(zip(outputs, made, strict=True))
        loc = Loc("model.onnx", len(self.nodes), base, type(op).__name__)
        self.nodes.append(Node(op, inputs, outputs, loc))
        return base

    def graph(self, *outputs: str) -> HwGraph:
        return HwGraph(self.name, self.inputs, outputs, tuple(self.nodes), self.types)

    def requant(self, x: str, lo: int = 0, hi: int = 15, form: str = "auto") -> str:
        """A staircase with other constants in each channel."""
        t = self.types[x]
        span = max(-t.min, t.max, 1)
        rows = tuple(
            affine_steps(
                t.min, t.max, Fraction(3 * (hi - lo) + k % 5, 2 * span + k), Fraction(k, 7), lo, hi,
                Rounding.HALF_EVEN,
            )
            for k in range(t.shape[1])
        )  # fmt: skip
        row = np.arange(t.shape[1]).reshape(1, -1, *[1] * (len(t.shape) - 2))
        how = realise(rows, t.format, IntFormat.of_range(lo, hi), form)
        return self.add(Staircase(rows, row, how), x)


def conv(c: int, o: int, kernel: int = 3, stride: int = 1, pad: int = 1, group: int = 1) -> Conv:
    """A convolution with arbitrary 4-bit weights."""
    rng = np.random.default_rng(c * 1000 + o * 10 + kernel)
    window = Window(
        (kernel, kernel), (stride, stride), (1, 1), (pad, pad), (pad, pad)
    )  # fmt: skip
    weights = rng.integers(-8, 8, (o, c // group, kernel, kernel))
    return Conv(weights, rng.integers(-50, 50, o), window, group)


def matmul(k: int, m: int) -> MatMul:
    """A matrix product with arbitrary 4-bit weights."""
    rng = np.random.default_rng(k * 1000 + m)
    return MatMul(rng.integers(-8, 8, (k, m)), rng.integers(-99, 99, m))


def pair(a: int, b: int) -> Linear:
    """a * x + b * y of two images."""
    one = np.ones((1, 1, 1, 1), np.int64)
    return Linear((one * a, one * b), one * 0)


def mlp() -> HwGraph:
    """Two layers."""
    b = Builder("mlp", x=IntType.of((1, 12), -128, 127))
    hidden = b.requant(b.add(matmul(12, 8), "x"))
    return b.graph(b.add(matmul(8, 3), hidden, name="logits"))


def residual() -> HwGraph:
    """Forks, a join, depthwise, pooling, flatten, a value that is an output and read as well."""
    b = Builder("residual", image=IntType.of((1, 3, 8, 6), 0, 255))
    x = b.requant(b.add(conv(3, 8), "image"))
    y = b.add(conv(8, 8), b.requant(b.add(conv(8, 8), x)))
    y = b.requant(b.add(pair(1, 5), y, x))
    d = b.requant(b.add(conv(8, 8, group=8), y), form="thresholds")
    p = b.add(MaxPool(Window((2, 2), (2, 2), (1, 1), (0, 0), (0, 0))), d)
    z = b.add(matmul(8 * 12, 10), b.add(Reshape((1, 8 * 12)), p), name="logits")
    return b.graph(z, b.add(ArgMax(1, keepdims=True), z, name="class"), y)


def branches() -> HwGraph:
    """A strided layer, three branches of one value joined by concatenation, global pooling."""
    b = Builder("branches", image=IntType.of((1, 4, 9, 9), -8, 7))
    x = b.requant(b.add(conv(4, 12, stride=2), "image"))
    left = b.requant(b.add(conv(12, 6, kernel=1, pad=0), x))
    right = b.requant(b.add(conv(12, 4, group=2), x))
    mean = b.add(SumPool(Window((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))), x)
    joined = b.add(Concat(1), left, right, b.requant(mean))
    total = b.add(Reduce(Reduction.SUM, (2, 3), keepdims=False), joined)
    return b.graph(b.add(matmul(22, 5), b.requant(total)), "image")


def twice() -> HwGraph:
    """A value read twice by one node, an output named twice, an input that nothing reads."""
    x = IntType.of((1, 3, 2, 2), -8, 7)
    b = Builder("twice", x=x, unused=x)
    y = b.add(pair(3, -2), "x", "x")
    return b.graph(y, y)


def all_samples() -> HwGraph:
    """Every sample of every hardware operator, side by side in one graph."""
    types: dict[str, IntType] = {}
    nodes: list[Node[HwOp]] = []
    for name, op, x in samples():
        ins = tuple(f"{name}_x{k}" for k in range(len(x)))
        made = op.infer(*x)
        outs = tuple(f"{name}_y{k}" for k in range(len(made)))
        types.update(zip(ins + outs, x + made, strict=True))
        nodes.append(Node(op, ins, outs, Loc("samples.onnx", len(nodes), name, type(op).__name__)))
    inputs = tuple(v for node in nodes for v in node.inputs)
    outputs = tuple(v for node in nodes for v in node.outputs)
    return HwGraph("samples", inputs, outputs, tuple(nodes), types)


def samples() -> Iterator[tuple[str, HwOp, tuple[IntType, ...]]]:
    """Name, operator and input types, of all operators."""
    for found in pkgutil.iter_modules(hw_ops.__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"hlsgen.ops.hw.{found.name}")
        for cls in vars(module).values():
            if (
                isinstance(cls, type)
                and issubclass(cls, HwOp)
                and cls.__module__ == module.__name__
            ):
                for k, (op, types) in enumerate(cls.samples()):
                    yield f"{found.name}_{k}", op, types


def stimuli(graph: HwGraph, count: int) -> Arrays:
    """Both extremes, then all codes in turn where they fit in, else random codes."""
    rng = np.random.default_rng(7)
    return {name: _codes(rng, graph.types[name], count) for name in graph.inputs}


def _codes(rng: np.random.Generator, t: IntType, count: int) -> np.ndarray:
    lo, hi = (np.broadcast_to(b, t.shape) for b in (t.lo, t.hi))
    codes = rng.integers(lo, hi + 1, size=(count, *t.shape))
    span = (hi - lo + 1).reshape(-1)
    half = count // 2  # all codes at every place of the tensor, or at every few places of a channel
    run = np.arange(half * t.size).reshape(half, t.size)
    step = run // t.size if int(span.max()) <= half else run
    codes[:half] = (step % span + lo.reshape(-1)).reshape(half, *t.shape)
    codes[-1], codes[-2] = lo, hi
    return codes


def reference(graph: HwGraph, inputs: Arrays) -> Arrays:
    """What `evaluate` says."""
    values: Arrays = dict(inputs)
    count = len(next(iter(inputs.values())))
    for node in graph.nodes:
        types = tuple(graph.types[v] for v in node.inputs)
        made = node.op.evaluate(*(values[v] for v in node.inputs), types=types)
        values.update(zip(node.outputs, made, strict=True))
    return {v: np.broadcast_to(values[v], (count, *graph.types[v].shape)) for v in graph.outputs}


def write(files: dict[str, str | bytes], folder: Path) -> Path:
    """The files on disk."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def simulate(
    graph: HwGraph, options: HlsOptions, folder: Path, inputs: Arrays, **settings: Any
) -> Arrays:
    """What the emitted C++ says."""
    executable = compile_csim(write(emit_hls(graph, options), folder), **settings)
    return run_csim(executable, graph, inputs)


def differing(got: Arrays, want: Arrays) -> list[str]:
    """Names of the outputs that differ."""
    return [name for name in want if not np.array_equal(got[name], want[name])]
