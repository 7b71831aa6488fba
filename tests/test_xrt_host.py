"""deploy/host.cpp against stand-ins for XRT's classes, with the emitted kernel linked in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import reference, residual, stimuli, write
from test_kernel import wide

from hlsgen.build.gpp import FLAGS
from hlsgen.build.headers import ap_include
from hlsgen.compiler import compiler, run_compiler
from hlsgen.emit.hls import HlsOptions, Io, design_files, design_of
from hlsgen.emit.jinja import environment
from hlsgen.emit.vectors import vector_files
from hlsgen.ir.hw import HwGraph

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
STANDINS = Path(__file__).parent / "standins"


UNITS = ["cu_0", "cu_1", "cu_2"]


def run(folder: Path, *arguments: str, **fake: str) -> tuple[int, str]:
    done = subprocess.run(
        [folder / "host", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {f"FAKE_{name}": value for name, value in fake.items()},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def store(folder: Path, graph: HwGraph, count: int) -> None:
    """So many vectors beside the host."""
    inputs = {name: v[:count] for name, v in stimuli(graph, max(count, 2)).items()}
    files = vector_files(graph, inputs, reference(graph, inputs))
    write({Path(name).name: data for name, data in files.items()}, folder)


@pytest.mark.parametrize("make", [residual, wide], ids=lambda m: m.__name__)
def test_host_replays_vectors(make, tmp_path: Path) -> None:
    graph = make()
    options = HlsOptions(io=Io.STREAM)
    design = design_of(graph, options)
    kernel = design.kernel
    assert kernel is not None
    write(design_files(design, options), tmp_path)
    units = [{"name": name} for name in UNITS]
    text = environment().get_template("deploy/host.cpp.j2").render(kernel=kernel, units=units)
    write({"host.cpp": text}, tmp_path)
    store(tmp_path, graph, 5)
    sources = [tmp_path / "src" / f"{name}.cpp" for name in (design.top, kernel.name)]
    known = " ".join(f"{kernel.name}:{{{name}}}" for name in UNITS)
    run_compiler(
        [compiler("the host"), *FLAGS, "-std=c++17", f"-I{STANDINS}", f"-I{ap_include()}",
         f"-DHLSGEN_KERNEL_FUNCTION={kernel.name}", f'-DHLSGEN_UNITS="{known}"',
         *(part for path in sources for part in ("-include", path)), tmp_path / "host.cpp",
         "-o", tmp_path / "host"],
        "the host",
    )  # fmt: skip
    said = "{} vectors equal on each of {} compute units and on all together\n"
    assert run(tmp_path, "some.xclbin", "cu_1") == (0, said.format(5, 1))
    for count in (1, 2, 3, 4, 7):
        store(tmp_path, graph, count)
        trace = tmp_path / f"trace{count}"
        assert run(tmp_path, "some.xclbin", TRACE=str(trace)) == (0, said.format(count, 3))
        most = -(-count // 3)
        shares = -(-count // most)  # units that have frames: all start before the first wait
        together = trace.read_text().splitlines()[2 * len(UNITS) :]
        assert [line.split()[0] for line in together] == ["start"] * shares + ["wait"] * shares
    store(tmp_path, graph, 5)
    assert run(tmp_path, "some.xclbin", "cu_9")[0] == 2
    assert run(tmp_path, "other.xclbin", "cu_1") == (2, "host: no such xclbin: other.xclbin\n")
    failed = "host: compute unit cu_1 did not finish 5 frames within 30 s\n"
    assert run(tmp_path, "some.xclbin", FAIL="cu_1") == (2, failed)
    status, said = run(tmp_path, "some.xclbin", WRONG="cu_2")
    assert (status, said.split(",")[0]) == (1, f"cu_2: {kernel.outputs[-1].name}")
    assert ", vector 0, element 0: " in said
    expected = np.fromfile(tmp_path / "expected.bin", "<i8")
    expected[-1] ^= 1
    expected.tofile(tmp_path / "expected.bin")
    status, said = run(tmp_path, "some.xclbin", "cu_1")
    assert status == 1
    assert f"{kernel.outputs[-1].name}, vector 4, element " in said
    (tmp_path / "inputs.bin").write_bytes(b"12345678")
    assert "does not hold whole vectors" in run(tmp_path, "some.xclbin", "cu_1")[1]
