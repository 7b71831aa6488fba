"""Weights as codes in the folded units of streams: every encoding gives the same integers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder, differing, reference, simulate, stimuli

from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.arith.steps import Steps
from hlsgen.build.gpp import FLAGS
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import FOLDED, Arithmetic
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw._window import Window
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase

needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
EXACT = {"flags": (*FLAGS, "-O0", "-DHLSGEN_EXACT")}
PADDED = Window((3, 2), (2, 1), (1, 1), (1, 1), (1, 0))
PLAIN = Window((2, 2), (1, 1), (1, 1), (0, 0), (0, 0))
TWO = -3, 5  # the codes of operands that may have two
LINE = Window((3,), (1,), (1,), (1,), (1,))
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _khot(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    held = [v for v in range(-90, 91) if csd_weight(v) <= 3]
    return rng.choice(held, shape)


def _sherry(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One zero in every four inputs: axis 0 of a matrix, axis 1 of a kernel."""
    axis = 0 if len(shape) == 2 else 1
    last = (*np.delete(shape, axis), shape[axis])
    fours = rng.choice([-2, 2], last).reshape(-1, 4)
    fours[np.arange(len(fours)), rng.integers(0, 4, len(fours))] = 0
    return np.moveaxis(fours.reshape(last), -1, axis)


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """One magnitude for each output."""
    outputs = shape[1] if len(shape) == 2 else shape[0]
    size = rng.integers(1, 5, outputs).reshape((-1,) if len(shape) == 2 else (-1, 1, 1, 1))
    return rng.choice([-1, 1], shape) * size


DRAW: dict[Arithmetic, Draw] = {
    Arithmetic.KHOT: _khot,
    Arithmetic.SHIFT: lambda rng, shape: rng.choice([-8, -4, 2, 4, 8, 16], shape),
    Arithmetic.TERNARY: lambda rng, shape: rng.choice([-4, 0, 4], shape),
    Arithmetic.SHERRY: _sherry,
    Arithmetic.XNOR: _signs,
}


def weighted(kinds: Iterable[Arithmetic] = tuple(DRAW), layer: str = "") -> HwGraph:
    """For each kind a matrix, windows with and without a border, two groups, single channels."""
    shapes = {"m": (3, 8), "p": (1, 8, 5, 4), "g": (1, 8, 4, 4), "d": (1, 4, 5, 4), "l": (2, 4, 6)}
    b = Builder("weighted", **{name: IntType.of(s, -9, 14) for name, s in shapes.items()})
    made = [y for how in kinds for y in _layers(b, how) if y.endswith(layer)]
    return b.graph(*made)


def _layers(b: Builder, how: Arithmetic) -> Iterator[str]:
    rng = np.random.default_rng(5)
    draw = DRAW[how]
    m, p, g = (_two(b, x) if how is Arithmetic.XNOR else x for x in "mpg")

    def bias(n: int) -> np.ndarray:
        return rng.integers(-99, 99, n)

    def conv(name: str, x: str, shape: tuple[int, ...], window: Window, group: int) -> str:
        op = Conv(draw(rng, shape), bias(shape[0]), window, group, TWO[1])
        return b.add(op, x, name=f"{how}_{name}")

    yield b.add(MatMul(draw(rng, (8, 6)), bias(6)), m, name=f"{how}_matrix")
    yield conv("window", p, (4, 8, 3, 2), PADDED, 1)
    yield conv("groups", g, (6, 4, 2, 2), PLAIN, 2)
    if how not in (Arithmetic.SHERRY, Arithmetic.XNOR):
        yield conv("alone", "d", (4, 1, 3, 2), PADDED, 4)
        yield conv("line", "l", (3, 4, 3), LINE, 1)


def _two(b: Builder, x: str) -> str:
    """The greater one of two codes above 0."""
    t = b.types[x]
    step = Steps(t.min, t.max, TWO[0], np.array([1]), np.array([TWO[1] - TWO[0]]))
    how = realise((step,), t.format, IntFormat.of_range(*TWO), "auto")
    return b.add(Staircase((step,), np.zeros((1,) * len(t.shape), np.int64), how), x)


def options(
    graph: HwGraph, fold: Mapping[str, tuple[int, int]] | None = None, templates: Path | None = None
) -> HlsOptions:
    """The arithmetic that each layer is named after; foldings by the rest of its name."""
    layers = [n.output for n in graph.nodes if isinstance(n.op, MatMul | Conv)]
    chosen = {name: Arithmetic(name.partition("_")[0]) for name in layers}
    kinds = {name: name.partition("_")[2] for name in layers}
    folding = {name: fold[kind] for name, kind in kinds.items() if fold and kind in fold}
    return HlsOptions(io=Io.STREAM, arithmetic=chosen, folding=folding, templates=templates)


@needs_gpp
@pytest.mark.parametrize(
    "fold",
    [
        {},
        {"matrix": (2, 8), "window": (4, 4), "groups": (1, 4), "alone": (2, 1), "line": (3, 2)},
        {"matrix": (4, 8), "window": (3, 4), "groups": (3, 4), "alone": (4, 1), "line": (2, 4)},
    ],
)
def test_codes_give_the_same_integers(fold: dict[str, tuple[int, int]], tmp_path: Path) -> None:
    graph = weighted()
    inputs = stimuli(graph, 48)
    flags = EXACT if fold else {}
    got = simulate(graph, options(graph, fold), tmp_path, inputs, **flags)
    assert differing(got, reference(graph, inputs)) == []


def test_all_encodings_are_tested() -> None:
    assert set(DRAW) == set(FOLDED)


