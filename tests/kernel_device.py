"""The emitted kernel as a device: compiled by g++, called on plain memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hlsgen.build.gpp import FLAGS
from hlsgen.build.headers import ap_include
from hlsgen.compiler import compiler, run_compiler

Kernel = Callable[..., None]  # bytes of the ports in the order of the arguments, then the frames


def load_kernel(project: Path, top: str, ports: int) -> Kernel:
    """The kernel of an emitted project: addresses of its memories and a count of frames."""
    library = project / "kernel.so"
    if not library.exists():
        _compile(project, top, library)
    function: Any = getattr(ctypes.CDLL(str(library)), f"{top}_kernel")
    function.argtypes = [ctypes.c_void_p] * ports + [ctypes.c_int]
    function.restype = None
    return function


def _compile(project: Path, top: str, library: Path) -> None:
    sources = [project / "src" / f"{top}{end}.cpp" for end in ("", "_kernel")]
    units = [part for path in sources for part in ("-include", path)]
    run_compiler(
        [compiler("the kernel"), *FLAGS, "-DHLSGEN_KERNEL", "-shared", "-fPIC", f"-I{ap_include()}",
         *units, "-x", "c++", "/dev/null", "-o", library],
        "the kernel",
    )  # fmt: skip


def call(kernel: Kernel, memories: Sequence[np.ndarray], frames: int) -> None:
    """Run it on arrays of bytes, which it must not leave: guards behind them are checked."""
    guard = 64
    padded = [np.concatenate([m.view(np.uint8), np.full(guard, 0xA5, np.uint8)]) for m in memories]
    kernel(*(m.ctypes.data for m in padded), frames)
    for m, p in zip(memories, padded, strict=True):
        assert (p[m.nbytes :] == 0xA5).all(), "the kernel wrote behind a memory"
        m.view(np.uint8)[:] = p[: m.nbytes]
