"""What a model is and what becomes of it: the facts behind `hlsgen inspect`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.errors import HlsgenError
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntType
from hlsgen.ir.model import Model
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.matmul_streams import MatMulStreams
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.lower import LowerOptions, lower


@dataclass(frozen=True, slots=True)
class Layer:
    """One hardware operator as a line of a table."""

    operator: str
    node: str
    shape: tuple[int, ...]
    format: str
    range: tuple[int, int]
    detail: str
    multiplies: int


@dataclass(frozen=True, eq=False)
class Inspection:
    """A model file, its lowered network, or the reason why there is none."""

    model: Model | None
    network: Network | None
    refusal: HlsgenError | None
    layers: tuple[Layer, ...]

    @property
    def multiplies(self) -> int:
        """Products of one inference."""
        return sum(layer.multiplies for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        model, network = self.model, self.network
        return {
            "format": 1,
            "model": None if model is None else _model(model),
            "converts": network is not None,
            "refusal": None if self.refusal is None else str(self.refusal),
            "notes": [] if network is None else list(network.notes),
            "multiplies": self.multiplies,
            "inputs": [] if network is None else _ports(network),
            "outputs": [] if network is None else _outputs(network),
            "layers": [
                {
                    "operator": layer.operator,
                    "node": layer.node,
                    "shape": list(layer.shape),
                    "format": layer.format,
                    "range": list(layer.range),
                    "detail": layer.detail,
                    "multiplies": layer.multiplies,
                }
                for layer in self.layers
            ],
        }


def inspected(path: Path, options: Any) -> Inspection:
    """Read and lower a model (or the model of a project folder), keeping a refusal as a result."""
    path = path / "model.onnx" if path.is_dir() else path
    model: Model | None = None
    try:
        model = read_model(path, shapes=options.shapes, overrides=options.static_scales)
        network = lower(model, LowerOptions(options.inputs))
    except HlsgenError as error:
        return Inspection(model, None, error, ())
    types = network.graph.types
    layers = tuple(_layer(node, types) for node in network.graph)
    return Inspection(model, network, None, layers)


def _model(model: Model) -> dict[str, Any]:
    kinds = Counter(type(node.op).__name__ for node in model.nodes)
    return {
        "file": model.file,
        "sha256": model.sha256,
        "dialect": model.dialect,
        "operators": dict(kinds.most_common()),
        "parameters": parameters(model),
    }


def parameters(model: Model) -> int:
    """How many constants the layers of the file hold."""
    read = {name for node in model.nodes for name in node.inputs}
    return sum(v.size for name, v in model.constants.items() if name in read)


def _ports(network: Network) -> list[dict[str, Any]]:
    return [
        {"name": p.source, "value": p.value, **_type(network.graph.types[p.value])}
        for p in network.inputs
    ]


def _outputs(network: Network) -> list[dict[str, Any]]:
    from hlsgen.expr.tree import Leaf, leaves

    return [
        {
            "name": o.name,
            "shape": list(o.shape),
            "epilogue_on_host": not isinstance(o.epilogue, Leaf),
            "codes": [_type(network.graph.types[leaf.name]) for leaf in leaves(o.epilogue)],
        }
        for o in network.outputs
    ]


def _type(t: IntType) -> dict[str, Any]:
    return {"shape": list(t.shape), "format": str(t.format), "range": [t.min, t.max]}


def _layer(node: Node[HwOp], types: Any) -> Layer:
    y: IntType = types[node.output]
    inputs = tuple(types[name] for name in node.inputs)
    return Layer(
        type(node.op).__name__,
        node.loc.name or node.output,
        y.shape,
        str(y.format),
        (y.min, y.max),
        detail(node.op, inputs),
        multiplies(node.op, inputs, y),
    )


def detail(op: HwOp, inputs: tuple[IntType, ...]) -> str:
    """What a reader wants to know of an operator in one line."""
    if isinstance(op, Staircase):
        functions = f"{len(op.rows)} functions" if len(op.rows) > 1 else "1 function"
        return f"{op.realisation.text()} ({functions})"
    parts: list[str] = []
    match op:
        case Conv(weights=w, window=window):
            kernel = "x".join(map(str, window.kernel))
            kind = "depthwise " if op.depthwise else ""
            parts.append(f"{kind}{kernel}, {_weights(w)}")
        case MatMul(weights=w):
            parts.append(f"{w.shape[0]}x{w.shape[1]}, {_weights(w)}")
        case _:
            pass
    partial = op.partial_bounds(*inputs)
    if partial is not None:
        parts.append(f"sums {IntFormat.of_range(*partial)}")
    return ", ".join(parts)


def _weights(w: np.ndarray) -> str:
    return f"weights {IntFormat.of_range(int(w.min()), int(w.max()))}" if w.size else "no weights"


def multiplies(op: HwOp, inputs: tuple[IntType, ...], y: IntType) -> int:
    """Products that one inference takes in this operator (convolutions and matrix products)."""
    match op:
        case Conv(weights=w):
            return y.size * int(np.prod(w.shape[1:]))
        case MatMul(weights=w):
            return y.size * w.shape[0]
        case MatMulStreams():
            return y.size * inputs[0].shape[-1]
        case _:
            return 0
