"""Cells that wait keep the order of the netlist and never more bits alive than before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hls_graphs import mlp
from rtl_graphs import sample_graph

from hlsgen.emit.arithmetic import Adders, Arithmetic
from hlsgen.emit.rtl.cells import AtLeast, Kernel, Literal, Pick, Port, Sum, Term, operands
from hlsgen.emit.rtl.delays import DelayModel, delay
from hlsgen.emit.rtl.lazy import lazy
from hlsgen.emit.rtl.netlist import netlist


def early(kernel: Kernel, delays: Sequence[float]) -> list[float]:
    times: list[float] = []
    for cell, own in zip(kernel.cells, delays, strict=True):
        times.append(round(max((times[w] for w in operands(cell)), default=0.0) + own, 9))
    return times


def alive(kernel: Kernel, times: Sequence[float], end: float) -> float:
    """Bits times nanoseconds, wire by wire."""
    until = list(times)
    for wire, cell in enumerate(kernel.cells):
        for operand in operands(cell):
            until[operand] = max(until[operand], times[wire])
    for wire in kernel.outputs:
        until[wire] = end
    return sum(
        kernel.format(wire).width * (until[wire] - times[wire])
        for wire, cell in enumerate(kernel.cells)
        if not isinstance(cell, Literal)
    )


@pytest.mark.parametrize("operands_of_adder", [2, 3])
def test_no_cell_is_early_or_late(operands_of_adder: int) -> None:
    seen = gained = 0
    adders = Adders(operands_of_adder, 1)
    for graph in (mlp(), sample_graph("linear", "arg_max", "matmul")):
        for layer in netlist(graph, "", {"": Arithmetic.SHIFT_ADD}, adders).layers:
            for kernel in layer.kernels:
                delays = [delay(c, kernel, DelayModel()) for c in kernel.cells]
                first = early(kernel, delays)
                end = max(first) + 0.7
                late = lazy(kernel, first, delays, end)
                for wire, cell in enumerate(kernel.cells):
                    assert first[wire] <= late[wire] <= end
                    if not isinstance(cell, Port | Literal):
                        ready = max((late[w] for w in operands(cell)), default=0.0)
                        assert late[wire] >= ready + delays[wire] - 1e-6
                assert alive(kernel, late, end) <= alive(kernel, first, end) + 1e-6
                gained += alive(kernel, late, end) < alive(kernel, first, end) - 1e-6
                seen += 1
    assert seen > 20
    assert gained > 5


def test_a_comparison_waits_for_the_choice_that_reads_it() -> None:
    """One bit instead of eight is kept; what the choice reads anyway does not count."""
    cells = (
        Port(0), Port(1), AtLeast(0, 100), Sum((Term(0), Term(1))), Sum((Term(3), Term(1, 2))),
        AtLeast(1, 9), Pick(5, 4, 2),
    )  # fmt: skip
    ranges = ((0, 255), (0, 15), (0, 1), (0, 270), (0, 330), (0, 1), (0, 330))
    kernel = Kernel(cells, ranges, (6,), (0,) * 7)
    delays = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    late = lazy(kernel, early(kernel, delays), delays, 3.0)
    assert late == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0]
