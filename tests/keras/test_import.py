"""`hlsgen import` as a user meets it: the files it writes, and one line for what it cannot read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import refused, run

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from keras_files import layer, sequential, write_h5, write_json, write_keras, write_weights

import hlsgen.keras
from hlsgen.frontends import read_model
from hlsgen.keras import convert
from hlsgen.keras.call import LayerCall
from hlsgen.keras.network import Value

KERNEL = np.asarray([[0.5, -0.25], [1.0, 0.0], [0.125, -2.0]])
HELD = {"d": {"kernel": KERNEL, "bias": np.asarray([0.5, 0.25])}}


def model(**options: Any) -> Any:
    """Quantised input, a quantised layer, a quantised activation."""
    return sequential(
        (3,),
        layer("QActivation", "q", activation="quantized_bits(8,3)"),
        layer(
            "QDense", "d", units=2, kernel_quantizer="quantized_bits(4,1,alpha=1)",
            bias_quantizer="quantized_bits(4,1)", activation="quantized_relu(4,2)", **options,
        ),
    )  # fmt: skip


def test_import_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_h5(tmp_path / "m.h5", model(), HELD)
    target = tmp_path / "m.onnx"
    assert run("import", source, "-o", target) == 0
    said = capsys.readouterr().out
    assert "2 layers of Keras 2.9.0, 1 quantized_bits(8,3)" in said
    assert f"next: hlsgen build {target} -o DIR" in said
    assert "real weights" not in said
    onnx.checker.check_model(onnx.load(target))
    assert read_model(target).dialect == "QONNX"
    assert run("verify", target, "--samples", 4) == 0


def test_json_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dense = layer("Dense", "d", units=2)
    held = {"d": {"kernel": KERNEL / 3, "bias": np.zeros(2)}}
    source = write_json(tmp_path / "m.json", sequential((3,), dense))
    weights = write_weights(tmp_path / "other.h5", held)
    target = tmp_path / "m.onnx"
    assert run("import", source, "--weights", weights, "-o", target, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "format": 1, "output": str(target), "keras": "2.9.0", "layers": 1, "quantisers": {},
        "unquantised": ["d"],
    }  # fmt: skip


def test_other_commands_read_such_files_as_they_are(tmp_path: Path) -> None:
    source = write_h5(tmp_path / "m.h5", model(), HELD)
    np.savez(tmp_path / "x.npz", x=np.asarray([[[1.0, -2.0, 0.5]]]))
    out = tmp_path / "y.npz"
    assert run("simulate", source, "--input", tmp_path / "x.npz", "-o", out) == 0
    (y,) = np.load(out).values()
    # 1 * .5 - 2 * 1 + .5 * .125 rounded to 0 (ties to even); 0 + (-2 + 1/4) / 2 at the bounds
    quantised = np.clip(np.round(KERNEL * 4), -8, 7) / 4
    want = np.asarray([1.0, -2.0, 0.5]) @ quantised + [0.5, 0.25]
    assert y.ravel() == pytest.approx(np.clip(np.round(want * 4), 0, 15) / 4)
    built = tmp_path / "project"
    assert run("build", source, "-o", built, "--no-csim") == 0
    assert onnx.load(built / "model.onnx").graph.input[0].name == "x"
    assert run("verify", built) == 0


# -- bad input --------------------------------------------------------------------------------


def test_truncated_and_foreign_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_h5(tmp_path / "m.h5", model(), HELD).read_bytes()
    cut, other = tmp_path / "cut.h5", tmp_path / "m.pb"
    cut.write_bytes(whole[: len(whole) // 2])
    other.write_bytes(whole)
    archive = write_keras(tmp_path / "m.keras", model(), {"q_dense": HELD["d"]}).read_bytes()
    half = tmp_path / "half.keras"
    half.write_bytes(archive[: len(archive) // 2])
    bad = tmp_path / "bad.json"
    bad.write_text('{"class_name": "Sequential", "config"', encoding="utf-8")
    weights = write_weights(tmp_path / "w.h5", HELD)
    for path, text in (
        (cut, "cut.h5: not an HDF5 file, or a truncated one"),
        (half, "half.keras: not a .keras file, or a truncated one"),
        (bad, "bad.json: no Keras model: its configuration is not JSON"),
        (other, "m.pb: '.pb' is none of .h5, .hdf5, .keras, .json"),
        (weights, "w.h5: it holds weights only: import the .json of the architecture"),
        (tmp_path / "none.h5", "none.h5: cannot read the file"),
    ):
        capsys.readouterr()
        given = ("--weights", weights) if path is bad else ()
        assert text in refused(capsys, 2, "import", path, "-o", tmp_path / "o.onnx", *given)
    assert not (tmp_path / "o.onnx").exists()


def test_json_without_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_json(tmp_path / "m.json", model())
    text = refused(capsys, 2, "import", source, "-o", tmp_path / "o.onnx")
    assert "m.json holds no weights: put them beside it as m.weights.h5, or name them" in text


def test_never_writes_over_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_h5(tmp_path / "m.h5", model(), HELD)
    before = source.read_bytes()
    assert "the file to write is an ONNX file" in refused(capsys, 2, "import", source, "-o", source)
    assert source.read_bytes() == before


def test_without_h5py(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_h5(tmp_path / "m.h5", model(), HELD)
    monkeypatch.setitem(sys.modules, "h5py", None)
    text = refused(capsys, 3, "import", source, "-o", tmp_path / "o.onnx")
    assert "pip install 'hlsgen[keras]'" in text


@pytest.mark.parametrize(
    ("content", "held", "text"),
    [
        (sequential((3,), layer("Lambda", "l")), {}, "layer 'l' (Lambda): unknown layer class"),
        (
            sequential((3,), layer("Densely", "l")),
            {},
            "nearest known one is Dense. Teach it with hlsgen.keras.register('Densely', builder)",
        ),
        (model(), {}, "its weight 'kernel' is not in the file, which has none"),
        (
            model(),
            {"d": {"kernel": KERNEL}},
            "its weight 'bias' is not in the file, which has kernel",
        ),
        (model(), {"d": {**HELD["d"], "kernel": KERNEL[:2]}}, "a kernel [2, 2] for 3 inputs"),
        (
            model(),
            {"d": {**HELD["d"], "kernel": KERNEL * np.nan}},
            "layer 'd' (QDense): its weights are not all finite",
        ),
        (
            sequential((3,), layer("Activation", "a", activation="cubic")),
            {},
            "layer 'a' (Activation): unknown activation 'cubic'",
        ),
        (
            {
                "class_name": "Sequential",
                "config": [layer("InputLayer", "x", dtype="string", batch_shape=[None, 3])],
            },
            {},
            "layer 'x' (InputLayer): an input of type string; known are float32",
        ),
        (sequential((3,), version="1.2.2"), {}, "saved by Keras 1.2.2; known are 2 and 3"),
        (sequential((None, 3), layer("Flatten", "f")), {}, "free sizes [None, None, 3]"),
        (
            sequential((3,), layer("Dense", "d", dtype="mixed_float16")),
            {},
            "computed in mixed_float16: save the model in float32",
        ),
        (
            sequential((3, 3, 1), layer("Conv2D", "c", data_format="channels_first")),
            {"c": HELD["d"]},
            "channels_first",
        ),
        (
            sequential(
                (3,), {"class_name": "Sequential", "config": {"name": "inner", "layers": []}}
            ),
            {},
            "layer 'inner' is a whole model",
        ),
        (sequential((3,), layer("Reshape", "r", target_shape=[2, 2])), {}, "cannot have the shape"),
        ({"class_name": "Sequential", "config": 3}, {}, "not one of a Keras model"),
        ({"class_name": "Tree", "config": {}}, {}, "a Tree: needed is one of Sequential"),
    ],
)
def test_refused_models(
    content: Any, held: Any, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_h5(tmp_path / "m.h5", content, held)
    said = refused(capsys, 2, "import", source, "-o", tmp_path / "o.onnx")
    assert "m.h5: " in said
    assert text in said


def test_a_custom_layer_can_be_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def double(call: LayerCall) -> Value:
        return call.net.apply("Mul", call.x, float(call.option("factor", 1)))

    monkeypatch.setattr(convert, "LAYERS", dict(convert.LAYERS))
    hlsgen.keras.register("Double", double)
    source = write_h5(tmp_path / "m.h5", sequential((3,), layer("my>Double", "m", factor=2)))
    nodes = hlsgen.import_keras(source).model.graph.node
    assert [node.op_type for node in nodes] == ["Mul", "Identity"]
