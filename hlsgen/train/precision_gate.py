"""A layer of binary weights that looks at the low bit of its inputs only where it matters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hlsgen.train.layers import QuantisedProduct, Weighted, exact_products, product
from hlsgen.train.quantisers.bipolar import TwoBitBipolarQuantiser
from hlsgen.train.quantisers.quantiser import Quantiser
from hlsgen.train.straight_through import replaced

_STEEPNESS = 5.0


class GatedProduct(QuantisedProduct):
    """y = M + (L where M > threshold, else 0) + Q(b), M and L the sums of the high and low bits.

    An input of two bits is s (2 h + l), h and l in {-1, 1}; M = w (2 s h), L = w (s l). The
    threshold is learned for each output.
    Gradients: through the gate those of sigmoid(5 (M - threshold)).
    Source: "FracBNN", its sum (2 M + L) / 3 with the scale s for 1/3.
    """

    def __init__(self, inner: Weighted, weights: Quantiser, bias: Quantiser | None) -> None:
        super().__init__(inner, weights, bias)
        self.input_quantiser = TwoBitBipolarQuantiser()
        self.input_quantiser.calibrating = True
        self.threshold = nn.Parameter(torch.zeros(len(inner.weight)))

    def forward(self, x: Tensor) -> Tensor:
        """One sum for each output."""
        x = self.input_quantiser(x)
        step = self.input_quantiser.step().to(x.dtype)
        high = replaced(x, torch.where(x >= 0, 2.0, -2.0).to(x.dtype) * step)
        low = x - high.detach()
        w, b = self.weight(x.dtype), self.bias(x.dtype)
        with exact_products(not self.training):
            most, rest = product(self.inner, high, w, None), product(self.inner, low, w, None)
        beyond = most - self.threshold.to(x.dtype).reshape(self._channels(most))
        gate = replaced(torch.sigmoid(_STEEPNESS * beyond), (beyond > 0).to(x.dtype))
        y = most + gate * rest
        return y if b is None else y + b.reshape(self._channels(y))

    def open_share(self, x: Tensor) -> float:
        """The share of outputs that the low bits count for; 1 + this is the mean width."""
        with torch.no_grad():
            x = self.input_quantiser(x)
            step = self.input_quantiser.step().to(x.dtype)
            high = torch.where(x >= 0, 2.0, -2.0).to(x.dtype) * step
            most = product(self.inner, high, self.weight(x.dtype), None)
            threshold = self.threshold.to(x.dtype).reshape(self._channels(most))
            return float((most > threshold).float().mean())

    def _channels(self, y: Tensor) -> tuple[int, ...]:
        if isinstance(self.inner, nn.Linear):
            return (-1,)
        return (-1, *[1] * (y.ndim - 2))
