"""A stand-alone co-simulation model of a network: one numpy script and its parameters."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any
from typing import cast as regard

import numpy as np
from numpy.typing import NDArray

import hlsgen
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.staircase import Affine
from hlsgen.emit.jinja import comment, environment
from hlsgen.errors import Unsupported
from hlsgen.expr.network import Network
from hlsgen.expr.tree import Apply, Count, Expr, Host, Leaf, Param, Source
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.truth_table import TruthTable
from hlsgen.ops.model import cast, movement, select
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.softmax import Softmax
from hlsgen.sim.run import typed

Array = NDArray[Any]


def emit_cosim(network: Network, templates: Path | None = None) -> dict[str, str | bytes]:
    """cosim/cosim.py and cosim/params.npz."""
    store = _Store()
    types = network.graph.types
    body = [line for i, node in enumerate(network.graph) for line in _node(i, node, types, store)]
    context = _host_context(network, store) | {
        "archive": "params.npz",
        "reloadable": sorted(weight_keys(network.graph)),
        "hardware_outputs": repr(network.graph.outputs),
        "body": body,
    }
    text = environment(templates).get_template("cosim/cosim.py.j2").render(context)
    return {"cosim/cosim.py": text, "cosim/params.npz": store.archive()}


def emit_host(network: Network, templates: Path | None = None) -> dict[str, str | bytes]:
    """deploy/host.py and deploy/host.npz: what the host computes before and after the hardware."""
    store = _Store()
    context = _host_context(network, store) | {"archive": "host.npz"}
    text = environment(templates).get_template("deploy/host.py.j2").render(context)
    return {"deploy/host.py": text, "deploy/host.npz": store.archive()}


def _host_context(network: Network, store: _Store) -> dict[str, Any]:
    model, types = network.model, network.graph.types
    return {
        "name": comment(model.name or model.file),
        "version": hlsgen.__version__,
        "inputs": repr({n: model.types[n].shape for n in model.inputs}),
        "outputs": repr({o.name: (o.shape, o.dtype) for o in network.outputs}),
        "ports": [_port(p.value, p.prologue, types[p.value], store) for p in network.inputs],
        "results": [_result(o, store) for o in network.outputs],
    }


def weight_keys(graph: HwGraph) -> dict[str, Array]:
    """The weights that `reload` of the script replaces, as params.npz names and holds them."""
    store = _Store()
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, MatMul | Conv) and node.op.budget is not None:
            store.put(f"{index}.weights", node.op.weights)
    return store.arrays


class _Store:
    """Arrays of the script by key."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def put(self, key: str, values: Array) -> str:
        """Keep an array; the text that reads it back."""
        if values.dtype == object:
            values = np.array([str(v) for v in values.flat]).reshape(values.shape)
        self.arrays[key] = values
        return f"P[{key!r}]"

    def archive(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays)  # pyright: ignore[reportArgumentType]
        return buffer.getvalue()


# -- hardware nodes -------------------------------------------------------------------------


def _node(index: int, node: Node[HwOp], types: Any, store: _Store) -> list[str]:
    inputs = tuple(types[name] for name in node.inputs)
    arguments = [f"v[{name!r}]" for name in node.inputs]
    arguments += [f"{k}={v}" for k, v in _arguments(index, node.op, inputs, store).items()]
    targets = ", ".join(f"v[{name!r}]" for name in node.outputs)
    kind = "affine" if _by_formula(node.op) else type(node.op).__module__.rsplit(".", 1)[-1]
    return [f"    # {comment(str(node.loc))}", f"    {targets} = {kind}({', '.join(arguments)})"]


def _arguments(index: int, op: HwOp, inputs: tuple[IntType, ...], store: _Store) -> dict[str, str]:
    if isinstance(op, Staircase):
        return _staircase(index, op, store)
    if isinstance(op, TruthTable):
        return {name: store.put(f"{index}.{name}", values) for name, values in op.flat.items()}
    found: dict[str, str] = {}
    for field in fields(op):
        if field.name == "budget":  # bounds that the script does not need
            continue
        value = getattr(op, field.name)
        found[field.name] = _literal(f"{index}.{field.name}", value, store)
    if isinstance(op, MaxPool):
        found["least"] = repr(inputs[0].min)
    bound = _bound(op, inputs)
    return found if bound is None else found | {"bound": repr(bound)}


def _bound(op: HwOp, inputs: tuple[IntType, ...]) -> int | None:
    """A bound of every sum of absolute terms, for operators whose numpy form asks for it."""
    from hlsgen.ops.hw.product import Product

    match op:
        case Conv() | MatMul() as w:
            flat = np.abs(w.weights.reshape(w.weights.shape[0], -1).astype(object))
            total = flat.sum(axis=1 if isinstance(w, Conv) else 0)
            x = inputs[0]
            reach = max(abs(x.min), abs(x.max), abs(getattr(w, "pad_value", 0)))
            most = int(max(total)) if w.budget is None else w.budget.l1
            return most * reach + int(max(np.abs(w.bias), default=0))
        case MatMulStreams() | Linear():
            lo, hi = op.partial_bounds(*inputs)
            return max(-lo, hi)
        case Product():
            (y,) = op.infer(*inputs)
            return max(-y.min, y.max)
        case _:
            return None