@needs_gpp
def test_every_weight_times_every_operand(tmp_path: Path) -> None:
    """Exhaustive: all weights of 8 bits and up to three digits, by all operands of 8 bits."""
    held = [v for v in range(-128, 129) if csd_weight(v) <= 3]
    b = Builder("all", x=IntType.of((1, 1), -128, 127))
    y = b.add(MatMul(np.array([held]), np.zeros(len(held), np.int64)), "x", name="khot_all")
    graph = b.graph(y)
    inputs = {"x": np.arange(-128, 128).reshape(-1, 1, 1)}
    got = simulate(graph, options(graph, {"all": (1, 1)}), tmp_path, inputs)
    assert differing(got, reference(graph, inputs)) == []


def _texts(graph: HwGraph, chosen: HlsOptions) -> list[str]:
    files = emit_hls(graph, chosen)
    layers = [str(text) for name, text in files.items() if name.startswith("src/layers")]
    return [text for text in layers if "weights" in text]


def test_no_operand_meets_a_multiplier() -> None:
    graph = weighted()
    coded, plain = (_texts(graph, o) for o in (options(graph), HlsOptions(io=Io.STREAM)))
    assert len(coded) == len(plain) == len(graph.outputs)
    assert all("product::of(" in text for text in coded)
    assert not [text for text in coded if "* weight" in text or "* (weights_t)" in text]
    assert all("* weight" in text or "* (weights_t)" in text for text in plain)


@needs_gpp
def test_a_wrong_decoder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(templates_dir(), folder)
    path = folder / "hls/encodings.h.j2"
    text = path.read_text()
    for right, wrong in (
        ("k * (BITS + 1)", "k * BITS"),
        ("code[BITS] ?", "code[0] ?"),
        ("if (code[0])", "if (code[1])"),
        ("zero <= 1 ? x[2]", "zero <= 2 ? x[2]"),
        ("(bool)x[FROM] == ", "(bool)x[FROM] != "),
    ):
        assert right in text
        text = text.replace(right, wrong)
    path.write_text(text)
    graph = weighted(layer="matrix")
    inputs = stimuli(graph, 16)
    got = simulate(graph, options(graph, templates=folder), tmp_path / "project", inputs)
    assert set(differing(got, reference(graph, inputs))) == set(graph.outputs)


def _one(op: MatMul | Conv, x: IntType) -> HwGraph:
    b = Builder("one", x=x)
    return b.graph(b.add(op, "x", name="layer"))


MATRIX = MatMul(np.array([[1], [-1], [0], [171]]), np.zeros(1, np.int64))
SIGNS = MatMul(np.array([[1], [-1], [1], [1]]), np.zeros(1, np.int64))
ALONE = Conv(np.ones((4, 1, 2, 2), np.int64), np.zeros(4, np.int64), PLAIN, 4)
VOLUME = Conv(
    np.ones((1, 4, 1, 1, 1), np.int64),
    np.zeros(1, np.int64),
    Window((1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0)),
)
BORDER = Conv(np.ones((1, 1, 3, 2), np.int64), np.zeros(1, np.int64), PADDED, 1, 7)
ROW, IMAGE = IntType.of((1, 4), 0, 1), IntType.of((1, 4, 3, 3), 0, 1)


@pytest.mark.parametrize(
    ("how", "op", "x", "said"),
    [
        ("khot", MATRIX, ROW, r"weight 171 at \[3, 0\] is no sum of 3"),
        ("shift", MATRIX, ROW, r"weight 171 at \[3, 0\] is no signed power of two; try khot"),
        ("ternary", MATRIX, ROW, "171"),
        ("sherry", MATRIX, ROW, "171"),
        ("sherry", SIGNS, ROW, r"weights 1, -1, 1, 1 at \[0, 0\] have not exactly one zero"),
        ("sherry", BORDER, IntType.of((1, 1, 3, 3), 0, 1), "by fours, and there are 1"),
        ("xnor", MATRIX, ROW, "xnor needs one magnitude"),
        ("xnor", SIGNS, IntType.of((1, 4), -1, 1), "'x' takes from -1 to 1"),
        ("xnor", BORDER, IntType.of((1, 1, 3, 3), 0, 1), "border included.* takes 0, 1, 7"),
        ("xnor", ALONE, IMAGE, "depthwise units one; try ternary"),
        ("sherry", VOLUME, IntType.of((1, 4, 2, 2, 2), 0, 1), "a volume is not folded"),
    ],
)
def test_what_an_encoding_cannot_hold_is_refused(
    how: str, op: MatMul | Conv, x: IntType, said: str
) -> None:
    with pytest.raises(OptionError, match=said) as refused:
        emit_hls(_one(op, x), HlsOptions(io=Io.STREAM, arithmetic={"": Arithmetic(how)}))
    assert str(refused.value).startswith("model.onnx: node 0 'layer'")


def test_parallel_designs_have_no_encodings() -> None:
    graph = _one(SIGNS, ROW)
    for how in sorted(FOLDED):
        with pytest.raises(OptionError, match=r"node 0 .*give --io stream, or shift-add"):
            emit_hls(graph, HlsOptions(arithmetic={"": how}))
        with pytest.raises(OptionError, match=r"node 0 .*give --io stream, or shift-add"):
            emit_rtl(graph, RtlOptions(clock_ns=None, arithmetic={"": how}))


def test_sherry_wants_its_inputs_by_fours() -> None:
    graph = weighted((Arithmetic.SHERRY,))
    with pytest.raises(OptionError, match="SIMD must be so, got 2"):
        emit_hls(graph, options(graph, {"matrix": (1, 2)}))
