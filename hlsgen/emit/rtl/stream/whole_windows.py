"""Windows of an image as a unit that has all their taps at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hlsgen.emit.folded import two_dimensional, window_facts
from hlsgen.emit.processes import Pattern
from hlsgen.emit.rtl.stream.unit import Channel, Unit
from hlsgen.emit.views import Operator
from hlsgen.errors import Unsupported
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.schedule.process import Moves


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows and columns that templates/rtl/stream/stream_windows.sv goes over, step by step."""

    window: Window
    size: tuple[int, int]
    places: tuple[int, int]

    @property
    def first(self) -> int:
        """The row of the image with which the first window is whole; negative in a wide border."""
        w = self.window
        return (w.kernel[0] - 1) * w.dilations[0] - w.pads_begin[0]

    @property
    def above(self) -> int:
        """Rows before the image."""
        return max(0, -self.first)

    @property
    def last(self) -> tuple[int, int]:
        """Row and column, of those gone over, with which the last window is whole."""
        w = self.window
        row = self.above + self.first + (self.places[0] - 1) * w.strides[0]
        return row, w.kernel[1] - 1 + (self.places[1] - 1) * w.strides[1]

    @property
    def rows(self) -> int:
        return max(self.above + self.size[0], self.last[0] + 1)

    @property
    def columns(self) -> int:
        return max(self.window.pads_begin[1] + self.size[1], self.last[1] + 1)

    def pattern(self, images: int, pace: int = 0) -> Pattern:
        """A step for each place that is gone over, spread over `pace` clocks of an image."""
        work = max(pace, self.rows * self.columns)

        def moves() -> Moves:
            turns = np.arange(images)[:, None] * work
            steps = np.arange(self.rows * self.columns) * work // (self.rows * self.columns)
            steps = steps.reshape(self.rows, self.columns)
            left, w = self.window.pads_begin[1], self.window
            read = steps[self.above : self.above + self.size[0], left : left + self.size[1]]
            rows = np.arange(self.places[0]) * w.strides[0] + self.above + self.first
            columns = np.arange(self.places[1]) * w.strides[1] + w.kernel[1] - 1
            made = steps[rows][:, columns]
            return Moves(
                ((turns + read.reshape(-1)).reshape(-1),),
                ((turns + made.reshape(-1)).reshape(-1),),
            )

        return Pattern(images * work, moves)


def scan_of(operator: Operator) -> Scan:
    """How the unit goes over the image of a convolution."""
    op, x, y = operator.node.op, operator.x[0], operator.y[0]
    assert isinstance(op, Conv)
    height, width = (*x.shape[2:], 1)[:2]
    out_height, out_width = (*y.shape[2:], 1)[:2]
    return Scan(two_dimensional(op.window), (height, width), (out_height, out_width))


def whole_window_unit(operator: Operator, name: str, read: str, write: str) -> Unit:
    """Whole windows of a convolution. Errors: Unsupported for columns of taps."""
    op, x = operator.node.op, operator.x[0]
    assert isinstance(op, Conv)
    if x.lanes != op.weights[0].size:
        raise Unsupported(
            f"{x.lanes} inputs are a column of taps: HLS C++ takes them at once, streaming "
            f"SystemVerilog does not; take SIMD up to {x.channels}, or {op.weights[0].size}",
            operator.node.loc,
        )
    facts, s = window_facts(operator), scan_of(operator)
    w, of, result = s.window, x.type.format, facts.operand
    bits = x.channels * of.width * (w.kernel[0] - 1) * w.dilations[0]
    parameters: dict[str, int | str] = {
        "LANES": x.channels, "BITS": of.width, "SIGNED": int(of.signed), "RESULT": result.width,
        "PAD": f"{result.width}'d{facts.border & ((1 << result.width) - 1)}",
        "STYLE": f'"{Channel("lines", bits, depth=s.size[1]).style}"',
        "HEIGHT": s.size[0], "WIDTH": s.size[1], "ABOVE": s.above, "LEFT": w.pads_begin[1],
        "ROWS": s.rows, "COLUMNS": s.columns, "KERNEL_Y": w.kernel[0], "KERNEL_X": w.kernel[1],
        "DILATION_Y": w.dilations[0], "FIRST_Y": s.above + s.first, "LAST_Y": s.last[0],
        "LAST_X": s.last[1], "STRIDE_Y": w.strides[0], "STRIDE_X": w.strides[1],
    }  # fmt: skip
    pace = operator.digits * math.prod(s.places)
    return Unit(
        name, f"windows of {operator.title}", "stream_windows", s.pattern(x.batch),
        (read,), (write,), 2, parameters, spread=s.pattern(x.batch, pace),
    )  # fmt: skip
