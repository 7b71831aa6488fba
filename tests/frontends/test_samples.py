"""Sample data settle what a file leaves open: scales that are inputs, free dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import run
from onnx import TensorProto, helper

from hlsgen.frontends.samples import settle

X = np.arange(-12, 12, dtype=np.float32).reshape(4, 2, 3)


def quantiser_of_inputs(folder: Path) -> Path:
    """y = QuantizeLinear(x, scale, zero), all three network inputs, x of a free second size."""
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "width"]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("zero", TensorProto.UINT8, []),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.UINT8, ["N", "width"])
    node = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"], name="q")
    graph = helper.make_graph([node], "g", inputs, [output])
    path = folder / "q.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


def feeds(scales: list[float]) -> dict[str, np.ndarray]:
    count = len(scales)
    return {
        "x": X[:count],
        "scale": np.array(scales, np.float32),
        "zero": np.full(count, 7, np.uint8),
    }


def test_a_scale_on_which_all_samples_agree_is_a_constant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, given = quantiser_of_inputs(tmp_path), feeds([0.5] * 4)
    np.savez(tmp_path / "x.npz", **given)
    np.savez(tmp_path / "want.npz", y=np.clip(np.rint(X / 0.5) + 7, 0, 255))
    options = ("--input", tmp_path / "x.npz", "--expect", tmp_path / "want.npz")
    assert run("verify", model, *options) == 0
    said = capsys.readouterr()
    assert "24 equal" in said.out
    assert "'scale' is a network input that hardware holds as a constant" in said.err


def test_a_scale_that_changes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = quantiser_of_inputs(tmp_path)
    np.savez(tmp_path / "x.npz", **feeds([0.5, 0.25]))
    assert run("simulate", model, "--input", tmp_path / "x.npz", "--output", "y.npz") == 2
    assert "node 0 'q' (QuantizeLinear): scale 'scale' is computed" in capsys.readouterr().err


def test_free_sizes_come_from_the_data(tmp_path: Path) -> None:
    found = settle(quantiser_of_inputs(tmp_path), feeds([0.5, 0.25]))
    assert found.shapes == {"x": (2, 3)}
    assert set(found.constants) == {"zero"}
