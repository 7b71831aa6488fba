"""The samples of the hardware operators as graphs that the RTL simulators compile in seconds."""

from __future__ import annotations

import numpy as np
from hls_graphs import samples

from hlsgen.errors import Loc
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.staircase import Staircase

ELEMENTWISE = (Clamp, Extremum, Linear, Product, Staircase)


def compact(op: HwOp, types: tuple[IntType, ...]) -> tuple[IntType, ...]:
    """Element by element operators on one place of each channel: the others are copies of it."""
    if not isinstance(op, ELEMENTWISE):
        return types
    return tuple(
        IntType.of((*t.shape[:2], *(1 for _ in t.shape[2:])), *(_first(b) for b in (t.lo, t.hi)))
        for t in types
    )


def _first(bounds: np.ndarray) -> np.ndarray:
    return bounds[(slice(None), slice(None), *(slice(1) for _ in bounds.shape[2:]))]


def sample_graph(*kinds: str) -> HwGraph:
    """The samples of some operators (all without a name), side by side in one graph."""
    types: dict[str, IntType] = {}
    nodes: list[Node[HwOp]] = []
    for name, op, given in samples():
        if kinds and name.rsplit("_", 1)[0] not in kinds:
            continue
        x = compact(op, given)
        made = op.infer(*x)
        ins = tuple(f"{name}_x{k}" for k in range(len(x)))
        outs = tuple(f"{name}_y{k}" for k in range(len(made)))
        types.update(zip(ins + outs, x + made, strict=True))
        nodes.append(Node(op, ins, outs, Loc("samples.onnx", len(nodes), name, type(op).__name__)))
    inputs = tuple(v for node in nodes for v in node.inputs)
    outputs = tuple(v for node in nodes for v in node.outputs)
    return HwGraph("samples", inputs, outputs, tuple(nodes), types)
