"""Quantisation-aware training: a float module of PyTorch to a quantised one, and to QONNX."""

from hlsgen.train.config import Config, Override
from hlsgen.train.distil import Distillation, scores_of
from hlsgen.train.fit import Batches, Training, fit
from hlsgen.train.quantise import quantise
from hlsgen.train.quantised import Quantised
from hlsgen.train.quantisers.khot import Khot
from hlsgen.train.quantisers.lsq import Lsq
from hlsgen.train.quantisers.qfx import Qfx

__all__ = [
    "Batches",
    "Config",
    "Distillation",
    "Khot",
    "Lsq",
    "Override",
    "Qfx",
    "Quantised",
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
