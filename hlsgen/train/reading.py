"""Nodes of a traced network to operators: modules, functions and methods of PyTorch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import fx, nn

from hlsgen.errors import Loc, Unsupported
from hlsgen.train.layers import QuantisedNorm, QuantisedProduct
from hlsgen.train.operators import (
    Add,
    AveragePool,
    Concat,
    Elementwise,
    Function,
    GlobalAveragePool,
    Input,
    MaxPool,
    Norm,
    Operator,
    Output,
    Product,
    Quantisation,
    Reshape,
    Same,
    Size,
    Window,
)
from hlsgen.train.quantisers.quantiser import Quantiser

Arguments = Mapping[str, Any]

_SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "max_pool": ("x", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("x", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "adaptive": ("x", "output_size"),
    "mean": ("x", "dim", "keepdim"),
    "leaky_relu": ("x", "negative_slope"),
    "clamp": ("x", "min", "max"),
    "hardtanh": ("x", "min_val", "max_val"),
    "cat": ("x", "dim"),
    "add": ("x", "other"),
}


def short_name(node: fx.Node) -> str:
    """What errors and overrides call a node: its module's name, else its own."""
    return str(node.target) if node.op == "call_module" else node.name


def refuse(node: fx.Node, message: str) -> Unsupported:
    """The error that a node is at fault."""
    kind = node.op.removeprefix("call_")
    return Unsupported(message, Loc("module", None, f"{short_name(node)} ({kind})"))


def read(node: fx.Node, modules: Mapping[str, nn.Module]) -> Operator:
    """The operator of a node.

    Errors: Unsupported naming the layer that has no integers.
    """
    match node.op:
        case "placeholder":
            return Input()
        case "output":
            return Output()
        case "call_module":
            return _module(node, modules[str(node.target)])
        case "call_function" | "call_method":
            return _function(node)
        case _:
            raise refuse(node, "a parameter of its own cannot be quantised; make it a layer's")


def _module(  # noqa: C901 - one case a kind of module
    node: fx.Node, module: nn.Module
) -> Operator:
    match module:
        case QuantisedProduct() | nn.Linear() | nn.Conv1d() | nn.Conv2d():
            return Product(module)
        case QuantisedNorm() | nn.BatchNorm1d() | nn.BatchNorm2d():
            return Norm(module)
        case Quantiser():
            return Quantisation(module)
        case nn.Flatten() | nn.Unflatten():
            return Reshape()
        case nn.Dropout() | nn.Dropout1d() | nn.Dropout2d() | nn.Identity():
            return Same()
        case nn.MaxPool1d() | nn.MaxPool2d():
            return _max_pool(_fields(module, "max_pool"), 1 + isinstance(module, nn.MaxPool2d))
        case nn.AvgPool1d() | nn.AvgPool2d():
            rank = 1 + isinstance(module, nn.AvgPool2d)
            return _average_pool(node, _fields(module, "avg_pool"), rank)
        case nn.AdaptiveAvgPool1d() | nn.AdaptiveAvgPool2d():
            return _adaptive(node, module.output_size)
        case _:
            return _activation_module(node, module)


def _activation_module(node: fx.Node, module: nn.Module) -> Operator:
    match module:
        case nn.ReLU6():
            return Elementwise(Function.CLIP, (0.0, 6.0))
        case nn.Hardtanh():
            return Elementwise(Function.CLIP, (float(module.min_val), float(module.max_val)))
        case nn.LeakyReLU():
            return Elementwise(Function.LEAKY_RELU, (module.negative_slope,))
        case _:
            found = _PLAIN_MODULES.get(type(module))
            if found is None:
                raise refuse(
                    node, f"{type(module).__name__} has no integers; leave it out of the module"
                )
            return Elementwise(found)


_PLAIN_MODULES: dict[type[nn.Module], Function] = {
    nn.ReLU: Function.RELU,
    nn.Sigmoid: Function.SIGMOID,
    nn.Tanh: Function.TANH,
    nn.Hardsigmoid: Function.HARD_SIGMOID,
    nn.Hardswish: Function.HARD_SWISH,
    nn.SiLU: Function.SILU,
}


def _fields(module: nn.Module, kind: str) -> Arguments:
    return {name: getattr(module, name, None) for name in _SIGNATURES[kind]}


def _numbers(value: Any) -> tuple[Any, ...]:
    """What stands in a tuple or list, or one number alone."""
    return tuple(cast("Iterable[Any]", value)) if isinstance(value, (tuple, list)) else (value,)


def _spatial(value: Any, rank: int) -> tuple[int, ...]:
    parts = _numbers(value)
    return parts if len(parts) == rank else parts * rank


def _window(a: Arguments, rank: int) -> Window:
    kernel = _spatial(a["kernel_size"], rank)
    stride = a.get("stride")
    return Window(
        kernel,
        kernel if stride is None else _spatial(stride, rank),
        _spatial(a.get("padding") or 0, rank),
        _spatial(a.get("dilation") or 1, rank),
        bool(a.get("ceil_mode")),
    )


def _max_pool(a: Arguments, rank: int) -> Operator:
    return MaxPool(_window(a, rank))


def _average_pool(node: fx.Node, a: Arguments, rank: int) -> Operator:
    window = _window(a, rank)
    if window.ceil:
        raise refuse(node, "average pooling with ceil_mode")
    counted = a.get("count_include_pad")
    return AveragePool(window, counted is None or bool(counted))


