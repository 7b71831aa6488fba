"""One small trained network for all tests of this folder, and the task of searching it."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_net

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.explore.evaluate import Task
from hlsgen.explore.explore import Files, task_of
from hlsgen.explore.hardware import Unrolled
from hlsgen.explore.options import Options
from hlsgen.quantise.scheme import Scales, Scheme


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return small_net.make(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def task(files: dict[str, Path]) -> Task:
    options = Options(
        weights=tuple(map(WeightFormat, (2, 3, 4, 8))), activations=(3, 4, 8),
        scales=(Scales.FREE, Scales.PO2, Scales.KHOT),
    )  # fmt: skip
    hardware = Unrolled({"": Arithmetic.TOOL})
    paths = Files(files["net.onnx"], files["data.npz"], files["test.npz"], None, Path("o.onnx"))
    return task_of(paths, Scheme(samples=32), options, hardware, lambda *_: None)
