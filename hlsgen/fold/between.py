"""What stands between operators: FIFOs, width converters, window processes, ports."""

from __future__ import annotations

import math

from hlsgen.emit.helpers import (
    Discard,
    Duplicate,
    FromPort,
    Helper,
    Reorder,
    Resize,
    Slide,
    ToPort,
)
from hlsgen.emit.memories import FifoKind, bram18, fifo_kind, ram_luts, shift_luts
from hlsgen.fold.operators import buffer
from hlsgen.fold.prices import luts, selected
from hlsgen.fold.use import Use

_FIFO = 12  # counters and flags
_SMALL = 15  # a loop counter and the handshakes of its streams
_SLIDE = 140  # counters of places and taps, addresses, comparisons with the borders


def fifo_use(depth: int, bits: int) -> Use:
    """A FIFO, with a register at its output."""
    rest = Use(luts({"control": _FIFO}), float(bits + _FIFO))
    match fifo_kind(depth, bits):
        case FifoKind.SRL:
            return rest + Use(shift_luts(depth, bits))
        case FifoKind.LUTRAM:
            return rest + Use(ram_luts(depth, bits))
        case FifoKind.BRAM:
            return rest + Use(bram18=bram18(depth, bits))


def helper_use(helper: Helper) -> Use:
    """A process that brings streams into shape."""
    match helper:
        case FromPort() | ToPort():
            return _process(_SMALL, helper.lanes * helper.format.width)
        case Duplicate() | Discard():
            return _process(_SMALL, helper.lanes * helper.format.width)
        case Resize():
            return _resize(helper)
        case Reorder():
            bits = helper.given[0] * helper.format.width
            words = math.prod(helper.given[1:]) // helper.given[0]
            return buffer(words, bits) + _process(3 * _SMALL, bits)
        case Slide():
            return slide_use(helper)


def _resize(helper: Resize) -> Use:
    """A register for the lanes of a group, and what picks the lanes of a beat."""
    width = helper.format.width
    held = helper.reads * helper.given * width
    picked = selected(helper.writes, helper.wanted * width)
    return _process(_SMALL + helper.reads, held) + Use(luts({"choices": picked}))


def slide_use(helper: Slide) -> Use:
    """The ring of rows, the border, and what brings rows of slots in the order of taps."""
    bits = helper.lanes * helper.format.width
    out = helper.made * helper.operand.width
    column = out // helper.window.kernel[1] if helper.whole else out
    border = column if helper.window.padded else 0
    rows, row = helper.ring_rows, helper.size[1] * helper.chunks
    if helper.taps == 1:
        ring, turned = buffer(rows * row, bits), 0.0
    else:
        ring, turned = buffer(row, bits) * rows, selected(rows, column)
    return ring + _process(_SLIDE, out) + Use(luts({"choices": border + turned}))


def _process(control: float, bits: float) -> Use:
    """Control, and registers for what moves."""
    return Use(luts({"control": control}), bits + control)
