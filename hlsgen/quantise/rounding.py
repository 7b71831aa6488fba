"""Weights to codes so that what a layer computes changes least."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.quantise.scheme import Rounding

Array = NDArray[Any]

_DAMPING = 0.01  # of the mean of the diagonal
_SWEEPS = 20


def damped(square: Array) -> Array:
    """A second moment that can be inverted."""
    mean = float(np.trace(square)) / len(square)
    return square + (_DAMPING * mean or 1.0) * np.eye(len(square))


def target(rows: Array, square: Array, cross: Array) -> Array:
    """The weights that, on quantised inputs, come closest to what these are on the float ones.

    Shapes: rows (outputs, inputs). Source: least squares, damped towards the rows themselves.
    """
    moved = rows @ (cross - square).T
    solved: Array = np.linalg.solve(damped(square), moved.T)
    return rows + solved.T


def nearest(rows: Array, scales: Array, most: int) -> Array:
    """The nearest code each."""
    codes: Array = np.clip(np.round(rows / scales[:, None]), -most, most)
    return codes


def rounded(rows: Array, scales: Array, most: int, square: Array, how: Rounding) -> Array:
    """Codes c that make (scale c - row) square (scale c - row) small.

    nearest: each weight by itself. adaround: the nearest codes or their other neighbours, improved
    one at a time until no change helps (AdaRound's binary programme, by descent instead of
    gradients). gptq: one input after the other, what it leaves over shared out to the inputs to
    come (GPTQ), then improved one at a time, over all codes.
    Shapes: rows (outputs, inputs), scales (outputs,), square (inputs, inputs). Formats: codes in
    +-most. Source: Nagel 2020 (2004.10568), Frantar 2022 (2210.17323).
    """
    h = damped(square)
    match how:
        case Rounding.NEAREST:
            return nearest(rows, scales, most)
        case Rounding.ADAROUND:
            below = np.clip(np.floor(rows / scales[:, None]), -most, most)
            above = np.clip(below + 1, -most, most)
            return _descend(nearest(rows, scales, most), rows, scales, h, below, above)
        case Rounding.GPTQ:
            edge = np.full(rows.shape, float(most))
            return _descend(_gptq(rows, scales, most, h), rows, scales, h, -edge, edge)


def _gptq(rows: Array, scales: Array, most: int, h: Array) -> Array:
    """One input after the other, those of most weight first."""
    order = np.argsort(-np.diag(h), kind="stable")
    inverse = np.linalg.inv(h[np.ix_(order, order)])
    upper: Array = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left, codes = rows[:, order].copy(), np.empty_like(rows)
    for j in range(len(order)):
        code = np.clip(np.round(left[:, j] / scales), -most, most)
        error = (left[:, j] - code * scales) / upper[j, j]
        left[:, j + 1 :] -= error[:, None] * upper[j, j + 1 :]
        codes[:, order[j]] = code
    return codes


def _descend(codes: Array, rows: Array, scales: Array, h: Array, low: Array, high: Array) -> Array:
    """Each code in turn as the others want it, until none changes."""
    codes = codes.copy()
    slope: Array = (codes * scales[:, None] - rows) @ h
    for _ in range(_SWEEPS):
        changed = False
        for j in range(codes.shape[1]):
            best: Array = (codes[:, j] - slope[:, j] / (h[j, j] * scales)).round()
            step: Array = np.clip(best, low[:, j], high[:, j]) - codes[:, j]
            if step.any():
                changed = True
                codes[:, j] += step
                np.add(slope, np.outer(step * scales, h[j]), out=slope)
        if not changed:
            break
    return codes
