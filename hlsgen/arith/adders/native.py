"""The search core: C++ that is compiled at first use and called in this process."""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.compiler import cache_dir, compiler, compiler_version, kept, processor, run_compiler
from hlsgen.compiler import digest as file_digest
from hlsgen.errors import HlsgenError

Array = NDArray[Any]

_SOURCES = Path(__file__).parent / "core"
# No fused product and sum, and sums that wrap: graphs must not depend on the processor that
# searched for them.
_FLAGS = (
    "-std=c++17", "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic",
    "-march=native", "-ffp-contract=off", "-fwrapv", "-shared", "-fPIC", "-w",
)  # fmt: skip
_INT64 = ctypes.POINTER(ctypes.c_int64)


KIND = "adders"  # of the cache: the compiled core and finished graphs
WHAT = "the search for adder graphs"


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
    program = compiler(WHAT)
    define = f"-DCOEFFICIENT=int{64 if wide else 32}_t"
    key = file_digest([digest(), define, compiler_version(program), processor()])

    def make(target: Path) -> None:
        run_compiler([program, *_FLAGS, define, _SOURCES / "core.cpp", "-o", target], WHAT)

    return kept(cache_dir(KIND) / f"{key}.so", WHAT, make)
