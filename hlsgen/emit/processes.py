"""The steps at which the processes of a streamed HLS design read and write their beats.

One function for each process of templates/hls/streams.h.j2 and for each way in which an operator's
own function streams; a step is one iteration of a pipelined loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from hlsgen.emit.streaming import Way, way
from hlsgen.emit.views import Operator, Value
from hlsgen.ir.hw import HwOp
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.concat import Concat
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.max_pool import MaxPool
from hlsgen.ops.hw.reduce import Reduce
from hlsgen.ops.hw.sum_pool import SumPool
from hlsgen.schedule.process import Moves, Steps


@dataclass(frozen=True, eq=False)
class Pattern:
    """Steps of a frame and, when asked, what moves at them; channels in the order of the call."""

    work: int
    moves: Callable[[], Moves]


def each_step(beats: int, reads: int = 1, writes: int = 1) -> Pattern:
    """A beat on every channel at every step: ports, forks, element by element operators."""

    def moves() -> Moves:
        steps = np.arange(beats)
        return Moves((steps,) * reads, (steps,) * writes)

    return Pattern(beats, moves)


def resize(given: int, wanted: int, lanes: int, groups: int) -> Pattern:
    """Groups of `lanes` as beats of `wanted` lanes: each as soon as all of its lanes are there."""
    reads, writes = -(-lanes // given), lanes // wanted
    steps = max(reads, writes)

    def moves() -> Moves:
        start = np.arange(groups)[:, None] * steps
        made = np.arange(writes)
        ready = -(-(made + 1) * wanted // given) - 1
        written = np.maximum.accumulate(ready - made) + made
        return Moves(((start + np.arange(reads)).reshape(-1),), ((start + written).reshape(-1),))

    return Pattern(groups * steps, moves)


def whole(reads: Sequence[int], writes: Sequence[int], between: int) -> Pattern:
    """All beats of one channel after the other, some steps of computing, then all results."""
    taken, given = sum(reads), sum(writes)

    def moves() -> Moves:
        return Moves(_in_turn(reads, 0), _in_turn(writes, taken + between))

    return Pattern(taken + between + given, moves)


def _in_turn(counts: Sequence[int], start: int) -> tuple[Steps, ...]:
    ends = list(accumulate(counts, initial=start))
    return tuple(np.arange(a, b) for a, b in pairwise(ends))


def matrix(vectors: int, folds: int, steps: int) -> Pattern:
    """Folded products: a vector is read in its first fold, a beat made at each fold's end."""

    def moves() -> Moves:
        at = np.arange(vectors * folds * steps).reshape(vectors, folds, steps)
        return Moves((at[:, 0].reshape(-1),), (at[:, :, -1].reshape(-1),))

    return Pattern(vectors * folds * steps, moves)


def digits(vectors: int, count: int) -> Pattern:
    """A digit-serial adder graph: it reads with the first digit, and has sums with the last one."""

    def moves() -> Moves:
        starts = np.arange(vectors) * count
        return Moves((starts,), (starts + count - 1,))

    return Pattern(vectors * count, moves)


def reductions(results: int, taps: int) -> Pattern:
    """Window by window: a beat at every step, a result at each last tap."""

    def moves() -> Moves:
        steps = np.arange(results * taps)
        return Moves((steps,), (steps[taps - 1 :: taps],))

    return Pattern(results * taps, moves)


def last_place(batch: int, pixels: int, chunks: int) -> Pattern:
    """Reduction over all places: results while the last place is read."""

    def moves() -> Moves:
        at = np.arange(batch * pixels * chunks).reshape(batch, pixels, chunks)
        return Moves((at.reshape(-1),), (at[:, -1].reshape(-1),))

    return Pattern(batch * pixels * chunks, moves)


def in_turns(rows: int, chunks: Sequence[int]) -> Pattern:
    """Concatenated channels: for each place some beats of each operand."""

    def moves() -> Moves:
        at = np.arange(rows * sum(chunks)).reshape(rows, sum(chunks))
        ends = list(accumulate(chunks, initial=0))
        reads = (at[:, a:b].reshape(-1) for a, b in pairwise(ends))
        return Moves(tuple(reads), (at.reshape(-1),))

    return Pattern(rows * sum(chunks), moves)


