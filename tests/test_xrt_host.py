"""deploy/host.cpp against stand-ins for XRT's classes, with the emitted kernel linked in."""

from __future__ import annotations

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

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
STANDINS = Path(__file__).parent / "standins"


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [folder / "host", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("make", [residual, wide], ids=lambda m: m.__name__)
def test_host_replays_vectors(make, tmp_path: Path) -> None:
    graph = make()
    options = HlsOptions(io=Io.STREAM)
    design = design_of(graph, options)
    kernel = design.kernel
    assert kernel is not None
    write(design_files(design, options), tmp_path)
    text = environment().get_template("deploy/host.cpp.j2").render(kernel=kernel)
    inputs = stimuli(graph, 5)
    files = vector_files(graph, inputs, reference(graph, inputs))
    write({"host.cpp": text, **{Path(n).name: data for n, data in files.items()}}, tmp_path)
    sources = [tmp_path / "src" / f"{name}.cpp" for name in (design.top, kernel.name)]
    run_compiler(
        [compiler("the host"), *FLAGS, "-std=c++17", f"-I{STANDINS}", f"-I{ap_include()}",
         f"-DHLSGEN_KERNEL_FUNCTION={kernel.name}", f'-DHLSGEN_UNIT="{kernel.name}:{{cu_1}}"',
         *(part for path in sources for part in ("-include", path)), tmp_path / "host.cpp",
         "-o", tmp_path / "host"],
        "the host",
    )  # fmt: skip
    assert run(tmp_path, "some.xclbin", "cu_1") == (0, "5 vectors equal\n")
    assert run(tmp_path, "some.xclbin")[0] == 2
    assert run(tmp_path, "other.xclbin", "cu_1") == (2, "host: no such xclbin: other.xclbin\n")
    expected = np.fromfile(tmp_path / "expected.bin", "<i8")
    expected[-1] ^= 1
    expected.tofile(tmp_path / "expected.bin")
    status, said = run(tmp_path, "some.xclbin", "cu_1")
    assert status == 1
    assert f"{kernel.outputs[-1].name}, vector 4, element " in said
    (tmp_path / "inputs.bin").write_bytes(b"12345678")
    assert "does not hold whole vectors" in run(tmp_path, "some.xclbin", "cu_1")[1]
