"""The command line as a user meets it: results, exit statuses, one-line errors, whole folders."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import refused, run
from onnx import helper, numpy_helper

from hlsgen.build import project

ROOT = Path(__file__).parents[1]
MLP = ROOT / "examples/digits_mlp/digits_mlp.onnx"
CNN = ROOT / "examples/digits_cnn/digits_cnn.onnx"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "mlp"
    assert run("build", MLP, "-o", folder, "--samples", 4) == 0
    return folder


def test_build_makes_a_whole_verified_project(built: Path) -> None:
    content = json.loads((built / "project.json").read_text())
    assert content["format"] == 1
    assert content["verified"] is True
    assert content["options"]["part"] == "xczu3eg-sbva484-1-i"
    engines = content["verification"]["engines"]
    assert engines["csim"]["elements"] == engines["csim"]["equal"] == 40
    assert content["inputs"][0]["format"] == "uint5"
    assert content["inputs"][0]["scale"] == 1.0
    for name in ("Makefile", "build.tcl", "hls_config.cfg", "cosim/cosim.py", "proof.json"):
        assert (built / name).is_file()
    assert [p.name for p in built.parent.iterdir()] == [built.name]  # no left-over neighbour


def test_proof_bounds_every_sum(built: Path) -> None:
    layers = json.loads((built / "proof.json").read_text())["layers"]
    sums = [layer for layer in layers if layer["operator"] == "MatMul"]
    assert sums
    for layer in sums:
        tree = layer["sums"]["tree"]
        assert len(tree["nodes"]) == 2 * tree["terms"] - 1
        low, high = map(int, tree["nodes"][0].split(",")[0].split(" to "))
        (out,) = layer["outputs"].values()
        assert high - low >= out["range"][1] - out["range"][0]  # the bias moves both ends


def test_project_simulates_as_its_model_does(built: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 17, (5, 1, 64)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    runs = ((built, "csim", "a"), (MLP, "python", "b"), (built, "native", "c"))
    for what, engine, out in runs:
        target = tmp_path / f"{out}.npz"
        status = run(
            "simulate", what, "--input", tmp_path / "x.npz", "-o", target, "--engine", engine
        )
        assert status == 0
    first, *others = (np.load(tmp_path / f"{n}.npz")["logits"] for n in "abc")
    assert first.shape == (5, 1, 10)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_project_replays_its_vectors(built: Path) -> None:
    done = subprocess.run(
        ["make", "csim"], cwd=built, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_verify_writes_its_documented_json(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "v.json"
    assert run("verify", built, "--samples", 3, "--json", target) == 0
    content = json.loads(target.read_text())
    assert set(content) >= {"model", "rounded_inputs", "engines", "seconds"}
    engine = content["engines"]["python"]
    assert set(engine) >= {"elements", "equal", "explained", "wrong", "first_wrong"}
    assert engine["wrong"] == 0
    assert engine["explained"] == 0  # powers of two, small sums: float32 is exact here
    assert engine["first_wrong"] is None


def test_verify_prints_json_on_request(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", built, "--samples", 2, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["engines"]["python"]["wrong"] == 0


def test_inspect_shows_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", CNN, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["converts"] is True
    assert content["model"]["dialect"] == "QDQ"
    assert content["multiplies"] == 87296
    assert {"Conv", "MaxPool", "MatMul", "Staircase", "Linear"} <= {
        layer["operator"] for layer in content["layers"]
    }
    assert run("inspect", CNN) == 0
    assert "conv1" in capsys.readouterr().out


def test_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("boards") == 0
    assert "xcu280" in capsys.readouterr().out
    assert run("boards", "ultra96v2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["boards"][0]["resources"]["dsp"] == 360
    assert "ultra96" in refused(capsys, 2, "boards", "ultra69")


def test_wrong_hardware_is_status_1_and_stays_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = project.run_csim

    def off_by_one(*arguments: Any) -> dict[str, Any]:
        return {name: y + 1 for name, y in right(*arguments).items()}

    monkeypatch.setattr(project, "run_csim", off_by_one)
    assert run("build", MLP, "-o", tmp_path / "p") == 1
    assert "WRONG" in capsys.readouterr().out
    content = json.loads((tmp_path / "p/project.json").read_text())
    assert content["verified"] is False
    assert content["verification"]["engines"]["csim"]["wrong"] > 0


def test_a_folder_of_others_is_never_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    assert "not a project that hlsgen wrote" in refused(capsys, 2, "build", MLP, "-o", folder)
    assert (folder / "thesis.tex").read_text() == "precious"
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(capsys, 2, "build", MLP, "-o", tmp_path / "file")


def test_an_older_project_stays_where_a_new_build_fails(
    built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (built / "project.json").read_text()
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    assert "install g++" in refused(capsys, 3, "build", MLP, "-o", built)
    assert (built / "project.json").read_text() == before
    assert [p.name for p in built.parent.iterdir()] == [built.name]


def test_no_headers_is_status_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XILINX_HLS", raising=False)
    monkeypatch.setattr("hlsgen.build.headers.find_spec", lambda name: None, raising=False)
    assert "hlsgen[csim]" in refused(capsys, 3, "build", MLP, "-o", tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_no_space_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "no space left" in refused(capsys, 2, "build", MLP, "-o", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("build", "nothing.onnx", "-o", "p"), "nothing.onnx"),
        (("build", MLP, "-o", "p", "--board", "ultra96v3"), "ultra96v2"),
        (("build", MLP, "-o", "p", "--input", "x=uint99"), "1 to 64 bits"),
        (("build", MLP, "-o", "p", "--input", "x=float"), "no number format"),
        (("build", MLP, "-o", "p", "--input", "z=uint8"), "no such input"),
        (("build", MLP, "-o", "p", "--shape", "x=1xN"), "NAME=1x3x32x32"),
        (("build", MLP, "-o", "p", "--clock-ns", "-1"), "positive"),
        (("simulate", MLP, "--input", "nothing.npz", "-o", "y.npz"), "nothing.npz"),
        (("verify", MLP, "--input", __file__), "npz"),
        (("verify", ROOT / "tests"), "not a project"),
        (("build", MLP), "parameter -o"),
        (("build", MLP, "-o", "p", "--arithmetic", "magic"), "needed is tool, dsp, lut, shift-add"),
        (("synth", MLP, "--arithmetic", "quant1=lut"), "'quant1' has no constant weights"),
        (("synth", MLP, "--clock-ns", "-1"), "must be positive"),
        (("synth", MLP, "--layers"), "build it with --io stream"),
        (("synth", MLP, "--max-latency", "0"), "must be 1 or more"),
        (("build", MLP, "-o", "p", "--max-latency", "0"), "must be 1 or more"),
        (("build", MLP, "-o", "p", "--io", "serial"), "serial"),
        (("biuld", MLP), "biuld"),
    ],
)
def test_bad_options_are_one_line(
    arguments: tuple[object, ...], fragment: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert fragment in refused(capsys, 2, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_another_shape_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 1, 63), np.float32))
    arguments = ("simulate", MLP, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert "needs shape (samples, 1, 64), got (3, 1, 63)" in refused(capsys, 2, *arguments)
    np.savez(tmp_path / "x.npz", x=np.full((3, 1, 64), np.nan, np.float32))
    assert "NaN" in refused(capsys, 2, *arguments)


def test_declared_bytes_pull_the_first_quantiser_into_hardware(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", CNN, "--input", "image=uint8", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["inputs"][0]["format"] == "uint8"
    assert content["layers"][0]["operator"] == "Staircase"


def test_importing_the_command_is_light() -> None:
    """Heavy packages load with the command that needs them, so that --help answers at once."""
    code = (
        "import sys, hlsgen.cli; print([m for m in ('onnx', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_dynamic_scales_are_refused_unless_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ROOT.parent / "shared/corpus/ptq_qopdyn_mnist8/model.onnx"
    if not model.is_file():
        pytest.skip("../shared/corpus is not here")
    assert "--static-scales" in refused(capsys, 2, "verify", model, "--samples", 2)
    names = ("Input3", "Pooling66_Output_0", "Pooling160_Output_0_reshape0")
    arrays = {f"{n}_scale": np.float32(2) for n in names}
    arrays |= {f"{n}_zero_point": np.uint8(128) for n in names}
    np.savez(tmp_path / "s.npz", **arrays)  # pyright: ignore[reportArgumentType]
    assert run("verify", model, "--samples", 2, "--static-scales", tmp_path / "s.npz") == 0
    assert "0 wrong" in " ".join(capsys.readouterr().out.split())


def test_weights_beside_the_model_go_into_the_project(tmp_path: Path) -> None:
    proto = onnx.load(CNN)
    model = tmp_path / "m.onnx"
    onnx.save(proto, model, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert run("build", model, "-o", tmp_path / "p", "--samples", 2) == 0
    (tmp_path / "w.bin").unlink()
    assert run("verify", tmp_path / "p", "--samples", 2) == 0


def test_the_greatest_probabilities_come_from_the_host(tmp_path: Path) -> None:
    """TopK behind a softmax: its places are hardware, its values the epilogue's."""
    proto = onnx.load(CNN)
    name = proto.graph.output[0].name
    k = numpy_helper.from_array(np.array([3]), "k")
    proto.graph.initializer.append(k)
    proto.graph.node.append(
        helper.make_node("TopK", [name, "k"], ["best", "places"], "top", axis=1)
    )
    del proto.graph.output[:]
    proto.graph.output.extend(
        [
            helper.make_tensor_value_info("best", onnx.TensorProto.FLOAT, None),
            helper.make_tensor_value_info("places", onnx.TensorProto.INT64, None),
        ]
    )
    onnx.save(proto, tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", image=np.load(CNN.parent / "test_data.npz")["image"][:9])
    y = {}
    for what, net in (("top", tmp_path / "m.onnx"), ("all", CNN)):
        target = tmp_path / f"{what}.npz"
        assert run("simulate", net, "--input", tmp_path / "x.npz", "-o", target) == 0
        y[what] = np.load(target)
    want = -np.sort(-y["all"][name], axis=-1)[..., :3]
    np.testing.assert_allclose(y["top"]["best"], want, rtol=1e-6)
    assert y["top"]["places"].shape == want.shape
    assert run("build", tmp_path / "m.onnx", "-o", tmp_path / "p", "--samples", 2) == 0
