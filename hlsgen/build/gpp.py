"""C simulation by g++: compiles an emitted project and runs integers through it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.build.headers import ap_include
from hlsgen.emit.vectors import pack_named, unpack
from hlsgen.errors import HlsgenError, ToolMissing, VerificationFailed
from hlsgen.ir.hw import HwGraph

# Measured in CPU seconds on a loaded 2-core machine, best of three: a two-layer MLP compiles in 1.3
# at -O1 and 1.4 at -O0 (four layers: 2.0 and 2.3), and convolutions run over ten times as fast.
# ap_int.h ends by including ap_fixed.h, which no generated file uses; its guard saves 0.1 to 1.0.
FLAGS = ("-std=c++14", "-O1", "-w", "-D__AP_FIXED_H__")


def cache_dir() -> Path:
    """Where compiled simulations are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hlsgen" / "csim"


def compile_csim(project: Path, *, flags: Sequence[str] = FLAGS, cached: bool = True) -> Path:
    """The test bench of an emitted project as an executable.

    Equal sources are compiled once; the executable appears whole or not at all.
    Errors: ToolMissing without g++ or headers; HlsgenError with the compiler's first error.
    """
    compiler = os.environ.get("CXX") or "g++"
    found = shutil.which(compiler)
    if found is None:
        raise ToolMissing(f"C simulation needs the C++ compiler {compiler}: install g++ or set CXX")
    include = ap_include()
    folder = cache_dir() if cached else project / "build"
    target = folder / _digest(project, (found, str(include), *flags))
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix="new-")
    os.close(handle)
    fresh = Path(name)
    try:
        _compile([found, *flags, f"-I{include}"], project, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _digest(project: Path, settings: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(settings).encode())
    for folder in ("src", "tb"):
        for path in sorted((project / folder).rglob("*")):
            if path.is_file():
                digest.update(f"\0{path.relative_to(project).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _compile(command: Sequence[str], project: Path, target: Path) -> None:
    # One translation unit: the headers are the greater part of the work.
    units = [
        part for path in sorted((project / "src").glob("*.cpp")) for part in ("-include", path)
    ]
    done = subprocess.run(
        [*command, *units, project / "tb" / "testbench.cpp", "-o", target],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.search(r"error:|No space", line)]
        first = (lines or done.stderr.splitlines() or ["no message"])[0]
        raise HlsgenError(f"g++ could not compile {project}: {first}")


def run_csim(
    executable: Path, graph: HwGraph, inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The outputs for inputs with a leading sample axis, computed by the compiled project.

    Errors: VerificationFailed where the design itself stops, HlsgenError where files cannot be.
    """
    count = max((len(inputs[name]) for name in graph.inputs), default=1)
    types = [graph.types[name] for name in graph.outputs]
    with tempfile.TemporaryDirectory(prefix="hlsgen-csim-") as folder:
        source, target = Path(folder) / "in.bin", Path(folder) / "out.bin"
        try:
            source.write_bytes(pack_named(graph, graph.inputs, inputs))
        except OSError as error:
            raise HlsgenError(f"cannot write vectors for C simulation: {_reason(error)}") from error
        done = subprocess.run(
            [str(executable), "--run", str(source), str(target), str(count)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"
            kind = VerificationFailed if done.returncode == 1 else HlsgenError
            raise kind(f"C simulation stopped: {said}")
        return dict(zip(graph.outputs, unpack(target.read_bytes(), types), strict=True))


def _reason(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "no space left on the device" if full else str(error)
