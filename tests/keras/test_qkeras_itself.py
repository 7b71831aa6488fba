"""Models that QKeras builds, saves and runs here, against the import of the files it saved.

Needs qkeras 0.9.0 with tf-keras and tensorflow (TF_USE_LEGACY_KERAS=1) and pyparsing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
Q: Any = pytest.importorskip("qkeras", reason="no qkeras here: see tests/keras/qkeras_oracle.py")
K: Any = pytest.importorskip("tf_keras", reason="qkeras runs on tf_keras")
L: Any = K.layers

from evaluated import floats, integers  # noqa: E402

BITS8 = "quantized_bits(8,2)"


def _branches() -> Any:
    x = L.Input((8, 8, 3))
    h = Q.QActivation("quantized_bits(8,1)")(x)
    h = Q.QConv2D(
        4, 3, padding="same", kernel_quantizer="quantized_bits(4,0,alpha='auto_po2')",
        bias_quantizer=BITS8,
    )(h)  # fmt: skip
    h = Q.QActivation("quantized_relu(4,1)")(h)
    deep = Q.QDepthwiseConv2D(
        3, padding="same", depthwise_quantizer="quantized_bits(4,0,1,alpha=1.0)",
        bias_quantizer=BITS8,
    )(h)  # fmt: skip
    deep = Q.QActivation("quantized_bits(6,2)")(deep)
    h = L.Concatenate()([L.Add()([h, deep]), h])
    h = L.ZeroPadding2D(((1, 0), (0, 1)))(h)
    h = Q.QConv2D(
        5, 3, strides=2, padding="same", use_bias=False, kernel_quantizer="ternary()",
        activation="quantized_relu(5,2)",
    )(h)  # fmt: skip
    h = Q.QActivation("quantized_bits(8,3)")(L.Flatten()(L.AveragePooling2D(2, padding="same")(h)))
    h = Q.QDense(
        3, kernel_quantizer="binary(alpha='auto_po2')", bias_quantizer="quantized_bits(6,1)"
    )(h)
    return K.Model(x, L.Activation("softmax")(h))


def _one_dimension() -> Any:
    x = L.Input((12, 2))
    h = Q.QActivation("quantized_tanh(6)")(x)
    h = Q.QConv1D(
        4, 3, padding="causal", dilation_rate=2, kernel_quantizer="ternary(alpha='auto')",
        bias_quantizer="quantized_po2(4)",
    )(h)  # fmt: skip
    h = L.MaxPooling1D(2)(Q.QActivation("quantized_sigmoid(5)")(L.BatchNormalization()(h)))
    h = Q.QConv1D(3, 3, strides=2, kernel_quantizer="stochastic_ternary(alpha='auto_po2')")(h)
    h = L.Reshape((-1,))(Q.QActivation("quantized_relu(4,1,negative_slope=0.25)")(h))
    h = Q.QDense(
        4, kernel_quantizer="quantized_po2(5,max_value=2)", use_bias=False,
        activation="quantized_relu_po2(3,max_value=1)",
    )(h)  # fmt: skip
    return K.Model(x, Q.QDense(3, kernel_quantizer="stochastic_binary(alpha='auto')")(h))


def _folded() -> Any:
    return K.Sequential(
        [
            L.Input((8, 8, 2)),
            Q.QActivation("quantized_bits(8,1)"),
            Q.QConv2DBatchnorm(
                4, 3, padding="same", strides=2, kernel_quantizer="quantized_bits(6,1,alpha=1.0)",
                bias_quantizer=BITS8,
            ),
            Q.QActivation("quantized_relu(6,2)"),
            Q.QDepthwiseConv2DBatchnorm(
                3, depthwise_quantizer="quantized_bits(6,1,alpha='auto_po2')", bias_quantizer=BITS8
            ),
            Q.QActivation("quantized_bits(6,1)"),
            Q.QAveragePooling2D(
                2, average_quantizer="quantized_bits(8,0,1)", activation="quantized_bits(8,2)"
            ),
            Q.QDense(3, kernel_quantizer="quantized_bits(4,0,alpha='auto')", bias_quantizer=BITS8),
        ]
    )  # fmt: skip


def _separable() -> Any:
    return K.Sequential(
        [
            L.Input((8, 8, 2)),
            Q.QActivation("quantized_bits(8,1)"),
            Q.QSeparableConv2D(
                4, 3, depthwise_quantizer="quantized_bits(4,0,1)",
                pointwise_quantizer="quantized_bits(4,0,1,alpha='auto')", bias_quantizer=BITS8,
            ),
            Q.QBatchNormalization(),
            Q.QActivation("quantized_relu(6,2)"),
            Q.QGlobalAveragePooling2D(
                average_quantizer="quantized_bits(8,0,1)", activation="quantized_bits(8,2)"
            ),
            Q.QDense(4, kernel_quantizer="quantized_bits(1,0,alpha=1)", bias_quantizer=BITS8),
        ]
    )  # fmt: skip


def _filled(model: Any) -> Any:
    rng = np.random.default_rng(11)
    for variable in model.weights:
        low, high = {"variance": (0.3, 2), "gamma": (0.5, 1.5)}.get(
            next((key for key in ("variance", "gamma") if key in variable.name), ""), (-0.9, 0.9)
        )
        if not variable.dtype.is_integer:
            variable.assign(rng.uniform(low, high, variable.shape).astype(np.float32))
    return model


@pytest.mark.parametrize("build", [_branches, _one_dimension, _folded, _separable])
def test_saved_files_compute_what_the_model_does(build: Callable[[], Any], tmp_path: Path) -> None:
    model = _filled(build())
    rng = np.random.default_rng(5)
    x = (rng.integers(-128, 128, (6, *model.input_shape[1:])) / 64).astype(np.float32)
    want = model(x, training=False).numpy()
    model.save(tmp_path / "m.h5")
    model.save(tmp_path / "k.keras")
    (tmp_path / "j.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(tmp_path / "j_weights.h5")
    for name in ("m.h5", "k.keras", "j.json"):
        assert floats(tmp_path / name, x) == pytest.approx(want, abs=2e-6)
    assert integers(tmp_path / "m.h5", x, "fixed<10,4>") == pytest.approx(want, abs=2e-6)
