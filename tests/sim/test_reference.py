"""The reference: onnxruntime where it runs the file, float32 primitives elsewhere; exact codes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hlsgen.ops.model.quantize import Quantize
from hlsgen.sim.explain import exact_layers
from hlsgen.sim.pointwise import Pointwise
from hlsgen.sim.reference import PRIMITIVES, RUNTIME, float32, reference
from tests.sim import small


def test_runtime_runs_what_it_can(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    net = small.powers_of_two(path)
    feeds = small.inputs(net, 20, 2.0)
    found = reference(net.model, feeds, path)
    assert found.engine == RUNTIME
    assert found.values["yq"].dtype == np.uint8
    assert found.values["xq"].shape == (20, 1, 24)
    assert found.values["wd"].shape[0] == 1  # a constant is kept once
    mine = float32(net.model, feeds)
    for name in ("xq", "a", "r", "yq", "y"):
        assert np.array_equal(found.values[name], mine[name])


def test_foreign_operators_become_primitives_for_the_runtime(tmp_path: Path):
    """QONNX files run in onnxruntime, their quantisers written out."""
    pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    net = small.bare(path)
    feeds = small.inputs(net, 40, 1.0)
    found = reference(net.model, feeds, path)
    assert found.engine == RUNTIME
    mine = float32(net.model, feeds)
    codes = [n.output for n in net.model.nodes if isinstance(n.op, Quantize)]
    assert len(codes) == 2
    for name in (*codes, "wq"):
        assert np.array_equal(found.values[name], mine[name])
    assert np.allclose(found.values["m"], mine["m"], rtol=1e-5, atol=1e-6)


def test_a_file_that_cannot_run_is_evaluated_here(tmp_path: Path):
    net = small.powers_of_two(tmp_path / "model.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert reference(net.model, small.inputs(net, 3, 1.0), broken).engine == PRIMITIVES


def test_without_the_file_primitives_are_evaluated(tmp_path: Path):
    net = small.powers_of_two(tmp_path / "model.onnx")
    assert reference(net.model, small.inputs(net, 3, 1.0)).engine == PRIMITIVES


def test_single_codes_in_fractions(tmp_path: Path):
    """Pointwise agrees with rational arithmetic written out by hand."""
    net = small.free_scales(tmp_path / "model.onnx")
    feeds = small.inputs(net, 4, 1.0)
    exact = exact_layers(net.model, feeds)
    c = net.model.constants
    scale_x, scale_y = Fraction(float(c["sx"])), Fraction(float(c["sy"]))
    node = net.model.producer["yq"]
    pointwise = Pointwise(net.model, {**feeds, "xq": exact.codes["xq"]})
    for sample in range(4):
        for channel in range(4):
            total = sum(
                int(w) * (int(q) - 3)
                for w, q in zip(c["w"][:, channel], exact.codes["xq"][sample, 0], strict=True)
            )
            real = total * scale_x * Fraction(float(np.float32(small.SCALES[channel])))
            real += Fraction(float(c["b"][channel]))
            want = min(max(round(max(real, 0) / scale_y) + 5, 0), 255)
            assert pointwise.code(node, sample, (0, channel)) == want
            assert exact.codes["yq"][sample, 0, channel] == want


def test_exact_ties_are_decided_to_even(tmp_path: Path):
    net = small.averages(tmp_path / "model.onnx")
    feeds = small.inputs(net, 30, 0.8)
    exact = exact_layers(net.model, feeds)
    x = exact.codes["xq"]
    pairs = x[..., 0::2] + x[..., 1::2]
    assert (pairs % 2 == 1).any()
    want = [round(Fraction(int(v), 2)) for v in pairs.ravel()]
    assert exact.codes["yq"].ravel().tolist() == want
