"""An imported file evaluated: by onnxruntime on its floats, and by the integers of hlsgen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from hlsgen.arith.declared import parse_format
from hlsgen.frontends import read_model
from hlsgen.keras import import_keras
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.sim.reference import reference
from hlsgen.sim.run import input_codes, output_values, run_graph

Array = NDArray[Any]


def onnx_file(path: Path, weights: Path | None = None) -> Path:
    """The imported model beside its source."""
    target = path.with_suffix(".onnx")
    onnx.save(import_keras(path, weights).model, target)
    return target


def floats(path: Path, x: Array, weights: Path | None = None) -> Array:
    """The first output by the public runtime; x is [samples, *shape]."""
    target = onnx_file(path, weights)
    model = read_model(target)
    values = reference(model, {model.inputs[0]: x[:, None].astype(np.float32)}, target).values
    return values[model.outputs[0]][:, 0]


def integers(path: Path, x: Array, fmt: str) -> Array:
    """The first output by the integer network, with the input in a declared format."""
    model = read_model(onnx_file(path))
    declared = LowerOptions(inputs={name: parse_format(fmt) for name in model.inputs})
    network = lower(model, declared)
    codes = input_codes(network, {model.inputs[0]: x[:, None]})
    found = output_values(network, run_graph(network.graph, codes))
    return found[model.outputs[0]][:, 0]
