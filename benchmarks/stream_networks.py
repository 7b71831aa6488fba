"""Networks with random weights for what only shapes and widths decide: folding and FIFO sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.steps import Steps
from hlsgen.errors import Loc
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce, Reduction
from hlsgen.ops.hw.staircase import Staircase


class Draft:
    """A network, operator by operator."""

    def __init__(self, name: str, **inputs: IntType) -> None:
        self.name, self.types, self.inputs = name, dict(inputs), tuple(inputs)
        self.nodes: list[Node[HwOp]] = []
        self.rng = np.random.default_rng(0)

    def add(self, op: HwOp, *inputs: str, name: str = "") -> str:
        """The name of the result."""
        made = name or f"{type(op).__name__.lower()}{len(self.nodes)}"
        (self.types[made],) = op.infer(*(self.types[i] for i in inputs))
        self.nodes.append(Node(op, inputs, (made,), Loc(self.name, len(self.nodes), made)))
        return made

    def conv(
        self, x: str, outputs: int, kernel: int, low: int, high: int, *, stride: int = 1,
        group: int = 1, pad: int | None = None, border: int = 0,
    ) -> str:  # fmt: skip
        """Weights from `low` to `high`, or these two alone where they are -1 and 1."""
        p = kernel // 2 if pad is None else pad
        window = Window((kernel,) * 2, (stride,) * 2, (1, 1), (p, p), (p, p))
        inputs = self.types[x].shape[1] // group
        weights = self.weights((outputs, inputs, kernel, kernel), low, high)
        bias = self.rng.integers(-50, 51, outputs)
        return self.add(Conv(weights, bias, window, group, border), x)

    def weights(self, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
        if (low, high) == (-1, 1):
            return self.rng.choice([-1, 1], shape)
        return self.rng.integers(low, high + 1, shape)

    def dense(self, x: str, outputs: int, low: int, high: int) -> str:
        weights = self.weights((self.types[x].shape[-1], outputs), low, high)
        return self.add(MatMul(weights, self.rng.integers(-50, 51, outputs)), x)

    def shifted(self, x: str, low: int, high: int) -> str:
        """Divided by the power of two that fills the codes, rounded and clipped."""
        t = self.types[x]
        reach = max(-t.min, t.max, 1) // 8  # sums of many terms seldom come near their bounds
        shift = max(0, (reach // max(high, 1)).bit_length())
        row = affine_steps(
            t.min, t.max, Fraction(1, 1 << shift), Fraction(0), low, high, Rounding.HALF_EVEN
        )
        return self._stairs(x, (row,), low, high, "affine")

    def scaled(self, x: str, low: int, high: int) -> str:
        """Multiplied by another factor in each channel."""
        t = self.types[x]
        unit = Fraction(8 * (high - low), max(t.max - t.min, 1))
        rows = tuple(
            affine_steps(
                t.min, t.max, unit * Fraction(900 + k % 97, 1000), Fraction(k % 7, 13), low, high,
                Rounding.HALF_EVEN,
            )
            for k in range(t.shape[1])
        )  # fmt: skip
        return self._stairs(x, rows, low, high, "affine")

    def signed(self, x: str) -> str:
        """-1 or 1: another threshold in each channel."""
        t = self.types[x]
        rows = tuple(
            Steps(t.min, t.max, -1, np.array([k % 5 - 2]), np.array([2])) for k in range(t.shape[1])
        )
        return self._stairs(x, rows, -1, 1, "thresholds")

    def _stairs(self, x: str, rows: tuple[Steps, ...], low: int, high: int, form: str) -> str:
        t = self.types[x]
        shape = (1, -1) if len(t.shape) == 2 else (1, -1, *[1] * (len(t.shape) - 2))
        row = (
            np.arange(len(rows)).reshape(shape)
            if len(rows) > 1
            else np.zeros((1,) * len(t.shape), int)
        )
        how = realise(rows, t.format, IntFormat.of_range(low, high), form)
        return self.add(Staircase(rows, row, how), x)

    def pooled(self, x: str, size: int = 2) -> str:
        window = Window((size,) * 2, (size,) * 2, (1, 1), (0, 0), (0, 0))
        return self.add(MaxPool(window), x)

    def sum(self, a: str, b: str) -> str:
        one = np.ones((1, 1, 1, 1), np.int64)
        return self.add(Linear((one, one), one * 0), a, b)

    def beside(self, *parts: str) -> str:
        """Channels of several images."""
        return self.add(Concat(1), *parts)

    def mean(self, x: str) -> str:
        return self.add(Reduce(Reduction.SUM, (2, 3), keepdims=False), x)

    def graph(self, *outputs: str) -> HwGraph:
        return HwGraph(self.name, self.inputs, outputs, tuple(self.nodes), self.types)


def mobilenet(size: int = 224) -> HwGraph:
    """MobileNet-v1 1.0: 8-bit weights and activations, power-of-two requantisation."""
    d = Draft("mobilenet", image=IntType.of((1, 3, size, size), 0, 255))
    x = d.shifted(d.conv("image", 32, 3, -127, 127, stride=2), 0, 255)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    for outputs, stride in [*blocks, *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        channels = d.types[x].shape[1]
        x = d.shifted(d.conv(x, channels, 3, -127, 127, stride=stride, group=channels), 0, 255)
        x = d.shifted(d.conv(x, outputs, 1, -127, 127), 0, 255)
    x = d.shifted(d.mean(x), 0, 255)
    return d.graph(d.dense(x, 1000, -127, 127))


def resnet8(weight_bits: int, size: int = 32) -> HwGraph:
    """The residual network of MLPerf Tiny's shapes, weights of so many bits, activations of 8."""
    high = (1 << weight_bits - 1) - 1
    d = Draft(f"resnet8_w{weight_bits}", image=IntType.of((1, 3, size, size), -128, 127))
    x = d.shifted(d.conv("image", 16, 3, -high, high), 0, 255)
    for outputs, stride in [(16, 1), (32, 2), (64, 2)]:
        y = d.shifted(d.conv(x, outputs, 3, -high, high, stride=stride), 0, 255)
        y = d.shifted(d.conv(y, outputs, 3, -high, high), -128, 127)
        if stride > 1:
            x = d.shifted(d.conv(x, outputs, 1, -high, high, stride=stride), -128, 127)
        x = d.shifted(d.sum(y, x), 0, 255)
    x = d.shifted(d.mean(x), 0, 255)
    return d.graph(d.dense(x, 10, -high, high))


