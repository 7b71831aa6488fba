"""Random small ONNX networks of every dialect, from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper

from tests.passes.canvas import CODES, Value
from tests.passes.random_layers import Layers


class Network(Layers):
    """A pool of values, and random steps that add to it."""

    def step(self) -> None:
        x = self.r.choice(self.pool[-4:])
        ops: list[tuple[int, Callable[[Value], Value | None]]] = [
            (4, self.activation),
            (3, self.arithmetic),
            (2, self.left_arithmetic),
            (2, self.batch_norm),
            (3, self.pooling),
            (2, self.reduction),
            (4, self.linear),
            (4, self.join),
            (4, self.movement),
            (2, self.concat),
            (3, self.quantise),
            (1, self.rounding),
            (1, self.comparison),
            (1, self.qoperator),
            (1, self.raw_codes),
        ]
        weights, functions = zip(*ops, strict=True)
        y = self.r.choices(functions, weights)[0](x)
        if y is None or int(np.prod(y.shape)) > 200 or len(y.shape) > 5:
            return
        self.pool.append(y)
        if not y.grid and self.r.random() < 0.6:
            self.pool.append(self.quantise(y))

    def activation(self, x: Value) -> Value:  # noqa: C901 (one case an operator)
        plain = [
            "Relu",
            "Relu",
            "Relu",
            "Sigmoid",
            "Tanh",
            "Abs",
            "Neg",
            "HardSwish",
            "Softplus",
            "Softsign",
            "Erf",
            "Exp",
            "Mish",
        ]
        op = self.r.choice(
            [
                *plain,
                "LeakyRelu",
                "PRelu",
                "HardSigmoid",
                "Elu",
                "Selu",
                "Celu",
                "ThresholdedRelu",
                "Gelu",
                "Clip",
                "SiLU",
                "Sqrt",
                "Log",
                "Pow",
                "Reciprocal",
                "Min6",
            ]
        )
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

    def movement(self, x: Value) -> Value | None:  # noqa: C901 (one case an operator)
        rank = len(x.shape)
        if rank == 0:
            return Value(self.node("Unsqueeze", [x.name, self.const(np.array([0]))]), (1,), x.grid)
        axis = self.r.randrange(rank)
        n = x.shape[axis]
        op = self.r.choice(
            (
                "Transpose",
                "Reshape",
                "Flatten",
                "Slice",
                "Gather",
                "Pad",
                "Resize",
                "Split",
                "Tile",
                "Expand",
                "Squeeze",
                "DepthToSpace",
                "SpaceToDepth",
            )
        )
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
                y = self.node(
                    op,
                    [x.name, "", self.const(np.array(scales, np.float32))],
                    mode=mode,
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
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
            v
            for v in self.pool
            if len(v.shape) == rank and (*v.shape[:axis], *v.shape[axis + 1 :]) == rest
        ]
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
                    self.r.choice(("ArgMax", "ArgMin")),
                    [y.name],
                    axis=axis,
                    keepdims=self.r.randint(0, 1),
                    select_last_index=self.r.randint(0, 1),
                )
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
