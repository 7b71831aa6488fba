"""Several products a DSP in folded units: every weight by every operand, and whole layers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, conv, differing, reference, simulate, stimuli

from hlsgen.arith.format import IntFormat
from hlsgen.build.gpp import FLAGS
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.packing import packing
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul

needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def packed(graph: HwGraph, fold: dict[str, tuple[int, int]]) -> HlsOptions:
    return HlsOptions(io=Io.STREAM, folding=fold, arithmetic={"": Arithmetic.DSP_PACKED})


@pytest.mark.parametrize(
    ("lo", "hi", "weights", "count", "chunk"),
    [
        (-128, 127, 8, 2, 6),  # 18 bits hold 8 products of 2^14: 6 divides 12
        (0, 255, 8, 2, 4),
        (0, 15, 4, 3, 6),
        (0, 15, 3, 4, 1),
        (0, 9, 20, 1, 1),
    ],
)
def test_as_many_products_as_fit(lo: int, hi: int, weights: int, count: int, chunk: int) -> None:
    """Against the extremes of the factor and of all fields, worked out here."""
    least, most = -(1 << weights - 1), (1 << weights - 1) - 1
    found = packing(IntFormat.of_range(lo, hi), np.array([least, most]), 12)
    assert (1 if found is None else found.count) == count
    if found is None:
        return
    assert found.chunk == chunk
    for extreme in (least, most):
        factor = sum(extreme << (k * found.field) for k in range(found.count))
        assert -(1 << 26) <= factor < 1 << 26
    corners = [a * b * found.chunk for a in (lo, hi) for b in (least, most)]
    assert -(1 << found.field - 1) <= min(corners) <= max(corners) < 1 << found.field - 1


@needs_gpp
@pytest.mark.parametrize("outputs", [(0, 1, 2), (255, 254, 128)])
def test_every_operand_by_pairs_of_weights(outputs: tuple[int, ...], tmp_path: Path) -> None:
    """All operands of 8 bits, by each weight of 8 bits beside each of some others."""
    some = np.array(outputs) - 128
    columns = np.stack(np.meshgrid(some, np.arange(-128, 128))).reshape(2, -1)
    b = Builder("pairs", x=IntType.of((1, 1), -128, 127))
    weights = columns.T.reshape(1, -1)  # a pair beside each other shares a multiplier
    y = b.add(MatMul(weights, np.zeros(weights.size, np.int64)), "x", name="y")
    graph = b.graph(y)
    inputs = {"x": np.arange(-128, 128).reshape(-1, 1, 1)}
    flags = (*FLAGS, "-O1")
    got = simulate(graph, packed(graph, {y: (2, 1)}), tmp_path, inputs, flags=flags)
    assert differing(got, reference(graph, inputs)) == []


@needs_gpp
@pytest.mark.parametrize("pe", [8, 3])
def test_layers_with_packed_products(pe: int, tmp_path: Path) -> None:
    b = Builder("layers", x=IntType.of((1, 4, 6, 5), 0, 15))
    y = b.add(conv(4, 8), "x", name="y")
    z = b.add(conv(8, 8, group=2), b.requant(y, -8, 7), name="z")
    graph = b.graph(y, z)
    inputs = stimuli(graph, 8)
    got = simulate(graph, packed(graph, {y: (pe, 12), z: (2, 2)}), tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


def test_what_does_not_pack_is_refused(tmp_path: Path) -> None:
    b = Builder("wide", x=IntType.of((1, 4), 0, 1 << 20))
    y = b.add(MatMul(np.array([[99, -99]] * 4), np.zeros(2, np.int64)), "x", name="y")
    graph = b.graph(y)
    with pytest.raises(OptionError, match="of which two products fit a DSP; try dsp"):
        simulate(graph, packed(graph, {y: (2, 1)}), tmp_path, stimuli(graph, 2))
