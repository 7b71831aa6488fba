"""Small networks, and single operators side by side, for the tests of streaming SystemVerilog."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hls_graphs import Builder, conv, matmul, pair

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.staircase import Wrapped
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.arg_max import ArgMax
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.pad import Pad
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.ops.hw.take import Take
from hlsgen.ops.hw.transpose import Transpose


def window(kernel: int, stride: int, pad: int, dilation: int = 1) -> Window:
    """A square window."""
    both = ((n, n) for n in (kernel, stride, dilation, pad, pad))
    return Window(*both)


def per_channel(*values: int) -> np.ndarray:
    return np.array(values, np.int64).reshape(1, -1, 1, 1)


def muting(of: IntType) -> Staircase:
    """A staircase that mutes one of four channels: its factors are a table of one bit."""
    rows = tuple(
        affine_steps(of.min, of.max, Fraction(slope, 32), Fraction(k), 0, 15, Rounding.HALF_EVEN)
        for k, slope in enumerate((1, 1, 0, 1))
    )
    how = realise(rows, of.format, IntFormat.of_range(0, 15), "affine")
    return Staircase(rows, per_channel(0, 1, 2, 3), how)


def muted() -> HwGraph:
    """That alone."""
    b = Builder("muted", x=IntType.of((1, 4, 2, 2), -500, 499))
    return b.graph(b.add(muting(b.types["x"]), "x"))


def operators() -> HwGraph:
    """Chains of one or two operators side by side, each from an input to an output of its own."""
    b = Builder("operators")
    outputs: list[str] = []

    def chain(name: str, of: IntType, *ops: object) -> None:
        b.inputs = (*b.inputs, name)
        b.types[name] = of
        x = name
        for op in ops:
            x = b.add(op, x) if not isinstance(op, str) else b.requant(x, form=op)  # pyright: ignore[reportArgumentType]
        outputs.append(x)

    def image(c: int, h: int, w: int) -> IntType:
        return IntType.of((1, c, h, w), -8, 7)

    vector = IntType.of((1, 6), -8, 7)
    chain("dense", vector, matmul(6, 4))
    chain("stairs", vector, "auto")
    chain("levels", vector, "thresholds")
    wide = IntType.of((1, 4, 2, 2), -500, 499)
    chain("muted", wide, muting(wide))
    chain("slide", image(2, 5, 4), conv(2, 2))
    chain("stride", image(2, 7, 6), conv(2, 2, stride=2))
    chain("skip", image(2, 7, 7), conv(2, 2, kernel=1, stride=3, pad=0))
    chain("depthwise", image(2, 4, 4), conv(2, 2, group=2))
    chain("dilated", image(1, 7, 6), MaxPool(window(3, 1, 2, 2)))
    chain("greatest", image(2, 6, 6), MaxPool(window(2, 2, 0)))
    chain("mean", image(2, 4, 5), SumPool(window(3, 2, 1)))
    for kind in Reduction:
        chain(kind.value, image(2, 3, 3), Reduce(kind, (2, 3), keepdims=False))
    chain("turned", image(2, 3, 4), Transpose((0, 1, 3, 2)))
    chain("padded", image(2, 3, 3), Pad((0, 0, 1, 2), (0, 0, 1, 0), (0,) * 4, 9))
    chain("nearest", image(2, 2, 3), Take(3, (0, 0, 1, 1, 2, 2)))
    chain("cropped", image(2, 4, 5), Take(2, (1, 2)))
    chain("rows", IntType.of((1, 3, 4), -8, 7), matmul(4, 2))
    chain("best", vector, ArgMax(1, keepdims=True))
    chain("clamped", image(3, 1, 2), Clamp(per_channel(-3, -2, 0), per_channel(1, 5, 6)))
    chain("scaled", image(3, 1, 2), Linear((per_channel(3, -5, 1),), per_channel(7, 0, -7)))
    wraps = [op for op, _ in Staircase.samples() if isinstance(op.realisation, Wrapped)]
    mixed = next(op for op in wraps if not op.realisation.uniform)
    chain("wraps", IntType.of((1, 3, 1, 2), -500, 499), mixed)
    return b.graph(*outputs)


def side_by_side(*graphs: HwGraph) -> HwGraph:
    """Networks that share nothing as one design: compiled and run at once."""
    nodes: list[Node[HwOp]] = []
    types: dict[str, IntType] = {}
    for g in graphs:
        types |= {_within(g, name): of for name, of in g.types.items()}
        for node in g.nodes:
            ends = (tuple(_within(g, v) for v in names) for names in (node.inputs, node.outputs))
            nodes.append(Node(node.op, *ends, node.loc))
    inputs, outputs = (
        tuple(_within(g, v) for g in graphs for v in names(g))
        for names in (lambda g: g.inputs, lambda g: g.outputs)
    )
    return HwGraph("side_by_side", inputs, outputs, tuple(nodes), types)


def _within(graph: HwGraph, name: str) -> str:
    return f"{graph.name}_{name}"


def residual() -> HwGraph:
    """A fork, a convolution on one way, a join."""
    b = Builder("residual", image=IntType.of((1, 2, 6, 6), 0, 15))
    y = b.requant(b.add(conv(2, 2), "image"))
    return b.graph(b.add(pair(1, 3), y, "image", name="sum"))


def dense() -> HwGraph:
    """Two layers; the values between them cross widths that do not divide each other."""
    b = Builder("dense", x=IntType.of((1, 12), -128, 127))
    hidden = b.requant(b.add(matmul(12, 6), "x"))
    return b.graph(b.add(matmul(6, 4), hidden, name="logits"))


def classifier() -> HwGraph:
    """Strided and depthwise layers, branches joined side by side, pooling, a dense layer."""
    b = Builder("classifier", image=IntType.of((1, 2, 9, 8), 0, 15))
    x = b.requant(b.add(conv(2, 4, stride=2), "image"))
    left = b.requant(b.add(conv(4, 4, group=4), x))
    right = b.requant(b.add(conv(4, 2, kernel=1, pad=0), x))
    joined = b.add(Concat(1), left, right)
    small = b.add(MaxPool(window(3, 2, 1)), joined)
    total = b.add(Reduce(Reduction.SUM, (2, 3), keepdims=False), small)
    return b.graph(b.add(matmul(6, 3), b.requant(total), name="logits"))
