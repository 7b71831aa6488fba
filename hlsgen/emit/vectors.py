"""Vector files: the integers that a test bench reads and writes.

Sample after sample; a sample is one tensor after another in row-major order; an element is one
little-endian 64-bit word, or as many as its format needs, the low word first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType

_MASK = (1 << 64) - 1


def words(of: IntType) -> int:
    """64-bit words an element takes."""
    return -(-of.format.width // 64)


def pack(arrays: Sequence[NDArray[Any]], types: Sequence[IntType]) -> bytes:
    """The file of some tensors, each with a leading sample axis of one length."""
    counts = {len(a) for a in arrays}
    if len(counts) > 1:
        raise OptionError(f"tensors hold different numbers of samples: {sorted(counts)}")
    columns = [_split(a, t) for a, t in zip(arrays, types, strict=True)]
    return np.concatenate(columns, axis=1).astype("<u8").tobytes() if columns else b""


def unpack(data: bytes, types: Sequence[IntType]) -> list[NDArray[Any]]:
    """The tensors of a file, int64 or (where 63 bits do not suffice) Python ints."""
    each = sum(t.size * words(t) for t in types)
    flat = np.frombuffer(data, dtype="<u8")
    if not each or flat.size % each:
        raise OptionError(f"vector file of {flat.size} words does not hold samples of {each}")
    table = flat.reshape(-1, each)
    found: list[NDArray[Any]] = []
    start = 0
    for t in types:
        stop = start + t.size * words(t)
        found.append(_join(table[:, start:stop], t))
        start = stop
    return found


def vector_files(
    graph: HwGraph, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]]
) -> dict[str, bytes]:
    """What the test bench replays: data/inputs.bin and data/expected.bin."""
    return {
        "data/inputs.bin": pack_named(graph, graph.inputs, inputs),
        "data/expected.bin": pack_named(graph, graph.outputs, outputs),
    }


def pack_named(graph: HwGraph, names: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The named tensors of a graph in this order."""
    return pack([arrays[n] for n in names], [graph.types[n] for n in names])


def _split(values: NDArray[Any], of: IntType) -> NDArray[np.uint64]:
    """(samples, words) of one tensor."""
    flat = values.reshape(len(values), -1)
    if words(of) == 1 and values.dtype != object:
        return flat.astype(np.int64).view(np.uint64)
    out = np.empty((*flat.shape, words(of)), dtype=np.uint64)
    for k in range(words(of)):
        out[..., k] = [[(int(v) >> (64 * k)) & _MASK for v in row] for row in flat]
    return out.reshape(len(flat), -1)


def _join(table: NDArray[np.uint64], of: IntType) -> NDArray[Any]:
    shape = (len(table), *of.shape)
    if words(of) == 1 and (of.format.signed or of.format.width < 64):
        return table.view(np.int64).astype(of.dtype).reshape(shape)
    limbs = table.reshape(len(table), -1, words(of)).astype(object)
    total = sum((limbs[..., k] << (64 * k) for k in range(1, words(of))), limbs[..., 0])
    if of.format.signed:
        top = 1 << (64 * words(of))
        total = np.where(total >= top // 2, total - top, total)
    return np.asarray(total, dtype=object).astype(of.dtype).reshape(shape)