def slide(
    window: Window, batch: int, beats: int, size: tuple[int, int], places: tuple[int, int]
) -> Pattern:
    """Windows tap by tap, while the rows that the next row of windows needs besides come in.

    `beats` stand at a place; `size` is that of the input, `places` that of the output.
    """
    made = np.arange(places[1] * window.kernel[0] * window.kernel[1] * beats)
    return _sliding(_rows(window, size[0], places[0]) * (size[1] * beats), made, len(made), batch)


def slide_columns(
    window: Window, batch: int, size: tuple[int, int], places: tuple[int, int], *, whole: bool,
    pace: int = 0,
) -> Pattern:  # fmt: skip
    """Windows column by column, or whole ones, a column coming to them at each step.

    `pace`: clocks of a frame that it may spread its steps over.
    """
    if not whole:
        made = np.arange(places[1] * window.kernel[1])
        steps = len(made)
    else:
        made = np.arange(places[1]) * window.strides[1] + window.kernel[1] - 1
        steps = int(made[-1]) + 1
    return _sliding(_rows(window, size[0], places[0]) * size[1], made, steps, batch, pace)


def _sliding(reads: Steps, made: Steps, steps: int, batch: int, pace: int = 0) -> Pattern:
    """Beats read before each row of windows and after them all; steps of a row that write one.

    A schedule with later steps in the same order is one as well, so rows of windows may be spread
    over the clocks of a frame that `pace` leaves.
    """
    works = np.maximum(reads, np.where(np.arange(len(reads)) == 0, 0, steps))
    spread = works.copy()
    spread[1:] += max(0, pace - int(works.sum())) // max(1, len(works) - 1)
    frame = int(spread.sum())

    def moves() -> Moves:
        starts = np.cumsum(spread) - spread
        turns = list(zip(starts.tolist(), spread.tolist(), works.tolist(), strict=True))
        counts: list[int] = reads.tolist()
        read: list[Steps] = [
            a + np.arange(n) * s // max(1, w) for (a, s, w), n in zip(turns, counts, strict=True)
        ]
        written: list[Steps] = [a + made * s // w for a, s, w in turns[1:]]
        frames = np.arange(batch)[:, None] * frame
        moved = (np.concatenate(each) for each in (read, written))
        taken, given = ((frames + each).reshape(-1) for each in moved)
        return Moves((taken,), (given,))

    return Pattern(batch * frame, moves)


def _rows(window: Window, height: int, out_height: int) -> Steps:
    """Rows that come in before the first row of windows, and while each of them leaves."""
    span = (window.kernel[0] - 1) * window.dilations[0] + 1
    last = np.arange(out_height) * window.strides[0] - window.pads_begin[0] + span
    needed = np.append(np.clip(last, 0, height), height)
    return np.diff(needed, prepend=0)


def operator_pattern(operator: Operator) -> Pattern:
    """How an operator's own function streams."""
    op, x, y = operator.node.op, operator.x, operator.y
    match way(op, tuple(v.type for v in x), tuple(v.type for v in y)):
        case Way.WHOLE:
            computing = max(v.size for v in x + y)
            return whole([v.beats for v in x], [v.beats for v in y], computing)
        case Way.MATRIX:
            return (
                digits(y[0].beats, operator.digits) if operator.digit else _matrix(op, x[0], y[0])
            )
        case Way.CHANNELS:
            return _channels(op, x, y[0])


def _matrix(op: HwOp, x: Value, y: Value) -> Pattern:
    assert isinstance(op, MatMul | Conv)
    outputs = len(op.bias)
    inner = op.weights.size // outputs
    groups = op.group if isinstance(op, Conv) else 1
    vectors = y.size // outputs * groups
    return matrix(vectors, -(-outputs // groups // y.lanes), inner // x.lanes)


def _channels(op: HwOp, x: tuple[Value, ...], y: Value) -> Pattern:
    match op:
        case Conv() | MaxPool() | SumPool():
            return reductions(y.beats, math.prod(op.window.kernel))
        case Concat():
            return in_turns(y.batch * y.pixels, [v.channels // v.lanes for v in x])
        case Reduce():
            return last_place(x[0].batch, x[0].pixels, x[0].channels // x[0].lanes)
        case _:
            return each_step(y.beats, reads=len(x))
