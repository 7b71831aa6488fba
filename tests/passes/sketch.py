"""The layers of typical exports, in a few words each: random weights, small sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.passes.canvas import MICROSOFT, QONNX, Canvas


class Sketch(Canvas):
    """A network written down layer by layer; every method takes and returns value names."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)

    # -- ends -----------------------------------------------------------------------------------

    def feed(
        self,
        shape: Sequence[Any],
        low: float = -4,
        high: float = 4,
        kind: str = "float32",
        n: int = 3,
    ) -> str:
        """A network input with samples."""
        name = self.name("x")
        dtype = getattr(TensorProto, kind.upper() if kind != "float32" else "FLOAT")
        self.inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        sizes = [s if isinstance(s, int) else 1 for s in shape]
        if kind == "float32":
            values = self.rng.uniform(low, high, (n, *sizes)).astype(np.float32).astype(np.float64)
            values[0] = np.round(values[0] * 4) / 4
        else:
            values = self.rng.integers(int(low), int(high) + 1, (n, *sizes))
        self.samples[name] = values
        return name

    def out(self, *names: str) -> Sketch:
        self.outputs += list(names)
        return self

    # -- quantisers -----------------------------------------------------------------------------

    def quant(
        self,
        x: str,
        scale: Any = 0.125,
        bits: float = 4,
        signed: bool = True,
        narrow: bool = False,
        zero: Any = 0.0,
        mode: str = "ROUND",
    ) -> str:
        """QONNX Quant."""
        inputs = [x, *(self.const(np.float32(v)) for v in (scale, zero, bits))]
        return self.node(
            "Quant",
            inputs,
            domain=QONNX,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=mode,
        )

    def qdq(
        self, x: str, scale: Any = 0.05, zero: Any = 0, kind: str = "int8", axis: int = 1
    ) -> str:
        """QuantizeLinear and DequantizeLinear."""
        return self.dq(self.q(x, scale, zero, kind, axis), scale, zero, kind, axis)

    def q(self, x: str, scale: Any = 0.05, zero: Any = 0, kind: str = "int8", axis: int = 1) -> str:
        names = [self.const(np.float32(scale)), self.const(np.asarray(zero, np.int64), kind)]
        return self.node("QuantizeLinear", [x, *names], axis=axis)

    def dq(self, x: str, scale: Any, zero: Any = 0, kind: str = "int8", axis: int = 1) -> str:
        names = [self.const(np.float32(scale)), self.const(np.asarray(zero, np.int64), kind)]
        return self.node("DequantizeLinear", [x, *names], axis=axis)

    def weight(self, *shape: int, style: str = "qonnx", kind: str = "int8", axis: int = 0) -> str:
        """Quantised weights: `qonnx` float32 through Quant, `qdq` codes a channel, `raw` floats."""
        if style == "raw":
            return self.const(self.rng.normal(0, 0.4, shape).astype(np.float32))
        if style == "qonnx":
            w = self.const(self.rng.normal(0, 0.4, shape).astype(np.float32))
            return self.quant(w, 0.0625, 4, narrow=True)
        span = {"int8": 127, "int4": 7, "int2": 1, "uint8": 127}[kind]
        codes = self.const(self.rng.integers(-span if kind[0] == "i" else 0, span + 1, shape), kind)
        scales = self.rng.uniform(0.002, 0.02, shape[axis]).astype(np.float32)
        return self.dq(codes, scales, np.zeros(shape[axis], np.int64), kind, axis)

    # -- layers ---------------------------------------------------------------------------------

    def conv(self, x: str, w: str, bias: str | None = None, **attrs: Any) -> str:
        return self.node("Conv", [x, w, *([bias] if bias else [])], **attrs)

    def vector(self, n: int, low: float = -1, high: float = 1) -> str:
        return self.const(self.rng.uniform(low, high, n).astype(np.float32))

    def bn(self, x: str, channels: int) -> str:
        parts = [self.vector(channels, 0.3, 1.5), self.vector(channels), self.vector(channels)]
        return self.node("BatchNormalization", [x, *parts, self.vector(channels, 0.2, 3)])

    def do(self, op: str, *inputs: Any, **attrs: Any) -> str:
        """Any operator; numbers and arrays become constants."""
        names = [v if isinstance(v, str) else self.const(_plain(v)) for v in inputs]
        return self.node(op, names, **attrs)

    def microsoft(self, op: str, *inputs: str, **attrs: Any) -> str:
        return self.node(op, list(inputs), domain=MICROSOFT, **attrs)


def _plain(value: Any) -> Any:
    return np.float32(value) if isinstance(value, float) else np.asarray(value)