def cnv() -> HwGraph:
    """FINN's CNV for CIFAR-10: weights and activations of one bit, the image of 8."""
    d = Draft("cnv_w1a1", image=IntType.of((1, 3, 32, 32), -128, 127))
    x = d.signed(d.conv("image", 64, 3, -1, 1, pad=0))
    x = d.pooled(d.signed(d.conv(x, 64, 3, -1, 1, pad=0)))
    x = d.signed(d.conv(x, 128, 3, -1, 1, pad=0))
    x = d.pooled(d.signed(d.conv(x, 128, 3, -1, 1, pad=0)))
    x = d.signed(d.conv(x, 256, 3, -1, 1, pad=0))
    x = d.signed(d.conv(x, 256, 3, -1, 1, pad=0))
    for outputs in (512, 512):  # dense layers as windows of one place
        x = d.signed(d.conv(x, outputs, 1, -1, 1, pad=0))
    return d.graph(d.conv(x, 10, 1, -1, 1, pad=0))


def squeezenet(size: int = 32) -> HwGraph:
    """SqueezeNet's fire modules for small images: 1x1 and 3x3 convolutions side by side."""
    d = Draft("squeezenet", image=IntType.of((1, 3, size, size), 0, 255))
    x = d.pooled(d.shifted(d.conv("image", 32, 3, -127, 127), 0, 255))
    for squeezed, expanded, pools in [(8, 32, 0), (8, 32, 1), (16, 64, 0), (16, 64, 1)]:
        y = d.shifted(d.conv(x, squeezed, 1, -127, 127), 0, 255)
        sides = (d.shifted(d.conv(y, expanded, k, -127, 127), 0, 255) for k in (1, 3))
        x = d.beside(*sides)
        x = d.pooled(x) if pools else x
    return d.graph(d.mean(d.shifted(d.conv(x, 10, 1, -127, 127), -128, 127)))


def fracbnn() -> HwGraph:
    """FracBNN's CIFAR-10 network: one-bit weights, activations of two bits, shortcuts around all.

    The precision gate is taken as always open: every activation has both of its bits. The first
    layer has the image's 8 bits in place of the thermometer code.
    """
    d = Draft("fracbnn", image=IntType.of((1, 3, 32, 32), 0, 255))
    x = d.shifted(d.conv("image", 16, 3, -1, 1), -128, 127)
    for outputs, stride in [(16, 1)] * 6 + [(32, 2)] + [(32, 1)] * 5 + [(64, 2)] + [(64, 1)] * 5:
        y = d.scaled(d.conv(d.shifted(x, 0, 3), outputs, 3, -1, 1, stride=stride), -64, 63)
        if stride > 1:  # the shortcut: every other place, its channels twice
            shortcut = d.conv(x, outputs, 1, -1, 1, stride=stride, pad=0)
            x = d.shifted(shortcut, -64, 63)
        x = d.shifted(d.sum(y, x), -128, 127)
    x = d.shifted(d.mean(x), -128, 127)
    return d.graph(d.dense(x, 10, -127, 127))
