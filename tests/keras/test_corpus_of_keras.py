"""The Keras files of the corpus, which no one here made, against what QKeras computed of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from hlsgen.arith.declared import parse_format
from hlsgen.frontends import read_model
from hlsgen.keras import import_keras
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.sim.reference import reference
from hlsgen.sim.verify import verify

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
# Input formats that hold the float32 inputs of the corpus exactly: nothing is rounded on the way.
FORMATS = {
    "qk_jet3l_ex": "fixed<56,6>",
    "qk_jet3l_pynq": "fixed<56,6>",
    "qk_mnist_cnn": "fixed<40,4>",
    "qk_mnist_dense": "fixed<40,4>",
    "qk_rn06_webcam": "fixed<40,4>",
}
SAMPLES = {"qk_mnist_cnn": 8, "qk_rn06_webcam": 2}
LAYERS = {"ks_3layer_binary": 11, "ks_3layer_ternary": 11, "hgq_jet": 15}
# Not qk_mnist_dense: qonnx left its quantized_po2 kernel as it was (0.06 off, says meta.json).
TWINS = ("qk_jet3l_ex", "qk_jet3l_pynq", "qk_mnist_cnn")

if not CORPUS.is_dir():
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)


def source(name: str) -> Path:
    """The file that `import` is given; weights of a .json lie beside it."""
    return next(p for p in (CORPUS / name / n for n in ("model.h5", "model.json")) if p.is_file())


def arrays(name: str, which: str) -> NDArray[Any]:
    with np.load(CORPUS / name / f"{which}.npz") as data:
        return data["x" if which == "inputs" else "y"][: SAMPLES.get(name, 64)]


@pytest.mark.parametrize("name", FORMATS)
def test_integers_are_those_of_qkeras(name: str) -> None:
    """QKeras 0.9.0's own outputs, real values before a softmax on codes: every element equal."""
    path = source(name)
    model = read_model(path)
    declared = {n: parse_format(FORMATS[name]) for n in model.inputs}
    network = lower(model, LowerOptions(inputs=declared))
    feeds = {model.inputs[0]: arrays(name, "inputs")}
    result = verify(network, feeds, {model.outputs[0]: arrays(name, "reference")}, None, path)
    engine = result.engines["python"]
    assert not result.rounded_inputs
    assert engine.equal == engine.elements > 0


@pytest.mark.parametrize("name", TWINS)
def test_qonnx_conversion_of_the_same_file_agrees(name: str, tmp_path: Path) -> None:
    """qonnx' own converter went through TensorFlow; both networks compute the same."""
    twin = read_model(CORPUS / f"qonnx_{name}" / "model.onnx")
    path = tmp_path / "own.onnx"
    onnx.save(import_keras(source(name)).model, path)
    own = read_model(path)
    x = arrays(name, "inputs")[:8]
    (a,) = (reference(own, {own.inputs[0]: x}, path).values[n] for n in own.outputs)
    there = CORPUS / f"qonnx_{name}" / "model.onnx"
    (b,) = (reference(twin, {twin.inputs[0]: x}, there).values[n] for n in twin.outputs)
    assert a == pytest.approx(b, abs=3e-7)


@pytest.mark.parametrize("name", LAYERS)
def test_files_without_a_reference_import_and_lower(name: str) -> None:
    result = import_keras(source(name))
    assert result.layers == LAYERS[name]
    assert result.unquantised == ()
    model = read_model(source(name))
    network = lower(
        model, LowerOptions(inputs={n: parse_format("fixed<12,5>") for n in model.inputs})
    )
    feeds = {model.inputs[0]: np.random.default_rng(3).normal(0, 2, (4, 1, 16)).astype(np.float32)}
    assert verify(network, feeds, None, None, source(name)).wrong == 0
