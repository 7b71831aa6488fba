"""The integer graph against exact arithmetic: every code of every layer, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.expr import constant
from hlsgen.expr.network import Network, Origin
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.explain import Exact
from hlsgen.sim.host import outputs_of
from hlsgen.sim.verdict import Wrong

Array = NDArray[Any]
Codes = Mapping[str, Array]
_HOST = 2.0**-36  # relative error that the host's float64 epilogue may have


def graph_flaws(network: Network, values: Codes, exact: Exact) -> dict[int, Wrong]:
    """The first wrong element of every sample in which the integer graph is not exact.

    `values` are the graph's own, at least those of all origins and outputs.
    """
    flaws: dict[int, Wrong] = {}
    for origin in network.origins:
        want = exact.codes.get(origin.tensor)
        if want is None:
            continue
        got = held_codes(origin, values[origin.value])
        got, want = np.broadcast_arrays(got, want)
        for sample, place in first_places(got != want):
            made = maker(network, origin.value)
            found = wrong(origin.tensor, (sample, *place), got, want, made, str(origin.loc))
            flaws.setdefault(sample, found)
    for sample, found in _output_flaws(network, values, exact):
        flaws.setdefault(sample, found)
    return flaws


def _output_flaws(network: Network, values: Codes, exact: Exact) -> list[tuple[int, Wrong]]:
    flaws: list[tuple[int, Wrong]] = []
    for port in network.outputs:
        real = exact.outputs[port.name]
        got = outputs_of(port.epilogue, values)
        want = np.broadcast_to(real.value, got.shape)
        allowed = 2 * real.error + _HOST * np.abs(want) + 1e-30
        with np.errstate(invalid="ignore"):
            off = ~(np.abs(got - want) <= allowed)
        for sample, place in first_places(off):
            made, where = maker(network, network.graph.outputs[0]), location(network, port.name)
            flaws.append((sample, wrong(port.name, (sample, *place), got, want, made, where)))
    return flaws


def engine_flaws(network: Network, values: Codes, results: Codes) -> dict[int, Wrong]:
    """The same for an engine's hardware outputs, against those of the integer graph."""
    flaws: dict[int, Wrong] = {}
    for name in network.graph.outputs:
        want = values[name]
        got = np.asarray(results[name]).reshape(want.shape)
        node = network.graph.producer.get(name)
        where = network.model.file if node is None else str(node.loc)
        for sample, place in first_places(got != want):
            found = wrong(name, (sample, *place), got, want, maker(network, name), where)
            flaws.setdefault(sample, found)
    return flaws


def wrong(
    output: str, spot: tuple[int, ...], got: Array, want: Array, node: str, where: str
) -> Wrong:
    """One wrong element, as it is reported."""
    return Wrong(output, spot, float(got[spot]), float(want[spot]), node, where)


def maker(network: Network, value: str) -> str:
    """The hardware operator that makes a value."""
    node = network.graph.producer.get(value)
    return value if node is None else f"{type(node.op).__name__} {value}"


def location(network: Network, tensor: str) -> str:
    """The ONNX node that makes a tensor."""
    node = network.model.producer.get(tensor)
    return network.model.file if node is None else str(node.loc)


def graph_values(graph: HwGraph, codes: Codes, wanted: set[str]) -> dict[str, Array]:
    """The integer graph's values that are asked for, its inputs and outputs.

    Every operator by its own definition: what faster engines are compared with.
    """
    keep = wanted | set(graph.outputs) | set(graph.inputs)
    values = dict(codes)
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        types = tuple(graph.types[name] for name in node.inputs)
        results = node.op.evaluate(*(values[name] for name in node.inputs), types=types)
        values.update(zip(node.outputs, results, strict=True))
        for name in set(node.inputs):
            if last[name] == i and name not in keep:
                del values[name]
    count = max((v.shape[0] for v in codes.values()), default=1)
    return {n: np.broadcast_to(v, (count, *v.shape[1:])) for n, v in values.items() if n in keep}


def held_codes(origin: Origin, got: Array) -> Array:
    """The tensor's codes that a hardware value holds."""
    scale, offset = constant.integers(origin.scale), constant.integers(origin.offset)
    scale, offset = (v.reshape((1,) * (got.ndim - v.ndim) + v.shape) for v in (scale, offset))
    return got * scale + offset


def first_places(differs: Array) -> list[tuple[int, tuple[int, ...]]]:
    """The first true element of every sample that has one."""
    found: list[tuple[int, tuple[int, ...]]] = []
    for sample in np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1)).tolist():
        place = np.argwhere(differs[sample])[0]
        found.append((sample, tuple(int(p) for p in place)))
    return found
