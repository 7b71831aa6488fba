"""The rtl/ folder of a streaming project: the design, a self-checking test bench and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.rtl.stream.assemble import StreamPort
from hlsgen.emit.rtl.stream.emit import StreamRtl
from hlsgen.emit.rtl.stream.harness import chunks, packed_words
from hlsgen.ir.hw import HwGraph

Array = NDArray[Any]


def stream_folder(
    rtl: StreamRtl, graph: HwGraph, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> dict[str, str]:
    """Path to content of everything below rtl/; arrays have a leading sample axis."""
    count = max((len(x) for x in outputs.values()), default=0)
    plan = rtl.plan
    text = environment().get_template("rtl/stream/testbench.sv.j2").render(
        rtl=rtl, frames=count, inputs=plan.inputs, outputs=plan.outputs, patience=patience(rtl)
    )  # fmt: skip
    files = {f"rtl/{name}": content for name, content in rtl.files.items()}
    files["rtl/testbench.sv"] = tidy(text)
    for ports, names, arrays in (
        (plan.inputs, graph.inputs, inputs),
        (plan.outputs, graph.outputs, outputs),
    ):
        for port, name in zip(ports, names, strict=True):
            files[f"rtl/{port.value.name}.hex"] = _hex(port, arrays[name])
    return files


def patience(rtl: StreamRtl) -> int:
    """Clocks without any word at a port after which a design that nothing holds up is stuck."""
    return 2 * (rtl.plan.latency + rtl.plan.interval) + 1000


def _hex(port: StreamPort, codes: Array) -> str:
    """A line a word."""
    table = packed_words(port, np.asarray(codes)).reshape(-1, chunks(port))
    digits = -(-port.bits // 4)
    lines = ("".join(f"{int(c):08x}" for c in row[::-1])[-digits:] for row in table)
    return "\n".join(lines) + "\n"
