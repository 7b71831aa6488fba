"""Witnesses: a layer in float32 again, its sums added up in the orders that runtimes use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.sim.reference import float32_step, plain

Array = NDArray[Any]
BLOCKS = (128, 256, 512, 1 << 30)


def sequential(block: int, fused: bool) -> Callable[[Array, Array], Array]:
    """Sums of products in order of k, in blocks that are added up afterwards; float32."""

    def dot(a: Array, b: Array) -> Array:
        if a.dtype != np.float32:
            return np.matmul(a, b)
        total: Array | None = None
        for start in range(0, a.shape[-1], block):
            part = np.zeros(np.matmul(a[..., :1], b[..., :1, :]).shape, np.float32)
            for k in range(start, min(start + block, a.shape[-1])):
                x, w = a[..., k, None], b[..., k, None, :]
                if fused:  # the product is exact in float64
                    part = (part + x.astype(np.float64) * w).astype(np.float32)
                else:
                    part = part + x * w
            total = part if total is None else total + part
        return total if total is not None else np.matmul(a, b)

    return dot


def replayed(
    model: Model,
    nodes: Sequence[Node[ModelOp]],
    known: Mapping[str, Array],
    places: Array,
    wanted: Array,
) -> NDArray[np.bool_]:
    """Which of the wanted codes at `places` (sample, *index) some order of evaluation gives.

    The last of `nodes` makes the codes; `known` holds what they start from.
    """
    samples, row = np.unique(places[:, 0], return_inverse=True)
    start = _start(model, nodes, known, samples)
    spots = (row, *places[:, 1:].T)
    hit = np.zeros(len(places), bool)
    for block in BLOCKS:
        for fused in (True, False):
            values = dict(start)
            with np.errstate(all="ignore"):
                for node in nodes:
                    args = [values[name] for name in node.inputs]
                    results = float32_step(node.op, args, sequential(block, fused))
                    for name, y in zip(node.outputs, results, strict=False):
                        values[name] = plain(y, model.types[name])
            y = values[nodes[-1].output]
            hit |= (y if len(y) == len(samples) else y[:1].repeat(len(samples), 0))[spots] == wanted
            if hit.all():
                return hit
    return hit


def _start(
    model: Model, nodes: Sequence[Node[ModelOp]], known: Mapping[str, Array], samples: Array
) -> dict[str, Array]:
    made = {name for node in nodes for name in node.outputs}
    values: dict[str, Array] = {}
    for name in {name for node in nodes for name in node.inputs} - made:
        if name in model.constants:
            values[name] = plain(model.constants[name][None], model.types[name])
        else:
            x = known[name]
            values[name] = plain(x if x.shape[0] == 1 else x[samples], model.types[name])
    return values