def _adaptive(node: fx.Node, size: Any) -> Operator:
    if any(s != 1 for s in _numbers(size)):
        raise refuse(node, "adaptive pooling to more than one element; name the window instead")
    return GlobalAveragePool(True)


def _bound(node: fx.Node, kind: str) -> dict[str, Any]:
    """The arguments by name."""
    names = _SIGNATURES.get(kind, ("x",))
    renamed = {"input": "x", "tensors": "x"}
    found: dict[str, Any] = {renamed.get(k, k): v for k, v in node.kwargs.items()}
    found.update(zip(names, node.args, strict=False))
    return found


def _mean(node: fx.Node, a: Arguments) -> Operator:
    rank = len(node.meta["source_shape"])
    dim = a.get("dim")
    axes = _numbers(dim)
    wanted = set(range(2, rank))
    if rank < 3 or {d % rank if isinstance(d, int) else -1 for d in axes} != wanted:
        raise refuse(node, "a mean has to be over all axes behind the channels")
    return GlobalAveragePool(bool(a.get("keepdim")))


def _add(node: fx.Node, a: Arguments) -> Operator:
    if not isinstance(a.get("other"), fx.Node) or "alpha" in a:
        raise refuse(node, "only sums of two values of the network can be quantised")
    return Add()


_CALLS: dict[str, Callable[[fx.Node], Operator]] = {
    "add": lambda n: _add(n, _bound(n, "add")),
    "cat": lambda n: Concat(int(_bound(n, "cat").get("dim", 0))),
    "flatten": lambda n: Reshape(),
    "reshape": lambda n: Reshape(),
    "squeeze": lambda n: Reshape(),
    "unsqueeze": lambda n: Reshape(),
    "contiguous": lambda n: Same(),
    "dropout": lambda n: Same(),
    "size": lambda n: Size(),
    "relu": lambda n: Elementwise(Function.RELU),
    "relu6": lambda n: Elementwise(Function.CLIP, (0.0, 6.0)),
    "sigmoid": lambda n: Elementwise(Function.SIGMOID),
    "tanh": lambda n: Elementwise(Function.TANH),
    "hardsigmoid": lambda n: Elementwise(Function.HARD_SIGMOID),
    "hardswish": lambda n: Elementwise(Function.HARD_SWISH),
    "silu": lambda n: Elementwise(Function.SILU),
    "leaky_relu": lambda n: Elementwise(
        Function.LEAKY_RELU, (float(_bound(n, "leaky_relu").get("negative_slope", 0.01)),)
    ),
    "hardtanh": lambda n: Elementwise(
        Function.CLIP,
        (
            float(_bound(n, "hardtanh").get("min_val", -1.0)),
            float(_bound(n, "hardtanh").get("max_val", 1.0)),
        ),
    ),
    "max_pool1d": lambda n: _max_pool(_bound(n, "max_pool"), 1),
    "max_pool2d": lambda n: _max_pool(_bound(n, "max_pool"), 2),
    "avg_pool1d": lambda n: _average_pool(n, _bound(n, "avg_pool"), 1),
    "avg_pool2d": lambda n: _average_pool(n, _bound(n, "avg_pool"), 2),
    "adaptive": lambda n: _adaptive(n, _bound(n, "adaptive")["output_size"]),
    "mean": lambda n: _mean(n, _bound(n, "mean")),
}

_FUNCTIONS: dict[Any, str] = {
    operator.add: "add",
    operator.iadd: "add",
    torch.add: "add",
    torch.cat: "cat",
    torch.concat: "cat",
    torch.flatten: "flatten",
    torch.reshape: "reshape",
    torch.squeeze: "squeeze",
    torch.relu: "relu",
    torch.sigmoid: "sigmoid",
    torch.tanh: "tanh",
    torch.mean: "mean",
    F.relu: "relu",
    F.relu6: "relu6",
    F.leaky_relu: "leaky_relu",
    F.hardtanh: "hardtanh",
    F.sigmoid: "sigmoid",
    F.tanh: "tanh",
    F.hardsigmoid: "hardsigmoid",
    F.hardswish: "hardswish",
    F.silu: "silu",
    F.dropout: "dropout",
    F.max_pool1d: "max_pool1d",
    F.max_pool2d: "max_pool2d",
    torch.max_pool1d: "max_pool1d",
    torch.max_pool2d: "max_pool2d",
    F.avg_pool1d: "avg_pool1d",
    F.avg_pool2d: "avg_pool2d",
    F.adaptive_avg_pool1d: "adaptive",
    F.adaptive_avg_pool2d: "adaptive",
    getattr: "size",
    operator.getitem: "size",
}
_METHODS: dict[str, str] = {
    "add": "add",
    "add_": "add",
    "flatten": "flatten",
    "view": "reshape",
    "reshape": "reshape",
    "squeeze": "squeeze",
    "unsqueeze": "unsqueeze",
    "contiguous": "contiguous",
    "relu": "relu",
    "relu_": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "mean": "mean",
    "size": "size",
}


def _function(node: fx.Node) -> Operator:
    table: Mapping[Any, str] = {**_METHODS} if node.op == "call_method" else _FUNCTIONS
    kind = table.get(node.target)
    if kind is None:
        name = getattr(node.target, "__name__", str(node.target))
        raise refuse(node, f"'{name}' has no integers yet")
    return _CALLS[kind](node)
