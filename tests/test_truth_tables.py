"""Neurons as truth tables: their meaning against fractions, in every engine; who gets them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hls_graphs import Builder as Graph
from hls_graphs import conv, differing, reference, simulate, stimuli
from onnx import helper
from test_cosim import run_alone
from test_products import EXACT, values
from test_rtl_ops import needs_yosys, simulated

from hlsgen.arith.affine_steps import affine_steps
from hlsgen.arith.format import IntFormat
from hlsgen.arith.realise import realise
from hlsgen.arith.rounding import Rounding
from hlsgen.arith.steps import Steps
from hlsgen.arith.truth_table import BitTable, bit_table, telling_bits
from hlsgen.build.project import open_project
from hlsgen.cli.commands import main
from hlsgen.emit.arithmetic import Adders, Arithmetic, arithmetic_of, key_of, split_key
from hlsgen.emit.choice import settled
from hlsgen.emit.hls import HlsOptions, Io, emit_hls
from hlsgen.emit.products.lookup import looked_up
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Join, Kernel, Lut, Port, Slice
from hlsgen.emit.rtl.emit import RtlOptions, emit_rtl
from hlsgen.emit.truth_tables import with_truth_tables
from hlsgen.errors import OptionError
from hlsgen.frontends import read_model
from hlsgen.ir.hw import HwGraph, IntType
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.ops.hw.truth_table import TruthTable
from hlsgen.passes.lower import lower
from hlsgen.sim.run import feeds_of
from hlsgen.sim.run import simulate as python
from tests.sim.small import network

TABLES = {"": Arithmetic.TRUTH_TABLE}
AUTO = {"": Arithmetic.AUTO}
needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def tabled(graph: HwGraph, choices: dict[str, Arithmetic]) -> HwGraph:
    return with_truth_tables(graph, choices)[0]


def dot(x: list[int], weights: np.ndarray) -> int:
    return sum(v * w for v, w in zip(x, weights.tolist(), strict=True))


def kinds(graph: HwGraph) -> list[str]:
    return [type(node.op).__name__ for node in graph.nodes]


# -- tables of bits


@pytest.mark.parametrize(
    ("codes", "bits"),
    [([-1, 1], 1), ([0, 1, 2, 3], 2), ([-2, -1, 0, 1], 2), ([5], 0), ([-1, 0, 1], 2), ([0, 8], 1)],
)
def test_no_bit_more_than_tells_codes_apart(codes: list[int], bits: int) -> None:
    found = telling_bits(tuple(codes))
    assert len(found) == bits
    assert len({tuple(c >> b & 1 for b in found) for c in codes}) == len(codes)


@pytest.mark.parametrize("seed", range(20))
def test_a_table_is_its_function_on_all_codes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets = ((-1, 1), range(4), (-4, 0, 3), (7,), range(-2, 2), (0, 1, 2))
    codes = [sets[k] for k in rng.integers(0, len(sets), rng.integers(1, 6))]
    weights, top = rng.integers(-3, 4, len(codes)), int(rng.integers(1, 5))

    def function(x: np.ndarray) -> np.ndarray:
        return np.clip(x @ weights, -top, top)

    table = bit_table(codes, function)
    x = np.array(list(itertools.product(*codes)))
    want = [max(-top, min(top, dot(v, weights))) for v in x.tolist()]
    assert table.evaluate(x).tolist() == want
    assert {*table.values.tolist()} == {*want}  # places that nothing reaches add no value
    for k in range(len(table.pins)):  # every bit that is left matters
        halves = table.values.reshape(-1, 2, 1 << k)
        assert (halves[:, 0] != halves[:, 1]).any()


def tables() -> list[BitTable]:
    """With structure and without, narrow and of 12 bits, signed and not."""
    rng = np.random.default_rng(2)
    pins = [(x, bit) for x in range(4) for bit in range(3)]
    order = [pins[k] for k in rng.permutation(12)]
    ones = np.array([i.bit_count() for i in range(1 << 12)])
    made = [(12, ones // 4 - 2), (12, (ones > 6) * 1), (9, ones[: 1 << 9] // 2)]
    made += [(n, rng.integers(-5, 9, 1 << n)) for n in (0, 1, 5, 6, 7, 8, 9)]
    made += [(8, rng.integers(0, 2, 1 << 8)), (8, rng.integers(-1, 1, 1 << 8))]
    return [BitTable(tuple(order[:n]), v) for n, v in made]


def lookups(table: BitTable) -> Kernel:
    b = Builder([(-4, 3)] * 4, Adders(3))
    return b.kernel([looked_up(b, range(4), table)])


def luts(kernel: Kernel) -> int:
    return sum(kernel.format(k).width for k, c in enumerate(kernel.cells) if isinstance(c, Lut))


@pytest.mark.parametrize("k", range(len(tables())))
def test_luts_of_a_table(k: int) -> None:
    table = tables()[k]
    kernel = lookups(table)
    assert all(
        isinstance(c, Port | Join | Slice) or len(getattr(c, "pins", ())) <= 6 for c in kernel.cells
    )
    x = np.array(list(itertools.product(range(-4, 4), repeat=4)))
    assert (values(kernel, x)[:, 0] == table.evaluate(x)).all()


def test_counts_fall_apart_into_small_tables() -> None:
    """Twelve bits without structure are 85 LUTs a bit; how many are ones takes some 20."""
    assert luts(lookups(tables()[1])) <= 20


# -- neurons


def sparse(rng: np.random.Generator, inputs: int, fans: list[int]) -> MatMul:
    """A neuron for each fan-in."""
    weights = np.zeros((inputs, len(fans)), np.int64)
    for j, fan in enumerate(fans):
        at = rng.choice(inputs, fan, replace=False)
        weights[at, j] = rng.integers(1, 8, fan) * rng.choice([-1, 1], fan)
    return MatMul(weights, rng.integers(-9, 10, len(fans)))


def lines(t: IntType, codes: tuple[int, int]) -> list[tuple[Fraction, Fraction]]:
    """Slope and start of each neuron's quantiser: twice as steep as its range needs."""
    lo, hi = (np.broadcast_to(v, t.shape).reshape(-1, t.shape[-1])[0] for v in (t.lo, t.hi))
    low, high = codes
    slopes = [Fraction(2 * (high - low), max(1, int(b - a))) for a, b in zip(lo, hi, strict=True)]
    middles = [Fraction(int(a + b), 2) for a, b in zip(lo, hi, strict=True)]
    return [(s, Fraction(low + high, 2) - s * m) for s, m in zip(slopes, middles, strict=True)]


