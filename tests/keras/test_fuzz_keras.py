"""Damaged files: whatever a byte or an entry becomes, the answer is one located line."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from keras_files import as_keras3, functional, layer, write_h5, write_keras

from hlsgen.errors import HlsgenError
from hlsgen.keras import import_keras

JUNK = (
    None,
    -1,
    0,
    7,
    2.5,
    True,
    "x",
    "quantized_bits(99)",
    [],
    [1],
    [[]],
    {},
    {"config": 1},
    1e300,
)
HELD = {
    "c": {"kernel": np.ones((2, 2, 2, 3)), "bias": np.zeros(3)},
    "b": {k: np.ones(3) for k in ("gamma", "beta", "moving_mean", "moving_variance")},
    "d": {"kernel": np.ones((9, 2)), "bias": np.zeros(2)},
}


def content() -> Any:
    """Every kind of configuration: windows, axes, quantisers, activations, joins."""
    quantized = {"class_name": "quantized_bits", "config": {"bits": 4, "integer": 0, "alpha": 1}}
    return functional(
        {"x": (4, 4, 2)},
        [
            (
                layer(
                    "QConv2D", "c", strides=[1, 1], padding="valid", dilation_rate=[1, 1],
                    kernel_quantizer=quantized, data_format="channels_last", activation="linear",
                ),
                ["x"],
            ),
            (layer("BatchNormalization", "b", axis=[3], epsilon=0.001), ["c"]),
            (layer("QActivation", "q", activation="quantized_relu(4,1)"), ["b"]),
            (layer("Add", "s"), ["q", "q"]),
            (layer("MaxPooling2D", "p", pool_size=[1, 1], strides=[1, 1]), ["s"]),
            (layer("ZeroPadding2D", "z", padding=[[0, 0], [0, 0]]), ["p"]),
            (layer("Concatenate", "j", axis=-1), ["z"]),
            (layer("Reshape", "r", target_shape=[3, 9]), ["j"]),
            (layer("QDense", "d", kernel_quantizer="binary()", use_bias=True), ["r"]),
        ],
        ["d"],
    )  # fmt: skip


def places(item: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below an item."""
    pairs = list(item.items()) if isinstance(item, dict) else list(enumerate(item))
    found = [(item, key) for key, _ in pairs]
    for _, value in pairs:
        if isinstance(value, dict | list):
            found += places(value)
    return found


def damaged(whole: Any, rng: random.Random) -> Any:
    """One entry replaced by junk or left out."""
    made = copy.deepcopy(whole)
    holder, key = rng.choice(places(made["config"]))
    if rng.random() < 0.3:
        del holder[key]
    else:
        holder[key] = rng.choice(JUNK)
    return made


def attempt(path: Path) -> str:
    """What is said of a file, "" if it imports; anything but a HlsgenError fails the test."""
    try:
        import_keras(path)
    except HlsgenError as error:
        return str(error)
    return ""


def test_whole_files_import(tmp_path: Path) -> None:
    assert not attempt(write_h5(tmp_path / "m.h5", content(), HELD))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_configurations(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    groups = {
        {"c": "q_conv2d", "b": "batch_normalization", "d": "q_dense"}[name]: held
        for name, held in HELD.items()
    }
    for _ in range(40):
        made = damaged(content(), rng)
        assert "\n" not in attempt(write_h5(tmp_path / "m.h5", made, HELD))
        newer = damaged(as_keras3(content()), rng)
        assert "\n" not in attempt(write_keras(tmp_path / "m.keras", newer, groups))


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_damaged_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    writer = write_h5 if name == "m.h5" else write_keras
    whole = writer(path, content(), HELD).read_bytes()
    rng = random.Random(3)
    for _ in range(50):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        path.write_bytes(
            bytes(broken[: rng.randrange(1, len(broken))] if rng.random() < 0.3 else broken)
        )
        attempt(path)
