"""Co-simulation: the integer graph on batches of samples, exact, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.expr.tree import Leaf
from hlsgen.ir.hw import HwGraph
from hlsgen.ir.model import Model
from hlsgen.ops.hw._exact import integers
from hlsgen.sim.epilogue import shortened
from hlsgen.sim.floats import evaluate
from hlsgen.sim.host import codes_of, outputs_of
from hlsgen.sim.prologue import quick_codes

Array = NDArray[Any]


CHUNK_BYTES = 1 << 20  # a chunk's largest value as float32: half of a usual second-level cache


def run_graph(
    graph: HwGraph, codes: Mapping[str, Array], *, keep: bool = False
) -> dict[str, Array]:
    """Integers of the graph's outputs (of every value if `keep`), samples along axis 0."""
    count = max((v.shape[0] for v in codes.values()), default=1)
    size = max((t.size for t in graph.types.values()), default=1)
    chunk = max(1, CHUNK_BYTES // (4 * max(size, 1)))
    results: dict[str, Array] = {}
    for start in range(0, max(count, 1), chunk):
        stop = min(start + chunk, count)
        part = {k: v[start:stop] if v.shape[0] == count else v for k, v in codes.items()}
        for name, value in _run_chunk(graph, part, keep).items():
            _place(results, name, value, start, stop, count)
    return results


def _place(
    results: dict[str, Array], name: str, value: Array, start: int, stop: int, count: int
) -> None:
    """A chunk's integers among those of all samples."""
    shape = value.shape[1:]
    if stop - start == count and value.shape[0] == count:
        results[name] = np.ascontiguousarray(integers(value))
        return
    if name not in results:
        wide = value.dtype == object
        results[name] = np.empty((count, *shape), dtype=object if wide else np.int64)
    if value.dtype == object and results[name].dtype != object:
        results[name] = results[name].astype(object)
    results[name][start:stop] = value


def _run_chunk(graph: HwGraph, codes: Mapping[str, Array], keep: bool) -> dict[str, Array]:
    """Carriers of the outputs, or of every value."""
    values = dict(codes)
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        types = tuple(graph.types[name] for name in node.inputs)
        results = evaluate(node, [values[name] for name in node.inputs], types)
        values.update(zip(node.outputs, results, strict=True))
        if not keep:  # large intermediate tensors go as soon as nobody needs them
            for name in set(node.inputs):
                if last[name] == i and name not in graph.outputs:
                    del values[name]
    return values if keep else {name: values[name] for name in graph.outputs}


def input_codes(network: Network, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What the host hands to the hardware for samples of the network's inputs."""
    found: dict[str, Array] = {}
    for port in network.inputs:
        quick = quick_codes(port.prologue, feeds)
        found[port.value] = codes_of(port.prologue, feeds) if quick is None else quick
    return found


def output_values(network: Network, codes: Mapping[str, Array]) -> dict[str, Array]:
    """The network's outputs, in the file's own types, from the hardware's integers."""
    results: dict[str, Array] = {}
    for port in network.outputs:
        if isinstance(port.epilogue, Leaf):
            y = codes[port.epilogue.name]
        else:
            y = outputs_of(*shortened(port.epilogue, codes))
        results[port.name] = typed(y, port.dtype)
    return results


def typed(values: Array, dtype: str) -> Array:
    """Values as the numpy type that stands for an ONNX element type."""
    if dtype in ("float16", "float32", "float64", "bool"):
        return values.astype(dtype)
    if dtype.startswith(("float", "bfloat")):
        return values.astype(np.float32)
    width = int(dtype.lstrip("uint") or 8)
    sign = "u" if dtype.startswith("u") else ""
    for bits in (8, 16, 32, 64):
        if width <= bits:
            return values.astype(f"{sign}int{bits}")
    return values.astype(np.int64)


def feeds_of(network: Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of a file matched to the network's inputs: by name (`/` written `__`), else by order.

    Shapes: a leading sample axis, then the file's own shape.
    """
    model = network.model
    found = match_inputs(model, arrays)
    missing = [name for name in model.inputs if name not in found]
    if missing:
        raise OptionError(
            f"no array for input '{missing[0]}'; the file holds {', '.join(arrays) or 'nothing'}"
        )
    feeds = {name: _feed(name, found[name], model.types[name]) for name in model.inputs}
    counts = {v.shape[0] for v in feeds.values()}
    if len(counts) > 1:
        raise OptionError(f"inputs differ in their number of samples: {sorted(counts)}")
    return feeds


def match_inputs(model: Model, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Which array belongs to which network input."""
    spelled = {n.replace("/", "__"): n for n in model.inputs} | {n: n for n in model.inputs}
    found = {spelled[k]: v for k, v in arrays.items() if k in spelled}
    if not found and len(arrays) >= len(model.inputs):
        found = dict(zip(model.inputs, arrays.values(), strict=False))
    return found


def _feed(name: str, x: Array, t: Any) -> Array:
    if x.dtype.kind not in "fiub":
        raise OptionError(f"input '{name}' needs numbers, got {x.dtype}")
    shape = (len(x) if x.ndim else 0, *t.shape)
    if x.ndim and len(x) and x.size == int(np.prod(shape)):
        x = x.reshape(shape)
    if x.shape != shape or not len(x):
        raise OptionError(
            f"input '{name}' needs shape (samples, {', '.join(map(str, t.shape))}), got {x.shape}"
        )
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise OptionError(f"input '{name}' holds NaN or infinity")
        return x.astype(np.float64)
    return x.astype(np.int64)


def simulate(network: Network, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Network outputs for samples of its inputs, through the integer graph."""
    return output_values(network, run_graph(network.graph, input_codes(network, feeds)))