def quantised(b: Graph, x: str, codes: tuple[int, int]) -> str:
    t = b.types[x]
    rows = tuple(
        affine_steps(t.min, t.max, slope, start, *codes, Rounding.FLOOR)
        for slope, start in lines(t, codes)
    )
    how = realise(rows, t.format, IntFormat.of_range(*codes), "auto")
    row = np.arange(len(rows)).reshape((1,) * (len(t.shape) - 1) + (-1,))
    return b.add(Staircase(rows, row, how), x)


def logic_net(sizes: tuple[int, ...] = (16, 10, 8, 3), seed: int = 0) -> HwGraph:
    """Three sparse layers on 2-bit codes, 3 to 6 inputs a neuron."""
    rng = np.random.default_rng(seed)
    b = Graph("logic", x=IntType.of((1, sizes[0]), 0, 3))
    y = "x"
    for inputs, outputs in itertools.pairwise(sizes):
        fans = rng.integers(3, min(7, inputs + 1), outputs).tolist()
        y = quantised(b, b.add(sparse(rng, inputs, fans), y), (0, 3))
    return b.graph(y)


@pytest.mark.parametrize(
    ("codes", "low_high"), [((-2, 1), (0, 3)), ((0, 1), (-2, 1)), ((-1, 2), (-1, 1))]
)
def test_a_layer_on_all_codes(codes: tuple[int, int], low_high: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    b = Graph("layer", x=IntType.of((2, 5), *low_high))
    op = sparse(rng, 5, [5, 3, 1, 0, 4])
    sums = b.add(op, "x")
    want_lines = lines(b.types[sums], codes)
    graph = tabled(b.graph(quantised(b, sums, codes)), TABLES)
    assert kinds(graph) == ["TruthTable"]
    x = np.array(list(itertools.product(range(low_high[0], low_high[1] + 1), repeat=5)))
    (got,) = reference(graph, {"x": np.stack((x, x[::-1]), axis=1)}).values()
    for vector, made in zip(x.tolist(), got[:, 0].tolist(), strict=True):
        for j, (slope, start) in enumerate(want_lines):
            total = int(op.bias[j]) + dot(vector, op.weights[:, j])
            assert made[j] == min(max(floor(slope * total + start), codes[0]), codes[1])
    assert np.array_equal(got[:, 1], got[::-1, 0])


def test_sums_that_no_quantiser_reads_alone_are_tables_of_sums() -> None:
    b = Graph("sums", x=IntType.of((1, 4), 0, 3))
    s = b.add(sparse(np.random.default_rng(1), 4, [3, 2]), "x")
    before = b.graph(s, quantised(b, s, (0, 3)))
    graph = tabled(before, TABLES)
    assert kinds(graph) == ["TruthTable", "Staircase"]
    inputs = {"x": np.array(list(itertools.product(range(4), repeat=4)))[:, None]}
    assert differing(reference(graph, inputs), reference(before, inputs)) == []


def test_two_codes_take_one_bit_and_tables_know_what_tables_make() -> None:
    """Twelve inputs of -1 or 1; then neurons of 2-bit codes of which some take one only."""
    rng = np.random.default_rng(4)
    b = Graph("bipolar", x=IntType.of((1, 12), 0, 3))
    rows = (Steps.from_codes(0, np.array([-1, -1, 1, 1])),)
    how = realise(rows, IntFormat(2, False), IntFormat.of_range(-1, 1), "auto")
    two = b.add(Staircase(rows, np.zeros((1, 1), np.int64), how), "x")
    ones = sparse(rng, 12, [12, 12, 0, 0, 0, 0, 0, 12])
    hidden = quantised(b, b.add(ones, two), (0, 3))
    graph = b.graph(quantised(b, b.add(sparse(rng, 8, [8]), hidden), (0, 3)))
    made = tabled(graph, TABLES)
    inputs = stimuli(graph, 500)
    assert differing(reference(made, inputs), reference(graph, inputs)) == []
    first, second = (n.op for n in made.nodes if isinstance(n.op, TruthTable))
    assert [len(t.pins) for t in first.tables] == [12, 12, 0, 0, 0, 0, 0, 12]
    assert {x for x, _ in second.tables[0].pins} == {0, 1, 7}


# -- every engine


def images() -> HwGraph:
    """A padded convolution of one channel of bits, and one channel by channel with a stride."""
    b = Graph("images", x=IntType.of((1, 1, 5, 4), 0, 1))
    y = b.requant(b.add(conv(1, 4), "x"), 0, 1)
    return b.graph(b.requant(b.add(conv(4, 4, group=4, stride=2), y), -2, 1))


MIXED = {
    "/MatMul_0/out_0[0,2-5,9]": Arithmetic.TRUTH_TABLE,
    "/MatMul_2/out_0": Arithmetic.SHIFT_ADD,
    "/MatMul_4/out_0": Arithmetic.TRUTH_TABLE,
}


@pytest.mark.parametrize("choices", [TABLES, MIXED], ids=["all", "some"])
def test_the_rewritten_graph(choices: dict[str, Arithmetic]) -> None:
    graph = logic_net()
    inputs = stimuli(graph, 400)
    made = tabled(graph, choices)
    assert differing(reference(made, inputs), reference(graph, inputs)) == []
    if choices is MIXED:
        assert kinds(made) == [
            "TruthTable", "MatMul", "Staircase", "Concat", "Take", "MatMul", "Staircase",
            "TruthTable",
        ]  # fmt: skip


@pytest.mark.parametrize("choices", [TABLES, {"/Conv_0/out_0[1,3]": Arithmetic.TRUTH_TABLE}])
def test_convolutions(choices: dict[str, Arithmetic]) -> None:
    graph = images()
    inputs = stimuli(graph, 400)
    made = tabled(graph, choices)
    assert differing(reference(made, inputs), reference(graph, inputs)) == []
    assert kinds(made).count("TruthTable") == (2 if choices is TABLES else 1)
    assert "Conv" not in kinds(made) or choices is not TABLES


NETS = [(logic_net, TABLES), (logic_net, MIXED), (images, TABLES)]


@needs_gpp
@pytest.mark.parametrize(("make", "choices"), NETS[1:], ids=["some", "images"])
def test_csim(make: Callable[[], HwGraph], choices: dict[str, Arithmetic], tmp_path: Path) -> None:
    graph = make()
    inputs = stimuli(graph, 400)
    got = simulate(graph, HlsOptions(arithmetic=choices), tmp_path, inputs, flags=EXACT)
    assert differing(got, reference(graph, inputs)) == []


@needs_yosys
@pytest.mark.parametrize("clock", [None, 2.0])
def test_systemverilog(clock: float | None) -> None:
    for make, choices in NETS:
        graph = make()
        inputs = stimuli(graph, 400)
        options = RtlOptions(clock_ns=clock, relax=True, arithmetic=choices)
        assert differing(simulated(graph, inputs, options), reference(graph, inputs)) == []


# -- a model file, from the command line


def qonnx(path: Path) -> None:
    """16 -> 6 -> 3 of 2-bit codes; each neuron of the first layer reads 3 inputs, of the last 4."""
    rng = np.random.default_rng(6)
    node, domain = helper.make_node, "qonnx.custom_op.general"
    nodes, constants, x = [], {}, "xq"
    constants |= {"s": np.float32(0.5), "z": np.float32(0), "two": np.float32(2),
                  "four": np.float32(4), "ws": np.float32(0.25)}  # fmt: skip
    quant = {"domain": domain, "signed": 0, "narrow": 0}
    nodes.append(node("Quant", ["x", "s", "z", "two"], ["xq"], "input", **quant))
    for k, (inputs, outputs, fan) in enumerate(((16, 6, 3), (6, 3, 4))):
        w = sparse(rng, inputs, [fan] * outputs).weights * 0.25
        constants |= {f"w{k}": w.astype(np.float32)}
        weighted = ["Quant", [f"w{k}", "ws", "z", "four"], [f"w{k}q"]]
        nodes.append(node(*weighted, domain=domain, signed=1, narrow=0))
        nodes.append(node("MatMul", [x, f"w{k}q"], [f"m{k}"], f"fc{k}"))
        x = f"y{k}"
        nodes.append(node("Quant", [f"m{k}", "s", "z", "two"], [x], f"q{k}", **quant))
    network(path, nodes, (1, 16), (x, (1, 3)), constants)


@needs_gpp
def test_a_project_with_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Built, proven, read back, and explained layer by layer by the product and its quantiser."""
    model, folder = tmp_path / "tiny.onnx", tmp_path / "p"
    qonnx(model)
    with pytest.raises(SystemExit) as stop:
        main(["build", str(model), "-o", str(folder), "--arithmetic", "truth-table", "--rtl"])
    said = capsys.readouterr().out
    assert stop.value.code == 0
    assert "csim: verified" in said
    assert "truth-table" in said
    proof = json.loads((folder / "proof.json").read_text())
    assert [layer["operator"] for layer in proof["layers"]] == ["TruthTable", "TruthTable"]
    project = open_project(folder)
    assert dict(project.options.arithmetic) == TABLES
    assert {o.tensor for o in project.network.origins} >= {"y0:codes", "y1:codes"}
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(folder), "--engine", "csim", "--samples", "50", "--json", "-"])
    assert stop.value.code == 0
    (verdict,) = json.loads(capsys.readouterr().out)["engines"].values()
    assert verdict["elements"] == verdict["equal"] == 150


def test_the_script_of_a_project_has_the_tables(tmp_path: Path) -> None:
    qonnx(tmp_path / "tiny.onnx")
    found = lower(read_model(tmp_path / "tiny.onnx"))
    arrays = {"x": np.random.default_rng(7).normal(1, 1, (40, 1, 16)).astype(np.float32)}
    want = python(found, feeds_of(found, arrays))
    graph = tabled(found.graph, TABLES)
    assert kinds(graph) == ["TruthTable", "TruthTable"]
    got = run_alone(replace(found, graph=graph), arrays, tmp_path)
    np.testing.assert_array_equal(got["y1"], want["y1"])


# -- who gets them


def test_auto_takes_tables_where_they_are_cheaper() -> None:
    graph = logic_net((8, 4, 2))
    chosen = settled(graph, AUTO)
    assert "TruthTable" in kinds(tabled(graph, chosen))
    b = Graph("sum", x=IntType.of((1, 2), 0, 63))
    dear = b.graph(b.add(MatMul(np.array([[1], [1]]), np.zeros(1, np.int64)), "x", name="fc"))
    assert Arithmetic.TRUTH_TABLE not in settled(dear, AUTO).values()
    assert kinds(tabled(dear, TABLES)) == ["TruthTable"]  # it could be one


def test_the_other_outputs_keep_their_arithmetic() -> None:
    b = Graph("sums", x=IntType.of((1, 4), 0, 3))
    sums = b.add(sparse(np.random.default_rng(1), 4, [3, 2, 4]), "x", name="fc")
    chosen = {"fc": Arithmetic.SHIFT_ADD, "fc[1]": Arithmetic.TRUTH_TABLE}
    for graph in (b.graph(sums), b.graph(quantised(b, sums, (0, 3)))):
        made, kept = with_truth_tables(graph, chosen)
        (rest,) = (n for n in made.nodes if isinstance(n.op, MatMul))
        assert arithmetic_of(kept, rest) is Arithmetic.SHIFT_ADD
        inputs = {"x": np.array(list(itertools.product(range(4), repeat=4)))[:, None]}
        assert differing(reference(made, inputs), reference(graph, inputs)) == []


def test_auto_takes_some_neurons_of_a_layer() -> None:
    """Three inputs of two bits are a table; sixteen are too many for one."""
    b = Graph("some", x=IntType.of((1, 16), 0, 3))
    op = sparse(np.random.default_rng(8), 16, [3, 16, 3, 16, 16, 3])
    graph = b.graph(quantised(b, b.add(op, "x", name="fc"), (0, 3)))
    chosen = settled(graph, AUTO)
    assert chosen["fc[0,2,5]"] is Arithmetic.TRUTH_TABLE
    made = tabled(graph, chosen)
    inputs = stimuli(graph, 200)
    assert differing(reference(made, inputs), reference(graph, inputs)) == []


def test_keys_of_outputs() -> None:
    for some in ((0,), (0, 1), (0, 2, 3, 4, 9), (5, 6)):
        assert split_key(key_of("/fc/out_0", some)) == ("/fc/out_0", some)
    assert key_of("fc", (0, 2, 3, 4, 9)) == "fc[0,2-4,9]"
    assert split_key("fc[0]", {"fc[0]"}) == ("fc[0]", None)
    assert split_key("fc") == ("fc", None)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (TABLES, r"node 0 'fc'.*12 input bits at most, output 1 has 14 \(7 inputs\): give .* auto"),
        ({"fc[0,1]": Arithmetic.TRUTH_TABLE}, "output 1 has 14"),
        ({"fc[0,7]": Arithmetic.TRUTH_TABLE}, "node 0 'fc'.*outputs 0 to 1, not 7"),
        ({"fc[0]": Arithmetic.DSP}, r"fc\[0\]=dsp: single outputs can be truth-table"),
        ({"gc[0]": Arithmetic.TRUTH_TABLE}, "'gc' is no layer .* with weights: fc"),
    ],
)
def test_what_cannot_be_a_table_is_named(choices: dict[str, Arithmetic], said: str) -> None:
    b = Graph("wide", x=IntType.of((1, 8), 0, 3))
    op = sparse(np.random.default_rng(9), 8, [3, 7])
    graph = b.graph(quantised(b, b.add(op, "x", name="fc"), (0, 3)))
    for emit, options in (
        (emit_hls, HlsOptions(arithmetic=choices)),
        (emit_rtl, RtlOptions(clock_ns=None, arithmetic=choices)),
    ):
        with pytest.raises(OptionError, match=said):
            emit(graph, options)


def test_wide_inputs_are_refused_at_once() -> None:
    b = Graph("wide", x=IntType.of((1, 2), 0, (1 << 40) - 1))
    graph = b.graph(b.add(MatMul(np.ones((2, 1), np.int64), np.zeros(1, np.int64)), "x", name="fc"))
    with pytest.raises(OptionError, match=r"output 0 has 80 \(2 inputs\)"):
        tabled(graph, TABLES)


def test_streams_have_none() -> None:
    for choices in (TABLES, {"/MatMul_0/out_0[0]": Arithmetic.TRUTH_TABLE}):
        with pytest.raises(OptionError, match=r"node 0 '/MatMul_0.*give --io parallel"):
            emit_hls(logic_net(), HlsOptions(io=Io.STREAM, arithmetic=choices))
    grouped = images().nodes[2].output
    with pytest.raises(OptionError, match="all outputs of a grouped convolution or for none"):
        tabled(images(), {f"{grouped}[0]": Arithmetic.TRUTH_TABLE})
