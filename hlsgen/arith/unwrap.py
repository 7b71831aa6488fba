"""Staircases that wrap on overflow, as the unbounded staircases whose low bits they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hlsgen.arith.slope import fit_affine
from hlsgen.arith.staircase import Affine, Wrapped
from hlsgen.arith.steps import IntArray, Steps, int_array, widen


@dataclass(frozen=True, slots=True)
class Window:
    """The numbers [low, low + 2^bits) of an unsigned or a two's complement code."""

    low: int
    bits: int

    @classmethod
    def around(cls, row: Steps) -> Window:
        """The narrowest that holds every code of a row."""
        low, high = row.min_code, row.max_code
        if low >= 0:
            return cls(0, high.bit_length())
        bits = max((-low - 1).bit_length(), max(high, 0).bit_length()) + 1
        return cls(-(1 << bits - 1), bits)


def wrapped(rows: Sequence[Steps]) -> Wrapped | None:
    """The rows as low bits of a multiply-add-shift, which may be clipped on one side before.

    None if no row wraps or a row does not fit.
    """
    windows = [Window.around(row) for row in rows]
    lines = tuple(unwrapped(row, window) for row, window in zip(rows, windows, strict=True))
    if all(line is row for line, row in zip(lines, rows, strict=True)):
        return None
    low, high = min(v.min_code for v in lines), max(v.max_code for v in lines)
    bits, lows = tuple(w.bits for w in windows), tuple(w.low for w in windows)
    free = fit_affine(lines, low - 1, high + 1)  # limits that no code reaches: nothing is clipped
    if free is not None:
        return Wrapped(_near_zero(free, bits), bits, lows)
    for ends in ((low, high + 1), (low - 1, high)):  # a ReLU in front of the quantiser
        rise = fit_affine(lines, *ends)
        if rise is not None:
            return Wrapped(rise, bits, lows)
    return None


def _near_zero(rise: Affine, bits: Sequence[int]) -> Affine:
    """The line with the least constants that are the same modulo 2^bits: narrower, often none."""
    turn = [1 << w + rise.shift for w in bits]
    b = tuple((v + t // 2) % t - t // 2 for v, t in zip(rise.b, turn, strict=True))
    moved = [(new - old) >> rise.shift for new, old in zip(b, rise.b, strict=True)]
    return replace(rise, b=b, qlo=rise.qlo + min(moved), qhi=rise.qhi + max(moved))


def lines_of(rows: Sequence[Steps], how: Wrapped) -> list[Steps]:
    """The unbounded staircases of the rows, each beginning where the line itself does."""
    windows = [Window(*w) for w in zip(how.low, how.bits, strict=True)]
    at = np.arange(len(rows)), int_array([row.lo for row in rows])
    first = how.rise.evaluate(*at).tolist()
    return [
        replace(unwrapped(row, window), first=code)
        for row, window, code in zip(rows, windows, first, strict=True)
    ]


def unwrapped(row: Steps, window: Window) -> Steps:
    """The staircase of least total rise and fall that equals the row modulo 2^bits."""
    span = 1 << window.bits
    jump = widen(row.jump, (len(row.jump) + 1) * span)
    ways = (jump, np.where(jump < 0, jump + span, jump), np.where(jump > 0, jump - span, jump))
    best = min(ways, key=_travelled)
    return row if best is jump else Steps(row.lo, row.hi, row.first, row.t, best)


def _travelled(jump: IntArray) -> int:
    return int(np.abs(jump).sum())
