"""C simulation by g++: compiles an emitted project and runs integers through it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.build.headers import ap_include
from hlsgen.compiler import cache_dir, compiler, digest, kept, run_compiler
from hlsgen.emit.vectors import pack_named, unpack
from hlsgen.errors import HlsgenError, VerificationFailed, reason_of
from hlsgen.ir.hw import HwGraph

# Measured in CPU seconds on a loaded 2-core machine, best of three: a two-layer MLP compiles in 1.3
# at -O1 and 1.4 at -O0 (four layers: 2.0 and 2.3), and convolutions run over ten times as fast.
# ap_int.h ends by including ap_fixed.h, which no generated file uses; its guard saves 0.1 to 1.0.
FLAGS = ("-std=c++14", "-O1", "-w", "-D__AP_FIXED_H__")


def compile_csim(project: Path, *, flags: Sequence[str] = FLAGS, cached: bool = True) -> Path:
    """The test bench of an emitted project as an executable.

    Equal sources are compiled once; the executable appears whole or not at all.
    Errors: ToolMissing without g++ or headers; HlsgenError with the compiler's first error.
    """
    include = ap_include()
    command = [compiler("C simulation"), *flags, f"-I{include}"]
    folder = cache_dir("csim") if cached else project / "build"
    # One translation unit: the headers are the greater part of the work.
    tops = sorted((project / "src").glob("*.cpp"))
    units = [part for path in tops for part in ("-include", path)]
    bench = project / "tb" / "testbench.cpp"

    def make(target: Path) -> None:
        run_compiler([*command, *units, bench, "-o", target], str(project))

    return kept(folder / digest([*command, *_sources(project)]), "C simulation", make)


def _sources(project: Path) -> Iterator[str | bytes]:
    for folder in ("src", "tb"):
        for path in sorted((project / folder).rglob("*")):
            if path.is_file():
                yield path.relative_to(project).as_posix()
                yield path.read_bytes()


def run_csim(
    executable: Path,
    graph: HwGraph,
    inputs: Mapping[str, NDArray[Any]],
    weights: bytes | None = None,
) -> dict[str, NDArray[Any]]:
    """The outputs for inputs with a leading sample axis, computed by the compiled project.

    `weights` is the content of data/weights.bin, for projects whose weights are reloadable.
    Errors: VerificationFailed where the design itself stops, HlsgenError where files cannot be.
    """
    count = max((len(inputs[name]) for name in graph.inputs), default=1)
    types = [graph.types[name] for name in graph.outputs]
    with tempfile.TemporaryDirectory(prefix="hlsgen-csim-") as folder:
        source, target = Path(folder) / "in.bin", Path(folder) / "out.bin"
        command = [str(executable), "--run", str(source), str(target), str(count)]
        if weights is not None:
            command.append(str(Path(folder) / "weights.bin"))
        try:
            Path(folder, "weights.bin").write_bytes(weights or b"")
            source.write_bytes(pack_named(graph, graph.inputs, inputs))
        except OSError as error:
            raise HlsgenError(
                f"cannot write vectors for C simulation: {reason_of(error)}"
            ) from error
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip() or f"exit status {done.returncode}"
            kind = VerificationFailed if done.returncode == 1 else HlsgenError
            raise kind(f"C simulation stopped: {said}")
        return dict(zip(graph.outputs, unpack(target.read_bytes(), types), strict=True))
