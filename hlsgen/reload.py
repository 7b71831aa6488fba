"""Other weights for a project that was built with reloadable ones: nothing is emitted anew."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hlsgen.build.project import Project, hls_options, load_network, open_project
from hlsgen.emit.cosim import weight_keys
from hlsgen.emit.hls import design_of
from hlsgen.emit.reloadable import packed_weights
from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul


@dataclass(frozen=True, eq=False)
class Reloaded:
    """The network with other weights, and the files that bring them into a project.

    `weights` replaces data/weights.bin, the words of the weight ports; `parameters` is what
    `reload` of cosim/cosim.py takes.
    """

    network: Network
    weights: bytes
    parameters: bytes


def load_weights(project: Path, model: Path) -> Reloaded:
    """The weights of a model file for the reloadable layers of a project.

    Errors: OptionError where the project has none; where shape, format or absolute sum of a layer's
    weights do not fit, naming layer and channel; where the models differ in anything else.
    """
    opened = open_project(project)
    if not opened.options.reloadable:
        raise OptionError(f"{project} has no reloadable weights: build it with --reloadable")
    network = load_network(model, opened.options)
    _check_same(opened, network)
    design = design_of(network.graph, hls_options(opened.options))
    buffer = io.BytesIO()
    arrays: dict[str, Any] = weight_keys(network.graph)
    np.savez_compressed(buffer, **arrays)
    return Reloaded(network, packed_weights(design.ports), buffer.getvalue())


def _check_same(project: Project, network: Network) -> None:
    """Nothing but weights within the budget may differ."""
    own, new = project.network, network
    if len(own.graph.nodes) != len(new.graph.nodes):
        raise OptionError(
            f"{new.model.file} becomes {len(new.graph.nodes)} operators, and the project has "
            f"{len(own.graph.nodes)}: needed is the same network with other weights"
        )
    for a, b in zip(own.graph.nodes, new.graph.nodes, strict=True):
        _check_node(a, b)
    for a, b in ((own.inputs, new.inputs), (own.outputs, new.outputs)):
        if pickle.dumps(a) != pickle.dumps(b):
            raise OptionError(
                f"{new.model.file}: its inputs or outputs have other formats or scales than the "
                "project's; keep the scales when training"
            )


def _check_node(own: Node[HwOp], new: Node[HwOp]) -> None:
    a, b = _with_budget(own.op), _with_budget(new.op)
    if a is not None and b is not None and a.weights.shape != b.weights.shape:
        raise OptionError(
            f"weights of shape {a.weights.shape} are needed, got {b.weights.shape}", new.loc
        )
    if _rest(own) != _rest(new):
        raise OptionError(
            f"this {type(new.op).__name__} is not the project's: only the weights of reloadable "
            "layers may differ, not scales, biases or quantisers",
            new.loc,
        )


def _with_budget(op: HwOp) -> MatMul | Conv | None:
    return op if isinstance(op, MatMul | Conv) and op.budget is not None else None


def _rest(node: Node[HwOp]) -> bytes:
    """Everything about a node but the weights that may differ."""
    op = _with_budget(node.op)
    kept = node.op if op is None else replace(op, weights=np.zeros(op.weights.shape, np.int64))
    return pickle.dumps((type(kept), kept, node.inputs, node.outputs))
