"""A network on a board. Written by hlsgen."""

from .accelerator import Accelerator, SelfTestFailed, WrongBitstream

__all__ = ["Accelerator", "SelfTestFailed", "WrongBitstream"]
