"""Quantisation-aware training: a float module of PyTorch to a quantised one, and to QONNX."""

from typing import TYPE_CHECKING

from hlsgen.train.config import Config, Override
from hlsgen.train.distil import Distillation, scores_of
from hlsgen.train.fit import Batches, Training, fit
from hlsgen.train.quantise import quantise
from hlsgen.train.quantised import Quantised
from hlsgen.train.quantisers.a2q import A2q
from hlsgen.train.quantisers.a2qplus import A2qPlus
from hlsgen.train.quantisers.bipolar import Bipolar
from hlsgen.train.quantisers.denseshift import DenseShift
from hlsgen.train.quantisers.khot import Khot
from hlsgen.train.quantisers.lsq import Lsq
from hlsgen.train.quantisers.qfx import Qfx
from hlsgen.train.quantisers.selfcompress import SelfCompress
from hlsgen.train.quantisers.ternary import Ternary

if TYPE_CHECKING:
    from hlsgen.train.write_qonnx import export, export_float

__all__ = [
    "A2q",
    "A2qPlus",
    "Batches",
    "Bipolar",
    "Config",
    "DenseShift",
    "Distillation",
    "Khot",
    "Lsq",
    "Override",
    "Qfx",
    "Quantised",
    "SelfCompress",
    "Ternary",
    "Training",
    "export",
    "export_float",
    "fit",
    "quantise",
    "scores_of",
]


def __getattr__(name: str) -> object:
    """Writing needs onnx, which a machine that only trains may lack."""
    if name in {"export", "export_float"}:
        from hlsgen.train import write_qonnx

        return getattr(write_qonnx, name)
    raise AttributeError(f"module 'hlsgen.train' has no attribute '{name}'")
