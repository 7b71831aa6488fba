"""What sample data settle that the file leaves open: free dimensions, scales that are inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.frontends.load import load_protobuf
from hlsgen.ir.model import Shape

Array = NDArray[Any]

# Operands that hardware holds as constants: scales, zero points, bit widths, weights, biases.
_UNARY = (1, 2, 3, 4)
_BINARY = (1, 2, 4, 5, 6, 7)
_HELD: dict[str, tuple[int, ...]] = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "Quant": (1, 2, 3),
    "IntQuant": (1, 2, 3),
    "BipolarQuant": (1,),
    "Trunc": _UNARY,
    "QLinearConv": (1, 2, 3, 4, 5, 6, 7, 8),
    "QLinearMatMul": _BINARY,
    "QGemm": (1, 2, 3, 4, 5, 6, 7, 8),
    "QLinearAdd": _BINARY,
    "QLinearMul": _BINARY,
    "QLinearSigmoid": _UNARY,
    "QLinearLeakyRelu": _UNARY,
    "QLinearAveragePool": _UNARY,
    "QLinearGlobalAveragePool": _UNARY,
    "QLinearSoftmax": _UNARY,
    "MatMulInteger": (2, 3),
    "ConvInteger": (1, 2, 3),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
}


@dataclass(frozen=True, eq=False)
class Settled:
    """Sizes of inputs whose dimensions are free, and inputs that are constants of the data."""

    shapes: Mapping[str, Shape]
    constants: Mapping[str, Array]

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(
            f"'{name}' is a network input that hardware holds as a constant: "
            f"the value of the samples is taken, {_spelled(array)}"
            for name, array in self.constants.items()
        )


def _spelled(array: Array) -> str:
    return str(array.reshape(-1)[0]) if array.size == 1 else f"{array.size} numbers"


def settle(path: Path, samples: Mapping[str, Array]) -> Settled:
    """Reads off arrays with a leading sample axis what the file at `path` leaves open.

    An input counts as constant where an operator reads it as a scale, zero point, weight or bias
    and all samples agree on it.
    """
    graph = load_protobuf(path)[0].graph
    held = set(_held(graph))
    shapes: dict[str, Shape] = {}
    constants: dict[str, Array] = {}
    initial = {item.name for item in graph.initializer}
    for info in graph.input:
        x = samples.get(info.name, samples.get(info.name.replace("/", "__")))
        if x is None or info.name in initial or not x.ndim or not x.size:
            continue
        rank, free = _rank(info)
        if info.name in held and bool((x == x[:1]).all()):
            constants[info.name] = x[0]
        elif free and x.ndim == rank + 1:
            shapes[info.name] = x.shape[1:]
    return Settled(shapes, constants)


def _held(graph: Any) -> Iterator[str]:
    for node in graph.node:
        places = _HELD.get(node.op_type, ())
        if node.op_type == "QLinearConcat":  # y's scale and zero point, then (x, scale, zero)*
            places = tuple(i for i in range(len(node.input)) if i % 3 != 2)
        yield from (node.input[i] for i in places if i < len(node.input))


def _rank(info: Any) -> tuple[int, bool]:
    """Dimensions, and whether one behind the first (the batch) is free."""
    dims = info.type.tensor_type.shape.dim
    return len(dims), any(not dim.dim_value > 0 for dim in dims[1:])
