"""What a simulator of a streaming design is driven with, and the files that the driver reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.rtl.harness import mangled
from hlsgen.emit.rtl.stream.assemble import StreamPort
from hlsgen.emit.rtl.stream.emit import StreamRtl
from hlsgen.emit.streaming import stream_order
from hlsgen.ir.field import to_object
from hlsgen.ir.hw import HwGraph
from hlsgen.schedule.selftimed import OPEN, Gate

Array = NDArray[Any]
Words = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Job:
    """Frames to run from reset on; `gates` by port name, a port without one is never held up.

    After `patience` clocks in which no port moves, the design is taken for stuck.
    """

    inputs: Mapping[str, Array]
    frames: int
    patience: int
    gates: Mapping[str, Gate] = field(default_factory=dict[str, "Gate"])


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a job did: clocks by port name, peaks of channels, outputs unless it is stuck."""

    stuck: bool
    clocks: Mapping[str, NDArray[np.int64]]
    peaks: Mapping[str, int]
    outputs: Mapping[str, Array]


def emit_stream_harness(rtl: StreamRtl, kind: str) -> dict[str, str]:
    """harness.cpp and its model.h; `kind` is verilator or cxxrtl."""
    env = environment().overlay()
    env.filters["mangled"] = mangled
    plan = rtl.plan
    context = {
        "top": rtl.top,
        "inputs": [p.value.name for p in plan.inputs],
        "outputs": [p.value.name for p in plan.outputs],
        "ports": [(p.value.beats, chunks(p)) for p in plan.ports],
        "channels": len(plan.channels),
    }
    return {
        "harness.cpp": tidy(env.get_template("rtl/stream/harness.cpp.j2").render(context)),
        "model.h": tidy(env.get_template(f"rtl/stream/model_{kind}.h.j2").render(context)),
    }


def chunks(port: StreamPort) -> int:
    """32-bit pieces of a word."""
    return -(-port.bits // 32)


def packed_job(rtl: StreamRtl, graph: HwGraph, job: Job) -> bytes:
    """A job as the harness reads it."""
    plan = rtl.plan
    parts: list[Words] = [np.array([job.frames, job.patience], np.uint32)]
    for port in plan.ports:
        gate = job.gates.get(port.value.name, OPEN)
        parts += [np.array([len(gate)], np.uint32), gate.astype(np.uint32)]
    for port, name in zip(plan.inputs, graph.inputs, strict=True):
        parts.append(packed_words(port, job.inputs[name][: job.frames]))
    return b"".join(part.tobytes() for part in parts)


def packed_words(port: StreamPort, codes: Array) -> Words:
    """The words of a port: elements in the order of the stream, side by side."""
    v = port.value
    width = v.type.format.width
    flat = codes.reshape(len(codes), -1)[:, stream_order(v.shape)].reshape(-1, v.lanes)
    wide = width > 62 or flat.dtype == object
    shifts = np.arange(width)
    flat = to_object(flat) if wide else flat.astype(np.int64)
    bits = (flat[..., None] >> (shifts.astype(object) if wide else shifts)) & 1
    table = np.zeros((len(flat), 32 * chunks(port)), np.uint8)
    table[:, : v.lanes * width] = bits.astype(np.uint8).reshape(len(flat), -1)
    return np.packbits(table, axis=1, bitorder="little").view("<u4").reshape(-1)


def _unpacked(port: StreamPort, words: Words, frames: int) -> Array:
    v = port.value
    of, width = v.type.format, v.type.format.width
    raw = np.ascontiguousarray(words.reshape(-1, chunks(port))).view(np.uint8)
    bits = np.unpackbits(raw, axis=1, bitorder="little")[:, : v.lanes * width]
    bits = bits.reshape(-1, width)
    if width > 62:
        weights = np.array([1 << k for k in range(width)], dtype=object)
        codes = (bits.astype(object) * weights).sum(axis=1)
    else:
        codes = bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64))
    if of.signed:
        codes = codes - ((codes >> (width - 1)) << width)
    result = np.empty((frames, v.size), dtype=codes.dtype)
    result[:, stream_order(v.shape)] = codes.reshape(frames, -1)
    return result.reshape(frames, *v.shape).astype(v.type.dtype)


def read_outcomes(
    rtl: StreamRtl, graph: HwGraph, data: bytes, jobs: Sequence[Job]
) -> Iterator[Outcome]:
    """The results of jobs, in their order."""
    flat = np.frombuffer(data, dtype="<u4")
    plan, at = rtl.plan, 0

    def take(count: int) -> Words:
        nonlocal at
        at += count
        return flat[at - count : at]

    for job in jobs:
        stuck = bool(take(1)[0])
        clocks = {p.value.name: take(int(take(1)[0])).astype(np.int64) for p in plan.ports}
        words = [take(len(clocks[p.value.name]) * chunks(p)) for p in plan.outputs]
        peaks = dict(
            zip((c.name for c in plan.channels), map(int, take(len(plan.channels))), strict=True)
        )
        outputs = {} if stuck else {
            name: _unpacked(p, w, job.frames)
            for name, p, w in zip(graph.outputs, plan.outputs, words, strict=True)
        }  # fmt: skip
        yield Outcome(stuck, clocks, peaks, outputs)
