"""The search core: C++ that is compiled at first use and called in this process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError, ToolMissing

Array = NDArray[Any]

_SOURCES = Path(__file__).parent / "core"
# No fused product and sum: graphs must not depend on the processor that searched for them.
_FLAGS = (
    "-std=c++17", "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic",
    "-march=native", "-ffp-contract=off", "-shared", "-fPIC", "-w",
)  # fmt: skip
_INT64 = ctypes.POINTER(ctypes.c_int64)


def cache_dir() -> Path:
    """Where the compiled core and finished graphs are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hlsgen" / "adders"


@cache
def digest() -> str:
    """What the core's answers depend on: its source."""
    made = hashlib.sha256("\0".join(_FLAGS).encode())
    for path in sorted(_SOURCES.iterdir()):
        if path.suffix in (".cpp", ".hpp"):
            made.update(f"\0{path.name}\0".encode())
            made.update(path.read_bytes())
    return made.hexdigest()


def search(options: Array, matrix: Array, lo: Array, hi: Array, *, wide: bool) -> Array:
    """The core's answer, as core.cpp describes it.

    `wide` searches with coefficients of 64 bits, otherwise of 32. Formats: int64.
    Errors: ToolMissing without a compiler; HlsgenError where compiling fails or memory runs out.
    """
    core = _loaded(wide)
    arrays = [np.ascontiguousarray(a, dtype=np.int64) for a in (options, matrix, lo, hi)]
    found = core.hlsgen_adders_solve(*(a.ctypes.data_as(_INT64) for a in arrays))
    if not found:
        raise HlsgenError("adder graphs: the search ran out of memory; lower the effort")
    try:
        return np.ctypeslib.as_array(found, (found[0],)).copy()
    finally:
        core.hlsgen_adders_free(found)


@cache
def _loaded(wide: bool) -> ctypes.CDLL:
    try:
        core = ctypes.CDLL(str(_compiled(wide)))
    except OSError as error:
        raise HlsgenError(f"cannot load the adder-graph search: {error}") from error
    core.hlsgen_adders_solve.restype = _INT64
    core.hlsgen_adders_solve.argtypes = [_INT64] * 4
    core.hlsgen_adders_free.restype = None
    core.hlsgen_adders_free.argtypes = [_INT64]
    return core


def _compiled(wide: bool) -> Path:
    """The shared object: compiled once for each source, compiler and kind of processor."""
    name = os.environ.get("CXX") or "g++"
    compiler = shutil.which(name)
    if compiler is None:
        raise ToolMissing(f"adder graphs need a C++ compiler: install g++ or set CXX ({name})")
    # The predefined macros name the compiler's version and what -march=native found.
    macros = _run([compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull])
    define = f"-DCOEFFICIENT=int{64 if wide else 32}_t"
    key = hashlib.sha256(f"{digest()}\0{define}\0{macros}".encode()).hexdigest()[:32]
    target = cache_dir() / f"{key}.so"
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=target.parent, prefix="new-", suffix=".so")
    except OSError as error:
        reason = f"{target.parent}: {error.strerror}"
        raise HlsgenError(f"cannot keep the adder-graph search in {reason}") from error
    os.close(handle)
    fresh = Path(path)
    try:
        _run([compiler, *_FLAGS, define, str(_SOURCES / "core.cpp"), "-o", path])
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [s for s in done.stderr.splitlines() if "error" in s] or ["no message"]
        raise HlsgenError(f"{command[0]} could not compile the adder-graph search: {lines[0]}")
    return done.stdout
