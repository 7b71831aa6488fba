"""Windows of an image as a unit whose channel is a ring: taps step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hlsgen.emit.folded import two_dimensional, window_facts
from hlsgen.emit.processes import Pattern
from hlsgen.emit.rtl.stream.unit import Unit
from hlsgen.emit.views import Operator
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.schedule.process import Moves, Steps


@dataclass(frozen=True, slots=True)
class Slide:
    """Sizes of a sliding window: `chunks` tokens a pixel, `groups` windows side by side in them."""

    window: Window
    chunks: int
    groups: int
    height: int
    width: int
    out_height: int
    out_width: int

    @property
    def frame(self) -> int:
        """Tokens of an image."""
        return self.height * self.width * self.chunks

    @property
    def work(self) -> int:
        """Steps of an image: a tap's token each, the border included."""
        kernel = self.window.kernel
        places = self.out_height * self.out_width
        return places * self.chunks * kernel[0] * kernel[1]

    def steps(self) -> tuple[Steps, Steps]:
        """For each token of an image the step that first needs it and the one that frees it.

        templates/rtl/stream/stream_window.sv says why.
        """
        w, each = self.window, self.chunks // self.groups
        oy, ox, g, i, j, c = np.ogrid[
            : self.out_height, : self.out_width, : self.groups, : w.kernel[0], : w.kernel[1], :each
        ]
        y = oy * w.strides[0] - w.pads_begin[0] + i * w.dilations[0]
        x = ox * w.strides[1] - w.pads_begin[1] + j * w.dilations[1]
        inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        token = (y * self.width + x) * self.chunks + g * each + c
        first = (g == 0) & (i == 0) & (j == 0) & (c == 0)
        free = np.where(first, self.origin()[:, :, None, None, None, None], 0).reshape(-1)
        need = np.maximum(np.where(inside, token + 1, 0).reshape(-1), free)
        free[-1] = need[-1] = self.frame
        counts = np.arange(1, self.frame + 1)
        return tuple(np.searchsorted(np.maximum.accumulate(v), counts) for v in (need, free))  # pyright: ignore[reportReturnType]

    def origin(self) -> Steps:
        """Tokens before the upper left corner of each window, as far as no later one needs them."""
        w = self.window
        rows = np.arange(self.out_height + 1) * w.strides[0] - w.pads_begin[0]
        columns = np.arange(self.out_width) * w.strides[1] - w.pads_begin[1]
        line = rows.clip(0, self.height) * self.width
        moving = line[1:] > line[:-1]
        gone = np.where(moving[:, None], columns.clip(0, self.width), 0)
        return (line[:-1, None] + gone) * self.chunks


def slide_of(operator: Operator) -> Slide:
    """The window in front of a convolution or pooling."""
    op, x, y = operator.node.op, operator.x[0], operator.y[0]
    assert isinstance(op, Conv | MaxPool | SumPool)
    facts = window_facts(operator)
    chunks = x.channels // x.lanes
    return Slide(
        two_dimensional(op.window), chunks, chunks if facts.alone else facts.groups,
        *(*x.shape[2:], 1)[:2], *(*y.shape[2:], 1)[:2],
    )  # fmt: skip


def windows(slide: Slide, images: int) -> Pattern:
    """The steps of a batch of images."""

    def moves() -> Moves:
        need, free = slide.steps()
        turns = np.arange(images)[:, None] * slide.work
        made = np.arange(slide.work * images)
        return Moves(((need + turns).reshape(-1),), (made,), ((free + turns).reshape(-1),))

    return Pattern(slide.work * images, moves)


def window_numbers(operator: Operator) -> tuple[Slide, dict[str, int | str]]:
    """Sizes and the parameters of stream_window but those of its ring."""
    facts, x = window_facts(operator), operator.x[0]
    s = slide_of(operator)
    w, of, result = s.window, x.type.format, facts.operand
    pad = facts.border & ((1 << result.width) - 1)
    found: dict[str, int | str] = {
        "LANES": x.lanes, "BITS": of.width, "SIGNED": int(of.signed), "RESULT": result.width,
        "PAD": f"{result.width}'d{pad}", "HEIGHT": s.height, "WIDTH": s.width,
        "CHUNKS": s.chunks, "GROUPS": s.groups, "KERNEL_Y": w.kernel[0], "KERNEL_X": w.kernel[1],
        "STRIDE_Y": w.strides[0], "STRIDE_X": w.strides[1], "DILATION_Y": w.dilations[0],
        "DILATION_X": w.dilations[1], "TOP": w.pads_begin[0], "LEFT": w.pads_begin[1],
        "OUT_HEIGHT": s.out_height, "OUT_WIDTH": s.out_width,
    }  # fmt: skip
    return s, found


def slide_unit(operator: Operator, name: str, read: str, write: str) -> Unit:
    """The windows of a convolution or pooling."""
    slide, parameters = window_numbers(operator)
    return Unit(
        name, f"windows of {operator.title}", "stream_window",
        windows(slide, operator.x[0].batch), (read,), (write,), 1, parameters,
    )  # fmt: skip
