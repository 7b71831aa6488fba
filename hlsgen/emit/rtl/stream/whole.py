"""Operators that need a whole tensor at once: small ones, as one function of all elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.processes import each_step
from hlsgen.emit.rtl.stream.functions import Part, function, inputs_of
from hlsgen.emit.rtl.stream.unit import Unit
from hlsgen.emit.rtl.units import Element, Places, Read, units
from hlsgen.emit.rtl.units import Unit as Kernel
from hlsgen.emit.streaming import stream_order
from hlsgen.emit.views import Operator
from hlsgen.errors import Unsupported
from hlsgen.ir.hw import IntType

_MOST_BITS = 8192  # of all operands together: they stand side by side in one token


def whole_unit(
    operator: Operator, name: str, reads: Sequence[str], write: str, clock_ns: float
) -> Unit:
    """One step a frame: all elements of the operands in a token each, all of the result in one.

    Errors: Unsupported for large tensors, several results, and operators without a parallel form.
    """
    op, x, y = operator.node.op, operator.x, operator.y[0]
    bits = sum(v.size * v.type.format.width for v in x)
    if bits > _MOST_BITS or len(operator.y) > 1:
        what = f"{bits} bits of operands" if bits > _MOST_BITS else "several results"
        raise Unsupported(
            f"{type(op).__name__} with {what} has no streaming SystemVerilog form yet; "
            "HLS C++ has one",
            operator.node.loc,
        )
    operands = {f"x{k}": IntType.of((v.size,), v.type.min, v.type.max) for k, v in enumerate(x)}
    given = [_as_tensor(p, v.shape) for p, v in zip(inputs_of(operands), x, strict=True)]
    place = np.empty(y.size, np.int64)
    place[stream_order(y.shape)] = np.arange(y.size)
    parts = [
        _part(number, kernel, copy, list(operands), place)
        for number, kernel in enumerate(units(op, given, y.shape, Arithmetic.TOOL))
        for copy in range(kernel.count)
    ]
    result = IntType.of((y.size,), y.type.min, y.type.max)
    f = function(f"{name}_f", operator.title, operands, result, parts, clock_ns)
    numbers = {"operator": operator, "places": 1, "place_bits": 1, "f": f, "whole": True}
    return Unit(
        name, operator.title, name, each_step(1, reads=len(reads)), tuple(reads), (write,),
        1 + f.latency, frame="rtl/stream/map.sv.j2", numbers=numbers, functions=(f,),
    )  # fmt: skip


def _as_tensor(stream: Places, shape: tuple[int, ...]) -> Places:
    """The elements of a token at their places in the tensor."""
    found = np.empty(stream.size, dtype=object)
    found[stream_order(shape)] = stream
    return found.reshape(shape)


def _part(number: int, kernel: Kernel, copy: int, operands: Sequence[str], place: Places) -> Part:
    """A copy of a kernel; its vector ports are read in the order of the function's operands."""
    listed: dict[str, list[int]] = {name: [] for name in operands}
    order: list[tuple[str, int]] = []
    for read in kernel.reads:
        for e in _elements(read, copy):
            order.append((e.bus, len(listed[e.bus])))
            listed[e.bus].append(e.index)
    starts = np.cumsum([0, *(len(listed[name]) for name in operands)])
    first = {name: int(start) for name, start in zip(operands, starts, strict=False)}
    at = [first[bus] + k for bus, k in order]
    return Part(
        (number, tuple(at)),
        tuple(listed[name] for name in operands),
        tuple(int(k) for k in place[kernel.writes[0].table[copy]]),
        lambda b, ports: kernel.weave(b, [ports[k] for k in at]),
    )


def _elements(read: Read, copy: int) -> list[Element]:
    found = read.source.reshape(-1)[read.table[copy]]
    return [e for e in found if isinstance(e, Element)]
