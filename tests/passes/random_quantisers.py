"""Random quantisers and constants of every dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.passes.canvas import CODES, QONNX, Canvas, Value

ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


class Quantisers(Canvas):
    """A few scales that come again and again, and everything that is made of scales."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.pool: list[Value] = []
        self.scales = [self.fresh_scale() for _ in range(2)]
        self.dialect = self.r.choice(("QONNX", "QDQ", "mixed"))
        self.rank = self.r.choice((2, 2, 3, 4, 4))

    def fresh_scale(self) -> float:
        if self.r.random() < 0.5:
            return 2.0 ** self.r.randint(-5, 1)
        return float(np.float32(self.r.uniform(0.02, 0.6)))

    def scale(self) -> float:
        return self.r.choice(self.scales) if self.r.random() < 0.6 else self.fresh_scale()

    def channel_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if len(shape) < 2:
            return None
        return (1, shape[1], *(1,) * (len(shape) - 2))

    def numbers(
        self, shape: Sequence[int], low: float, high: float, grid: bool | None = None
    ) -> Any:
        y = self.rng.uniform(low, high, shape)
        if grid or (grid is None and self.r.random() < 0.4):
            y = np.round(y * 4) / 4
        return y.astype(np.float32)

    def constant_like(self, x: Value, low: float, high: float, positive: bool = False) -> str:
        """A scalar, one number a channel, or a full tensor."""
        kinds: list[tuple[int, ...]] = [(), (1,), x.shape]
        channel = self.channel_shape(x.shape)
        if channel:
            kinds += [channel, channel]
        if x.shape:
            kinds.append(x.shape[-1:])
        y = self.numbers(self.r.choice(kinds), low, high)
        if positive:
            y = np.abs(y) + np.float32(0.25)
        return self.const(y)

    def quantise(self, x: Value, force: str | None = None) -> Value:
        how = force or (
            self.dialect if self.dialect != "mixed" else self.r.choice(("QONNX", "QDQ"))
        )
        name = self.qonnx(x) if how == "QONNX" else self.qdq(x)
        return Value(name, x.shape, True)

    def qonnx(self, x: Value) -> str:
        if self.r.random() < 0.08:
            return self.node(
                "BipolarQuant", [x.name, self.const(np.float32(self.scale()))], domain=QONNX
            )
        channel = self.channel_shape(x.shape)
        bits = self.r.choice((2, 3, 4, 4, 8))
        signed = self.r.random() < 0.7
        scale: Any = np.float32(self.scale())
        if channel and self.r.random() < 0.3:
            scale = np.array([self.scale() for _ in range(channel[1])], np.float32).reshape(channel)
        zero: Any = np.float32(0)
        if self.r.random() < 0.25:
            zero = np.float32(self.r.randint(0, 1) if not signed else self.r.randint(-1, 1))
        attrs = {
            "signed": int(signed),
            "narrow": int(self.r.random() < 0.3),
            "rounding_mode": self.r.choice(ROUNDINGS) if self.r.random() < 0.4 else "ROUND",
        }
        inputs = [x.name, *(self.const(v) for v in (scale, zero, np.float32(bits)))]
        return self.node("Quant", inputs, domain=QONNX, **attrs)

    def qdq(self, x: Value) -> str:
        names, attrs = self.qdq_parameters(x)
        codes = self.node("QuantizeLinear", [x.name, *names], **attrs)
        return self.node("DequantizeLinear", [codes, *names], **attrs)

    def qdq_parameters(self, x: Value) -> tuple[list[str], dict[str, int]]:
        kind = self.r.choice(("int8", "uint8", "int8", "uint8", "int4", "uint4", "int16"))
        _, low, high = CODES[kind]
        if len(x.shape) >= 2 and self.r.random() < 0.2 and x.shape[1] > 1:
            scale = np.array([self.scale() for _ in range(x.shape[1])], np.float32)
            zero = self.rng.integers(max(low, -9), min(high, 10), x.shape[1])
        else:
            scale = np.float32(self.scale() * (1 if high < 300 else 0.01))
            zero = np.int64(self.r.choice((0, 0, self.r.randint(max(low, -200), min(high, 200)))))
        return [self.const(scale), self.const(zero, kind)], {"axis": 1}

    def weights(self, shape: tuple[int, ...], axis: int) -> str:
        """A quantised, bipolar, raw float or integer-valued weight tensor."""
        pick = self.r.random()
        if pick < 0.1:
            return self.const(self.numbers(shape, -1, 1))
        if pick < 0.35:
            values = self.const(self.numbers(shape, -1, 1, False))
            along = [1] * len(shape)
            scale: Any = np.float32(self.scale())
            if self.r.random() < 0.5:
                along[axis] = shape[axis]
                scale = np.array([self.scale() for _ in range(shape[axis])], np.float32).reshape(
                    along
                )
            bits = self.r.choice((2, 3, 4, 8))
            if self.r.random() < 0.2:
                return self.node(
                    "BipolarQuant", [values, self.const(np.float32(self.scale()))], domain=QONNX
                )
            inputs = [values, *(self.const(v) for v in (scale, np.float32(0), np.float32(bits)))]
            return self.node(
                "Quant", inputs, domain=QONNX, signed=1, narrow=1, rounding_mode="ROUND"
            )
        kind = self.r.choice(("int8", "int8", "uint8", "int4"))
        _, low, high = CODES[kind]
        codes = self.rng.integers(max(low, -20), min(high, 20) + 1, shape)
        if self.r.random() < 0.1:
            codes[...] = 0
        q = self.const(codes, kind)
        if self.r.random() < 0.5 and shape[axis] > 1:
            scale = np.array([self.scale() for _ in range(shape[axis])], np.float32)
            names = [self.const(scale)]
            if self.r.random() < 0.5:
                names.append(self.const(self.rng.integers(max(low, -3), 4, shape[axis]), kind))
            return self.node("DequantizeLinear", [q, *names], axis=axis)
        zero = self.const(np.int64(self.r.choice((0, 0, 3))), kind)
        return self.node("DequantizeLinear", [q, self.const(np.float32(self.scale())), zero])

    def codes(self, x: Value, kind: str) -> tuple[str, list[str]]:
        params = [
            self.const(np.float32(self.scale())),
            self.const(np.int64(self.r.choice((0, 0, 5 if kind == "int8" else 128))), kind),
        ]
        return self.node("QuantizeLinear", [x.name, *params]), params