def _literal(key: str, value: object, store: _Store) -> str:
    if isinstance(value, np.ndarray):
        return store.put(key, regard("Array", value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, tuple):
        items = regard("tuple[Any, ...]", value)  # pyright: ignore[reportUnknownArgumentType]
        if any(isinstance(v, np.ndarray) for v in items):
            texts = [_literal(f"{key}.{i}", v, store) for i, v in enumerate(items)]
            return f"[{', '.join(texts)}]"
        return repr(tuple(int(v) for v in items))
    match value:
        case Window():
            parts = (value.kernel, value.strides, value.dilations, value.pads_begin, value.pads_end)
            return repr(parts)
        case Enum():
            return repr(value.value)
        case _:
            return repr(value)


MANY_STEPS = 1 << 14  # beyond this, the formula of the hardware takes less room than its steps


def _by_formula(op: HwOp) -> bool:
    return (
        isinstance(op, Staircase)
        and isinstance(op.realisation, Affine)
        and sum(len(r.t) for r in op.rows) > MANY_STEPS
    )


def _affine(index: int, op: Staircase, how: Affine, store: _Store) -> dict[str, str]:
    bound = how.product.hi + 1
    wide = np.dtype(object) if bound >= 1 << 62 else np.dtype(np.int64)
    arrays = {"row": op.row, "m": np.array(how.m, dtype=wide), "b": np.array(how.b, dtype=wide)}
    found = {name: store.put(f"{index}.{name}", values) for name, values in arrays.items()}
    numbers = {
        "shift": how.shift, "tie": how.tie, "offset": how.offset, "lowest": how.qlo,
        "highest": how.qhi, "bound": bound,
    }  # fmt: skip
    return found | {name: repr(value) for name, value in numbers.items()}


def _staircase(index: int, op: Staircase, store: _Store) -> dict[str, str]:
    if _by_formula(op) and isinstance(op.realisation, Affine):
        return _affine(index, op, op.realisation, store)
    counts = [len(r.t) for r in op.rows]
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    steps = np.concatenate([r.t for r in op.rows])
    codes = np.concatenate([r.codes[1:] for r in op.rows])
    first = np.array([r.first for r in op.rows])
    arrays = {"row": op.row, "first": first, "start": start, "steps": steps, "codes": codes}
    return {name: store.put(f"{index}.{name}", values) for name, values in arrays.items()}


# -- host expressions -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lines:
    """Python statements, and the expression that holds the result."""

    lines: tuple[str, ...]
    result: str
    comment: str
    name: str
    value: str
    shape: str
    dtype: str


def _port(value: str, prologue: Expr, t: IntType, store: _Store) -> _Lines:
    writer = _Writer(store, f"host.{value}", exact=True)
    result = writer.write(prologue, len(prologue.shape))
    title = comment(f"{value}: {t.format}")
    return _Lines(tuple(writer.lines), result, title, "", repr(value), repr(t.shape), "")


def _result(port: Any, store: _Store) -> _Lines:
    writer = _Writer(store, f"epilogue.{port.name}", exact=False)
    result = writer.write(port.epilogue, len(port.shape))
    dtype = str(typed(np.zeros(1), port.dtype).dtype)
    title = comment(f"output {port.name}")
    shape = repr(tuple(port.shape))
    return _Lines(tuple(writer.lines), result, title, repr(port.name), "", shape, repr(dtype))


_FORMS = {
    Fn.ADD: "{} + {}", Fn.SUB: "{} - {}", Fn.MUL: "{} * {}", Fn.DIV: "{} / {}",
    Fn.POW: "{} ** {}", Fn.MOD: "{} % {}", Fn.LESS: "{} < {}", Fn.LESS_EQUAL: "{} <= {}",
    Fn.GREATER: "{} > {}", Fn.GREATER_EQUAL: "{} >= {}", Fn.EQUAL: "{} == {}",
    Fn.MAX: "np.maximum({}, {})", Fn.MIN: "np.minimum({}, {})", Fn.AND: "np.minimum({}, {})",
    Fn.OR: "np.maximum({}, {})", Fn.XOR: "np.abs({} - {})", Fn.NOT: "1 - {}", Fn.NEG: "-({})",
    Fn.ABS: "np.abs({})", Fn.SIGN: "np.sign({})", Fn.WHERE: "where({}, {}, {})",
    Fn.SQRT: "np.sqrt({})", Fn.EXP: "np.exp({})", Fn.LOG: "np.log({})", Fn.ERF: "erf({})",
    Fn.TANH: "np.tanh({})", Fn.SIGMOID: "1 / (1 + np.exp(-({})))",
    Fn.SOFTPLUS: "np.logaddexp(0, {})",
}  # fmt: skip
_ROUNDED = {
    Fn.FLOOR: Rounding.FLOOR, Fn.CEIL: Rounding.CEIL, Fn.ROUND: Rounding.HALF_EVEN,
    Fn.TRUNC: Rounding.ZERO,
}  # fmt: skip


class _Writer:
    """Writes an expression as numpy statements, one a shared part."""

    def __init__(self, store: _Store, key: str, *, exact: bool) -> None:
        self.store = store
        self.key = key
        self.exact = exact
        self.lines: list[str] = []
        self.known: dict[tuple[int, int], str] = {}

    def write(self, e: Expr, rank: int) -> str:
        """The text that holds `e`, its axes aligned to `rank`."""
        at = (id(e), rank)
        if at not in self.known:
            text = self._text(e, rank)
            if not isinstance(e, (Leaf, Source, Param)):
                name = f"t{len(self.lines)}"
                self.lines.append(f"{name} = {text}")
                text = name
            self.known[at] = text
        return self.known[at]

    def _text(self, e: Expr, rank: int) -> str:
        match e:
            case Source(name=name):
                return self._aligned(f"x[{name!r}]", e, rank)
            case Leaf(name=name):
                return self._aligned(f"v[{name!r}]", e, rank)
            case Param(values=values):
                wide = values.reshape((1,) * (rank + 1 - values.ndim) + values.shape)
                return self._stored(wide)
            case Count(arg=arg, thresholds=table):
                wide = table.reshape((1,) * (rank + 2 - table.ndim) + table.shape)
                return f"at_least({self.write(arg, rank)}, {self._stored(wide)})"
            case Host(op=op, args=args):
                parts = [self.write(a, len(a.shape)) for a in args]
                return self._aligned(_host(op, parts), e, rank)
            case Apply(fn=fn, args=args):
                return self._apply(fn, lambda k: self.write(args[k], rank), len(args))

    def _stored(self, values: Array) -> str:
        key = f"{self.key}.{len(self.store.arrays)}"
        if self.exact:
            return self.store.put(key, values)
        return self.store.put(key, values.astype(np.float64))

    @staticmethod
    def _aligned(text: str, e: Expr, rank: int) -> str:
        return text if len(e.shape) == rank else f"align({text}, {rank})"

    def _apply(self, fn: Fn | Rounding, arg: Callable[[int], str], count: int) -> str:
        if isinstance(fn, Rounding) or fn in _ROUNDED:
            mode = fn if isinstance(fn, Rounding) else _ROUNDED[fn]
            return self._rounded(arg(0), mode)
        if fn is Fn.INT_DIV:
            return self._rounded(f"{arg(0)} / {arg(1)}", Rounding.ZERO)
        if fn not in _FORMS:
            raise Unsupported(f"{fn} on the host")
        return _FORMS[fn].format(*(arg(k) for k in range(count)))

    def _rounded(self, text: str, mode: Rounding) -> str:
        if self.exact:
            return f"rounded({text}, {mode.value!r})"
        return {
            Rounding.HALF_EVEN: f"np.rint({text})",
            Rounding.FLOOR: f"np.floor({text})",
            Rounding.CEIL: f"np.ceil({text})",
            Rounding.ZERO: f"np.trunc({text})",
        }.get(mode, f"np.floor({text} + 0.5)")


def _host(op: Any, parts: list[str]) -> str:
    match op:
        case Softmax(axis=axis, log=log):
            return f"softmax({parts[0]}, {axis}, {log})"
        case select.TopK(k=k, axis=axis, largest=largest):
            return f"top_k({parts[0]}, {k}, {axis}, {largest})[0]"
        case cast.Cast(dtype=dtype):
            return parts[0] if dtype.startswith(("float", "bfloat")) else f"np.trunc({parts[0]})"
        case _:
            return _rearranged(op, parts)


def _rearranged(op: Any, parts: list[str]) -> str:
    match op:
        case movement.Transpose(perm=perm):
            return f"transpose({parts[0]}, {perm!r})"
        case movement.Reshape(shape=shape):
            return f"reshape({parts[0]}, {shape!r})"
        case movement.Take(axis=axis, indices=indices):
            return f"take({parts[0]}, {axis}, {indices!r})"
        case movement.Concat(axis=axis):
            return f"concat({', '.join(parts)}, axis={axis})"
        case movement.Pad(before=before, after=after, value=value):
            inner = (0,) * len(before)
            return f"pad({parts[0]}, {before!r}, {after!r}, {inner!r}, {value!r})"
        case _:
            raise Unsupported(f"{type(op).__name__} on the host")
