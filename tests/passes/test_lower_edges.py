"""Corners of lowering: odd outputs, values without meaning, long chains, located refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from hlsgen.arith.declared import parse_format
from hlsgen.errors import HlsgenError, ModelError, Unsupported
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.passes.lowering.inputs import Spread
from hlsgen.sim.run import simulate
from tests.passes import agree
from tests.passes.sketch import Sketch


def equal(g: Sketch, folder: Path, options: LowerOptions | None = None) -> None:
    verdict = agree.check(agree.read(g.proto(), folder), g.samples, options)
    assert not verdict.wrong
    assert verdict.compared


def refused(g: Sketch, folder: Path, kind: type[HlsgenError], text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        lower(agree.read(g.proto(), folder))
    assert caught.value.loc is not None


# -- ends ---------------------------------------------------------------------------------------


def test_an_output_that_is_an_integer_input(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 3), -128, 127, "int8")
    equal(g.out(x, g.dq(x, 0.1)), tmp_path)


def test_an_output_that_is_a_real_input(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 3))
    equal(g.out(x, g.qdq(x)), tmp_path)


def test_the_same_output_twice_and_a_constant_one(tmp_path: Path) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 3)))
    same = g.do("Identity", x)
    constant = g.do("Identity", g.const(np.arange(3.0, dtype=np.float32)))
    equal(g.out(x, same, constant), tmp_path)


def test_an_input_that_nothing_reads(tmp_path: Path) -> None:
    g = Sketch()
    g.feed((1, 2))
    equal(g.out(g.qdq(g.feed((1, 3)))), tmp_path)


def test_constants_alone_are_refused(tmp_path: Path) -> None:
    g = Sketch()
    g.feed((1, 2))
    g.out(g.do("Identity", g.const(np.ones(2, np.float32))))
    refused(g, tmp_path, ModelError, "no output depends on any input")


def test_scalars(tmp_path: Path) -> None:
    g = Sketch()
    x, y = g.qdq(g.feed(())), g.qdq(g.feed(()), 0.1)
    z = g.qdq(g.do("Add", x, y), 0.07)
    equal(g.out(g.qdq(g.do("Mul", z, g.do("Sigmoid", x))), g.do("Max", z, x)), tmp_path)


def test_weights_that_are_all_zero(tmp_path: Path) -> None:
    g = Sketch()
    w = g.dq(g.const(np.zeros((3, 4), np.int64), "int8"), 0.1)
    equal(g.out(g.qdq(g.do("Gemm", g.qdq(g.feed((1, 4))), w, g.vector(3), transB=1))), tmp_path)


# -- values without meaning ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda g, x: g.do("Log", x), "logarithm of a number that is not positive"),
        (lambda g, x: g.do("Sqrt", x), "square root of a negative number"),
        (lambda g, x: g.do("Reciprocal", x), "division by zero"),
        (lambda g, x: g.do("Div", x, 0.0), "division by zero"),
        (lambda g, x: g.do("Pow", x, 2.5), "square root of a negative number"),
        (lambda g, x: g.do("Pow", x, 2.3), "logarithm of a number that is not positive"),
        (lambda g, x: g.do("Pow", x, -1.0), "division by zero"),
        (lambda g, x: g.do("Add", x, float("nan")), "a constant is nan"),
    ],
)
def test_functions_outside_of_their_domain(
    make: Callable[[Sketch, str], str], text: str, tmp_path: Path
) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 3)))
    refused(g.out(g.qdq(make(g, x))), tmp_path, ModelError, text)


def test_what_where_leaves_out_needs_no_meaning(tmp_path: Path) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 6)))
    y = g.do("Where", g.do("Greater", x, 0.0), g.do("Log", x), 0.5)
    equal(g.out(g.qdq(y)), tmp_path)


def test_infinite_limits_do_nothing(tmp_path: Path) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 6)))
    y = g.do("Min", g.do("Max", x, float("-inf")), float("inf"))
    net = lower(agree.read(g.out(x, g.qdq(y), g.do("Mul", x, y)).proto(), tmp_path))
    plain, same, square = simulate(net, g.samples).values()
    assert np.array_equal(plain, same)
    assert np.allclose(square, plain**2)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    g = Sketch()
    w = g.const(np.array([[1.0, np.nan]], np.float32))
    refused(g.out(g.do("Gemm", g.qdq(g.feed((1, 2))), w, transB=1)), tmp_path, ModelError, "finite")


# -- what no integers hold ----------------------------------------------------------------------


def test_batch_norm_in_front_of_a_convolution(tmp_path: Path) -> None:
    """One channel has one factor, which leaves the sum; three have three, which do not."""
    g = Sketch()
    one = g.bn(g.quant(g.feed((1, 1, 4, 4))), 1)
    equal(g.out(g.quant(g.conv(one, g.weight(2, 1, 3, 3)), 0.2, 6)), tmp_path)
    g = Sketch()
    three = g.bn(g.quant(g.feed((1, 3, 4, 4))), 3)
    g.out(g.quant(g.conv(three, g.weight(2, 3, 3, 3)), 0.2, 6))
    refused(g, tmp_path, Unsupported, "put a quantiser behind it, or fold it into the weights")


def test_a_curve_in_front_of_a_sum(tmp_path: Path) -> None:
    g = Sketch()
    y = g.do("MatMul", g.do("Sigmoid", g.qdq(g.feed((1, 4)))), g.weight(4, 2, style="raw"))
    refused(g.out(g.qdq(y)), tmp_path, Unsupported, "'sigmoid' is used without a quantiser")


def test_a_softmax_inside(tmp_path: Path) -> None:
    g = Sketch()
    y = g.do("MatMul", g.do("Softmax", g.qdq(g.feed((1, 4)))), g.weight(4, 2, style="raw"))
    refused(g.out(g.qdq(y)), tmp_path, Unsupported, "softmax inside the network")


# -- widths -------------------------------------------------------------------------------------


def test_sums_beyond_64_bits(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 4), -(2**31), 2**31 - 1, "int32")
    w = g.const(g.rng.integers(-(2**40), 2**40, (4, 3)).astype(np.float64).astype(np.float32))
    y = g.do("MatMul", g.do("Cast", x, to=TensorProto.FLOAT), w)
    equal(g.out(g.qdq(g.do("Mul", y, 2.0**-72), 0.1), g.qdq(g.do("Relu", y), 2.0**68)), tmp_path)


def test_batch_norm_of_wide_sums(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 4), -(2**31), 2**31 - 1, "int32")
    w = g.const(g.rng.integers(-(2**30), 2**30, (4, 3)).astype(np.float64).astype(np.float32))
    y = g.bn(g.do("Mul", g.do("MatMul", g.do("Cast", x, to=TensorProto.FLOAT), w), 2.0**-60), 3)
    equal(g.out(g.qdq(y)), tmp_path)


def test_a_cast_to_fewer_bits_wraps(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 5), -128, 127, "int8")
    wide = g.do("Mul", g.do("Cast", x, to=TensorProto.INT32), np.int32(3))
    equal(
        g.out(g.do("Cast", wide, to=TensorProto.INT8), g.do("Cast", x, to=TensorProto.UINT8)),
        tmp_path,
    )


def test_a_cast_of_reals_beyond_the_type_is_refused(tmp_path: Path) -> None:
    g = Sketch()
    y = g.do("Cast", g.do("Mul", g.qdq(g.feed((1, 3))), 100.5), to=TensorProto.INT8)
    refused(g.out(y), tmp_path, Unsupported, "clip them before the Cast")


# -- size of expressions ------------------------------------------------------------------------


def test_a_long_chain_between_quantisers(tmp_path: Path) -> None:
    g = Sketch()
    y = g.qdq(g.feed((1, 2)))
    for i in range(700):
        y = g.do("Relu", g.do("Add", y, 0.01)) if i % 2 else g.do("Mul", y, 1.001)
    net = lower(agree.read(g.out(g.qdq(y)).proto(), tmp_path))
    assert len(net.graph.nodes) == 1
    simulate(net, g.samples)


def test_a_value_used_twice_again_and_again(tmp_path: Path) -> None:
    g = Sketch()
    y = g.qdq(g.feed((1, 2)))
    for _ in range(40):
        y = g.do("Mul", g.do("Add", y, g.do("Relu", y)), 0.5)
    net = lower(agree.read(g.out(g.qdq(y)).proto(), tmp_path))
    assert len(net.graph.nodes) == 1


# -- input formats ------------------------------------------------------------------------------


def raw_input(tmp_path: Path, options: LowerOptions | None = None) -> str:
    g = Sketch()
    x = g.feed((1, 3), 0, 255)
    model = agree.read(
        g.out(g.qdq(g.do("MatMul", x, g.weight(3, 2, style="raw")), 3.0)).proto(), tmp_path
    )
    verdict = agree.compare(lower(model, options), g.samples)
    assert not verdict.wrong
    (note,) = lower(model, options).notes
    return note


def test_an_undeclared_input_takes_the_default_format(tmp_path: Path) -> None:
    assert "taken as fixed<16,6> (" in raw_input(tmp_path)


def test_the_format_grows_with_the_data(tmp_path: Path) -> None:
    name = "x1"
    bytes_, signed = Spread(0.0, 255.0, whole=True), Spread(-32.0, 31.5, whole=False)
    assert "fixed<16,9>" in raw_input(tmp_path, LowerOptions(data={name: bytes_}))
    assert "fixed<16,6> (" in raw_input(tmp_path, LowerOptions(data={name: signed}))


def test_a_declared_format_is_taken(tmp_path: Path) -> None:
    g = Sketch()
    x = g.feed((1, 3), 0, 255)
    model = agree.read(g.out(g.qdq(g.do("Relu", x), 3.0)).proto(), tmp_path)
    net = lower(model, LowerOptions(inputs={x: parse_format("uint8")}))
    assert not net.notes
    assert net.graph.types[net.inputs[0].value].format.width == 8


# -- integers that grow without end -------------------------------------------------------------


def test_layers_of_float_weights_are_refused_at_the_one_that_is_too_wide(tmp_path: Path) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 3)))
    for _ in range(12):
        x = g.do("Relu", g.do("MatMul", x, g.weight(3, 3, style="raw")))
    refused(g.out(g.qdq(x)), tmp_path, Unsupported, r"integers of \d+ bits, at most 256")


def test_two_layers_of_float_weights_are_not(tmp_path: Path) -> None:
    g = Sketch()
    x = g.qdq(g.feed((1, 3)))
    for _ in range(2):
        x = g.do("Relu", g.do("MatMul", x, g.weight(3, 3, style="raw")))
    equal(g.out(g.qdq(x)), tmp_path)
