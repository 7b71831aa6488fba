"""Every file of the corpus: read as expected, and evaluated equal to the public runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hlsgen.errors import HlsgenError
from hlsgen.frontends import read_model
from hlsgen.frontends.samples import settle
from hlsgen.sim.model_eval import evaluate_model

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
ENTRIES = sorted(path.parent.name for path in CORPUS.glob("*/model.onnx"))
SAMPLES = 2

REFUSED = {
    "float_jet_three_layer_bn": "scale of shape [64] for 1 channels",
    "op_onnx_dynamicquantizelinear": "is computed at run time; give --static-scales",
    "op_qop_ort_matmul_integer_to_float_uint8": "has no fixed size; give its sizes: --shape A=",
    "op_qop_tract_qtdnn_10x5_101_i32_biases": "a free first dimension counts 1: --shape",
    "op_qopd_ort_dynamic_quantize_matmul_uint8": "has no fixed size; give its sizes: --shape A=",
    "ptq_qopdyn_mnist8": "is computed at run time; give --static-scales",
}
# Share of outputs beyond the tolerance: onnxruntime's and qonnx's own float32 tips a code here.
TIES = {
    "ptq_qdq_u16s8_micro_kws": 0.5,
    "ptq_qdq_u8s8_micro_kws": 0.5,
    "qdq_microkws": 0.15,
    "qdq_microkws_static": 0.15,
    "qonnx_espcn_nnresize": 0.001,
    "tfl_seanet_add16": 0.005,
    "tfl_seanet_add5": 0.005,
    "tfl_seanet_conv18": 0.005,
    "tfl_seanet_conv2": 0.005,
    "tfl_seanet_conv20": 0.005,
    "tfl_seanet_conv5": 0.005,
    "tfl_seanet_conv8": 0.01,
}

if not ENTRIES:
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    with np.load(path) as data:
        return {
            name: data[key if (key := name.replace("/", "__")) in data.files else data.files[i]]
            for i, name in enumerate(names)
        }


def _scales(folder: Path) -> dict[str, NDArray[Any]]:
    """Scales that are network inputs, of the samples."""
    if not (folder / "inputs.npz").is_file():
        return {}
    with np.load(folder / "inputs.npz") as data:
        return dict(settle(folder / "model.onnx", dict(data)).constants)


@pytest.mark.parametrize("name", ENTRIES)
def test_entry(name: str) -> None:
    folder = CORPUS / name
    if name in REFUSED:
        with pytest.raises(HlsgenError) as caught:
            read_model(folder / "model.onnx")
        assert REFUSED[name] in str(caught.value)
        return
    model = read_model(folder / "model.onnx", overrides=_scales(folder))
    if not json.loads((folder / "meta.json").read_text()).get("reference_ok"):
        pytest.skip("read; the corpus has no reference output")
    feeds = _arrays(folder / "inputs.npz", model.inputs)
    wanted = _arrays(folder / "reference.npz", model.outputs)
    count = min(SAMPLES, len(next(iter(feeds.values()))))
    for output, want in wanted.items():
        results = [
            evaluate_model(model, {key: array[j] for key, array in feeds.items()})[output]
            for j in range(count)
        ]
        got, want = np.stack(results), want[:count].astype(np.float64)
        assert got.shape == want.shape
        exact = wanted[output].dtype.kind in "iu"
        limit = 0.0 if exact else 1e-5 * np.maximum(1.0, np.abs(want))
        share = float((np.abs(got - want) > limit).mean())
        assert share <= TIES.get(name, 0.0), f"{share:.2%} of the elements of {output} differ"
