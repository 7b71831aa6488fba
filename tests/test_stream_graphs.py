"""Adder graphs inside streams, whole and digit by digit: the same integers as `evaluate`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, conv, differing, reference, simulate, stimuli

from hlsgen.arith.budget import Budget
from hlsgen.arith.format import IntFormat
from hlsgen.build.gpp import FLAGS
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import GRAPHS, Arithmetic
from hlsgen.emit.hls import HlsOptions, Io, design_of, emit_hls
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from tests.schedule.test_hls_depths import bounded, planned, seen

needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
FAST = {"flags": (*FLAGS, "-O0")}
EXACT = {"flags": (*FLAGS, "-O0", "-DHLSGEN_EXACT")}
PADDED = Window((3, 2), (2, 1), (1, 1), (1, 1), (1, 0))
PLAIN = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))
LINE = Window((3,), (1,), (1,), (1,), (1,))
POINT = Window((1, 1), (2, 2), (1, 1), (0, 0), (0, 0))


def layers(hows: Sequence[Arithmetic], brief: Sequence[Arithmetic] = ()) -> HwGraph:
    """For each arithmetic a matrix, vectors side by side, windows, groups, single channels.

    For `brief` ones the matrix alone.
    """
    shapes = {"m": (3, 8), "v": (1, 3, 4), "p": (1, 3, 5, 4), "d": (1, 4, 4, 3), "l": (2, 3, 6)}
    b = Builder("graphs", **{name: IntType.of(s, -9, 14) for name, s in shapes.items()})
    made = [b.add(op, x, name=f"{how}_{k}") for how in hows for k, (x, op) in enumerate(_layers())]
    _, plain = next(_layers())
    return b.graph(*made, *(b.add(plain, "m", name=f"{how}_0") for how in brief))


def _layers() -> Iterator[tuple[str, MatMul | Conv]]:
    """Layers and the inputs that they read."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.4, 0, rng.integers(-90, 90, shape))

    def image(shape: tuple[int, ...], window: Window, group: int = 1) -> Conv:
        return Conv(weights(*shape), rng.integers(-999, 999, shape[0]), window, group, -3)

    # Columns of zeros, of one power of two, negative ones, with a bias and without.
    mixed = weights(8, 9) * [1, 1, 0, 0, 16, 1, 1, 1, 1]
    mixed[:, 5:] = np.eye(8, 4, dtype=np.int64) * [1, -1, 4, -8]
    yield "m", MatMul(mixed, np.array([7, 0, -5, 0, 0, 0, 0, 3, 0]))
    yield "v", MatMul(weights(4, 3), rng.integers(-9, 9, 3))
    yield "p", image((4, 3, 3, 2), PADDED)
    yield "d", image((6, 2, 2, 2), PLAIN, 2)
    yield "d", image((4, 1, 3, 2), PADDED, 4)
    yield "l", image((3, 3, 3), LINE)
    yield "d", image((2, 4, 1, 1), POINT)


def chosen(graph: HwGraph) -> dict[str, Arithmetic]:
    """The arithmetic that each layer is named after."""
    return {n.output: Arithmetic(n.output.rpartition("_")[0]) for n in graph.nodes}


