"""Random small ONNX networks of every dialect, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
MICROSOFT = "com.microsoft"
CODES = {
    "int8": (TensorProto.INT8, -128, 127),
    "uint8": (TensorProto.UINT8, 0, 255),
    "int16": (TensorProto.INT16, -32768, 32767),
    "uint16": (TensorProto.UINT16, 0, 65535),
    "int4": (TensorProto.INT4, -8, 7),
    "uint4": (TensorProto.UINT4, 0, 15),
}
ROUNDINGS = ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")


class Value:
    """A tensor of the network: `grid` says that only few real values occur (it was quantised)."""

    def __init__(self, name: str, shape: tuple[int, ...], grid: bool, sized: float = 4.0) -> None:
        self.name, self.shape, self.grid, self.sized = name, shape, grid, sized


class Network:
    """An ONNX graph under construction."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[str] = []
        self.samples: dict[str, Any] = {}
        self.pool: list[Value] = []
        self.count = 0
        self.scales = [self.fresh_scale() for _ in range(2)]
        self.dialect = self.r.choice(("QONNX", "QDQ", "mixed"))
        self.rank = self.r.choice((2, 2, 3, 4, 4))

    # -- small parts ----------------------------------------------------------------------------

    def name(self, what: str = "t") -> str:
        self.count += 1
        return f"{what}{self.count}"

    def node(self, op: str, inputs: Sequence[str], count: int = 1, domain: str = "", **attrs: Any):
        outs = [self.name() for _ in range(count)]
        self.nodes.append(
            helper.make_node(op, list(inputs), outs, self.name(op), domain=domain, **attrs)
        )
        return outs[0] if count == 1 else outs

    def const(self, values: Any, kind: str | None = None) -> str:
        name = self.name("c")
        if kind in ("int4", "uint4"):
            array = np.asarray(values)
            self.constants.append(
                helper.make_tensor(name, CODES[kind][0], array.shape, array.ravel().tolist())
            )
            return name
        array = np.asarray(values)
        array = array.astype(kind or (np.float32 if array.dtype.kind == "f" else array.dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

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

    # -- quantisers -----------------------------------------------------------------------------

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

    # -- operators ------------------------------------------------------------------------------

    def step(self) -> None:
        x = self.r.choice(self.pool[-4:])
        ops: list[tuple[int, Callable[[Value], Value | None]]] = [
            (4, self.activation), (3, self.arithmetic), (2, self.left_arithmetic),
            (2, self.batch_norm), (3, self.pooling), (2, self.reduction), (4, self.linear),
            (4, self.join), (4, self.movement), (2, self.concat), (3, self.quantise),
            (1, self.rounding), (1, self.comparison), (1, self.qoperator), (1, self.raw_codes),
        ]  # fmt: skip
        weights, functions = zip(*ops, strict=True)
        y = self.r.choices(functions, weights)[0](x)
        if y is None or int(np.prod(y.shape)) > 200 or len(y.shape) > 5:
            return
        self.pool.append(y)
        if not y.grid and self.r.random() < 0.6:
            self.pool.append(self.quantise(y))

    def activation(self, x: Value) -> Value:
        plain = ["Relu", "Relu", "Relu", "Sigmoid", "Tanh", "Abs", "Neg", "HardSwish", "Softplus",
                 "Softsign", "Erf", "Exp", "Mish"]  # fmt: skip
        op = self.r.choice([*plain, "LeakyRelu", "PRelu", "HardSigmoid", "Elu", "Selu", "Celu",
                            "ThresholdedRelu", "Gelu", "Clip", "SiLU", "Sqrt", "Log", "Pow",
                            "Reciprocal", "Min6"])  # fmt: skip
        if (
            op in ("Exp", "Mish", "Softplus", "Erf", "Sqrt", "Log", "Pow", "Reciprocal", "Gelu")
            and not x.grid
        ):
            x = self.quantise(x)
            self.pool.append(x)
        name = x.name
        match op:
            case "LeakyRelu" | "Elu" | "Celu" | "ThresholdedRelu":
                y = self.node(op, [name], alpha=self.r.choice((0.1, 0.25, 1.0, 0.5)))
            case "PRelu":
                shape = self.channel_shape(x.shape) or ()
                y = self.node(op, [name, self.const(self.numbers(shape[1:], -0.5, 0.5))])
            case "HardSigmoid":
                y = self.node(op, [name], alpha=self.r.choice((0.2, 0.25, 1 / 6)), beta=0.5)
            case "Gelu":
                y = self.node(op, [name], approximate=self.r.choice(("none", "tanh")))
            case "Clip":
                ends = [self.const(v) for v in np.sort(self.numbers((2,), -3, 6))]
                if self.r.random() < 0.4:
                    ends[self.r.randint(0, 1)] = ""
                y = self.node(op, [name, *ends])
            case "Min6":
                y = self.node("Min", [name, self.const(np.float32(6))])
            case "SiLU":
                y = self.node("Mul", [name, self.node("Sigmoid", [name])])
            case "Sqrt":
                y = self.node("Sqrt", [self.node(self.r.choice(("Relu", "Abs")), [name])])
            case "Log":
                square = self.node("Mul", [name, name])
                y = self.node("Log", [self.node("Add", [square, self.const(np.float32(1))])])
            case "Pow":
                y = self.node("Pow", [name, self.const(np.float32(self.r.choice((2, 3))))])
            case "Reciprocal":
                y = self.node(
                    op, [self.node("Add", [self.node("Abs", [name]), self.const(np.float32(0.5))])]
                )
            case _:
                y = self.node(op, [name])
        return Value(y, x.shape, False)

    def arithmetic(self, x: Value) -> Value:
        op = self.r.choice(("Add", "Sub", "Mul", "Div", "Mul", "Add"))
        c = (
            self.constant_like(x, -2, 2)
            if op != "Div"
            else self.constant_like(x, -3, 3, self.r.random() < 0.9)
        )
        return Value(self.node(op, [x.name, c]), x.shape, False)

    def left_arithmetic(self, x: Value) -> Value:
        op = self.r.choice(("Add", "Sub", "Mul", "Max", "Min"))
        return Value(self.node(op, [self.constant_like(x, -2, 2), x.name]), x.shape, False)

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
        attrs = {"strides": strides, "pads": pads, "dilations": dilations, "group": group,
                 "output_padding": extra}  # fmt: skip
        return Value(
            self.node("ConvTranspose", inputs, **attrs), (x.shape[0], m * group, *size), False
        )

    def join(self, x: Value) -> Value | None:
        others = [v for v in self.pool if _fits(v.shape, x.shape)]
        y = self.r.choice(others)
        op = self.r.choice(("Add", "Add", "Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"))
        if op == "Mul" and not (x.grid and y.grid):
            op = "Add"
        args = [x.name, y.name]
        if op in ("Sum", "Mean", "Max", "Min") and self.r.random() < 0.3:
            args.append(self.r.choice(others).name)
        shape = np.broadcast_shapes(x.shape, y.shape)
        if self.r.random() < 0.1 and x.grid and y.grid and len(x.shape) >= 2 and x.shape == y.shape:
            perm = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
            z = self.node("MatMul", [x.name, self.node("Transpose", [y.name], perm=perm)])
            return Value(z, (*x.shape[:-1], x.shape[-2]), False)
        return Value(self.node(op, args), shape, False)

    def comparison(self, x: Value) -> Value:
        op = self.r.choice(("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"))
        if self.r.random() < 0.5:
            other = self.constant_like(x, -1, 2)
        else:
            other = self.r.choice([v for v in self.pool if v.shape == x.shape]).name
        c = self.node(op, [x.name, other])
        if self.r.random() < 0.5:
            return Value(self.node("Cast", [c], to=TensorProto.FLOAT), x.shape, True)
        y = self.r.choice([v for v in self.pool if v.shape == x.shape])
        b = self.r.choice((y.name, self.const(np.float32(self.r.choice((0, 0.25, -1))))))
        return Value(self.node("Where", [c, x.name, b]), x.shape, False)

    def rounding(self, x: Value) -> Value:
        y = self.node(self.r.choice(("Floor", "Ceil", "Round", "Sign")), [x.name])
        return Value(y, x.shape, False)

    def qoperator(self, x: Value) -> Value | None:
        """A pair of codes through one operator of codes."""
        kind = self.r.choice(("int8", "uint8"))
        codes, params = self.codes(x, kind)
        out = [
            self.const(np.float32(self.scale())),
            self.const(np.int64(self.r.choice((0, 3))), kind),
        ]
        op = self.r.choice(("QLinearMatMul", "QLinearAdd", "QLinearMul", "ConvInteger", "MatMulInteger",
                            "QLinearConv", "QLinearSigmoid", "QLinearLeakyRelu"))  # fmt: skip
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

    def codes(self, x: Value, kind: str) -> tuple[str, list[str]]:
        params = [
            self.const(np.float32(self.scale())),
            self.const(np.int64(self.r.choice((0, 0, 5 if kind == "int8" else 128))), kind),
        ]
        return self.node("QuantizeLinear", [x.name, *params]), params

    def raw_codes(self, x: Value) -> Value:
        """Codes used as numbers: Cast, integer arithmetic, Cast back."""
        codes, _ = self.codes(x, self.r.choice(("int8", "uint8")))
        y = self.node("Cast", [codes], to=TensorProto.INT32)
        if self.r.random() < 0.5:
            op = self.r.choice(("Add", "Sub", "Mul", "Div", "Mod", "Max"))
            y = self.node(op, [y, self.const(np.int32(self.r.choice((3, 7, 2))))])
        return Value(self.node("Cast", [y], to=TensorProto.FLOAT), x.shape, True, 99.0)

    def movement(self, x: Value) -> Value | None:
        rank = len(x.shape)
        if rank == 0:
            return Value(self.node("Unsqueeze", [x.name, self.const(np.array([0]))]), (1,), x.grid)
        axis = self.r.randrange(rank)
        n = x.shape[axis]
        op = self.r.choice(("Transpose", "Reshape", "Flatten", "Slice", "Gather", "Pad", "Resize", "Split",
                            "Tile", "Expand", "Squeeze", "DepthToSpace", "SpaceToDepth"))  # fmt: skip
        match op:
            case "Transpose":
                perm = self.r.sample(range(rank), rank)
                return Value(
                    self.node(op, [x.name], perm=perm), tuple(x.shape[p] for p in perm), x.grid
                )
            case "Reshape":
                total = int(np.prod(x.shape))
                first = self.r.choice([d for d in range(1, total + 1) if total % d == 0])
                shape = self.r.choice(
                    [(first, total // first), (1, first, total // first), (total,)]
                )
                return Value(self.node(op, [x.name, self.const(np.array(shape))]), shape, x.grid)
            case "Flatten":
                total = int(np.prod(x.shape[:1]))
                shape = (total, int(np.prod(x.shape)) // total)
                return Value(self.node(op, [x.name], axis=1), shape, x.grid)
            case "Slice":
                start, step = self.r.randrange(n), self.r.choice((1, 2, -1))
                stop = n if step > 0 else -n - 1
                shape = (*x.shape[:axis], len(range(n)[start::step]), *x.shape[axis + 1 :])
                ends = [self.const(np.array([v])) for v in (start, stop, axis, step)]
                return Value(self.node(op, [x.name, *ends]), shape, x.grid)
            case "Gather":
                picks = [self.r.randrange(n) for _ in range(self.r.randint(1, 3))]
                shape = (*x.shape[:axis], len(picks), *x.shape[axis + 1 :])
                return Value(
                    self.node(op, [x.name, self.const(np.array(picks))], axis=axis), shape, x.grid
                )
            case "Pad":
                mode = self.r.choice(("constant", "constant", "edge", "reflect"))
                pads = [self.r.randint(0, min(1, m - 1)) for m in (*x.shape, *x.shape)]
                inputs = [x.name, self.const(np.array(pads))]
                if mode == "constant" and self.r.random() < 0.5:
                    inputs.append(self.const(np.float32(self.r.choice((0.25, -1, 0.3)))))
                shape = tuple(m + pads[i] + pads[i + rank] for i, m in enumerate(x.shape))
                return Value(self.node(op, inputs, mode=mode), shape, x.grid)
            case "Resize" if rank > 2:
                scales = [1.0, 1.0, *(2.0 for _ in x.shape[2:])]
                mode = self.r.choice(("nearest", "nearest", "linear"))
                y = self.node(op, [x.name, "", self.const(np.array(scales, np.float32))], mode=mode,
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
                return Value(
                    y, tuple(int(m * s) for m, s in zip(x.shape, scales, strict=True)), x.grid
                )
            case "Split" if n > 1:
                cut = self.r.randint(1, n - 1)
                ys = self.node(op, [x.name, self.const(np.array([cut, n - cut]))], 2, axis=axis)
                shapes = [(*x.shape[:axis], m, *x.shape[axis + 1 :]) for m in (cut, n - cut)]
                self.pool.append(Value(ys[0], shapes[0], x.grid))
                return Value(ys[1], shapes[1], x.grid)
            case "Tile":
                repeats = [1] * rank
                repeats[axis] = 2
                shape = tuple(m * k for m, k in zip(x.shape, repeats, strict=True))
                return Value(self.node(op, [x.name, self.const(np.array(repeats))]), shape, x.grid)
            case "Expand" if 1 in x.shape:
                shape = tuple(self.r.choice((1, 2)) if m == 1 else m for m in x.shape)
                return Value(self.node(op, [x.name, self.const(np.array(shape))]), shape, x.grid)
            case "Squeeze" if n == 1 and rank > 1:
                shape = (*x.shape[:axis], *x.shape[axis + 1 :])
                return Value(self.node(op, [x.name, self.const(np.array([axis]))]), shape, x.grid)
            case "DepthToSpace" if rank == 4 and x.shape[1] % 4 == 0:
                b, c, h, w = x.shape
                y = self.node(op, [x.name], blocksize=2, mode=self.r.choice(("DCR", "CRD")))
                return Value(y, (b, c // 4, h * 2, w * 2), x.grid)
            case "SpaceToDepth" if rank == 4 and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
                b, c, h, w = x.shape
                return Value(
                    self.node(op, [x.name], blocksize=2), (b, c * 4, h // 2, w // 2), x.grid
                )
            case _:
                return None

    def concat(self, x: Value) -> Value | None:
        rank = len(x.shape)
        if not rank:
            return None
        axis = self.r.randrange(rank)
        rest = (*x.shape[:axis], *x.shape[axis + 1 :])
        others = [
            v for v in self.pool
            if len(v.shape) == rank and (*v.shape[:axis], *v.shape[axis + 1 :]) == rest
        ]  # fmt: skip
        parts = [x, *(self.r.choice(others) for _ in range(self.r.randint(1, 2)))]
        if self.r.random() < 0.2:
            c = self.const(self.numbers(x.shape, -1, 1, True))
            parts.append(Value(c, x.shape, True))
        shape = (*x.shape[:axis], sum(v.shape[axis] for v in parts), *x.shape[axis + 1 :])
        return Value(
            self.node("Concat", [v.name for v in parts], axis=axis),
            shape,
            all(v.grid for v in parts),
        )

    # -- whole networks -------------------------------------------------------------------------

    def input(self, shape: tuple[int, ...], count: int) -> None:
        name = self.name("x")
        kind = self.r.choice(("float", "float", "float", "float", "int8", "uint8"))
        if kind == "float":
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            x = self.rng.normal(0, 2, (count, *shape))
            x[0] = np.round(x[0] * 8) / 8
            x[-1] = np.round(x[-1]) * self.scales[0] / 2
            self.samples[name] = x.astype(np.float32).astype(np.float64)
            value = Value(name, shape, False)
            self.pool.append(value if self.r.random() < 0.15 else self.quantise(value))
            return
        code, low, high = CODES[kind]
        self.inputs.append(helper.make_tensor_value_info(name, code, shape))
        x = self.rng.integers(low, high + 1, (count, *shape))
        x[0], x[-1] = low, high
        self.samples[name] = x
        if self.r.random() < 0.5:
            y = self.node("Cast", [name], to=TensorProto.FLOAT)
            y = self.node("Mul", [y, self.const(np.float32(self.r.choice((1 / 32, 1 / 255))))])
            self.pool.append(Value(y, shape, True))
        else:
            zero = self.const(np.int64(self.r.choice((0, 5))), kind)
            y = self.node(
                "DequantizeLinear", [name, self.const(np.float32(self.scale() / 4)), zero]
            )
            self.pool.append(Value(y, shape, True))

    def finish(self) -> None:
        """One to three outputs: float, codes, positions."""
        used = {n for node in self.nodes for n in node.input}
        ends = [v for v in self.pool if v.name not in used] or self.pool[-1:]
        for x in self.r.sample(ends, min(len(ends), self.r.choice((1, 1, 2, 3)))):
            pick = self.r.random()
            y = x if x.grid or self.r.random() < 0.3 else self.quantise(x)
            if pick < 0.12 and y.shape:
                axis = self.r.randrange(len(y.shape))
                name = self.node(
                    self.r.choice(("ArgMax", "ArgMin")), [y.name], axis=axis,
                    keepdims=self.r.randint(0, 1), select_last_index=self.r.randint(0, 1),
                )  # fmt: skip
                self.outputs.append(name)
            elif pick < 0.2 and y.shape and y.shape[-1] > 1:
                k = self.const(np.array([2]))
                self.outputs += self.node(
                    "TopK", [y.name, k], 2, axis=-1, largest=self.r.randint(0, 1)
                )
            elif pick < 0.3 and y.shape:
                self.outputs.append(self.node("Softmax", [y.name], axis=self.r.choice((-1, 0))))
            elif pick < 0.45:
                self.outputs.append(self.codes(y, "int8")[0])
            else:
                self.outputs.append(y.name)

    def proto(self) -> Any:
        infos = [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(self.outputs)]
        graph = helper.make_graph(self.nodes, "random", self.inputs, infos, self.constants)
        opsets = [
            helper.make_opsetid("", 21),
            helper.make_opsetid(QONNX, 1),
            helper.make_opsetid(MICROSOFT, 1),
        ]
        opsets[0].version = 22
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """`a` broadcasts into `b`, or is it."""
    return len(a) <= len(b) and all(m in (1, n) for m, n in zip(a[::-1], b[::-1], strict=False))


SHAPES = {
    2: ((1, 4), (1, 6), (2, 3)),
    3: ((1, 2, 5), (1, 3, 4), (2, 2, 3)),
    4: ((1, 2, 4, 3), (1, 4, 2, 2), (1, 3, 3, 3), (1, 1, 4, 4)),
}


def random_network(seed: int, samples: int = 4, steps: int | None = None) -> Network:
    """A network of 1 to 10 random steps, and samples of its inputs."""
    net = Network(seed)
    shape = net.r.choice(SHAPES[net.rank])
    for _ in range(net.r.choice((1, 1, 2))):
        net.input(shape, samples)
    for _ in range(net.r.randint(1, 9) if steps is None else steps):
        net.step()
    net.finish()
    return net
