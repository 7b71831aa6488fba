"""Simulation of the emitted SystemVerilog through Yosys alone: it elaborates, numpy evaluates."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.build.yosys import ULTRASCALE, Yosys
from hlsgen.emit.rtl.emit import Rtl
from hlsgen.errors import HlsgenError, VerificationFailed
from hlsgen.ir.field import to_object
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.sim.netlist import Netlist

_GAP_SAMPLES = 64  # how many samples run again with empty clocks between them
_ELEMENTS = 1 << 24  # words times clocks that are held at a time, about
_READ = (
    "{before}read_verilog -sv {sources}; hierarchy -check -top {top}; proc_clean; proc_rmdead; "
    "proc_prune; proc_init; proc_mux; proc_dlatch; proc_dff; proc_clean; {after}write_json net.json"
)


def elaborate(rtl: Rtl, yosys: Yosys, *, primitives: bool = False) -> Netlist:
    """The design as Yosys understands its SystemVerilog: modules of word-level cells.

    With `primitives` three-input adders are LUT6_2 and CARRY8, as Yosys' library models them.
    """
    with tempfile.TemporaryDirectory(prefix="hlsgen-rtl-") as name:
        work = Path(name)
        for file, text in rtl.files.items():
            (work / file).write_text(text, encoding="utf-8")
        before = f"read_verilog +/xilinx/cells_sim.v; {ULTRASCALE}; " if primitives else ""
        after = "flatten; opt_expr; opt_clean; " if primitives else ""
        files = " ".join(rtl.files)
        yosys.run(_READ.format(before=before, after=after, sources=files, top=rtl.top), work)
        try:
            content = json.loads((work / "net.json").read_text(encoding="utf-8"))
            return Netlist(content, rtl.top)
        except (OSError, ValueError, KeyError) as error:
            raise HlsgenError(f"{yosys.version[:40]} wrote no netlist that can be read") from error


def run_netlist(
    rtl: Rtl, net: Netlist, graph: HwGraph, inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The outputs for inputs with a leading sample axis: a sample a clock, some again with gaps.

    Errors: VerificationFailed where out_valid is not in_valid `latency` clocks later, or where
    empty clocks change a result.
    """
    count = max((len(inputs[name]) for name in graph.inputs), default=1)
    step = max(_GAP_SAMPLES, _ELEMENTS // max(1, net.words))
    parts = [
        _run(rtl, net, graph, {n: x[k : k + step] for n, x in inputs.items()}, min(step, count - k))
        for k in range(0, count, step)
    ]
    return {name: np.concatenate([p[name] for p in parts]) for name in graph.outputs}


def _run(
    rtl: Rtl, net: Netlist, graph: HwGraph, inputs: Mapping[str, NDArray[Any]], count: int
) -> dict[str, NDArray[Any]]:
    again = min(count, _GAP_SAMPLES)
    order = np.concatenate((np.arange(count), np.repeat(np.arange(again), 3)))
    valid = np.concatenate((np.ones(count, bool), np.tile([False, True, False], again)))
    order[~valid] = order[::-1][~valid]  # something else stands at the inputs when nobody looks
    clocks = len(order) + rtl.latency
    valid = np.concatenate((valid, np.zeros(rtl.latency, bool)))
    order = np.concatenate((order, np.zeros(rtl.latency, np.int64)))
    ports = {
        "in_valid": (1, valid.astype(np.int64)[:, None]),
        "clk": (1, np.zeros((clocks, 1), int)),
    }
    for (port, of), name in zip(rtl.inputs, graph.inputs, strict=True):
        ports[port] = of.format.width, _patterns(inputs[name].reshape(count, -1)[order], of)
    widths = {port: of.format.width for port, of in rtl.outputs} | {"out_valid": 1}
    made = net.run(ports, widths, clocks)
    due = np.concatenate((np.zeros(rtl.latency, bool), valid))[:clocks]
    if not np.array_equal(made["out_valid"][:, 0] != 0, due):
        at = int(np.argmax((made["out_valid"][:, 0] != 0) != due))
        raise VerificationFailed(
            f"RTL simulation: out_valid is {int(~due[at])} at clock {at}, due {int(due[at])} "
            f"(latency {rtl.latency})"
        )
    results: dict[str, NDArray[Any]] = {}
    for (port, of), name in zip(rtl.outputs, graph.outputs, strict=True):
        y = _codes(made[port][due], of)
        if not np.array_equal(y[count:], y[:again]):
            raise VerificationFailed(f"RTL simulation: {name} changes when in_valid has gaps")
        results[name] = y[:count].reshape(count, *of.shape)
    return results


def _patterns(codes: NDArray[Any], of: IntType) -> NDArray[Any]:
    wide = of.format.width > 62
    return (to_object(codes) if wide else codes.astype(np.int64)) & ((1 << of.format.width) - 1)


def _codes(patterns: NDArray[Any], of: IntType) -> NDArray[Any]:
    if of.format.signed:
        width = of.format.width
        patterns = patterns - ((patterns >> (width - 1)) << width)
    return patterns.astype(of.dtype)
