"""The deploy folder: a driver for the kernel, and what it has to know of this network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import hlsgen
from hlsgen.boards import Board, Flow
from hlsgen.compiler import digest
from hlsgen.data import templates_dir
from hlsgen.emit.alveo import compute_units
from hlsgen.emit.cosim import emit_host
from hlsgen.emit.hls import HlsOptions
from hlsgen.emit.jinja import environment
from hlsgen.emit.kernel import MemoryKernel
from hlsgen.emit.zynq import zynq_files
from hlsgen.expr.network import Network

FORMAT = 1  # of interface.json and design.json; the driver refuses newer ones
INTERFACE = "deploy/interface.json"


def deploy_files(
    network: Network,
    kernel: MemoryKernel,
    board: Board,
    sources: Mapping[str, str | bytes],
    options: HlsOptions,
    slrs: Sequence[str] = ("",),
) -> dict[str, str | bytes]:
    """Driver, host part and interface, and what makes the bitstream; vectors come later.

    `slrs` is the die of each compute unit, "" where that is left to the tools.
    """
    templates = options.templates
    folder = (templates or templates_dir()) / "deploy"
    files: dict[str, str | bytes] = {
        f"deploy/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.py"))
    }
    files |= emit_host(network, templates)
    units = unit_facts(kernel, board, slrs)
    if board.flow is Flow.VIVADO:
        files |= zynq_files(kernel, board, options.clock_ns, templates)
    else:
        host = environment(templates).get_template("deploy/host.cpp.j2")
        files["deploy/host.cpp"] = host.render(kernel=kernel, units=units)
    interface = (
        _interface(network, kernel, board)
        | {"units": units}
        | {"build": _build(board, sources, files)}
    )
    files[INTERFACE] = json.dumps(interface, indent=2, ensure_ascii=False) + "\n"
    return files


def unit_facts(kernel: MemoryKernel, board: Board, slrs: Sequence[str]) -> list[dict[str, Any]]:
    """Names of the compute units, their dies, and the memory channel of each AXI master."""
    if board.flow is Flow.VIVADO:
        return [{"name": "kernel_0", "slr": "", "memories": {}}]
    units = compute_units([port.master for port in kernel.ports], board, slrs)
    return [{"name": u.name, "slr": u.slr, "memories": dict(u.banks)} for u in units]


def _build(
    board: Board, sources: Mapping[str, str | bytes], host: Mapping[str, str | bytes]
) -> str:
    """One name for the hardware and the host's part of it: equal where both are."""
    parts = {n: text for n, text in sources.items() if n.startswith("src/") or n == "kernel.cfg"}
    parts |= {n: host[n] for n in ("deploy/host.py", "deploy/host.npz")}
    return digest([board.name, *(p for name in sorted(parts) for p in (name, parts[name]))])


def _interface(network: Network, kernel: MemoryKernel, board: Board) -> dict[str, Any]:
    model = network.model
    return {
        "format": FORMAT,
        "hlsgen": hlsgen.__version__,
        "model": {"file": model.file, "sha256": model.sha256},
        "board": board.name,
        "flow": board.flow.value,
        "kernel": kernel.name,
        "frames": kernel.frames,
        "bitstream": bitstream_name(kernel, board),
        "inputs": [
            {
                "name": name,
                "shape": list(model.types[name].shape),
                "dtype": model.types[name].dtype,
                "codes": _codes(model.types[name].dtype),
            }
            for name in model.inputs
        ],
        "ports": {
            "in": [p.facts() for p in kernel.inputs],
            "out": [p.facts() for p in kernel.outputs],
        },
    }


def bitstream_name(kernel: MemoryKernel, board: Board) -> str:
    """The file that the board is loaded with."""
    return kernel.name + (".bit" if board.flow is Flow.VIVADO else ".xclbin")


def _codes(dtype: str) -> list[int]:
    """Least and greatest value of an integer type; nothing for a float type."""
    if dtype == "bool":
        return [0, 1]
    if not dtype.startswith(("int", "uint")):
        return []
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    return [0, (1 << bits) - 1] if dtype[0] == "u" else [-1 << (bits - 1), (1 << (bits - 1)) - 1]
