"""Post-training quantisation of the corpus' float models: float, onnxruntime's quantiser, hlsgen.

python benchmarks/quantise.py [--tests N] [MODEL ...]

Models with a data set calibrate on 256 samples of its training part and are judged on the first N
of its test part (KWS has one part: the first 256 calibrate, the rest judge); models without one
use the corpus' own 64 samples for both, and count how often the largest output is the float one's.
hlsgen's figures are of the exact integers of the lowered network, onnxruntime's of onnxruntime.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx.version_converter
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import HlsgenError
from hlsgen.quantise.convert import convert
from hlsgen.quantise.scheme import Scheme

SHARED = Path(__file__).parents[2] / "shared"
CORPUS = SHARED / "corpus"
KWS_STEP = np.float32(0.33674246)  # of the corpus' own inputs of this model
MODELS = (
    "float_cnn_mnist_pytorch",
    "float_mnist8",
    "float_mnist_pytorch_onnx2c",
    "float_atmega_mnist",
    "alibaba_kws",
    "float_jet_three_layer",
    "float_conv1d_small",
    "float_micro_kws",
    "float_espcn_nnresize",
    "float_mixed_ops",
)


@dataclass(frozen=True)
class Part:
    """Samples by input, and labels."""

    feeds: dict[str, np.ndarray]
    labels: np.ndarray | None

    def save(self, path: Path) -> Path:
        named = {name.replace("/", "__"): x for name, x in self.feeds.items()}
        np.savez(path, **named, **({} if self.labels is None else {"labels": self.labels}))
        return path


def parts(name: str, tests: int) -> tuple[Part, Part]:
    """What calibrates and what judges."""
    if name == "float_atmega_mnist":
        return mnist("network_input", (1, 1, 14, 14), 1, tests)
    own = dict(np.load(CORPUS / name / "inputs.npz"))
    key = next(iter(own))
    if name == "alibaba_kws":
        kws = np.load(SHARED / "data" / "kws_mfcc_int8.npz")
        x = kws["x"].reshape(-1, 10, 49).transpose(0, 2, 1).astype(np.float32) * KWS_STEP
        x = x.reshape(-1, *own[key].shape[1:])
        return Part({key: x[:256]}, kws["y"][:256]), Part({key: x[256:]}, kws["y"][256:])
    if "mnist" not in name:
        part = Part({key: own[key]}, None)
        return part, part
    return mnist(key, own[key].shape[1:], 1 if own[key].max() > 1 else 255, tests)


def mnist(key: str, shape: tuple[int, ...], divisor: int, tests: int) -> tuple[Part, Part]:
    """Digits as a model wants them; halved in size for 14x14 by means of four pixels."""
    data = np.load(SHARED / "data" / "mnist.npz")

    def part(kind: str, count: int) -> Part:
        x = data[f"x_{kind}"][:count].astype(np.float32) / np.float32(divisor)
        if shape[-1] == 14:
            x = x.reshape(-1, 14, 2, 14, 2).mean((2, 4))
        return Part({key: x.reshape(-1, *shape)}, data[f"y_{kind}"][:count])

    return part("train", 256), part("test", tests)


class Reader(CalibrationDataReader):
    """Calibration feeds for onnxruntime."""

    def __init__(self, feeds: dict[str, np.ndarray]) -> None:
        count = len(next(iter(feeds.values())))
        self.rows: Iterator[dict[str, Any]] = iter(
            [{n: x[j] for n, x in feeds.items()} for j in range(count)]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self.rows, None)


def computed(path: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    count = len(next(iter(feeds.values())))
    rows = [session.run(None, {n: x[j] for n, x in feeds.items()})[0] for j in range(count)]
    return np.stack(rows)


def theirs(model: Path, calibrate: Part, folder: Path) -> Path:
    """quantize_static by its documentation: opset 17, pre-processed, QDQ, 8 bits, by channel."""
    ready, made = folder / "ready.onnx", folder / "theirs.onnx"
    proto = onnx.load(model)
    constants = {t.name for t in proto.graph.initializer}
    newer = onnx.version_converter.convert_version(proto, 17)
    inputs = [i for i in newer.graph.input if i.name not in constants]
    del newer.graph.input[:]
    newer.graph.input.extend(inputs)
    newer.ir_version = 8
    onnx.save(newer, ready)
    quant_pre_process(ready, ready, skip_symbolic_shape=True)
    for per_channel in (True, False):  # 1.31.1 fails on some biases where scales are by channel
        try:
            quantize_static(
                ready, made, Reader(calibrate.feeds), quant_format=QuantFormat.QDQ,
                per_channel=per_channel, activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )  # fmt: skip
        except ValueError:
            if not per_channel:
                raise
        else:
            break
    return made


def figure(y: np.ndarray, want: np.ndarray, labels: np.ndarray | None) -> str:
    """Accuracy, or agreement with the float network; and the signal over the error.

    Behind an accuracy stands the agreement, too.
    """
    error = ((y.astype(float) - want) ** 2).sum()
    level = f" {10 * np.log10((want.astype(float) ** 2).sum() / error):.1f} dB" if error else ""
    if y[0].size != y.shape[-1]:
        return level.strip()
    top, wanted = (v.reshape(len(v), -1).argmax(axis=1) for v in (y, want))
    agreement = f"{(top == wanted).mean():.2%}"
    if labels is None:
        return f"{agreement}{level}"
    return f"{(top == labels).mean():.2%} ({agreement} as float){level}"


def row(name: str, tests: int, folder: Path) -> list[str]:
    model = CORPUS / name / "model.onnx"
    calibrate, judge = parts(name, tests)
    want = computed(model, judge.feeds)
    cells = [name, str(len(want)), figure(want, want, judge.labels)]
    try:
        cells.append(
            figure(computed(theirs(model, calibrate, folder), judge.feeds), want, judge.labels)
        )
    except Exception as error:  # of a tool that is not ours
        cells.append(f"fails: {str(error).splitlines()[0][:40]}")
    data, test = (p.save(folder / f"{k}.npz") for k, p in (("data", calibrate), ("test", judge)))
    for bits in (8, 4):
        try:
            scheme = Scheme(weights=WeightFormat(bits))
            made = convert(model, data, test, None, folder / "ours.onnx", scheme, lambda *_: None)
        except HlsgenError as error:
            cells.append(f"refused: {error.message[:40]}")
            continue
        j = made.judgement
        alike = "" if j.agreement is None else f"{j.agreement:.2%} "
        if j.accuracy is not None:
            alike = f"{j.accuracy:.2%} ({alike}as float) "
        cells.append(f"{alike}{j.sqnr_db:.1f} dB")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--tests", type=int, default=10000)
    given = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    logging.disable(logging.WARNING)
    print("| model | samples | float | onnxruntime W8A8 | hlsgen W8A8 | hlsgen W4A8 |")
    print("|---|---|---|---|---|---|")
    for name in given.models:
        with tempfile.TemporaryDirectory() as folder:
            print("| " + " | ".join(row(name, given.tests, Path(folder))) + " |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
