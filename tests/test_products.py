"""Every implementation of a constant linear operator equals W x: its cells, both languages."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder as Graph
from hls_graphs import conv, differing, reference, simulate, stimuli
from test_rtl_ops import COMBINATIONAL, needs_yosys, simulated

from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.steps import Steps
from hlsgen.build.gpp import FLAGS
from hlsgen.build.synth import synthesise
from hlsgen.data import templates_dir
from hlsgen.emit.arithmetic import Adders, Arithmetic
from hlsgen.emit.choice import layer_luts, settled
from hlsgen.emit.codes import operand_step
from hlsgen.emit.hls import HlsOptions, emit_hls
from hlsgen.emit.products.sums import product_sums
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import (
    Cell,
    Join,
    Kernel,
    Literal,
    Lut,
    Pin,
    Port,
    Range,
    Slice,
    Sum,
    Times,
)  # fmt: skip
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.errors import OptionError
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase

WHOLE = (
    Arithmetic.COMPRESS, Arithmetic.LUTGEMM, Arithmetic.DSP_PACKED, Arithmetic.TABLE, Arithmetic.BCQ
)  # fmt: skip
EXACT = (*FLAGS, "-O0", "-DHLSGEN_EXACT")


# -- cells, by their meaning


def values(kernel: Kernel, x: np.ndarray) -> np.ndarray:
    """The outputs of a kernel, (samples, outputs); every wire is checked against its range."""
    made: list[np.ndarray] = []
    for cell, (lo, hi) in zip(kernel.cells, kernel.ranges, strict=True):
        made.append(np.broadcast_to(_value(cell, made, x), len(x)))
        assert lo <= made[-1].min()
        assert made[-1].max() <= hi
    return np.stack([made[w] for w in kernel.outputs], axis=1)


def _value(cell: Cell, made: list[np.ndarray], x: np.ndarray) -> np.ndarray:  # noqa: C901
    def joined(pins: tuple[Pin, ...]) -> np.ndarray:
        bits = [(made[p.wire] >> p.at & 1) ^ p.inverted for p in pins]
        return np.sum([bit << k for k, bit in enumerate(bits)], axis=0)

    match cell:
        case Port(index):
            return x[:, index]
        case Literal(value):
            return np.array(value)
        case Sum(terms, constant):
            shifted = [(made[t.wire] << t.shift) * (-1 if t.negative else 1) for t in terms]
            return constant + np.sum(shifted, axis=0)
        case Times(wire, factor):
            return made[wire] * factor
        case Lut(pins, table):
            return np.array(table)[joined(pins)]
        case Join(pins):
            return joined(pins)
        case Slice(wire, low, lo, hi):
            size = 1 << IntFormat.of_range(lo, hi).width
            return ((made[wire] >> low) - lo) % size + lo
        case _:
            raise AssertionError(cell)


def kernel(weights: np.ndarray, bias: np.ndarray, ranges: list[Range], how: Arithmetic,
           step: int = 1) -> Kernel:  # fmt: skip
    b = Builder(ranges, Adders(3))
    wires = range(len(ranges))
    return b.kernel(product_sums(b, wires, weights.T.tolist(), bias.tolist(), how, step))


def codes(ranges: list[Range], step: int, count: int) -> np.ndarray:
    """All vectors where there are few, else the corners and random ones."""
    choices = [list(range(lo, hi + 1, step)) for lo, hi in ranges]
    if np.prod([float(len(c)) for c in choices]) <= count:
        return np.array(list(itertools.product(*choices)))
    rng = np.random.default_rng(len(ranges))
    found = np.stack([rng.choice(c, count) for c in choices], axis=1)
    found[0], found[1] = [c[0] for c in choices], [c[-1] for c in choices]
    return found


@pytest.mark.parametrize("how", WHOLE)
@pytest.mark.parametrize("seed", range(12))
def test_random_matrices(how: Arithmetic, seed: int) -> None:
    rng = np.random.default_rng(seed)
    k, m = int(rng.integers(1, 12)), int(rng.integers(2, 6))
    bits = [1, 1, 2, 3, 4, 5, 6, 8][seed % 8]
    bits = min(bits, 6) if how is Arithmetic.TABLE else bits
    low = -(1 << (bits - 1)) if seed % 3 == 0 else int(rng.integers(-3, 3)) if bits < 5 else 0
    ranges = [(low, low + (1 << bits) - 1 - int(rng.integers(0, 2)) * (bits > 1))] * k
    size = int(rng.choice([1, 2, 8, 128]))
    weights, bias = rng.integers(-size, size, (k, m)), rng.integers(-99, 99, m)
    weights[:, 0] = 0  # a column without products, and an operand that stands still
    ranges[0] = (5, 5)
    x = codes(ranges, 1, 2000)
    assert (values(kernel(weights, bias, ranges, how), x) == x @ weights + bias).all()


@pytest.mark.parametrize("low_high", [(0, 1), (-1, 1), (-1, 0), (3, 4), (-7, 12), (1, 9)])
@pytest.mark.parametrize("kind", ["bipolar", "binary", "ternary"])
def test_ones_are_counted_whatever_the_two_codes(low_high: Range, kind: str) -> None:
    lo, hi = low_high
    rng = np.random.default_rng(hi)
    least = {"bipolar": -1, "binary": 0, "ternary": -1}[kind]
    weights = rng.integers(least, 2, (11, 4)) * np.array([1, 3, 6, -2])
    weights = np.where(weights == 0, 3, weights)[:, 1:2] if kind == "bipolar" else weights
    ranges = [low_high] * len(weights)
    bias = rng.integers(-9, 9, weights.shape[1])
    made = kernel(weights, bias, ranges, Arithmetic.POPCOUNT, hi - lo)
    x = codes(ranges, hi - lo, 1 << 11)
    assert len(x) == 1 << 11
    assert (values(made, x) == x @ weights + bias).all()
    assert not any(isinstance(c, Times) for c in made.cells)


# -- several products a DSP


@pytest.mark.parametrize("low_high", [(-4, 3), (0, 7)])
def test_no_digit_borrows_from_another(low_high: Range) -> None:
    """All 3-bit operands with all pairs of 3-bit weights, and with four columns of 2 operands."""
    pairs = np.array(list(itertools.product(range(-4, 4), repeat=2)))
    x = codes([low_high], 1, 100)
    for pair in pairs:
        made = kernel(pair[None], np.zeros(2, int), [low_high], Arithmetic.DSP_PACKED)
        assert (values(made, x) == x @ pair[None]).all()
    x = codes([low_high] * 2, 1, 100)
    for k in range(0, len(pairs) - 3, 3):
        weights = pairs[k : k + 4].T
        made = kernel(weights, np.zeros(4, int), [low_high] * 2, Arithmetic.DSP_PACKED)
        assert (values(made, x) == x @ weights).all()


@pytest.mark.parametrize(
    ("low_high", "bits", "columns"),
    [((-128, 127), 8, 2), ((0, 255), 8, 2), ((-8, 7), 4, 4), ((0, 15), 4, 4)],
)
def test_products_that_share_a_dsp(low_high: Range, bits: int, columns: int) -> None:
    """Odd weights, none of them a shift."""
    rng = np.random.default_rng(bits)
    weights = rng.integers(-(1 << (bits - 2)), 1 << (bits - 2), (6, 8)) * 2 + 1
    weights[0, 0] = (1 << (bits - 1)) - 1
    made = kernel(weights, np.zeros(8, int), [low_high] * 6, Arithmetic.DSP_PACKED)
    factors = [c.factor for c in made.cells if isinstance(c, Times)]
    assert len(factors) == weights.size // columns
    assert all(-(1 << 26) <= f < 1 << 26 for f in factors)
    x = codes([low_high] * 6, 1, 5000)
    assert (values(made, x) == x @ weights).all()


# -- sign planes


def test_columns_share_the_sums_of_neighbours() -> None:
    """All signs of eight operands: hardly more than one adder a column, alone it takes seven."""
    signs = np.array(list(itertools.product([-1, 1], repeat=8))).T
    made = kernel(signs, np.zeros(256, int), [(-8, 7)] * 8, Arithmetic.BCQ)
    assert sum(isinstance(c, Sum) for c in made.cells) <= 1.3 * 256
    x = codes([(-8, 7)] * 8, 1, 500)
    assert (values(made, x) == x @ signs).all()


def test_an_offset_is_one_sum_for_all_columns() -> None:
    """Uniform weights: planes of signs, minus half the sum of all operands."""
    weights = np.array(list(itertools.product(range(-2, 2), repeat=3))).T
    made = kernel(weights, np.arange(64), [(0, 3)] * 3, Arithmetic.BCQ)
    x = codes([(0, 3)] * 3, 1, 64)
    assert (values(made, x) == x @ weights + np.arange(64)).all()
    assert not any(isinstance(c, Times | Lut) for c in made.cells)


# -- factors of blocks


def blocked(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """Four columns: codes of three bits, each block of rows times a factor of its own."""
    factors = rng.integers(64, 128, (-(-rows // size), 4)).repeat(size, axis=0)[:rows]
    return rng.integers(-4, 4, (rows, 4)) * factors


@pytest.mark.parametrize("seed", range(6))
def test_factors_behind_the_sums_of_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(4, 9))
    rows = int(rng.integers(2, 4)) * size
    weights, bias = blocked(rng, rows, size), rng.integers(-999, 999, 5)
    weights = np.insert(weights, 2, 0, axis=1)  # a column without products
    weights[size : 2 * size, 0] = -weights[:size, 1] * 3
    ranges = [(-8, 7), (0, 15), (5, 5)] * rows
    x = codes(ranges[:rows], 1, 2000)
    made = kernel(weights, bias, ranges[:rows], Arithmetic.GROUPWISE)
    assert (values(made, x) == x @ weights + bias).all()


def test_it_is_the_cheapest_for_blocks() -> None:
    weights = blocked(np.random.default_rng(1), 32, 8)
    b = Graph("g", x=IntType.of((1, 32), -8, 7))
    graph = b.graph(b.add(MatMul(weights, np.zeros(4, np.int64)), "x", name="fc"))
    assert settled(graph, {"": Arithmetic.AUTO}) == {"fc": Arithmetic.GROUPWISE}
    sharing = layer_luts(graph, graph.nodes[0], Arithmetic.SHIFT_ADD)
    assert layer_luts(graph, graph.nodes[0], Arithmetic.GROUPWISE) < 0.8 * sharing


# -- SystemVerilog and C++


def two_codes(graph: Graph, x: str, low: int, high: int) -> str:
    """A staircase from -8..7 to two codes."""
    rows = (Steps.from_codes(-8, np.where(np.arange(-8, 8) > 0, high, low)),)
    how = realise(rows, IntFormat.of_range(-8, 7), IntFormat.of_range(low, high), "auto")
    return graph.add(Staircase(rows, np.zeros((1, 1), np.int64), how), x)


def layers() -> tuple[HwGraph, dict[str, Arithmetic]]:
    """A layer in each arithmetic, and which it has."""
    rng = np.random.default_rng(3)
    x = IntType.of((1, 13), -8, 7)
    image = IntType.of((1, 2, 4, 3), 0, 3)
    b = Graph("products", x=x, bytes=IntType.of((2, 5), -128, 127), image=image)
    chosen: dict[str, Arithmetic] = {}

    def layer(how: Arithmetic, weights: np.ndarray, of: str) -> None:
        bias = rng.integers(-99, 99, weights.shape[1])
        chosen[b.add(MatMul(weights, bias), of, name=f"{how.value}_{len(chosen)}")] = how

    bipolar = rng.integers(0, 2, (13, 3)) * 2 - 1
    layer(Arithmetic.POPCOUNT, bipolar, two_codes(b, "x", -1, 1))
    layer(Arithmetic.POPCOUNT, rng.integers(-1, 2, (13, 3)) * 5, two_codes(b, "x", 0, 1))
    layer(Arithmetic.COMPRESS, rng.integers(-8, 8, (13, 2)), "x")
    layer(Arithmetic.LUTGEMM, rng.integers(-8, 8, (13, 3)), "x")
    layer(Arithmetic.LUTGEMM, bipolar, two_codes(b, "x", -1, 1))
    layer(Arithmetic.TABLE, rng.integers(-8, 8, (13, 3)), "x")
    layer(Arithmetic.DSP_PACKED, rng.integers(-8, 8, (13, 6)), "x")
    layer(Arithmetic.DSP_PACKED, rng.integers(-128, 128, (5, 3)), "bytes")
    layer(Arithmetic.BCQ, rng.integers(-8, 8, (13, 3)), "x")
    layer(Arithmetic.BCQ, rng.integers(-1, 2, (13, 6)) * 4, "x")
    layer(Arithmetic.GROUPWISE, blocked(rng, 13, 4), "x")
    chosen[b.add(conv(2, 4, group=2), "image", name="grouped")] = Arithmetic.LUTGEMM
    return b.graph(*chosen), chosen


@needs_yosys
@pytest.mark.parametrize("clock", [None, 4.0])
def test_systemverilog(clock: float | None) -> None:
    graph, chosen = layers()
    inputs = stimuli(graph, 256)
    got = simulated(graph, inputs, RtlOptions(clock_ns=clock, relax=True, arithmetic=chosen))
    assert differing(got, reference(graph, inputs)) == []


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize("flags", [EXACT, FLAGS], ids=["exact", "native"])
def test_csim(flags: tuple[str, ...], tmp_path: Path) -> None:
    graph, chosen = layers()
    inputs = stimuli(graph, 256)
    got = simulate(graph, HlsOptions(arithmetic=chosen), tmp_path, inputs, flags=flags)
    assert differing(got, reference(graph, inputs)) == []


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_wrong_table_is_found_by_csim(tmp_path: Path) -> None:
    folder = mutated(tmp_path, "hls/integers.h.j2", "(table >> at)", "(table >> (at ^ 1))")
    graph, chosen = layers()
    inputs = stimuli(graph, 16)
    options = HlsOptions(arithmetic=chosen, templates=folder)
    wrong = differing(simulate(graph, options, tmp_path / "p", inputs), reference(graph, inputs))
    tabled = (Arithmetic.POPCOUNT, Arithmetic.COMPRESS, Arithmetic.LUTGEMM, Arithmetic.TABLE)
    assert wrong == [name for name, how in chosen.items() if how in tabled]


@needs_yosys
@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("[%s_at]", "[~%s_at]", "lutgemm_3"),
        ("x.width] | min - 1, low)", "x.width] | min - 1, low + 1)", "dsp-packed_6"),
        ('"~" if p.inverted', '"~" if not p.inverted', "popcount_0"),
    ],
)
def test_a_wrong_cell_is_found(old: str, new: str, wrong: str, tmp_path: Path) -> None:
    folder = mutated(tmp_path, "rtl/cells.j2", old, new)
    graph, chosen = layers()
    inputs = stimuli(graph, 64)
    options = RtlOptions(clock_ns=None, templates=folder, arithmetic=chosen)
    assert wrong in differing(simulated(graph, inputs, options), reference(graph, inputs))


@needs_yosys
def test_synthesis_finds_packed_slices_and_single_luts() -> None:
    """Half the DSPs for bytes; no more than a LUT a bit for ones."""
    rng = np.random.default_rng(5)
    weights = np.array([[19, -23, 37, -45], [99, 101, -77, 53], [-11, 67, 83, 121]])
    b = Graph("g", x=IntType.of((1, 3), -128, 127), bits=IntType.of((1, 30), 0, 1))
    b.add(MatMul(weights, np.zeros(4, np.int64)), "x", name="bytes")
    b.add(MatMul(rng.integers(0, 2, (30, 1)) * 2 - 1, np.zeros(1, np.int64)), "bits", name="ones")
    found = [
        synthesise(
            emit_rtl(
                b.graph("bytes", "ones"),
                RtlOptions(clock_ns=None, arithmetic={"bytes": how, "ones": Arithmetic.POPCOUNT}),
            ),
            dsp=True,
        ).fpga
        for how in (Arithmetic.DSP, Arithmetic.DSP_PACKED)
    ]
    single, packed = (f for f in found if f is not None)
    assert (single.dsp, packed.dsp) == (12, 6)
    assert single.lut <= 30 + 4 * 2 * 19  # besides the ones: two adders of products a column


def mutated(folder: Path, name: str, old: str, new: str) -> Path:
    """The templates with one of them spoilt."""
    shutil.copytree(templates_dir(), folder / "templates")
    path = folder / "templates" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder / "templates"


# -- what can be had


def test_codes_that_lie_apart_are_known() -> None:
    graph, _ = layers()
    steps = {n.output: operand_step(graph, n) for n in graph.nodes if isinstance(n.op, MatMul)}
    assert steps["popcount_0"] == 2
    assert steps["popcount_1"] == 1
    assert steps["lutgemm_3"] == 1


@pytest.mark.parametrize(
    ("how", "ranges", "weights", "said"),
    [
        (Arithmetic.POPCOUNT, (-8, 7), [[1, 1]], "operands of two codes, operand 0 has 16 .* lutg"),
        (Arithmetic.POPCOUNT, (0, 1), [[1], [3]], "one magnitude .* column 0 has 1, 3: give"),
        (Arithmetic.TABLE, (0, 255), [[1, 1]], "6 bits at most, operand 0 has 8 .* lutgemm"),
        (
            Arithmetic.BCQ,
            (0, 1),
            [[4095], [-9], [0]],
            "10 bits at most, .* in column 0: give this layer s",
        ),
        (Arithmetic.DSP_PACKED, (0, 255), [[3]], "two columns or more, this layer has one"),
        (Arithmetic.DSP_PACKED, (0, 1 << 20), [[3, 5]], "27 x 18 bits, .* give this layer dsp"),
    ],
)
def test_a_layer_that_cannot_have_it_is_named(
    how: Arithmetic, ranges: Range, weights: list[list[int]], said: str
) -> None:
    w = np.array(weights)
    b = Graph("g", x=IntType.of((1, len(w)), *ranges))
    graph = b.graph(b.add(MatMul(w, np.zeros(w.shape[1], np.int64)), "x", name="fc1"))
    for emit, options in (
        (emit_hls, HlsOptions(arithmetic={"": how})),
        (emit_rtl, RtlOptions(clock_ns=None, arithmetic={"": how})),
    ):
        with pytest.raises(OptionError, match=f"node 0 'fc1'.*{said}"):
            emit(graph, options)


def test_text_of_packed_and_counted_sums(golden) -> None:
    b = Graph("g", x=IntType.of((1, 7), 0, 1), y=IntType.of((1, 2), -8, 7))
    counted = np.array([[1, -1, 1, 1, -1, 1, 1]]).T
    made = (
        b.add(MatMul(counted, np.array([3])), "x", name="counted"),
        b.add(MatMul(np.array([[3, -5], [7, 6]]), np.array([1, -1])), "y", name="packed"),
    )
    chosen = {"counted": Arithmetic.POPCOUNT, "packed": Arithmetic.DSP_PACKED}
    graph = b.graph(*made)
    rtl = emit_rtl(graph, RtlOptions(clock_ns=COMBINATIONAL.clock_ns, arithmetic=chosen)).files
    hls = emit_hls(graph, HlsOptions(arithmetic=chosen))
    texts = [text for name, text in rtl.items() if name not in ("top.sv", "testbench.sv")]
    texts += [str(text) for name, text in hls.items() if name.startswith("src/layers")]
    golden(".txt", "\n".join(texts))
