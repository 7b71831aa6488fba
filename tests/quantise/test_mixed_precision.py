"""`hlsgen quantize --layer`: single places with bits and scales of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import float_nets
import numpy as np
import onnx
import pytest
from command_line import run
from onnx.numpy_helper import to_array

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import OptionError
from hlsgen.quantise.scheme import Precision, Scales, Scheme, parse_precision


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("mixed")
    np.savez(folder / "data.npz", x=float_nets.samples(16))
    return float_nets.residual(folder / "net.onnx"), folder / "data.npz"


def quantized(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], out: Path, *options: object
) -> dict[str, Any]:
    assert run("quantize", files[0], "--data", files[1], "-o", out, "--json", *options) == 0
    return json.loads(capsys.readouterr().out)


def held(path: Path) -> dict[str, np.ndarray]:
    return {t.name: to_array(t) for t in onnx.load(path).graph.initializer}


def test_each_place_has_the_bits_that_it_was_given(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "q.onnx"
    layers = ("conv1=W3A5", "conv2=W8", "relu3=A4", "fc=W2", "x=A6")
    options = [token for layer in layers for token in ("--layer", layer)]
    said = quantized(capsys, files, out, "--weights", 4, "--activations", 7, *options)
    bits = {r["name"]: (r["weight_bits"], r["activation_bits"]) for r in said["errors"]}
    assert bits == {
        "x": (0, 6), "conv1": (3, 5), "conv2": (8, 7), "conv3": (4, 7), "relu3": (0, 4),
        "pool2": (0, 7), "fc": (2, 0),
    }  # fmt: skip
    numbers = held(out)
    largest = {y: int(np.abs(numbers[f"{y}__weights__codes"]).max()) for y in ("c1", "c2", "c3")}
    assert largest["c1"] <= 3
    assert largest["c3"] <= 7 < largest["c2"] <= 127
    assert numbers["r1__high"] == 31
    assert numbers["x__high"] == 63
    assert run("verify", out, "--samples", 4, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["engines"]["python"]["wrong"] == 0


def naf_weight(code: int) -> int:
    """Signed digits of the non-adjacent form, taken one after the other."""
    count, rest = 0, abs(code)
    while rest:
        if rest % 2:
            count, rest = count + 1, rest - (2 - rest % 4)
        rest //= 2
    return count


@pytest.mark.parametrize("rounding", ["nearest", "adaround", "gptq"])
def test_khot_weights_are_written_and_build_to_the_same_integers(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path, rounding: str
) -> None:
    out = tmp_path / "q.onnx"
    options = ("--weights", "8k2", "--layer", "conv1=W6K1A7", "--layer", "fc=W8")
    said = quantized(capsys, files, out, "--rounding", rounding, *options)
    assert said["scheme"]["weights"] == "8K2"
    assert said["scheme"]["layers"][0] == [
        "conv1",
        {"weights": "6K1", "activations": 7, "scales": None},
    ]
    bits = {r["name"]: r["weight_bits"] for r in said["errors"]}
    assert [bits[n] for n in ("x", "conv1", "conv2", "fc")] == [0, "6K1", "8K2", 8]
    numbers = held(out)
    digits = {
        y: max(map(naf_weight, numbers[f"{y}__weights__codes"].astype(int).ravel().tolist()))
        for y in ("c1", "c2", "c3", "y")
    }
    assert (digits["c1"], digits["c2"], digits["c3"]) == (1, 2, 2)
    assert digits["y"] > 2
    assert np.abs(numbers["c1__weights__codes"].astype(int)).max() == 16
    assert said["judgement"]["sqnr_db"] > 15
    if rounding == "gptq":
        assert run("build", out, "-o", tmp_path / "p", "--json") == 0
        engines = json.loads(capsys.readouterr().out)["verification"]["engines"]
        assert {name: e["wrong"] for name, e in engines.items()} == {"python": 0, "csim": 0}


def test_khot_weights_with_khot_scales(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "q.onnx"
    quantized(capsys, files, out, "--weights", "6k2", "--scales", "khot")
    codes = [v for n, v in held(out).items() if n.endswith("weights__codes")]
    assert max(naf_weight(int(c)) for v in codes for c in v.ravel()) == 2
    assert run("verify", out, "--samples", 4, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["engines"]["python"]["wrong"] == 0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("6k0", "--weights must be sums of 1 to 3 signed powers of two, got 6K0"),
        ("6k9", "--weights must be sums of 1 to 3 signed powers of two, got 6K9"),
        ("9k2", "--weights must be 2 to 8 bits, got 9K2"),
        ("k2", "--weights k2: needed are numbers of bits, such as 4, or with K behind 6k2"),
        ("6k", "--weights 6k: needed are numbers of bits"),
    ],
)
def test_weights_that_no_format_has(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], weights: str, message: str
) -> None:
    for command in ("quantize", "explore"):
        arguments = (command, files[0], "--data", files[1], "-o", "/nowhere/q.onnx")
        assert run(*arguments, "--weights", weights) == 2
        assert message in capsys.readouterr().err


def test_a_table_of_the_config_file_says_the_same(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text('[layer]\nconv1 = "W3A5"\nfc = "W2"\n')
    quantized(capsys, files, tmp_path / "a.onnx", "--config", tmp_path / "c.toml")
    quantized(capsys, files, tmp_path / "b.onnx", "--layer", "conv1=W3A5", "--layer", "fc=W2")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_naming_every_place_is_the_same_as_naming_none(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    quantized(capsys, files, tmp_path / "a.onnx", "--weights", 3, "--activations", 5)
    named = [f"{n}=W3A5" for n in ("conv1", "conv2", "conv3")]
    named += [f"{n}=A5" for n in ("x", "relu3", "pool2")] + ["fc=W3"]
    options = [token for n in named for token in ("--layer", n)]
    quantized(capsys, files, tmp_path / "b.onnx", *options)
    a, b = held(tmp_path / "a.onnx"), held(tmp_path / "b.onnx")
    assert all((a[name] == b[name]).all() for name in a.keys() | b.keys())


def test_kinds_of_scales_are_mixed(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "q.onnx"
    layers = [token for n in ("conv1", "x") for token in ("--layer", f"{n}=po2")]
    quantized(capsys, files, out, *layers)
    numbers = held(out)
    powers = {
        name: bool((np.frexp(numbers[name].astype(float))[0] == 0.5).all())
        for name in ("x__scale", "c1__weights__scales", "r1__scale", "r2__scale")
    }
    assert powers == {
        "x__scale": True, "c1__weights__scales": True, "r1__scale": True, "r2__scale": False
    }  # fmt: skip
    assert run("verify", out, "--samples", 4, "--json", "-") == 0


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv9=W4", "--layer conv9=W4: no such layer; there are x, conv1, conv2, conv3, relu3"),
        ("relu3=W4A4", "--layer relu3=W4A4: it has no weights; leave W out"),
        ("fc=W4A4", "--layer fc=W4A4: the host reads its sums whole; leave A out"),
        ("conv1=4", "--layer ...=4: needed is W4A6"),
        ("conv1=W9", "--layer conv1: --weights must be 2 to 8 bits, got 9"),
        (
            "conv1=W6K0",
            "--layer conv1: --weights must be sums of 1 to 3 signed powers of two, got 6K0",
        ),
        ("conv1=W9K2", "--layer conv1: --weights must be 2 to 8 bits, got 9K2"),
        ("conv1=WK2", "--layer ...=WK2: needed is W4A6 or W6K2A6"),
        ("conv1=W0", "--layer conv1: --weights must be 2 to 8 bits, got 0"),
        ("conv1", "--layer conv1: needed is NAME=W4A6"),
        ("conv2=khot", "scales of 'conv2' are khot, those of 'conv1' that it reads free"),
    ],
)
def test_what_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], layer: str, message: str
) -> None:
    arguments = ("quantize", files[0], "--data", files[1], "-o", "/nowhere/q.onnx")
    assert run(*arguments, "--layer", layer) == 2
    assert message in capsys.readouterr().err


def test_spellings_read_back() -> None:
    w2, w3, k2 = WeightFormat(2), WeightFormat(3), WeightFormat(6, 2)
    for given in (
        Precision(w3, 6), Precision(w2), Precision(None, 16), Precision(w3, 5, Scales.PO2),
        Precision(k2, 8), Precision(k2, None, Scales.KHOT),
    ):  # fmt: skip
        assert parse_precision(str(given)) == given
    with pytest.raises(OptionError, match="--layer c: --activations must be"):
        Scheme(layers=(("c", Precision(WeightFormat(4), 9)),))
