"""FakeQuantize as OpenVINO's tools (NNCF, POT) export it to ONNX."""

from __future__ import annotations

import numpy as np

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import ModelError
from hlsgen.frontends.call import Array, Call, Reader
from hlsgen.ops.model.quantize import Dequantize, Quantize
from hlsgen.ops.model.shapes import broadcast

_NEAR = 2.0**-12  # a zero point that float32 bounds miss by less is meant to be whole


def _grid(low: Array, high: Array, steps: int) -> tuple[Array, Array]:
    """The scale and the code of 0 of `steps` equal steps from low to high."""
    low, high = low.astype(np.float64), high.astype(np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ModelError("FakeQuantize needs a lower bound that lies below the upper one")
    scale = (high - low) / steps
    zero = -low / scale
    whole = np.round(zero)
    return scale, np.where(np.abs(zero - whole) < _NEAR, whole, zero)


def read_fake_quantize(call: Call) -> None:
    """x, the range taken, the range given: `levels` codes, half to even.

    Shapes: the four bounds broadcast to x. Errors: bounds in the wrong order.
    Source: openvino docs, FakeQuantize-1.
    """
    levels = call.integer("levels")
    if levels < 2:
        raise ModelError(f"{levels} levels")
    bounds = [call.constant(index, "bound") for index in range(1, 5)]
    shape = call.shape()
    if any(broadcast(shape, item.shape) != shape for item in bounds):
        raise ModelError(f"the bounds do not fit an input {list(shape)}")
    scale, zero = _grid(bounds[0], bounds[1], levels - 1)
    op = Quantize(0, levels - 1, Rounding.HALF_EVEN, True)
    codes = call.add(op, call.input(), _number(scale), _number(zero), what="codes")
    scale, zero = _grid(bounds[2], bounds[3], levels - 1)
    call.give(call.add(Dequantize(), codes, _number(scale), _number(zero), what="value"))


def _number(values: Array) -> Array:
    return values.reshape(()) if values.size == 1 else values


READERS: dict[str, Reader] = {"FakeQuantize": read_fake_quantize}
