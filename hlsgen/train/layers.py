"""Layers with parameters, quantised: linear layers, convolutions, batch norm."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import Tensor, nn

from hlsgen.train.quantisers.quantiser import Quantiser

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


@contextmanager
def exact_products(exact: bool) -> Generator[None]:
    """Convolutions as plain sums of products: transforms of other algorithms would round."""
    if not exact:
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield


class QuantisedProduct(nn.Module):
    """y = Q(w) x + Q(b): the layer `inner` with quantised parameters.

    The bias that the weights' quantiser adds is quantised with the layer's own.
    """

    def __init__(self, inner: Weighted, weights: Quantiser, bias: Quantiser | None) -> None:
        super().__init__()
        self.inner = inner
        self.weight_quantiser, self.bias_quantiser = weights, bias

    def weight(self, dtype: torch.dtype) -> Tensor:
        """The quantised weights."""
        return self.weight_quantiser(self.inner.weight.to(dtype))

    def bias(self, dtype: torch.dtype) -> Tensor | None:
        """The quantised bias, None where there is none."""
        if self.bias_quantiser is None:
            return None
        parts = [self.inner.bias, self.weight_quantiser.bias(self.inner.weight)]
        total = sum(part.to(dtype) for part in parts if part is not None)
        assert isinstance(total, Tensor)
        return self.bias_quantiser(total)

    def forward(self, x: Tensor) -> Tensor:
        """One sum for each output."""
        w, b = self.weight(x.dtype), self.bias(x.dtype)
        with exact_products(not self.training):
            return product(self.inner, x, w, b)


def product(layer: Weighted, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """What `layer` computes with these parameters."""
    match layer:
        case nn.Linear():
            return F.linear(x, w, b)
        case nn.Conv1d():
            return F.conv1d(
                x, w, b, layer.stride, layer.padding, layer.dilation, layer.groups
            )  # fmt: skip
        case nn.Conv2d():
            return F.conv2d(
                x, w, b, layer.stride, layer.padding, layer.dilation, layer.groups
            )  # fmt: skip


class QuantisedNorm(nn.Module):
    """y = Q(a) x + Q(b) a channel: batch norm as it is in inference, then trained on as such.

    Its means and variances do not move any more, so training and evaluation compute the same.
    """

    def __init__(self, norm: BatchNorm, factor: Quantiser, offset: Quantiser) -> None:
        super().__init__()
        a, b = affine_of(norm)
        self.factor, self.offset = nn.Parameter(a), nn.Parameter(b)
        self.factor_quantiser, self.offset_quantiser = factor, offset

    def numbers(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Factor and offset, quantised, one for each channel."""
        return (
            self.factor_quantiser(self.factor.to(dtype)),
            self.offset_quantiser(self.offset.to(dtype)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Each channel scaled and moved."""
        a, b = self.numbers(x.dtype)
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * a.reshape(shape) + b.reshape(shape)


def affine_of(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """The factors and offsets that batch norm has in inference."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm without running statistics")
    a = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.affine:
        a = a * norm.weight.detach().double()
    b = -norm.running_mean.double() * a
    if norm.affine:
        b = b + norm.bias.detach().double()
    return a.float(), b.float()
