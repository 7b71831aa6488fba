"""What g++ runs say when something is missing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hls_graphs import mlp, stimuli, write

from hlsgen.build import headers
from hlsgen.build.gpp import compile_csim, run_csim
from hlsgen.compiler import cache_dir
from hlsgen.emit.hls import HlsOptions, emit_hls
from hlsgen.errors import HlsgenError, ToolMissing, VerificationFailed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(emit_hls(mlp(), HlsOptions()), tmp_path / "project")


def test_no_compiler(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolMissing, match="no-such-compiler: install") as caught:
        compile_csim(project)
    assert caught.value.exit_status == 3


def test_no_headers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XILINX_HLS", raising=False)
    monkeypatch.setattr(headers, "find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match=r"pip install 'hlsgen\[csim\]'"):
        compile_csim(project)


def test_vendor_headers_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "ap_int.h").write_text("")
    monkeypatch.setenv("XILINX_HLS", str(tmp_path))
    assert headers.ap_include() == tmp_path / "include"


def test_a_compiler_error_is_shown_and_nothing_is_left(project: Path) -> None:
    source = project / "src" / "mlp.cpp"
    source.write_text(source.read_text() + "\nint broken = nonsense;\n")
    before = set(cache_dir("csim").glob("*")) if cache_dir("csim").is_dir() else set()
    with pytest.raises(HlsgenError, match=r"mlp\.cpp:\d+:\d+: error: .nonsense. was not declared"):
        compile_csim(project)
    assert set(cache_dir("csim").glob("*")) == before


def test_many_at_once(project: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(lambda _: compile_csim(project), range(3)))
    assert len(found) == 1
    assert not list(cache_dir("csim").glob("new-*"))


def test_a_crash_is_not_a_result(project: Path, tmp_path: Path) -> None:
    graph = mlp()
    for status, kind in ((1, VerificationFailed), (2, HlsgenError)):
        stub = tmp_path / f"stub{status}"
        stub.write_text(f"#!/bin/sh\necho stream left over\nexit {status}\n")
        stub.chmod(0o755)
        with pytest.raises(kind, match="C simulation stopped: stream left over"):
            run_csim(stub, graph, stimuli(graph, 4))


def test_make_compiles_without_python_code_of_ours(project: Path) -> None:
    done = subprocess.run(
        ["make", f"PYTHON={sys.executable}", "build/csim"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
