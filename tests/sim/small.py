"""Small quantised networks built in code, and damage done to their integer graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.steps import Steps
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.ir.hw import HwGraph, HwOp
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.passes.lower import lower
from hlsgen.sim.run import input_codes, run_graph

Array = Any
SCALES = (0.0071, 0.0123, 0.0091, 0.0057)


def network(
    path: Path,
    nodes: list[Any],
    shape: tuple[int, ...],
    output: tuple[str, tuple[int, ...]],
    constants: dict[str, Any],
) -> Network:
    """Saves the float32 network x -> output under `path`, reads and lowers it."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return lower(read_model(path))


def dense(path: Path, scale_x: float, scale_w: Any, scale_y: float, bias: Array) -> Network:
    """Q - MatMul - Add - Relu - Q on 24 inputs and 4 outputs; weights scaled by channel."""
    rng = np.random.default_rng(5)
    weights = rng.integers(-127, 128, (24, 4)).astype(np.int8)
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
        node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        node("DequantizeLinear", ["w", "sw", "zw"], ["wd"], axis=1),
        node("MatMul", ["xd", "wd"], ["m"], "product"),
        node("Add", ["m", "b"], ["a"], "bias"),
        node("Relu", ["a"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "zy"], ["yq"], "requantise"),
        node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]
    constants = {
        "sx": np.float32(scale_x), "zx": np.int8(3),
        "w": weights, "sw": np.asarray(scale_w, np.float32), "zw": np.zeros(4, np.int8),
        "b": np.asarray(bias, np.float32), "sy": np.float32(scale_y), "zy": np.uint8(5),
    }  # fmt: skip
    return network(path, nodes, (1, 24), ("y", (1, 4)), constants)


def powers_of_two(path: Path) -> Network:
    """Every float32 operation is exact."""
    bias = np.array([0.5, -1.25, 3, 0])
    return dense(path, 2.0**-5, 2.0 ** np.array([-7, -6, -7, -8]), 2.0**-3, bias)


def free_scales(path: Path) -> Network:
    """Scales as a calibration finds them."""
    return dense(path, 0.0313, SCALES, 0.117, np.array([0.51, -1.27, 3.1, 0.03]))


def averages(path: Path) -> Network:
    """Means of two codes, requantised by the same scale: every odd sum is an exact tie."""
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        node("AveragePool", ["xd"], ["a"], kernel_shape=[1, 2], strides=[1, 2]),
        node("QuantizeLinear", ["a", "s", "z"], ["yq"], "mean"),
        node("DequantizeLinear", ["yq", "s", "z"], ["y"]),
    ]
    constants = {"s": np.float32(0.0173), "z": np.int8(0)}
    return network(path, nodes, (1, 1, 8, 32), ("y", (1, 1, 8, 16)), constants)


def bare(path: Path) -> Network:
    """A QONNX network whose input meets no quantiser."""
    rng = np.random.default_rng(9)
    node, domain = helper.make_node, "qonnx.custom_op.general"
    nodes = [
        node("Quant", ["w", "s", "z", "bits"], ["wq"], domain=domain, signed=1, narrow=1),
        node("MatMul", ["x", "wq"], ["m"]),
        node("Quant", ["m", "s", "z", "bits"], ["y"], domain=domain, signed=1, narrow=0),
    ]
    constants = {
        "w": rng.normal(0, 0.3, (6, 3)).astype(np.float32), "s": np.float32(0.125),
        "z": np.float32(0), "bits": np.float32(5),
    }  # fmt: skip
    return network(path, nodes, (1, 6), ("y", (1, 3)), constants)


def inputs(net: Network, samples: int, spread: float, seed: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, spread, (samples, *net.model.types["x"].shape))
    return {"x": x.astype(np.float32).astype(np.float64)}


# -- damage ---------------------------------------------------------------------------------


def damaged(net: Network, kind: type[HwOp], change: Callable[[Any], HwOp]) -> Network:
    """The network with its last operator of one kind changed."""
    last = max(i for i, node in enumerate(net.graph.nodes) if isinstance(node.op, kind))
    nodes = tuple(
        replace(node, op=change(node.op)) if i == last else node
        for i, node in enumerate(net.graph.nodes)
    )
    graph = net.graph
    return replace(net, graph=HwGraph(graph.name, graph.inputs, graph.outputs, nodes, graph.types))


def step_moved(net: Network, feeds: dict[str, Array]) -> Network:
    """One threshold of one channel, one unit of the accumulator too high: where a sample lies."""
    last = [n for n in net.graph.nodes if isinstance(n.op, Staircase)][-1]
    values = run_graph(net.graph, input_codes(net, feeds), keep=True)
    sums = values[last.inputs[0]]
    row = np.broadcast_to(last.op.row, sums.shape)
    r = next(r for r, s in enumerate(last.op.rows) if np.isin(sums[row == r], s.t).any())
    steps = last.op.rows[r]
    hit = int(np.flatnonzero(np.isin(steps.t, sums[row == r]))[0])
    t = np.array(steps.t)
    t[hit] += 1
    moved = Steps(steps.lo, steps.hi, steps.first, t, steps.jump)
    rows = (*last.op.rows[:r], moved, *last.op.rows[r + 1 :])
    return damaged(net, Staircase, lambda op: staircase(op, rows))


def rows_swapped(net: Network, feeds: dict[str, Array]) -> Network:
    """Two channels take each other's function, as far as their ranges allow."""
    del feeds

    def change(op: Staircase) -> Staircase:
        a, b = op.rows[:2]
        return staircase(op, (_within(b, a), _within(a, b), *op.rows[2:]))

    return damaged(net, Staircase, change)


def _within(steps: Steps, like: Steps) -> Steps:
    kept = (steps.t > like.lo) & (steps.t <= like.hi)
    first = steps.first + int(steps.jump[steps.t <= like.lo].sum())
    return Steps(like.lo, like.hi, first, steps.t[kept], steps.jump[kept])


def staircase(op: Staircase, rows: tuple[Steps, ...]) -> Staircase:
    x = IntFormat.of_range(min(r.lo for r in rows), max(r.hi for r in rows))
    out = IntFormat.of_range(min(r.min_code for r in rows), max(r.max_code for r in rows))
    return Staircase(rows, op.row, realise(rows, x, out))


def weight_changed(net: Network, feeds: dict[str, Array]) -> Network:
    """One weight, by one."""
    del feeds

    def change(op: MatMul) -> MatMul:
        weights = np.array(op.weights)
        weights[7, 2] += 1
        return replace(op, weights=weights)

    return damaged(net, MatMul, change)
