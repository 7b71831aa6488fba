"""Arg max, top-k and softmax with what floating point may have made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.ir.model import ModelOp
from hlsgen.ops.model.select import ArgMax, ArgMin, TopK
from hlsgen.ops.model.softmax import Softmax
from hlsgen.sim.precision import Precision
from hlsgen.sim.real import Real

Array = NDArray[Any]


def selected(op: ModelOp, args: list[Real], p: Precision) -> list[Real]:
    """Arg max, top-k and softmax of real numbers known to within an error."""
    x = args[0]
    match op:
        case ArgMax() | ArgMin():
            return [Real.exact(_arg(op, x.value))]
        case TopK(k=k, axis=axis, largest=largest):
            order = np.argsort(-x.value if largest else x.value, axis=axis + 1, kind="stable")
            order = order.take(range(k), axis=axis + 1)
            error = np.broadcast_to(x.error, x.value.shape)
            value, error = (np.take_along_axis(v, order, axis=axis + 1) for v in (x.value, error))
            return [Real(value, error), Real.exact(order)]
        case Softmax(axis=axis, log=log):
            return [_softmax(x, axis + 1, log, p)]
        case _:
            raise Unsupported(f"{type(op).__name__} is not verified yet")


def _arg(op: ArgMax | ArgMin, x: Array) -> Array:
    axis = op.axis + 1
    y = x if isinstance(op, ArgMax) else -x
    last = x.shape[axis] - 1
    best = last - np.flip(y, axis).argmax(axis) if op.last else y.argmax(axis)
    return np.expand_dims(best, axis) if op.keepdims else best


def _softmax(x: Real, axis: int, log: bool, p: Precision) -> Real:
    shifted = x.value - x.value.max(axis=axis, keepdims=True)
    total = np.exp(shifted).sum(axis=axis, keepdims=True)
    worst = np.broadcast_to(x.error, x.value.shape).max(axis=axis, keepdims=True)
    scale = 16.0 if p.bits >= 53 else 1.0
    # x - max is rounded, relative to its own size; then exp, the sum, and a quotient
    own = scale * p.unit * (x.value.shape[axis] + 12 + np.abs(shifted))
    relative = np.expm1(2 * worst + own)
    if log:
        value = shifted - np.log(total)
        return Real(value, 2 * worst + own + 4 * scale * p.unit * np.abs(value))
    value = np.exp(shifted) / total
    return Real(value, value * relative)
