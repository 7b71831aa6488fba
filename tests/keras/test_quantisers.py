"""Every quantiser against QKeras' own numbers: activations on all inputs, and weights."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from keras_files import layer, sequential, write_h5
from onnx import numpy_helper
from qkeras_oracle import (
    ACTIVATIONS,
    GOLDEN,
    GRID,
    KERNELS,
    LATER,
    LINEAR,
    LINEAR_KERNELS,
    SHAPES,
    computed,
    unrolled,
    weights,
)

from hlsgen.arith.declared import parse_format
from hlsgen.errors import HlsgenError, ModelError, Unsupported
from hlsgen.frontends import read_model
from hlsgen.keras import import_keras
from hlsgen.keras.quantisers.spelling import quantiser
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.sim.run import input_codes, output_values, run_graph

# quantized_ulaw has no grid of codes: what follows it would have to quantise.
OFF_GRID = ("quantized_ulaw", "hard_", "smooth_")


@cache
def golden() -> Any:
    """QKeras' numbers: of 0.9.0, and of its successor what came later."""
    first, later = (json.loads(p.read_text(encoding="utf-8")) for p in (GOLDEN, LATER))
    return {part: first[part] | later[part] for part in first}


def activation(tmp_path: Path, said: Any, shape: tuple[int, ...] = (1,)) -> Path:
    """The ONNX file of a model that is nothing but a quantiser."""
    content = sequential(shape, layer("QActivation", "q", activation=said))
    target = tmp_path / "q.onnx"
    onnx.save(import_keras(write_h5(tmp_path / "q.h5", content)).model, target)
    return target


@pytest.mark.parametrize("spelled", ACTIVATIONS + LINEAR)
def test_activations_on_all_codes(spelled: str, tmp_path: Path) -> None:
    """The integer network of the imported file, on every code of an 8-bit input."""
    model = read_model(activation(tmp_path, spelled))
    # A declared input: the quantiser itself would be done on the host.
    network = lower(model, LowerOptions(inputs={"x": parse_format("fixed<8,4>")}))
    codes = input_codes(network, {"x": GRID.reshape(-1, 1, 1)})
    (got,) = output_values(network, run_graph(network.graph, codes)).values()
    want = unrolled(golden()["activations"][spelled])
    assert got.ravel() == pytest.approx(want, abs=1e-6)
    if not spelled.startswith(OFF_GRID):
        assert [type(node.op).__name__ for node in network.graph.nodes] == ["Staircase"]


