"""The kernel: words in memory, through the network, words in memory, for any number of frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, mlp, reference, residual, stimuli, twice, write
from kernel_device import call, load_kernel

from hlsgen.emit.hls import Design, HlsOptions, Io, design_files, design_of
from hlsgen.emit.kernel import KernelPort
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.product import Product

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
STREAM = HlsOptions(io=Io.STREAM)


def wide() -> HwGraph:
    """Elements of 42 and 51 bits, a product of 92: several 64-bit limbs, ports that share a name
    with what the kernel itself uses.
    """
    b = Builder(
        "wide", n=IntType.of((1, 4), -(1 << 40), 1 << 40), frames=IntType.of((1, 4), 0, 1 << 50)
    )
    return b.graph(b.add(Product(), "n", "frames"))


def words_of(codes: np.ndarray, port: KernelPort) -> list[int]:
    """The words of one frame, element by element, as the header of the design describes them."""
    t = codes.reshape(port.batch, port.channels, port.pixels)
    flat = [
        int(t[b, c, p])
        for b in range(port.batch)
        for p in range(port.pixels)
        for c in range(port.channels)
    ]
    lanes = [flat[i : i + port.lanes] for i in range(0, len(flat), port.lanes)]
    mask = (1 << port.width) - 1
    return [sum((v & mask) << (k * port.width) for k, v in enumerate(beat)) for beat in lanes]


def memory_of(codes: np.ndarray, port: KernelPort) -> np.ndarray:
    data = b"".join(
        w.to_bytes(port.word_bits // 8, "little") for frame in codes for w in words_of(frame, port)
    )
    return np.frombuffer(bytearray(data), np.uint8)


def project(graph: HwGraph, folder: Path) -> Design:
    design = design_of(graph, STREAM)
    write(design_files(design, STREAM), folder)
    return design


@pytest.mark.parametrize("make", [residual, twice, wide], ids=lambda m: m.__name__)
def test_kernel_equals_evaluate(make, tmp_path: Path) -> None:
    graph = make()
    design = project(graph, tmp_path)
    found = design.kernel
    assert found is not None
    kernel = load_kernel(tmp_path, design.top, len(found.ports))
    inputs = stimuli(graph, 6)
    want = reference(graph, inputs)
    for part in (slice(0, 5), slice(5, 6), slice(0, 0)):
        frames = len(range(*part.indices(6)))
        ins = [memory_of(inputs[p.value][part], p) for p in found.inputs]
        outs = [np.zeros(frames * p.words * p.word_bits // 8, np.uint8) for p in found.outputs]
        call(kernel, [*ins, *outs], frames)
        for p, got in zip(found.outputs, outs, strict=True):
            np.testing.assert_array_equal(got, memory_of(want[p.value][part], p), p.value)


def test_names_do_not_meet() -> None:
    text = str(design_files(design_of(wide(), STREAM), STREAM)["src/wide_kernel.cpp"])
    assert "int frames_2) {" in text
    assert "for (int n_2 = 0; n_2 < frames_2; n_2++)" in text


def test_parallel_networks_and_reloadable_weights_have_none() -> None:
    design = design_of(mlp(), HlsOptions())
    assert design.kernel is None
    assert not any("kernel" in name for name in design_files(design, HlsOptions()))


def test_masters_and_registers() -> None:
    design = design_of(residual(), STREAM)
    text = str(design_files(design, STREAM)["src/residual_kernel.cpp"])
    assert design.kernel is not None
    masters = [line.split() for line in text.splitlines() if "m_axi port" in line]
    assert [(m[4], m[6]) for m in masters] == [
        (f"port={p.name}", f"bundle={p.bundle}") for p in design.kernel.ports
    ]
    assert len({m[6] for m in masters}) == 4  # every port has a master of its own
    lines = [line for line in text.splitlines() if "s_axilite" in line]
    assert len(lines) == 4 + 2
    assert all(line.endswith("bundle=control") for line in lines)  # Vitis allows one bundle alone
