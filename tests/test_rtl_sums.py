"""Constant products as cells: the same integers as numpy's, whatever the operands' bounds are."""

from __future__ import annotations

import numpy as np
import pytest

from hlsgen.emit.arithmetic import Adders, Arithmetic
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Kernel, Literal, Port, Sum, Times
from hlsgen.emit.rtl.sums import matrix


def evaluate(kernel: Kernel, x: list[int]) -> list[int]:
    """The outputs of sums and products by their definition."""
    values: list[int] = []
    for cell in kernel.cells:
        match cell:
            case Port(index):
                values.append(x[index])
            case Literal(value):
                values.append(value)
            case Times(wire, factor):
                values.append(factor * values[wire])
            case Sum(terms, constant):
                signed = [(-1 if t.negative else 1) * values[t.wire] << t.shift for t in terms]
                values.append(constant + sum(signed))
            case _:
                raise AssertionError(cell)
    for value, (lo, hi) in zip(values, kernel.ranges, strict=True):
        assert lo <= value <= hi
    return [values[w] for w in kernel.outputs]


@pytest.mark.parametrize("how", [Arithmetic.SHIFT_ADD, Arithmetic.TOOL])
@pytest.mark.parametrize("operands", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_operands_that_never_change(how: Arithmetic, operands: int, seed: int) -> None:
    """Codes of a dead channel: their products belong to the constants, not to the search."""
    rng = np.random.default_rng(seed)
    n, m = 14, 21
    dead = rng.integers(0, 2, n) == 0
    lo, hi = np.where(dead, 3, rng.integers(-4, 1, n)), np.where(dead, 3, rng.integers(1, 9, n))
    weights, bias = rng.integers(-1, 2, (n, m)), rng.integers(-9, 10, m)
    b = Builder(list(zip(lo.tolist(), hi.tolist(), strict=True)), Adders(operands, 1))
    kernel = b.kernel(matrix(b, range(n), weights.T.tolist(), bias.tolist(), how))
    for _ in range(20):
        x = rng.integers(lo, hi + 1)
        assert evaluate(kernel, x.tolist()) == (x @ weights + bias).tolist()
