"""Weights to codes so that what a layer computes changes least."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.weight_format import WeightFormat
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


def rounded(rows: Array, scales: Array, codes: WeightFormat, square: Array, how: Rounding) -> Array:
    """Codes c that make (scale c - row) square (scale c - row) small.

    nearest: each weight by itself. adaround: the nearest codes or their other neighbours, improved
    one at a time until no change helps (AdaRound's binary programme, by descent instead of
    gradients). gptq: one input after the other, what it leaves over shared out to the inputs to
    come (GPTQ), then improved one at a time, over all codes.
    Shapes: rows (outputs, inputs), scales (outputs,), square (inputs, inputs). Formats:
    `codes`. Source: Nagel 2020 (2004.10568), Frantar 2022 (2210.17323).
    """
    h, x = damped(square), rows / scales[:, None]
    match how:
        case Rounding.NEAREST:
            return codes.nearest(x)
        case Rounding.ADAROUND:
            return _descend(codes.nearest(x), rows, scales, h, codes, codes.around(x))
        case Rounding.GPTQ:
            edge = np.full(rows.shape, float(codes.most))
            return _descend(_gptq(rows, scales, codes, h), rows, scales, h, codes, (-edge, edge))


def _gptq(rows: Array, scales: Array, codes: WeightFormat, h: Array) -> Array:
    """One input after the other, those of most weight first."""
    order = np.argsort(-np.diag(h), kind="stable")
    inverse = np.linalg.inv(h[np.ix_(order, order)])
    upper: Array = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left, made = rows[:, order].copy(), np.empty_like(rows)
    for j in range(len(order)):
        code = codes.nearest(left[:, j] / scales)
        error = (left[:, j] - code * scales) / upper[j, j]
        left[:, j + 1 :] -= error[:, None] * upper[j, j + 1 :]
        made[:, order[j]] = code
    return made


def _descend(
    start: Array, rows: Array, scales: Array, h: Array, codes: WeightFormat,
    between: tuple[Array, Array],
) -> Array:  # fmt: skip
    """Each code in turn as the others want it, between two codes, until none changes."""
    made, (low, high) = start.copy(), between
    slope: Array = (made * scales[:, None] - rows) @ h
    for _ in range(_SWEEPS):
        changed = False
        for j in range(made.shape[1]):
            best = codes.nearest(made[:, j] - slope[:, j] / (h[j, j] * scales))
            step: Array = np.clip(best, low[:, j], high[:, j]) - made[:, j]
            if step.any():
                changed = True
                made[:, j] += step
                np.add(slope, np.outer(step * scales, h[j]), out=slope)
        if not changed:
            break
    return made
