"""Means and second moments of what a layer's weights are multiplied with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.quantise.graph import Shape, Step

Array = NDArray[Any]

_COLUMNS = 1024  # gathered before they are multiplied
_POSITIONS = 4096  # of a sample that are looked at
_INPUTS = 8192  # of an output, beyond which a second moment does not fit a usual memory


@dataclass(frozen=True, eq=False)
class Moments:
    """E over samples and positions of the operands x of an output, and of x' with codes.

    `square` is E[x' x'], `cross` is E[x' x].
    Shapes: mean (groups, inputs), square (groups, inputs, inputs).
    """

    mean: Array
    mean_quantised: Array
    square: Array
    cross: Array

    def centred(self) -> Moments:
        """About the means: what a free bias leaves to the weights."""
        q, x = self.mean_quantised, self.mean
        square = self.square - q[:, :, None] * q[:, None, :]
        return Moments(0 * x, 0 * q, square, self.cross - q[:, :, None] * x[:, None, :])


def moments(step: Step, kernel: Shape, pairs: Iterable[tuple[Array, Array]]) -> Moments:
    """Moments from pairs of a layer's input without and with quantisation.

    Errors: OptionError where an output has more inputs than a second moment can be kept of.
    """
    sums: list[Array] = []
    held: list[tuple[Array, Array]] = []
    count = 0
    for x, xq in pairs:
        held.append((operands(step, kernel, x), operands(step, kernel, xq)))
        if held[0][0].shape[1] > _INPUTS:
            raise OptionError(
                f"{held[0][0].shape[1]} inputs an output: quantize keeps a second moment of up to "
                f"{_INPUTS} of them; pool or split in front of this layer",
                step.loc,
            )
        if sum(p.shape[2] for p, _ in held) >= _COLUMNS:
            count += _add(sums, held)
            held = []
    if held:
        count += _add(sums, held)
    return Moments(*(total / count for total in sums))


def _add(sums: list[Array], held: list[tuple[Array, Array]]) -> int:
    """Adds the sums of these operands; returns over how many columns they go."""
    x, q = (np.concatenate(part, axis=2).astype(np.float64) for part in zip(*held, strict=True))
    turned = q.swapaxes(1, 2)
    new = [x.sum(axis=2), q.sum(axis=2), q @ turned, (x @ turned).swapaxes(1, 2)]
    sums[:] = [a + b for a, b in zip(sums, new, strict=True)] if sums else new
    return x.shape[2]


def operands(step: Step, kernel: Shape, x: Array) -> Array:
    """What each output of a layer is a sum over.

    Shapes: (groups, inputs of an output, positions).
    """
    if step.op != "Conv":
        return x.reshape(-1, x.shape[-1]).T[None]
    windows = _windows(step, kernel[2:], x)
    groups = int(step.attribute("group", 1))
    channels, rank = x.shape[1], len(kernel) - 2
    turned = np.moveaxis(windows, 0, 1 + rank)  # channels, positions, batch, taps
    turned = np.moveaxis(turned, range(2 + rank, 2 + 2 * rank), range(1, 1 + rank))
    flat = turned.reshape(groups, channels // groups * int(np.prod(kernel[2:])), -1)
    return flat[:, :, :: -(-flat.shape[2] // _POSITIONS)]


def _windows(step: Step, kernel: Shape, x: Array) -> Array:
    """Shapes: (batch, channels, *positions, *kernel)."""
    rank = len(kernel)
    strides = step.attribute("strides", [1] * rank)
    dilations = step.attribute("dilations", [1] * rank)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    before, after = _pads(step, x.shape[2:], reach, strides)
    widths = ((0, 0), (0, 0), *zip(before, after, strict=True))
    view = sliding_window_view(np.pad(x, widths), reach, axis=tuple(range(2, 2 + rank)))
    steps = tuple(slice(None, None, s) for s in strides)
    taps = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None), *steps, *taps)]


def _pads(step: Step, sizes: Shape, reach: Shape, strides: Shape) -> tuple[Shape, Shape]:
    """Zeros before and after each axis."""
    rank = len(reach)
    auto = step.attribute("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        total = tuple(
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, r, s in zip(sizes, reach, strides, strict=True)
        )
        small, large = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        return (small, large) if auto == b"SAME_UPPER" else (large, small)
    pads = tuple(step.attribute("pads", [0] * 2 * rank))
    return pads[:rank], pads[rank:]
