"""HGQ's FixedPointQuantizer against two's complement arithmetic on integers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from evaluated import integers
from keras_files import layer, sequential, write_h5

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras import import_keras

GRID = np.arange(-128, 128) / 16
SIGNED, BITS, WHOLE = (1, 0, 1, 0, 1), (4, 3, 6, 0, 1), (2, 1, 4, 0, 0)


def rounded(x: Fraction, mode: str) -> int:
    """The rounding modes of ap_fixed, as its manual words them."""
    low, high = floor(x), ceil(x)
    if mode == "TRN":
        return low
    if mode == "TRN_ZERO":
        return low if x >= 0 else high
    if x - low != high - x:
        return low if x - low < high - x else high
    away, zero = (high, low) if x >= 0 else (low, high)
    return {
        "RND": high, "RND_MIN_INF": low, "RND_INF": away, "RND_ZERO": zero,
        "RND_CONV": low if low % 2 == 0 else high,
    }[mode]  # fmt: skip


def brought_in(code: int, signed: int, bits: int, mode: str) -> int:
    """The overflow modes of ap_fixed."""
    top = 2 ** (bits - signed) - 1
    low = -top - 1 if signed else 0
    if mode == "WRAP":
        code &= 2**bits - 1
        return code - 2**bits if signed and code > top else code
    if low <= code <= top and not (mode == "SAT_SYM" and signed and code == low):
        return code
    if mode == "SAT_ZERO":
        return 0
    lowest = (-top if signed else 0) if mode == "SAT_SYM" else low
    return lowest if code < 0 else top


def exact(x: float, channel: int, rounding: str, overflow: str) -> float:
    signed, bits, whole = SIGNED[channel], BITS[channel], WHOLE[channel]
    if bits == 0:
        return 0.0
    step = Fraction(2) ** (whole - bits)
    code = rounded(Fraction(x) / step, rounding)
    return float(brought_in(code, signed, bits, overflow) * step)


def quantizer(tmp_path: Path, rounding: str, overflow: str, bits: tuple[int, ...] = BITS) -> Path:
    made = layer("FixedPointQuantizer", "q", RND=rounding, SAT=overflow, shape=[1, len(bits)])
    held = {"keep_negative": [SIGNED], "bits": [bits], "integers": [WHOLE]}
    arrays = {key: np.asarray(value) for key, value in held.items()}
    return write_h5(tmp_path / "m.h5", sequential((len(bits),), made), {"q": arrays})


@pytest.mark.parametrize("overflow", ["SAT", "SAT_SYM", "SAT_ZERO", "WRAP"])
@pytest.mark.parametrize(
    "rounding", ["TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_INF", "RND_MIN_INF", "RND_CONV"]
)
def test_each_element_has_its_own_format(rounding: str, overflow: str, tmp_path: Path) -> None:
    """All codes of an 8-bit input, through five formats at once: one without bits, one of one."""
    x = np.repeat(GRID[:, None], len(BITS), 1)
    got = integers(quantizer(tmp_path, rounding, overflow), x, "fixed<8,4>")
    want = [[exact(v, c, rounding, overflow) for c in range(len(BITS))] for v in GRID]
    assert np.array_equal(got, np.asarray(want))


@pytest.mark.parametrize("shape", [(1, 1, 1, 5), (1, 2, 3, 5), (1, 2, 3, 1)])
def test_formats_follow_the_axes_behind_a_convolution(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    """Formats by channel, by element, by place: Keras' order of axes, channels first inside."""
    rng = np.random.default_rng(1)
    bits, whole = rng.integers(3, 7, shape), rng.integers(1, 4, shape)
    held = {"keep_negative": np.ones(shape), "bits": bits, "integers": whole}
    content = sequential(
        (2, 3, 5), layer("Conv2D", "c", use_bias=False),
        layer("FixedPointQuantizer", "q", RND="TRN", SAT="SAT"),
    )  # fmt: skip
    variables = {"c": {"kernel": np.eye(5)[None, None]}, "q": held}
    x = rng.integers(-128, 128, (9, 2, 3, 5)) / 16
    got = integers(write_h5(tmp_path / "m.h5", content, variables), x, "fixed<8,4>")
    step = 2.0 ** (whole - bits)
    want = np.clip(np.floor(x / step), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) * step
    assert np.array_equal(got, want)


@pytest.mark.parametrize(
    ("rounding", "overflow", "text"),
    [("RND_UP", "SAT", "rounding RND='RND_UP'"), ("TRN", "WRAP_SM", "overflow SAT='WRAP_SM'")],
)
def test_unknown_modes(rounding: str, overflow: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=text):
        import_keras(quantizer(tmp_path, rounding, overflow))


@pytest.mark.parametrize("bits", [-1, 25])
def test_widths_out_of_range(bits: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{bits}.* bits; float32 holds 0 to 24"):
        import_keras(quantizer(tmp_path, "TRN", "WRAP", (4, 3, 6, bits, 1)))
