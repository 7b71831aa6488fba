"""Device memory and the emitted kernel behind it, for the stand-ins of pynq and pyxrt.

A stand-in bitstream is JSON: `project` (a folder), `top`, `ports` and `frames` (argument names),
`units` (names) and `behaviour` ("", "hang", "error", "chain"; for Alveo also of one unit: "error
cu_1", "hang cu_1", "wrong cu_1").
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from kernel_device import Kernel, call, load_kernel

PAGE = 4096
memory: dict[int, np.ndarray] = {}
_next = [0x7_FFFF_F000]  # beyond 32 bits from the second page on


def allocate(size: int) -> int:
    """Address of new device memory, full of rubbish."""
    address = _next[0]
    _next[0] += -(-size // PAGE) * PAGE
    memory[address] = np.full(size, 0xC3, np.uint8)
    return address


def bitstream(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


@cache
def _kernel(project: str, top: str, ports: int) -> Kernel:
    return load_kernel(Path(project), top, ports)


def run(bit: dict[str, Any], addresses: list[int], frames: int) -> None:
    """The kernel on device memory; every address must be that of an allocation."""
    kernel = _kernel(bit["project"], bit["top"], len(bit["ports"]))
    call(kernel, [memory[a] for a in addresses], frames)
