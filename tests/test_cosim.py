"""The stand-alone co-simulation model returns what hlsgen returns, in a Python without hlsgen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hlsgen.emit.cosim import emit_cosim
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.sim.run import feeds_of, simulate

ROOT = Path(__file__).parents[1]
CORPUS = ROOT.parent / "shared" / "corpus"
EXAMPLES = {
    "digits_mlp": ROOT / "examples/digits_mlp",
    "digits_cnn": ROOT / "examples/digits_cnn",
}
REAL = ("qonnx_tfc_w2a2", "nemo_tcn_t", "qop_microkws_static", "ptq_qdq_u16s8_micro_kws")


def run_alone(
    network: Network, arrays: dict[str, np.ndarray], folder: Path
) -> dict[str, np.ndarray]:
    """The outputs of cosim.py, run in isolated mode away from the checkout."""
    for name, content in emit_cosim(network).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    np.savez(folder / "x.npz", **arrays)
    command = [sys.executable, "-I", "cosim/cosim.py", "x.npz", "y.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "y.npz") as y:
        return {k: y[k] for k in y.files}


def check(model: Path, arrays: dict[str, np.ndarray], folder: Path) -> None:
    network = lower(read_model(model))
    want = simulate(network, feeds_of(network, arrays))
    got = run_alone(network, arrays, folder)
    for name, y in want.items():
        np.testing.assert_array_equal(got[name.replace("/", "__")], y)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_stand_alone(name: str, tmp_path: Path) -> None:
    folder = EXAMPLES[name]
    with np.load(folder / "test_data.npz") as data:
        arrays = {k: data[k][:20] for k in data.files if k != "labels"}
    check(folder / f"{name}.onnx", arrays, tmp_path)


@pytest.mark.parametrize("name", REAL)
def test_real_models_stand_alone(name: str, tmp_path: Path) -> None:
    if not (CORPUS / name).is_dir():
        pytest.skip("../shared/corpus is not here")
    with np.load(CORPUS / name / "inputs.npz") as data:
        arrays = {k: data[k][:3] for k in data.files}
    check(CORPUS / name / "model.onnx", arrays, tmp_path)


def test_script_imports_numpy_only(tmp_path: Path) -> None:
    model = EXAMPLES["digits_mlp"] / "digits_mlp.onnx"
    text = str(emit_cosim(lower(read_model(model)))["cosim/cosim.py"])
    lines = [
        line.strip() for line in text.splitlines() if line.strip().startswith(("import", "from"))
    ]
    allowed = ("__future__", "sys", "fractions", "pathlib", "numpy", "math")
    assert all(line.split()[1].split(".")[0] in allowed for line in lines)
