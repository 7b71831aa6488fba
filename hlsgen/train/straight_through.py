"""Functions whose gradient is that of the identity, or stated: what training sees of rounding."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

MANTISSA = 12  # significant bits of a free scale: products of two are exact in float32
_BIAS, _FRACTION = 127, 23  # of float32


class _Replaced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0], None


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * ctx.factor, None


class _PowerOfTwo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, exponent: Tensor) -> Tensor:
        field = exponent.to(torch.int32).clamp(-126, 127) + _BIAS
        y = (field << _FRACTION).view(torch.float32).to(exponent.dtype)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return grads[0] * y * math.log(2)


def replaced(x: Tensor, value: Tensor) -> Tensor:
    """`value`, to the last bit, with the gradient of `x`."""
    return cast("Tensor", _Replaced.apply(x, value))


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """`x`, its gradient times `factor`."""
    return cast("Tensor", _ScaledGradient.apply(x, factor))


def power_of_two(exponent: Tensor) -> Tensor:
    """2**exponent of whole numbers from -126 to 127, the same bits on every device."""
    return cast("Tensor", _PowerOfTwo.apply(exponent))


def round_through(x: Tensor) -> Tensor:
    """The nearest integer, ties to even; gradient 1."""
    return replaced(x, x.detach().round())


def trunc_through(x: Tensor) -> Tensor:
    """The nearest integer towards zero; gradient 1."""
    return replaced(x, x.detach().trunc())


def short_through(x: Tensor) -> Tensor:
    """The nearest positive float32 of 12 significant bits; gradient 1.

    On integers, so that every device returns the same bits.
    """
    drop = _FRACTION + 1 - MANTISSA
    bits = x.detach().to(torch.float32).contiguous().view(torch.int32)
    rounded = ((bits + (1 << (drop - 1))) >> drop) << drop
    return replaced(x, rounded.view(torch.float32).to(x.dtype))
