"""What is exported is what the module computes in evaluation mode, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="hlsgen.train needs torch: pip install 'hlsgen[train]'")

import onnx  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from nets import Residual, integers, residual, returned, signal  # noqa: E402
from torch import nn  # noqa: E402

import hlsgen  # noqa: E402
from hlsgen.errors import HlsgenError, OptionError, Unsupported  # noqa: E402
from hlsgen.train import (  # noqa: E402
    A2q,
    A2qPlus,
    Batches,
    Bipolar,
    Config,
    DenseShift,
    Khot,
    Lsq,
    Override,
    Qfx,
    SelfCompress,
    Ternary,
    Training,
    export,
    export_float,
    fit,
    quantise,
)

WEIGHTS = [
    Qfx(5), Khot(1, 6), Khot(2, 8), Lsq(4), A2q(5, 10), A2qPlus(5, 10), DenseShift(2),
    DenseShift(3), Ternary(), Bipolar(), Bipolar(gated=True), SelfCompress(4),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_integers_equal_the_module_after_training(weights: object, tmp_path: Path) -> None:
    module, x = residual()
    network = quantise(module, x, Config(weights, Qfx(4)))  # type: ignore[arg-type]
    batches = Batches(x, torch.randint(0, 3, (len(x),)), 8)
    losses = fit(network, batches, Training(2, 5e-3))
    assert all(np.isfinite(losses))
    want = returned(network, x)
    assert np.array_equal(integers(network, x, tmp_path / "net.onnx"), want)
    assert len(np.unique(want)) > 3


@pytest.mark.parametrize("form", [Qfx(6), Lsq(6)], ids=str)
@pytest.mark.parametrize("output", [False, True])
def test_one_dimension_and_curved_functions(form: Qfx, output: bool, tmp_path: Path) -> None:
    module, x = signal()
    network = quantise(module, x, Config(form, form, output=output))
    want = returned(network, x)
    assert np.array_equal(integers(network, x, tmp_path / "net.onnx"), want)
    assert np.abs(want - returned(module, x)).max() < 0.2


def test_inputs_beyond_the_range_saturate_alike(tmp_path: Path) -> None:
    module, x = residual()
    network = quantise(module, x, Config(Qfx(6), Qfx(3)))
    wild = torch.cat([x * 50 - 20, torch.full_like(x, 1 / 16)])
    assert np.array_equal(integers(network, wild, tmp_path / "n.onnx"), returned(network, wild))


def test_eight_bits_are_near_the_float_module() -> None:
    module, x = residual()
    want = returned(module, x)
    got = returned(quantise(module, x), x)
    assert 0 < np.abs(got - want).max() < 0.05 * np.abs(want).max()


def test_the_module_itself_stays_as_it_is() -> None:
    module, x = residual()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    fit(quantise(module, x, Config(A2qPlus(4, 8), Qfx(4))), Batches(x, torch.zeros(24).long()))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_csim_returns_the_same(tmp_path: Path) -> None:
    pytest.importorskip("hls4ml", reason="csim needs the open HLS headers")
    from hlsgen.build.project import BuildOptions, build

    module, x = residual()
    network = quantise(module, x, Config(Khot(2, 6), Qfx(4)))
    export(network, tmp_path / "net.onnx")
    built = build(tmp_path / "net.onnx", tmp_path / "project", BuildOptions(samples=4))
    assert built.verification.engines["csim"].wrong == 0
    assert built.verification.engines["csim"].elements == 12


def test_float_export_is_what_the_module_computes(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    for make in (residual, signal):
        module, x = make()
        export_float(module, x, tmp_path / "float.onnx")
        onnx.checker.check_model(tmp_path / "float.onnx")
        session = ort.InferenceSession(tmp_path / "float.onnx", providers=["CPUExecutionProvider"])
        (got,) = session.run(None, {"x": x.numpy()})
        np.testing.assert_allclose(got, returned(module, x), atol=1e-5)


def test_overrides_choose_by_name(tmp_path: Path) -> None:
    module, x = residual()
    config = Config(
        overrides={
            "conv*": Override(weights=Qfx(3)),
            "conv2": Override(weights=Ternary()),
            "x": Override(activations=Qfx(2)),
        }
    )
    network = quantise(module, x, config)
    export(network, tmp_path / "net.onnx")
    model = hlsgen.load(tmp_path / "net.onnx")
    proto = onnx.load(tmp_path / "net.onnx")
    bits = {
        n.output[0]: int(onnx.numpy_helper.to_array(c))
        for n in proto.graph.node
        if n.op_type == "Quant"
        for c in proto.graph.initializer
        if c.name == n.input[3]
    }
    assert (bits["conv1.weight"], bits["conv2.weight"], bits["fc.weight"]) == (3, 2, 8)
    assert bits["x_quantiser"] == 2
    assert model is not None


def refused(error: type[HlsgenError], module: nn.Module, x: object, config: Config | None) -> str:
    with pytest.raises(error) as found:
        quantise(module, x, config)  # type: ignore[arg-type]
    return str(found.value)


class Shared(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(self.conv2(self.conv1(x)))


class Deciding(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Scores(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(super().forward(x), 1)


def test_what_cannot_be_quantised_is_named() -> None:
    module, x = residual()
    pattern = Config(overrides={"convolution*": Override(weights=Qfx(3))})
    message = refused(OptionError, module, x, pattern)
    assert message.startswith("override 'convolution*' matches none of ")
    assert ", conv2, depthwise, fc, " in message
    assert "conv2" in refused(Unsupported, Shared(), x, None)
    assert "cannot be traced" in refused(Unsupported, Deciding(), x, None)
    assert "'softmax' has no integers" in refused(Unsupported, Scores().eval(), x, None)
    lstm = nn.Sequential(nn.Linear(6, 6), nn.GELU())
    assert "1 (module): GELU" in refused(Unsupported, lstm, torch.rand(2, 6), None)
    with pytest.raises(OptionError, match="bias must be 2 to 32 bits"):
        Config(bias=1)


def test_sums_that_float64_might_round_are_refused(tmp_path: Path) -> None:
    module, x = residual()
    wide = quantise(module, x, Config(Lsq(16), Lsq(16), batch_norm=16))
    with pytest.raises(Unsupported, match=r"sums of .. bits, of which float64 holds 50"):
        export(wide, tmp_path / "net.onnx")
    export(quantise(module, x, Config(Qfx(12), Qfx(12))), tmp_path / "net.onnx")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    module, x = residual()
    with pytest.raises(OptionError, match="cannot write"):
        export(quantise(module, x), tmp_path / "absent" / "net.onnx")