@needs_gpp
@pytest.mark.parametrize("flags", [FAST, EXACT], ids=["native", "exact"])
def test_graphs_give_the_same_integers(flags: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    some = (Arithmetic.SHIFT_ADD, Arithmetic.SERIAL_2, Arithmetic.SERIAL_3)
    graph = (
        layers(some, [how for how in GRAPHS if how not in some])
        if flags is FAST
        else layers(some[1:2])
    )
    inputs = stimuli(graph, 12)
    options = HlsOptions(io=Io.STREAM, arithmetic=chosen(graph))
    got = simulate(graph, options, tmp_path, inputs, **flags)
    assert differing(got, reference(graph, inputs)) == []


@needs_gpp
def test_moves_are_those_of_the_schedule(tmp_path: Path) -> None:
    """What each process reads and writes, in its order, with FIFOs as deep as it asks for."""
    b = Builder("paced", image=IntType.of((1, 2, 6, 7), -8, 7))
    y = b.requant(b.add(conv(2, 3), "image", name="first"))
    graph = b.graph(b.add(conv(3, 2, stride=2), y, name="second"))
    arithmetic = {"first": Arithmetic.SERIAL_2, "second": Arithmetic.SERIAL_1}
    options = HlsOptions(io=Io.STREAM, arithmetic=arithmetic)
    depths = {s.name: s.depth for s in design_of(graph, options).plan.streams}
    assert max(depth for name, depth in depths.items() if name.endswith("windows")) < 7  # a row
    assert bounded(graph, tmp_path, {}, 60, options) == []
    assert seen(tmp_path / "moves", graph, options) == planned(graph, options)


def _one(op: MatMul | Conv, x: IntType) -> HwGraph:
    b = Builder("one", x=x)
    return b.graph(b.add(op, "x", name="layer"))


def test_no_weights_are_stored_and_none_multiplied() -> None:
    graph = layers([Arithmetic.SHIFT_ADD, Arithmetic.SERIAL_3])
    files = emit_hls(graph, HlsOptions(io=Io.STREAM, arithmetic=chosen(graph)))
    texts = [str(text) for name, text in files.items() if name.startswith("src/layers")]
    assert len(texts) == len(graph.nodes)
    code = [line.partition("//")[0] for text in texts for line in text.splitlines()]
    assert not [line for line in code if "weights" in line or re.search(r"\* (?!\d)", line)]


def test_a_wrong_carry_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "hls/serial.h.j2"
    text = path.read_text()
    assert "first ? bit(1) : carry" in text
    path.write_text(text.replace("first ? bit(1) : carry", "first ? bit(0) : carry"))
    graph = layers((), [Arithmetic.SERIAL_2])
    inputs = stimuli(graph, 4)
    options = HlsOptions(io=Io.STREAM, arithmetic=chosen(graph), templates=folder)
    got = simulate(graph, options, tmp_path / "project", inputs, **FAST)
    assert differing(got, reference(graph, inputs)) == list(graph.outputs)


WIDE = Window((2, 2), (1, 1), (1, 2), (0, 0), (0, 0))
CUBE = Window((1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(
    ("op", "x", "said"),
    [
        (Conv(np.ones((2, 1, 2, 2), np.int64), np.zeros(2, np.int64), WIDE), (1, 1, 4, 4),
         "none slides over dilated columns: give tool"),
        (Conv(np.ones((2, 1, 1, 1, 1), np.int64), np.zeros(2, np.int64), CUBE), (1, 1, 2, 2, 2),
         "a volume has none in a stream: give tool"),
        (MatMul(np.ones((4, 2), np.int64), np.zeros(2, np.int64),
                Budget("layer", IntFormat(5, True), 10, 10)), (1, 4), "these can be reloaded"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_graph_is_refused(
    op: MatMul | Conv, x: tuple[int, ...], said: str
) -> None:
    graph = _one(op, IntType.of(x, 0, 1))
    for how in GRAPHS:
        with pytest.raises(OptionError, match=f"node 0 'layer'.*{how} .*{said}"):
            emit_hls(graph, HlsOptions(io=Io.STREAM, arithmetic={"": how}))


def test_another_folding_is_refused() -> None:
    graph = layers((), [Arithmetic.SHIFT_ADD])
    (name,) = graph.outputs
    for pair in ((9, 8), (3, 8)):
        options = HlsOptions(io=Io.STREAM, arithmetic=chosen(graph), folding={name: pair})
        if pair == (9, 8):
            emit_hls(graph, options)
            continue
        with pytest.raises(
            OptionError, match="all 9 sums of 8 inputs at once: leave out --folding 3x8"
        ):
            emit_hls(graph, options)


def test_serial_graphs_are_for_streams() -> None:
    graph = layers((), [Arithmetic.SERIAL_2])
    with pytest.raises(
        OptionError, match=r"serial-2 is for the units of streams: give --io stream"
    ):
        emit_hls(graph, HlsOptions(arithmetic=chosen(graph)))
