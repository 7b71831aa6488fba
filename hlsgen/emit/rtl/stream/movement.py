"""Where the elements of a moved tensor come from, in the order of the streams."""

from __future__ import annotations

import math

import numpy as np

from hlsgen.emit.rtl.netlist import wiring
from hlsgen.emit.rtl.stream.gather import CONSTANT, constant_of
from hlsgen.emit.rtl.units import Element, Places
from hlsgen.emit.streaming import stream_order
from hlsgen.emit.views import Operator
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.schedule.process import Steps


def gathers(operator: Operator) -> bool:
    """Whether a matrix product's vectors do not stand side by side in the stream."""
    return isinstance(operator.node.op, MatMul) and len(operator.x[0].shape) >= 3


def row_major(shape: tuple[int, ...]) -> Steps:
    """Offsets in their own order: vectors along the last axis side by side."""
    return np.arange(math.prod(shape))


def moved_places(operator: Operator) -> tuple[Steps, int] | None:
    """Which element of the operands, one streamed after the other, each of the result's is.

    The second number is the constant that stands where CONSTANT does; None for an operator that
    computes. Errors: Unsupported for several constants.
    """
    first = 0
    tensors: list[Places] = []
    for x in operator.x:
        places = np.empty(x.size, dtype=object)
        numbers = np.empty(x.size, np.int64)
        numbers[stream_order(x.shape)] = first + np.arange(x.size)
        places[:] = [Element("x", k) for k in numbers.tolist()]
        tensors.append(places.reshape(x.shape))
        first += x.size
    moved = wiring(operator.node, tensors) if tensors else None
    if moved is None:
        return None
    flat = moved.reshape(-1)[stream_order(operator.y[0].shape)].tolist()
    values = {int(e) for e in flat if not isinstance(e, Element)}
    pad = constant_of(values, operator.title)
    return np.array([e.index if isinstance(e, Element) else CONSTANT for e in flat]), pad
