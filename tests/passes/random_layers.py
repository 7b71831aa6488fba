"""Random sums of products, windows, and operators on codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from tests.passes.canvas import MICROSOFT, Value
from tests.passes.random_quantisers import Quantisers


class Layers(Quantisers):
    """Layers of random sizes; None where one does not fit."""

    def window(self, spatial: tuple[int, ...], padding: bool = True):
        kernel = [self.r.randint(1, min(3, n)) for n in spatial]
        strides = [self.r.choice((1, 1, 2)) for _ in spatial]
        pads = [self.r.randint(0, k - 1) if padding else 0 for k in (*kernel, *kernel)]
        dilations = [
            self.r.choice((1, 1, 2)) if 2 * (k - 1) + 1 <= n else 1
            for k, n in zip(kernel, spatial, strict=True)
        ]
        return kernel, strides, pads, dilations

    @staticmethod
    def slid(spatial: Any, kernel: Any, strides: Any, pads: Any, dilations: Any):
        rank = len(kernel)
        return tuple(
            (n + pads[i] + pads[i + rank] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
            for i, n in enumerate(spatial)
        )

    def pooling(self, x: Value) -> Value | None:
        if len(x.shape) < 3:
            return None
        op = self.r.choice(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"))
        if op.startswith("Global"):
            return Value(self.node(op, [x.name]), (*x.shape[:2], *(1,) * (len(x.shape) - 2)), False)
        kernel, strides, pads, dilations = self.window(x.shape[2:])
        attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
        if op == "MaxPool":
            attrs["dilations"] = dilations
        else:
            dilations = [1] * len(kernel)
            attrs["count_include_pad"] = self.r.randint(0, 1)
        shape = (*x.shape[:2], *self.slid(x.shape[2:], kernel, strides, pads, dilations))
        if min(shape) < 1:
            return None
        return Value(self.node(op, [x.name], **attrs), shape, False)

    def reduction(self, x: Value) -> Value | None:
        if not x.shape:
            return None
        op = self.r.choice(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"))
        axes = sorted(self.r.sample(range(len(x.shape)), self.r.randint(1, min(2, len(x.shape)))))
        keep = self.r.randint(0, 1)
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keep or i not in axes)
        return Value(
            self.node(op, [x.name, self.const(np.array(axes))], keepdims=keep), shape, False
        )

    def linear(self, x: Value) -> Value | None:
        if len(x.shape) == 2 and self.r.random() < 0.6:
            return self.gemm(x)
        if len(x.shape) >= 3 and self.r.random() < 0.75:
            return self.convolution(x) if self.r.random() < 0.75 else self.deconvolution(x)
        if not x.shape:
            return None
        if len(x.shape) >= 2 and self.r.random() < 0.3:
            m = self.r.randint(1, 4)
            w = self.weights((m, x.shape[-2]), 0)
            return Value(self.node("MatMul", [w, x.name]), (*x.shape[:-2], m, x.shape[-1]), False)
        m = self.r.randint(1, 4)
        lead = (x.shape[0],) if len(x.shape) == 3 and self.r.random() < 0.2 else ()
        w = self.weights((*lead, x.shape[-1], m), len(lead) + 1)
        return Value(self.node("MatMul", [x.name, w]), (*x.shape[:-1], m), False)

    def gemm(self, x: Value) -> Value:
        m = self.r.randint(1, 5)
        turned = self.r.randint(0, 1)
        w = self.weights((m, x.shape[1]) if turned else (x.shape[1], m), 0 if turned else 1)
        inputs, attrs = [x.name, w], {"transB": turned}
        if self.r.random() < 0.3:
            attrs |= {"alpha": self.r.choice((0.5, 0.3)), "beta": self.r.choice((0.5, 2.0))}
        if self.r.random() < 0.6:
            inputs.append(self.bias(m))
        return Value(self.node("Gemm", inputs, **attrs), (x.shape[0], m), False)

    def bias(self, m: int) -> str:
        if self.r.random() < 0.5:
            return self.const(self.numbers((m,), -1, 1))
        codes = self.const(self.rng.integers(-90, 90, m).astype(np.int32))
        return self.node(
            "DequantizeLinear", [codes, self.const(np.float32(self.fresh_scale() / 50))]
        )

    def convolution(self, x: Value) -> Value | None:
        channels = x.shape[1]
        group = self.r.choice([g for g in (1, 1, 2, channels) if channels % g == 0])
        m = group * self.r.randint(1, 3 if group < 3 else 2)
        kernel, strides, pads, dilations = self.window(x.shape[2:])
        shape = (x.shape[0], m, *self.slid(x.shape[2:], kernel, strides, pads, dilations))
        if min(shape) < 1:
            return None
        inputs = [x.name, self.weights((m, channels // group, *kernel), 0)]
        if self.r.random() < 0.5:
            inputs.append(self.bias(m))
        attrs = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
        return Value(self.node("Conv", inputs, **attrs), shape, False)

    def deconvolution(self, x: Value) -> Value | None:
        channels = x.shape[1]
        group = self.r.choice([g for g in (1, 1, 2, channels) if channels % g == 0])
        m = self.r.randint(1, 2)
        kernel, strides, pads, dilations = self.window(x.shape[2:])
        extra = [self.r.randint(0, s - 1) for s in strides]
        rank = len(kernel)
        size = tuple(
            (n - 1) * s + e + d * (k - 1) + 1 - pads[i] - pads[i + rank]
            for i, (n, s, e, d, k) in enumerate(
                zip(x.shape[2:], strides, extra, dilations, kernel, strict=True)
            )
        )
        if min(size) < 1:
            return None
        inputs = [x.name, self.weights((channels, m, *kernel), 1)]
        if self.r.random() < 0.4:
            inputs.append(self.bias(m * group))
        attrs = {
            "strides": strides,
            "pads": pads,
            "dilations": dilations,
            "group": group,
            "output_padding": extra,
        }
        return Value(
            self.node("ConvTranspose", inputs, **attrs), (x.shape[0], m * group, *size), False
        )

    def batch_norm(self, x: Value) -> Value | None:
        if len(x.shape) < 2:
            return None
        c = x.shape[1]
        gamma = self.numbers((c,), -0.4, 1.5)
        if self.r.random() < 0.1:
            gamma[0] = 0
        parts = [gamma, self.numbers((c,), -1, 1), self.numbers((c,), -1, 1)]
        variance = np.abs(self.numbers((c,), 0.1, 2)) + np.float32(0.01)
        names = [self.const(v) for v in (*parts, variance)]
        return Value(self.node("BatchNormalization", [x.name, *names]), x.shape, False)

    def qoperator(self, x: Value) -> Value | None:
        """A pair of codes through one operator of codes."""
        kind = self.r.choice(("int8", "uint8"))
        codes, params = self.codes(x, kind)
        out = [
            self.const(np.float32(self.scale())),
            self.const(np.int64(self.r.choice((0, 3))), kind),
        ]
        op = self.r.choice(
            (
                "QLinearMatMul",
                "QLinearAdd",
                "QLinearMul",
                "ConvInteger",
                "MatMulInteger",
                "QLinearConv",
                "QLinearSigmoid",
                "QLinearLeakyRelu",
            )
        )
        match op:
            case "QLinearMatMul" | "MatMulInteger" if x.shape:
                m = self.r.randint(1, 4)
                w = self.const(self.rng.integers(-20, 20, (x.shape[-1], m)), "int8")
                shape = (*x.shape[:-1], m)
                if op == "MatMulInteger":
                    y = self.node(op, [codes, w, params[1]])
                    y = self.node("Cast", [y], to=TensorProto.FLOAT)
                    return Value(self.node("Mul", [y, self.const(np.float32(0.01))]), shape, False)
                zero = self.const(np.int64(0), "int8")
                y = self.node(
                    op, [codes, *params, w, self.const(np.float32(self.scale())), zero, *out]
                )
            case "QLinearAdd" | "QLinearMul":
                other, others = self.codes(
                    self.r.choice([v for v in self.pool if v.shape == x.shape]), kind
                )
                y, shape = (
                    self.node(op, [codes, *params, other, *others, *out], domain=MICROSOFT),
                    x.shape,
                )
            case "ConvInteger" | "QLinearConv" if len(x.shape) > 2:
                kernel, strides, pads, dilations = self.window(x.shape[2:])
                m = self.r.randint(1, 3)
                shape = (x.shape[0], m, *self.slid(x.shape[2:], kernel, strides, pads, dilations))
                if min(shape) < 1:
                    return None
                w = self.const(self.rng.integers(-9, 9, (m, x.shape[1], *kernel)), "int8")
                attrs = {"strides": strides, "pads": pads, "dilations": dilations}
                if op == "ConvInteger":
                    y = self.node(op, [codes, w, params[1]], **attrs)
                    y = self.node("Cast", [y], to=TensorProto.FLOAT)
                    return Value(self.node("Mul", [y, self.const(np.float32(0.01))]), shape, False)
                zero = self.const(np.int64(0), "int8")
                scale = self.const(np.float32(self.scale()))
                bias = self.const(self.rng.integers(-99, 99, m).astype(np.int32))
                y = self.node(op, [codes, *params, w, scale, zero, *out, bias], **attrs)
            case "QLinearSigmoid" | "QLinearLeakyRelu":
                y, shape = self.node(op, [codes, *params, *out], domain=MICROSOFT), x.shape
            case _:
                return None
        return Value(self.node("DequantizeLinear", [y, *out]), shape, True)

    def raw_codes(self, x: Value) -> Value:
        """Codes used as numbers: Cast, integer arithmetic, Cast back."""
        codes, _ = self.codes(x, self.r.choice(("int8", "uint8")))
        y = self.node("Cast", [codes], to=TensorProto.INT32)
        if self.r.random() < 0.5:
            op = self.r.choice(("Add", "Sub", "Mul", "Div", "Mod", "Max"))
            y = self.node(op, [y, self.const(np.int32(self.r.choice((3, 7, 2))))])
        return Value(self.node("Cast", [y], to=TensorProto.FLOAT), x.shape, True, 99.0)
