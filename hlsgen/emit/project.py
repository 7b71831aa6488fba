"""Every file of a project but the test vectors: path to content, nothing written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hlsgen.boards import Board
from hlsgen.emit.arithmetic import Arithmetic, arithmetic_of
from hlsgen.emit.cosim import emit_cosim
from hlsgen.emit.deploy import deploy_files, unit_facts
from hlsgen.emit.hls import Design, HlsOptions, Io, design_files, design_of
from hlsgen.emit.manifest import manifest, proof
from hlsgen.expr.network import Network
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.truth_table import TruthTable


def emit(
    network: Network,
    options: HlsOptions | None = None,
    board: Board | None = None,
    design: Design | None = None,
    slrs: Sequence[str] = ("",),
) -> dict[str, str | bytes]:
    """The HLS sources and scripts, the stand-alone co-simulation model, manifest and proof.

    With a kernel and a board also what `hlsgen bitstream` runs, and the driver, for a compute unit
    on each of `slrs`. `design` is that of the options, where it is at hand.
    """
    options = options or HlsOptions()
    design = design or design_of(network.graph, options)
    built = replace(network, graph=design.graph)
    files = design_files(design, options)
    if design.kernel is not None and board is not None:
        files |= deploy_files(network, design.kernel, board, files, options, slrs)
    files |= emit_cosim(built, options.templates)
    content = manifest(network, options, None if board is None else board.name)
    content["arithmetic"] = _arithmetic(design)
    if design.io is Io.STREAM:
        content["schedule"] = _schedule(design, options)
    if design.kernel is not None and board is not None:
        content["compute_units"] = unit_facts(design.kernel, board, slrs)
    if design.ports:
        content["reloadable"] = [port.facts() for port in design.ports.values()]
    files["project.json"] = as_json(content)
    files["proof.json"] = as_json(proof(network, design))
    return files


def _arithmetic(design: Design) -> dict[str, str]:
    """How each layer with weights multiplies, `auto` decided."""
    found: dict[str, str] = {}
    for node in design.graph.nodes:
        if isinstance(node.op, MatMul | Conv):
            found[node.output] = arithmetic_of(design.arithmetic, node).value
        elif isinstance(node.op, TruthTable):
            found[node.output] = Arithmetic.TRUTH_TABLE.value
    return found


def _schedule(design: Design, options: HlsOptions) -> dict[str, Any]:
    """What the schedule that gave the FIFO depths says of speed: estimates for the HLS tool.

    Frames a second are those of one compute unit.
    """
    cycles = design.plan.interval
    return {
        "interval_cycles": cycles,
        "latency_cycles": design.plan.latency,
        "certified": design.plan.certified,
        "frames_per_second": 1e9 / (cycles * options.clock_ns),
    }


def as_json(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
