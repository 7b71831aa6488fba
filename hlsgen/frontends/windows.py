"""Convolutions and pools: the attributes of a sliding window, resolved to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.ir.model import Shape
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.linear import Conv, ConvTranspose
from hlsgen.ops.model.pool import MaxPool, SumPool
from hlsgen.ops.model.reduce import ReduceMax, ReduceSum


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, strides, dilations, pads of a window over the axes behind batch and channel."""

    kernel: Shape
    strides: Shape
    dilations: Shape
    begin: Shape
    end: Shape

    @property
    def span(self) -> Shape:
        """Elements from the first to the last tap."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def window(call: Call, size: Shape, kernel: Shape) -> Window:
    """The node's window over spatial sizes `size`, auto_pad resolved."""
    rank = len(size)
    strides = _per_axis(call, "strides", (1,) * rank, rank)
    dilations = _per_axis(call, "dilations", (1,) * rank, rank)
    if len(kernel) != rank or min((*kernel, *strides, *dilations), default=1) < 1:
        raise ModelError(
            f"a window over {rank} axes with kernel {list(kernel)}, strides {list(strides)}, "
            f"dilations {list(dilations)}"
        )
    found = Window(kernel, strides, dilations, (0,) * rank, (0,) * rank)
    mode = call.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = _per_axis(call, "pads", (0,) * (2 * rank), 2 * rank)
        return Window(kernel, strides, dilations, pads[:rank], pads[rank:])
    if mode == "VALID":
        return found
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"auto_pad '{mode}' is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    total = tuple(
        max((-(-n // s) - 1) * s + k - n, 0)
        for n, s, k in zip(size, strides, found.span, strict=True)
    )
    less = tuple(item // 2 for item in total)
    more = tuple(item - half for item, half in zip(total, less, strict=True))
    pads = (less, more) if mode == "SAME_UPPER" else (more, less)
    return Window(kernel, strides, dilations, *pads)


def _per_axis(call: Call, name: str, default: Shape, length: int) -> Shape:
    found = call.integers(name, default)
    if not found:
        return default
    if len(found) != length:
        raise ModelError(f"attribute '{name}' needs {length} numbers, got {list(found)}")
    if name == "pads" and min(found, default=0) < 0:
        raise Unsupported(f"negative pads {list(found)}")
    return found


def conv(call: Call, x: str, w: str, bias: str | None) -> str:
    """Tensor x convolved with w as the node's attributes say, plus a vector of biases."""
    shape, kernel = call.type(x).shape, call.type(w).shape[2:]
    if len(shape) != len(call.type(w).shape) or len(shape) < 3:
        raise ModelError(
            f"a convolution needs input and weights of one rank, at least 3; "
            f"got {list(shape)} and {list(call.type(w).shape)}"
        )
    if call.integers("kernel_shape", kernel) not in (kernel, ()):
        raise ModelError(
            f"kernel_shape {list(call.integers('kernel_shape'))} differs from the weights' "
            f"{list(kernel)}"
        )
    found = window(call, shape[2:], kernel)
    group = call.integer("group", 1)
    op = Conv(found.strides, found.dilations, found.begin, found.end, group)
    y = call.add(op, x, w)
    return add_bias(call, y, bias)


def add_bias(call: Call, y: str, bias: str | None) -> str:
    """Tensor y plus one number a channel (axis 1)."""
    if bias is None:
        return y
    shape = call.type(y).shape
    size = call.type(bias).shape
    if size != (shape[1],):
        raise ModelError(f"a bias of shape {list(size)} for {shape[1]} output channels")
    return call.apply(Fn.ADD, y, call.along(bias, 1, len(shape)))


def read_conv(call: Call) -> None:
    """Conv."""
    call.give(conv(call, call.input(0), call.input(1), call.input(2) if call.has(2) else None))


def read_conv_transpose(call: Call) -> None:
    """Pads come from the attribute, from auto_pad, or from the wanted output_shape."""
    x, w = call.input(0), call.input(1)
    size, kernel = call.shape(0)[2:], call.shape(1)[2:]
    rank = len(size)
    strides = _per_axis(call, "strides", (1,) * rank, rank)
    dilations = _per_axis(call, "dilations", (1,) * rank, rank)
    extra = _per_axis(call, "output_padding", (0,) * rank, rank)
    pads = _per_axis(call, "pads", (0,) * (2 * rank), 2 * rank)
    begin, end = pads[:rank], pads[rank:]
    mode = call.text("auto_pad", "NOTSET")
    wanted = call.integers("output_shape", ())[-rank:]
    if not wanted and mode.startswith("SAME"):
        wanted = tuple(n * s for n, s in zip(size, strides, strict=True))
    if wanted:
        total = tuple(
            s * (n - 1) + e + d * (k - 1) + 1 - o
            for s, n, e, d, k, o in zip(
                strides, size, extra, dilations, kernel, wanted, strict=True
            )
        )
        if min(total) < 0:
            raise Unsupported(f"output_shape {list(wanted)} is larger than the windows reach")
        half = tuple(item // 2 for item in total)
        rest = tuple(item - part for item, part in zip(total, half, strict=True))
        begin, end = (half, rest) if mode == "SAME_UPPER" else (rest, half)
    op = ConvTranspose(strides, dilations, begin, end, extra, call.integer("group", 1))
    call.give(add_bias(call, call.add(op, x, w), call.input(2) if call.has(2) else None))


def _pool_window(call: Call, x: str) -> tuple[Window, Shape]:
    """The window with ceil_mode resolved into `end`, and the padding the file asked for."""
    size = call.type(x).shape[2:]
    found = window(call, size, call.integers("kernel_shape"))
    if not call.integer("ceil_mode", 0):
        return found, found.end
    more: list[int] = []
    for n, s, k, b, e in zip(size, found.strides, found.span, found.begin, found.end, strict=True):
        count = -(-(n + b + e - k) // s) + 1
        if (count - 1) * s >= n + b:  # a window that starts in the end padding is not taken
            count -= 1
        more.append(max(e, (count - 1) * s + k - n - b))
    ceiled = Window(found.kernel, found.strides, found.dilations, found.begin, tuple(more))
    return ceiled, found.end


def max_pool(call: Call, x: str) -> str:
    """The largest element of each window."""
    found, _ = _pool_window(call, x)
    return call.add(
        MaxPool(found.kernel, found.strides, found.dilations, found.begin, found.end), x
    )


def average_pool(call: Call, x: str) -> str:
    """The sum of each window over the number of elements that count."""
    found, end = _pool_window(call, x)
    size = call.type(x).shape[2:]
    op = SumPool(found.kernel, found.strides, found.dilations, found.begin, found.end)
    total = call.add(op, x)
    counts = _counts(size, found, end, bool(call.integer("count_include_pad", 0)))
    return call.apply(Fn.DIV, total, call.const(counts, "count"))


def _counts(size: Shape, found: Window, end: Shape, include: bool) -> NDArray[np.generic]:
    """How many elements each window averages over: a scalar if always the same."""
    result = np.ones((1, 1), np.int64)
    for axis, n in enumerate(size):
        low = 0 if include else found.begin[axis]
        high = n + found.begin[axis] + (end[axis] if include else 0)
        room = n + found.begin[axis] + found.end[axis] - found.span[axis]
        starts = np.arange(room // found.strides[axis] + 1) * found.strides[axis]
        taps = starts[:, None] + np.arange(found.kernel[axis]) * found.dilations[axis]
        inside = ((taps >= low) & (taps < high)).sum(axis=1)
        result = result[..., None] * inside
    counts = result.astype(np.float32)
    if counts.min() == 0:
        raise ModelError("a window that holds no element has no average")
    same = counts.size and (counts == counts.flat[0]).all()
    return counts.reshape(-1)[0].reshape(()) if same else counts


def global_average(call: Call, x: str) -> str:
    """The mean over all axes behind the channel."""
    shape = call.type(x).shape
    axes = tuple(range(2, len(shape)))
    return call.apply(Fn.DIV, call.add(ReduceSum(axes, True), x), float(prod(shape[2:])))


def read_max_pool(call: Call) -> None:
    """MaxPool."""
    if len(call.outputs) > 1 and call.outputs[1]:
        raise Unsupported("the positions of the largest elements (MaxPool's second output)")
    call.give(max_pool(call, call.input()))


def read_average_pool(call: Call) -> None:
    """AveragePool."""
    call.give(average_pool(call, call.input()))


def read_global_average_pool(call: Call) -> None:
    """GlobalAveragePool."""
    call.give(global_average(call, call.input()))


def read_global_max_pool(call: Call) -> None:
    """GlobalMaxPool."""
    axes = tuple(range(2, len(call.shape())))
    call.give(call.add(ReduceMax(axes, True), call.input()))


READERS: dict[str, Reader] = {
    "Conv": read_conv,
    "ConvTranspose": read_conv_transpose,
    "MaxPool": read_max_pool,
    "AveragePool": read_average_pool,
    "GlobalAveragePool": read_global_average_pool,
    "GlobalMaxPool": read_global_max_pool,
}
