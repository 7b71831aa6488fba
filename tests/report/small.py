"""A small residual network, nodes named so that no page may take them for HTML; its builds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hlsgen.build.project import BuildOptions, build
from hlsgen.emit.hls import Io

EVIL = '<script>alert("1")</script>&amp;'


def model(path: Path, seed: int = 0) -> Path:
    """conv, conv and their sum, each quantised to uint8, as a QDQ file."""
    rng = np.random.default_rng(seed)
    constants = {
        "s": np.float32(0.25), "z": np.uint8(0), "ws": np.float32(0.125), "wz": np.int8(0),
        "w1": rng.integers(-7, 8, (4, 2, 3, 3), dtype=np.int8),
        "w2": rng.integers(-7, 8, (4, 4, 1, 1), dtype=np.int8),
    }  # fmt: skip
    nodes = [
        *quantised("x", "a"),
        *convolved("a", "b", "w1", "first", pads=[1, 1, 1, 1]),
        *convolved("b", "c", "w2", f"/block.0/{EVIL}/a/name/that/goes/on/and/on"),
        helper.make_node("Add", ["b", "c"], ["sum"], f"add {EVIL}"),
        *quantised("sum", "y"),
    ]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 4, 4])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def quantised(x: str, y: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [x, "s", "z"], [f"{y}_q"], f"quantise {EVIL} {y}"),
        helper.make_node("DequantizeLinear", [f"{y}_q", "s", "z"], [y], f"dequantise {y}"),
    ]


def convolved(x: str, y: str, w: str, name: str, **fields: object) -> list[onnx.NodeProto]:
    return [
        helper.make_node("DequantizeLinear", [w, "ws", "wz"], [f"{w}_real"]),
        helper.make_node("Conv", [x, f"{w}_real"], [f"{y}_conv"], name, **fields),
        *quantised(f"{y}_conv", y),
    ]


def built(folder: Path, io: Io = Io.STREAM, seed: int = 0, **options: object) -> Path:
    """A project without csim: the compiler is not what is tested here."""
    folder.mkdir(parents=True, exist_ok=True)
    project = folder / "project"
    made = BuildOptions(io=io, csim=False, samples=2, **options)  # pyright: ignore
    build(model(folder / "small.onnx", seed), project, made)
    return project