@pytest.mark.parametrize("spelled", KERNELS + LINEAR_KERNELS)
def test_weights(spelled: str) -> None:
    """Values as QKeras has them, and a Quant behind them that changes none."""
    for shape, runs in zip(SHAPES, golden()["kernels"][spelled], strict=True):
        made = quantiser(spelled).trained().of_weights(weights(shape))
        want = unrolled(runs).reshape(shape)
        assert made.values == pytest.approx(want, rel=1e-6, abs=2e-8)
        if made.codes is None or made.scale is None:
            assert spelled.startswith(
                ("quantized_ulaw", "quantized_relu_po2(6", "binary(alpha='auto'")
            )
            continue
        exact = made.values.astype(np.float64) / made.scale.astype(np.float64)
        codes = np.rint(exact)
        top = 2 ** (made.codes.bits - made.codes.signed)
        assert np.abs(exact - codes).max() < 1e-5
        one_bit = made.codes.signed and made.codes.bits == 1
        assert (
            made.codes.narrow or not spelled.startswith("quantized_bits") or "auto" not in spelled
        )
        low = -top + made.codes.narrow if made.codes.signed else 0
        assert set(codes.ravel()) <= ({-1, 1} if one_bit else set(range(low, top)))


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("quantized_bits(4, 1, alpha=1)", {"bits": 4, "integer": 1, "alpha": 1}),
        ("quantized_bits(bits=4,integer=1)", {"bits": 4, "integer": 1, "alpha": None}),
        ("quantized_bits", {}),
        ("quantized_bits()", {"symmetric": 0}),
    ],
)
def test_spellings_mean_the_same(said: str, same: dict[str, Any], tmp_path: Path) -> None:
    config = {"class_name": "qkeras>quantized_bits", "config": same}
    graphs = []
    for number, spelled in enumerate((said, config)):
        folder = tmp_path / str(number)
        folder.mkdir()
        graphs.append(onnx.load(activation(folder, spelled)).graph.SerializeToString())
    assert graphs[0] == graphs[1]


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ("quantised_bits(4)", Unsupported, "unknown quantiser or activation quantised_bits"),
        ("quantized_bits(4,__import__('os'))", ModelError, "needed is NAME(numbers, key=value)"),
        ("quantized_bits(4)[0]", ModelError, "needed is NAME(numbers, key=value)"),
        ("quantized_bits(4,width=3)", ModelError, "unexpected keyword argument 'width'"),
        ("quantized_bits('a')", ModelError, "not numbers as needed"),
        ("quantized_bits(0)", ModelError, "0 bits"),
        ("quantized_bits(4,0,alpha='auto')", Unsupported, "give activations a fixed alpha"),
        ("quantized_bits(4,0,qnoise_factor=0.5)", Unsupported, "qnoise_factor other than 1"),
        ("bernoulli()", Unsupported, "draws random numbers in inference as well"),
        ("quantized_relu(4,1,negative_slope=0.3)", ModelError, "has to be a power of two"),
        ("quantized_relu(4,1,1,0.25)", Unsupported, "use_sigmoid with a negative_slope"),
        ("quantized_relu(4,1,0,0,0,0.3,0)", Unsupported, "no multiple of the step"),
        ("quantized_po2(4,log2_rounding='floor')", Unsupported, "only weights can have it"),
        ("quantized_po2(4,log2_rounding='up')", ModelError, "neither rnd nor floor"),
        ("quantized_po2(4,max_value=-1)", ModelError, "must not be negative"),
        ({"class_name": "quantized_bits", "config": 3}, ModelError, "no quantiser"),
    ],
)
def test_refused(said: Any, kind: type[HlsgenError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        activation(tmp_path, said)
    assert text in str(caught.value)
    assert str(caught.value).startswith("q.h5: layer 'q' (QActivation): ")


def test_scales_of_wide_powers_stay_plain_numbers(tmp_path: Path) -> None:
    """A zero weight is 2^-64 under quantized_po2(8): no Quant of 32 bits says that, hlsgen does."""
    kernel = np.asarray([[0.0, 1.0]], np.float32)
    dense = layer("QDense", "d", units=2, use_bias=False, kernel_quantizer="quantized_po2(8)")
    path = write_h5(tmp_path / "m.h5", sequential((1,), dense), {"d": {"kernel": kernel}})
    proto = import_keras(path).model
    assert [node.op_type for node in proto.graph.node] == ["MatMul", "Identity"]
    (held,) = (numpy_helper.to_array(item) for item in proto.graph.initializer)
    assert held.tolist() == [[2.0**-64, 1.0]]


def test_one_bit_weights_are_bipolar(tmp_path: Path) -> None:
    dense = layer("QDense", "d", units=2, use_bias=False, kernel_quantizer="binary(alpha=1)")
    kernel = np.asarray([[0.0, -2.0]], np.float32)
    path = write_h5(tmp_path / "m.h5", sequential((1,), dense), {"d": {"kernel": kernel}})
    node = import_keras(path).model.graph.node[0]
    assert node.op_type == "BipolarQuant"


def test_kernels_scale_themselves_unless_told(tmp_path: Path) -> None:
    """QKeras sets alpha of a kernel's quantiser to auto_po2 where none is given; not of a bias."""
    held = {"d": {"kernel": weights((4, 5)), "bias": weights((6,))[1:]}}
    graphs: list[bytes] = []
    for kernel in ("binary()", "binary(alpha='auto_po2')"):
        said = {"kernel_quantizer": kernel, "bias_quantizer": "ternary()"}
        path = write_h5(tmp_path / "m.h5", sequential((4,), layer("QDense", "d", **said)), held)
        graph = import_keras(path).model.graph
        graphs.append(graph.SerializeToString())
        bias = next(numpy_helper.to_array(i) for i in graph.initializer if i.name == "d/bias")
        assert set(np.abs(bias)) <= {0, 1}
    assert graphs[0] == graphs[1]


def test_golden_numbers_are_those_of_the_installed_qkeras() -> None:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    pytest.importorskip("qkeras", reason="no qkeras here: golden numbers stand in for it")
    assert computed(ACTIVATIONS, KERNELS) == json.loads(GOLDEN.read_text(encoding="utf-8"))
